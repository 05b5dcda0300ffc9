"""Remedies that a person would write: heads for regressions and recurrent nets; what proves, and what masks are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.schema.training_setup import Certificate, Relation, Structure, TrainingSetup
from ae_audit.theory.intervals import BYTE, Interval
from tests.rules.setups import GREY, KERAS, RAW, TORCH, data, measured, remedies, setup, violations

PRICES = replace(data(Interval(0.0, 625.3)), shape=(None, 1))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_a_regression_needs_no_activation_not_another_unit_of_money(activation: str) -> None:
    subject = setup(activation, "mse", PRICES, given=GREY, units=1, relation=Relation.OTHER)
    assert remedies("AE102", subject) == ["no activation at the output"]
    entropy = setup("sigmoid", "bce", PRICES, given=GREY, units=1, relation=Relation.OTHER)
    assert remedies("AE201", entropy) == ["no activation at the output", "mse as the loss"]


def test_images_are_still_divided() -> None:
    assert remedies("AE102", setup("sigmoid", "mse", RAW)) == ["input and target divided by 255"]
    bytes_of_others = replace(data(BYTE), shape=(None, 784))
    subject = setup("sigmoid", "mse", bytes_of_others, given=GREY, relation=Relation.OTHER)
    assert remedies("AE102", subject) == ["the target divided by 255"]
    digits = setup("sigmoid", "mse", replace(data(Interval(0.0, 16.0)), shape=(None, 64)))
    assert remedies("AE102", digits) == ["input and target divided by 16"]


@pytest.mark.parametrize(
    ("framework", "written", "wanted"),
    [
        (TORCH, "nn.LSTM", "a linear layer behind the nn.LSTM"),
        (TORCH, "nn.GRU", "a linear layer behind the nn.GRU"),
        (KERAS, "layers.LSTM(1)", "a linear layer behind the LSTM"),
        (KERAS, "Dense(1, activation='tanh')", "no activation at the output"),
    ],
)
def test_the_tanh_of_a_recurrent_cell_stays(framework: object, written: str, wanted: str) -> None:
    subject = setup("tanh", "mse", PRICES, given=GREY, units=1, relation=Relation.OTHER, framework=framework)  # type: ignore[arg-type]
    subject = replace(subject, head=replace(subject.head, written=written))
    assert remedies("AE102", subject) == [wanted]


@pytest.mark.parametrize(("best", "proved"), [(-0.6, True), (0.0, True), (0.009, True), (0.011, False), (0.5, False)])
def test_what_is_hardly_above_the_mean_is_a_proof(best: float, proved: bool) -> None:
    subject = replace(setup("sigmoid", "mse", RAW), certificate=Certificate(500, 0.9, best))
    assert [one.proved for one in violations("AE102", subject)] == [proved]


def with_accuracy(subject: TrainingSetup) -> TrainingSetup:
    from ae_audit.schema.training_setup import MetricUse

    return replace(subject, metrics=(MetricUse("accuracy", '"accuracy"'),))


def test_accuracy_of_a_mask_of_two_values_says_something() -> None:
    share = 0.3
    spread = (share * (1 - share)) ** 0.5 * 255
    mask = measured(0.0, 255.0, mean=255 * share, std=spread)
    assert not violations("AE401", with_accuracy(setup("sigmoid", "mse", mask, given=GREY, relation=Relation.OTHER)))
    grey = measured(0.0, 255.0, mean=255 * share, std=0.9 * spread)
    assert mask.structure is grey.structure is Structure.CONTINUOUS
    assert violations("AE401", with_accuracy(setup("sigmoid", "mse", grey, given=GREY, relation=Relation.OTHER)))


@pytest.mark.parametrize(
    ("framework", "made", "wanted", "cure"),
    [
        (TORCH, (None, 1), (None,), "squeeze(1) on the prediction, or unsqueeze(1) on the target"),
        (TORCH, (None, 1, 48, 48), (None, 48, 48), "unsqueeze(1) on the target"),
        (KERAS, (None, 1), (None,), "np.expand_dims(…, 1) on the target"),
        (TORCH, (None, 3), (None, 4), "the same shape for prediction and target"),
    ],
)
def test_shapes_that_differ_are_made_one(
    framework: object, made: tuple[int | None, ...], wanted: tuple[int | None, ...], cure: str
) -> None:
    from ae_audit.rules.repair import one_shape

    assert str(one_shape(setup("linear", "mse", PRICES, framework=framework), made, wanted)) == cure  # type: ignore[arg-type]

"""Margin losses and the Poisson likelihood: targets and outputs that they do not take (AE102, AE103, AE209)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.rules.predicates import loss_words
from ae_audit.schema.findings import Severity
from ae_audit.schema.training_setup import DataFacts, Framework, Structure, TrainingSetup
from ae_audit.theory.intervals import Interval
from ae_audit.theory.loss_families import RATES
from ae_audit.theory.ranges import Tri
from tests.rules.setups import (
    BLACK_AND_WHITE,
    CLASSES,
    GREY,
    KERAS,
    ONE_HOT,
    RAW,
    SIGNED,
    STANDARDISED,
    TORCH,
    UNKNOWN,
    YES_OR_NO,
    data,
    measured,
    remedies,
    setup,
    violations,
)

COUNTS = data(Interval(0.0, float("inf")))
SEEN_SIGNS = measured(-1.0, 1.0, integer_share=1.0)
SEEN_BLACK_AND_WHITE = measured(0.0, 1.0, zeros=0.8, ones=0.2, integer_share=1.0)


def poisson(head: str, target: DataFacts, *, logarithm: bool, framework: Framework = TORCH) -> TrainingSetup:
    subject = setup(head, "poisson", target, framework=framework)
    return replace(subject, loss=replace(subject.loss, parameters=(("log_input", logarithm),)))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "soft_margin"])
def test_margin_losses_need_signs(loss: str) -> None:
    for target in (measured(-1.0, 1.0), measured(0.0, 1.0), RAW):
        assert violations("AE209", setup("linear", loss, target)), target
    assert not violations("AE209", setup("linear", loss, SEEN_SIGNS, framework=TORCH))
    assert not violations("AE209", setup("linear", loss, SIGNED))  # may hold nothing but its ends
    assert not violations("AE209", setup("linear", loss, UNKNOWN))


def test_keras_turns_zeros_and_ones_into_signs_and_torch_does_not() -> None:
    assert not violations("AE209", setup("linear", "hinge", SEEN_BLACK_AND_WHITE, framework=KERAS))
    assert not violations("AE209", setup("linear", "hinge", BLACK_AND_WHITE, framework=KERAS))
    assert violations("AE209", setup("linear", "soft_margin", SEEN_BLACK_AND_WHITE, framework=TORCH))
    assert violations("AE209", setup("linear", "soft_margin", BLACK_AND_WHITE, framework=TORCH))
    assert remedies("AE209", setup("softmax", "soft_margin", GREY, framework=TORCH)) == [
        "sigmoid at the output",
        "mse as the loss",
    ]


@pytest.mark.parametrize("head", ["linear", "tanh"])
def test_a_poisson_rate_is_not_negative(head: str) -> None:
    assert remedies("AE209", poisson(head, COUNTS, logarithm=False)) == ["softplus at the output"]
    assert violations("AE209", setup(head, "poisson", COUNTS, framework=KERAS))


@pytest.mark.parametrize("head", ["relu", "softplus", "exponential"])
def test_a_positive_rate_suits_counts(head: str) -> None:
    assert not violations("AE209", poisson(head, COUNTS, logarithm=False))
    assert not violations("AE102", poisson(head, COUNTS, logarithm=False))


@pytest.mark.parametrize("loss", sorted(RATES.names))
def test_a_likelihood_of_rates_is_called_by_its_name(loss: str) -> None:
    subject = setup("sigmoid", loss, RAW, framework=TORCH)
    found = violations("AE209", replace(subject, loss=replace(subject.loss, parameters=(("log_input", True),))))
    assert [one.message.startswith(loss_words(subject)) for one in found] == [True]


def test_a_log_rate_is_free() -> None:
    assert not violations("AE209", poisson("linear", COUNTS, logarithm=True))
    assert not violations("AE209", setup("linear", "poisson", COUNTS, framework=TORCH))  # torch's default
    assert remedies("AE209", poisson("relu", GREY, logarithm=True)) == ["no activation at the output"]
    assert violations("AE209", poisson("log_softmax", GREY, logarithm=True))
    assert not violations(
        "AE209", poisson("log_softmax", data(Interval(0.0, 1.0), Structure.DISTRIBUTION), logarithm=True)
    )


@pytest.mark.parametrize("target", [SIGNED, STANDARDISED], ids=str)
def test_a_poisson_target_is_not_negative(target: DataFacts) -> None:
    (change,) = remedies("AE209", poisson("linear", target, logarithm=True))[-1:]
    assert change == "mse as the loss"


def test_the_range_of_a_rate_counts() -> None:
    assert violations("AE102", poisson("sigmoid", RAW, logarithm=False))
    assert not violations("AE102", poisson("sigmoid", RAW, logarithm=True))
    assert not violations("AE102", poisson("sigmoid", GREY, logarithm=False))


def test_a_log_softmax_over_one_unit_is_constant_too() -> None:
    (violation,) = violations("AE106", setup("log_softmax", "nll", YES_OR_NO, units=1, framework=TORCH))
    assert "the constant 0" in violation.message
    assert not violations("AE106", setup("log_softmax", "nll", CLASSES, units=10, framework=TORCH))


@pytest.mark.parametrize("head", ["relu", "tanh", "sigmoid"])
def test_cross_entropy_over_one_logit_is_0_whatever_is_before_it(head: str) -> None:
    assert violations("AE209", setup(head, "cce", YES_OR_NO, units=1, logits=Tri.YES, framework=TORCH))
    assert not violations("AE209", setup("softmax", "cce", YES_OR_NO, units=1, logits=Tri.YES, framework=TORCH))


def test_labels_are_values_to_a_loss_of_values() -> None:
    assert violations("AE102", setup("log_softmax", "mse", ONE_HOT, framework=TORCH))
    for head in ("softmax", "sigmoid", "tanh", "relu", "linear"):
        assert not violations("AE102", setup(head, "mse", ONE_HOT, framework=TORCH))
    assert not violations("AE102", setup("log_softmax", "nll", CLASSES, framework=TORCH))


@pytest.mark.parametrize(("head", "severity"), [("softplus", None), ("relu", None), ("sigmoid", Severity.WARNING)])
def test_a_margin_needs_scores_on_both_sides(head: str, severity: Severity | None) -> None:
    (violation,) = violations("AE209", setup(head, "hinge", SEEN_SIGNS))
    assert violation.severity in {severity, Severity.ERROR if severity is None else severity}
    assert remedies("AE209", setup(head, "hinge", SEEN_SIGNS)) == ["no activation at the output"]
    assert not violations("AE209", setup("tanh", "hinge", SEEN_SIGNS))


def test_a_divergence_over_one_unit() -> None:
    assert violations("AE209", setup("sigmoid", "kl_divergence", YES_OR_NO, units=1))
    assert not violations("AE209", setup("softmax", "kl_divergence", ONE_HOT, units=10))


def test_msle_counts_negative_predictions_as_0() -> None:
    (violation,) = violations("AE206", setup("linear", "msle", measured(0.0, 1.0, zeros=0.5)))
    assert violation.severity is Severity.WARNING
    assert not violations("AE206", setup("linear", "msle", measured(1.0, 9.0)))
    assert not violations("AE206", setup("softplus", "msle", measured(0.0, 1.0, zeros=0.5)))

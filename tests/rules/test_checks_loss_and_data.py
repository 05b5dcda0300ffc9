"""AE201-AE203, AE301, AE302 and AE401: the loss and the data, with every fact known, unknown and in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.schema.findings import Severity
from ae_audit.schema.training_setup import (
    Certificate,
    DataFacts,
    MetricUse,
    ModelFacts,
    Relation,
    Structure,
    TrainingSetup,
)
from ae_audit.theory.intervals import BYTE, REAL_LINE, UNIT, Interval
from ae_audit.theory.ranges import Tri, ValueRange
from tests.rules.setups import (
    BLACK_AND_WHITE,
    CLASSES,
    DATA,
    FIT,
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
    undecided_by,
    violations,
)

# AE201


@pytest.mark.parametrize("logits", [Tri.NO, Tri.YES, Tri.UNKNOWN])
@pytest.mark.parametrize("target", [RAW, SIGNED, STANDARDISED, CLASSES], ids=str)
def test_bce_outside_its_domain(target: DataFacts, logits: Tri) -> None:
    (violation,) = violations("AE201", setup("sigmoid", "bce", target, logits=logits))
    assert violation.location.line == 25


@pytest.mark.parametrize("target", [GREY, BLACK_AND_WHITE, YES_OR_NO, ONE_HOT], ids=str)
def test_bce_within_its_domain(target: DataFacts) -> None:
    subject = setup("sigmoid", "bce", target)
    assert not violations("AE201", subject)
    assert not undecided_by("AE201", subject)


def test_bce_on_an_unknown_target_is_undecided() -> None:
    assert undecided_by("AE201", setup("sigmoid", "bce", UNKNOWN)) == ["target range"]
    assert undecided_by("AE201", setup("sigmoid", "bce", replace(UNKNOWN, structure=Structure.BINARY_LABEL))) == []
    assert undecided_by("AE201", setup("sigmoid", "mse", UNKNOWN)) == []


def test_what_happens_depends_on_the_framework() -> None:
    (torch,) = violations("AE201", setup("sigmoid", "bce", RAW, framework=TORCH))
    assert torch.message.endswith("torch raises on the CPU")
    for subject in (setup("sigmoid", "bce", RAW), setup("linear", "bce", RAW, framework=TORCH, logits=Tri.YES)):
        assert violations("AE201", subject)[0].message.endswith("the loss has no floor and runs to −∞")


def test_a_loss_without_floor_is_proved() -> None:
    bound = Certificate(100, 1.0, attainable_r2=-0.6, floor=float("-inf"))
    assert violations("AE201", setup("sigmoid", "bce", RAW, certificate=bound))[0].proved
    assert not violations("AE201", setup("sigmoid", "bce", RAW))[0].proved


def test_rescale_or_another_loss() -> None:
    assert remedies("AE201", setup("sigmoid", "bce", RAW)) == ["input and target divided by 255"]
    assert remedies("AE201", setup("sigmoid", "bce", STANDARDISED)) == [
        "no activation at the output",
        "mse as the loss",
    ]
    labels = data(Interval(-1.0, 1.0), Structure.UNKNOWN)
    assert remedies("AE201", setup("sigmoid", "bce", labels, given=GREY)) == ["the target divided by 2, then + 0.5"]


# AE202


@pytest.mark.parametrize(
    ("activation", "loss", "framework", "logits", "wanted"),
    [
        ("sigmoid", "cce", KERAS, Tri.NO, ["bce as the loss"]),
        ("softmax", "cce", KERAS, Tri.NO, ["sigmoid at the output", "bce as the loss"]),
        ("sigmoid", "kl_divergence", KERAS, Tri.NO, ["bce as the loss"]),
        ("linear", "cross_entropy", TORCH, Tri.YES, ["bce on logits as the loss"]),
        ("sigmoid", "cross_entropy", TORCH, Tri.YES, ["bce as the loss"]),
    ],
)
def test_a_categorical_loss_on_pixels(
    activation: str, loss: str, framework: object, logits: Tri, wanted: list[str]
) -> None:
    subject = setup(activation, loss, replace(GREY, dtype="float32"), framework=framework, logits=logits)  # type: ignore[arg-type]
    (violation,) = violations("AE202", subject)
    assert violation.location.line == 25
    assert remedies("AE202", subject) == wanted


def test_a_categorical_loss_on_standardised_data_becomes_mse() -> None:
    assert remedies("AE202", setup("softmax", "cce", STANDARDISED)) == [
        "no activation at the output",
        "mse as the loss",
    ]


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        ("cce", ONE_HOT),
        ("cce", data(UNIT, Structure.DISTRIBUTION)),
        ("sparse_cce", CLASSES),
        ("nll", CLASSES),
        ("nll", RAW),
        ("cross_entropy", replace(RAW, dtype="int64")),
        ("sparse_cce", replace(RAW, dtype="uint8")),
        ("mse", GREY),
        ("bce", GREY),
    ],
)
def test_a_categorical_loss_on_classes_is_right(loss: str, target: DataFacts) -> None:
    subject = setup("softmax", loss, target)
    assert not violations("AE202", subject)
    assert not undecided_by("AE202", subject)


def test_an_unknown_target_matters_in_a_reconstruction_only() -> None:
    assert undecided_by("AE202", setup("softmax", "cce", UNKNOWN)) == ["target structure"]
    assert undecided_by("AE202", setup("softmax", "cce", UNKNOWN, given=GREY)) == []


def test_values_that_are_no_probabilities_accuse() -> None:
    assert violations("AE202", setup("softmax", "cce", data(Interval(0.0, 16.0), Structure.UNKNOWN)))
    assert not violations("AE202", setup("softmax", "sparse_cce", data(Interval(0.0, 16.0), Structure.UNKNOWN)))
    assert not violations("AE202", setup("softmax", "cce", data(UNIT, Structure.UNKNOWN)))


# AE203


@pytest.mark.parametrize(("activation", "logits"), [("sigmoid", Tri.NO), ("hard_sigmoid", Tri.NO), ("linear", Tri.YES)])
def test_a_sound_bce_on_grey_values_is_told_its_floor(activation: str, logits: Tri) -> None:
    (violation,) = violations("AE203", setup(activation, "bce", GREY, logits=logits))
    assert "never reaches 0" in violation.message
    assert violation.remedies == ()
    assert any("a run that reaches this training" in item.text for item in violation.evidence)


def test_a_weighted_bce_has_another_floor_and_is_told_none() -> None:
    subject = setup("linear", "bce", GREY, logits=Tri.YES)
    weighted = replace(subject, loss=replace(subject.loss, parameters=(("pos_weight", "tensor"),)))
    assert violations("AE203", subject)
    assert not violations("AE203", weighted)


def test_the_floor_of_an_unreduced_loss_is_that_of_a_value() -> None:
    bound = Certificate(5000, 0.0, attainable_r2=1.0, floor=0.05904, mean_prediction_loss=0.26351)
    subject = setup("sigmoid", "bce", measured(0.0, 1.0, zeros=0.8), certificate=bound, seen_by=("static", "runtime"))
    (violation,) = violations("AE203", replace(subject, loss=replace(subject.loss, reduction="none")))
    assert "below 0.0590 a value on" in violation.message


def test_the_floor_is_given_where_it_is_known() -> None:
    bound = Certificate(5000, 0.0, attainable_r2=1.0, floor=0.05904, mean_prediction_loss=0.26351)
    subject = setup("sigmoid", "bce", measured(0.0, 1.0, zeros=0.8), certificate=bound, seen_by=("static", "runtime"))
    (violation,) = violations("AE203", subject)
    assert "below 0.0590 " in violation.message
    assert "predicting the mean scores 0.2635" in violation.message
    assert ("floor", 0.05904) in [figure for item in violation.evidence for figure in item.figures]


@pytest.mark.parametrize(
    ("activation", "loss", "target", "logits"),
    [
        ("sigmoid", "bce", BLACK_AND_WHITE, Tri.NO),
        ("sigmoid", "bce", measured(0.0, 1.0, zeros=0.75, ones=0.25), Tri.NO),
        ("sigmoid", "bce", YES_OR_NO, Tri.NO),
        ("sigmoid", "bce", RAW, Tri.NO),
        ("sigmoid", "bce", UNKNOWN, Tri.NO),
        ("sigmoid", "mse", GREY, Tri.NO),
        ("softmax", "bce", GREY, Tri.NO),
        ("linear", "bce", GREY, Tri.NO),
        ("sigmoid", "bce", GREY, Tri.YES),
        ("sigmoid", "bce", GREY, Tri.UNKNOWN),
        (None, "bce", GREY, Tri.NO),
    ],
)
def test_no_floor_is_told_for_black_and_white_or_for_what_does_not_suit(
    activation: str | None, loss: str, target: DataFacts, logits: Tri
) -> None:
    assert not violations("AE203", setup(activation, loss, target, logits=logits))


# AE301


def test_raw_input_is_a_warning_where_it_is_fed() -> None:
    subject = setup("relu", "mse", RAW)
    (violation,) = violations("AE301", subject)
    assert violation.location == FIT
    assert violation.spans[0].location == DATA
    assert remedies("AE301", subject) == ["input and target divided by 255"]


def test_the_target_of_a_classifier_is_not_divided() -> None:
    assert remedies("AE301", setup("softmax", "sparse_cce", CLASSES, given=RAW, units=10)) == [
        "the input divided by 255"
    ]


@pytest.mark.parametrize(
    "given",
    [
        GREY,
        SIGNED,
        STANDARDISED,
        UNKNOWN,
        data(Interval(0.0, 100.0)),
        data(ValueRange(BYTE)),
        data(Interval(0.0, 5000.0), Structure.CLASS_INDEX),
        ONE_HOT,
    ],
    ids=str,
)
def test_modest_or_categorical_input_is_not(given: DataFacts) -> None:
    subject = setup("sigmoid", "bce", YES_OR_NO, given=given)
    assert not violations("AE301", subject)
    assert not undecided_by("AE301", subject)


@pytest.mark.parametrize(
    "model",
    [
        ModelFacts(normalises_input=Tri.YES),
        ModelFacts(first_layers=("Embedding", "LSTM"), normalises_input=Tri.NO),
        ModelFacts(first_layers=("VGG16",), normalises_input=Tri.NO),
    ],
)
def test_a_model_that_sees_to_it_itself(model: ModelFacts) -> None:
    subject = setup("relu", "mse", RAW, model=model)
    assert not violations("AE301", subject)
    assert not undecided_by("AE301", subject)


def test_a_model_of_which_that_is_unknown() -> None:
    assert undecided_by("AE301", setup("relu", "mse", RAW, model=ModelFacts())) == ["input normalisation"]


def test_a_lone_outlier_does_not_count() -> None:
    quantiles = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 400.0)
    assert not violations("AE301", setup("linear", "mse", measured(-3.0, 400.0, quantiles=quantiles)))
    assert violations("AE301", setup("linear", "mse", measured(0.0, 255.0)))


# AE302


def scaled(given: DataFacts, target: DataFacts, scale: float, **facts: object) -> TrainingSetup:
    facts.setdefault("relation", Relation.RESCALED)
    return setup("linear", "mse", target, given=given, relation_scale=(scale, 0.0), **facts)  # type: ignore[arg-type]


def test_a_forgotten_division_of_the_target() -> None:
    subject = scaled(GREY, RAW, 255.0)
    (violation,) = violations("AE302", subject)
    assert violation.location == FIT
    assert violation.severity is None
    assert remedies("AE302", subject) == ["the target divided by 255"]


def test_a_forgotten_division_of_the_input_is_a_warning() -> None:
    subject = scaled(RAW, GREY, 1 / 255)
    assert violations("AE302", subject)[0].severity is Severity.WARNING
    assert remedies("AE302", subject) == ["the input divided by 255"]


def test_the_spans_tell_it_where_noise_hides_the_map() -> None:
    noisy = data(Interval(-0.5, 1.5))
    subject = setup("linear", "mse", RAW, given=noisy, relation=Relation.NOISED_INPUT)
    assert violations("AE302", subject)
    unknown = setup("linear", "mse", RAW, given=data(ValueRange(REAL_LINE)), relation=Relation.NOISED_INPUT)
    assert not violations("AE302", unknown)


@pytest.mark.parametrize(
    "subject",
    [
        scaled(SIGNED, GREY, 0.5),
        scaled(STANDARDISED, GREY, 0.3081),
        scaled(GREY, SIGNED, 2.0),
        setup("linear", "mse", RAW),
        setup("linear", "mse", RAW, given=GREY, relation=Relation.OTHER),
        setup("linear", "mse", RAW, given=GREY, relation=Relation.UNKNOWN),
        setup("linear", "mse", CLASSES, given=GREY, relation=Relation.LABELS),
        scaled(GREY, UNKNOWN, 1.0),
        setup("linear", "mse", UNKNOWN, given=UNKNOWN, relation=Relation.RESCALED),
    ],
)
def test_scales_that_are_choices_other_data_and_the_unknown(subject: TrainingSetup) -> None:
    assert not violations("AE302", subject)
    assert not undecided_by("AE302", subject)


def test_an_output_made_for_the_targets_scale() -> None:
    subject = scaled(GREY, RAW, 255.0)
    made = replace(subject.head, range=replace(subject.head.range, values=ValueRange.exactly(BYTE)))
    assert not violations("AE302", replace(subject, head=made))


def test_a_model_that_divides_its_input() -> None:
    assert not violations("AE302", scaled(RAW, GREY, 1 / 255, model=ModelFacts(normalises_input=Tri.YES)))
    assert violations("AE302", scaled(GREY, RAW, 255.0, model=ModelFacts(normalises_input=Tri.YES)))


# AE401

ACCURACY = (MetricUse("accuracy", "'accuracy'", FIT),)


@pytest.mark.parametrize(
    ("activation", "loss", "target", "given"),
    [
        ("sigmoid", "bce", GREY, None),
        ("sigmoid", "mse", GREY, None),
        ("linear", "mse", STANDARDISED, GREY),
        ("linear", "mse", UNKNOWN, None),
    ],
)
def test_accuracy_of_quantities(activation: str, loss: str, target: DataFacts, given: DataFacts | None) -> None:
    subject = setup(activation, loss, target, given=given, metrics=ACCURACY)
    (violation,) = violations("AE401", subject)
    assert violation.location == FIT
    assert remedies("AE401", subject) == [f"{'mae' if loss == 'mse' else 'mse'} in place of accuracy"]


@pytest.mark.parametrize(
    ("activation", "loss", "target"),
    [
        ("softmax", "cce", ONE_HOT),
        ("softmax", "sparse_cce", CLASSES),
        ("sigmoid", "bce", YES_OR_NO),
        ("sigmoid", "bce", BLACK_AND_WHITE),
        ("softmax", "sparse_cce", UNKNOWN),
        ("linear", "mse", UNKNOWN),
    ],
)
def test_accuracy_of_classes_and_of_the_unknown(activation: str, loss: str, target: DataFacts) -> None:
    subject = setup(activation, loss, target, given=GREY, metrics=ACCURACY)
    assert not violations("AE401", subject)
    assert not undecided_by("AE401", subject)


def test_accuracy_of_pixels_seen_to_be_black_and_white() -> None:
    subject = setup("sigmoid", "bce", measured(0.0, 1.0, zeros=0.75, ones=0.25), metrics=ACCURACY)
    assert not violations("AE401", subject)


def test_accuracy_of_an_unknown_reconstruction_is_undecided() -> None:
    assert undecided_by("AE401", setup("sigmoid", "bce", UNKNOWN, metrics=ACCURACY)) == ["target structure"]


def test_other_metrics_are_none_of_it() -> None:
    assert not violations("AE401", setup("sigmoid", "mse", GREY, metrics=(MetricUse("mae", "'mae'"),)))


def test_an_image_shaped_output_without_bounds_gives_pixels() -> None:
    subject = setup("relu", "mse", UNKNOWN, given=GREY, metrics=ACCURACY)
    image = replace(subject.head, shape=(None, 28, 28, 1))
    assert violations("AE401", replace(subject, head=image))
    bounded = setup("sigmoid", "mse", UNKNOWN, given=GREY, metrics=ACCURACY)
    assert not violations("AE401", replace(bounded, head=replace(bounded.head, shape=(None, 28, 28, 1))))

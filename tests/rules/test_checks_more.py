"""The rules beyond the main road: AE106, AE107, AE206, AE208, AE209, AE303-AE305, AE307-AE309."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.schema.findings import Severity
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.remedies import Rescale
from ae_audit.schema.training_setup import DataFacts, Head, Relation, Structure, TrainingSetup
from ae_audit.theory.activations import ActivationRange, Constraint
from ae_audit.theory.intervals import REAL_LINE, UNIT, Interval
from ae_audit.theory.ranges import Tri, ValueRange
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
    undecided_by,
    violations,
)

MULTI_HOT = data(UNIT, Structure.MULTI_HOT, structure_axis=-1)


def followed_by(subject: TrainingSetup, *layers: str) -> TrainingSetup:
    return replace(subject, head=replace(subject.head, after=layers))


# AE106


def single(loss: str, target: DataFacts, **facts: object) -> TrainingSetup:
    subject = setup("softmax", loss, target, given=GREY, units=1, **facts)  # type: ignore[arg-type]
    exact = ActivationRange(ValueRange.exactly(Interval(1.0, 1.0)))
    return replace(subject, head=replace(subject.head, range=exact))


@pytest.mark.parametrize("target", [YES_OR_NO, CLASSES, GREY, UNKNOWN], ids=str)
def test_softmax_over_one_unit_is_accused_whatever_the_target(target: DataFacts) -> None:
    subject = single("bce", target)
    assert len(violations("AE106", subject)) == 1
    for code in ("AE101", "AE102", "AE203"):
        assert not violations(code, subject), code
    by_units = setup("softmax", "bce", target, given=GREY, units=1)
    assert len(violations("AE106", by_units)) == 1


@pytest.mark.parametrize("units", [2, 784, None])
def test_softmax_over_more_units_is_not(units: int | None) -> None:
    assert not violations("AE106", setup("softmax", "cce", ONE_HOT, given=GREY, units=units))


def test_a_constant_one_of_another_kind_is_not() -> None:
    head = Head("linear", range=ActivationRange(ValueRange.exactly(Interval(1.0, 1.0))), units=1)
    assert not violations("AE106", replace(single("bce", GREY), head=head))


@pytest.mark.parametrize(
    ("loss", "target", "facts", "wanted"),
    [
        ("bce", YES_OR_NO, {}, ["sigmoid at the output"]),
        ("cce", YES_OR_NO, {}, ["sigmoid at the output", "bce as the loss"]),
        ("bce", YES_OR_NO, {"logits": Tri.YES}, ["no activation at the output"]),
        (
            "cross_entropy",
            YES_OR_NO,
            {"logits": Tri.YES, "framework": TORCH},
            ["no activation at the output", "bce on logits as the loss"],
        ),
        ("mse", STANDARDISED, {}, ["no activation at the output"]),
    ],
)
def test_one_sigmoid_or_none_is_proposed(
    loss: str, target: DataFacts, facts: dict[str, object], wanted: list[str]
) -> None:
    assert remedies("AE106", single(loss, target, **facts)) == wanted


def test_a_simplex_mapped_elsewhere_is_still_one() -> None:
    mapped = ActivationRange(ValueRange.exactly(Interval(-1.0, 1.0)), Constraint.SIMPLEX, -1, scale=2.0, shift=-1.0)
    subject = setup("softmax", "mse", SIGNED)
    (violation,) = violations("AE101", replace(subject, head=replace(subject.head, range=mapped)))
    assert violation.message.startswith("softmax makes the 784 outputs of a sample sum to -782,")
    unknown = setup("softmax", "mse", UNKNOWN)
    assert not violations("AE101", replace(unknown, head=replace(unknown.head, range=mapped)))


def test_black_and_white_is_data_too() -> None:
    assert not violations("AE102", setup("sigmoid", "bce", BLACK_AND_WHITE))
    assert not undecided_by(
        "AE102", setup("sigmoid", "bce", replace(UNKNOWN, values=ValueRange(REAL_LINE), structure=Structure.MULTI_HOT))
    )


# AE107


@pytest.mark.parametrize(
    ("activation", "layer"),
    [
        ("sigmoid", "Dropout"),
        ("linear", "Dropout"),
        ("leaky_relu", "SpatialDropout2D"),
        ("sigmoid", "GaussianNoise"),
        ("sigmoid", "BatchNormalization"),
        ("tanh", "BatchNorm2d"),
    ],
)
def test_what_spoils_the_prediction_after_it_is_made(activation: str, layer: str) -> None:
    (violation,) = violations("AE107", followed_by(setup(activation, "mse", GREY), "Reshape", layer))
    assert violation.message.startswith(f"{layer} after the output ({activation})")


@pytest.mark.parametrize("layer", ["Reshape", "UpSampling2D", "Cropping2D", "clip", "Flatten"])
def test_layers_that_move_values_are_none(layer: str) -> None:
    assert not violations("AE107", followed_by(setup("sigmoid", "mse", GREY), layer))


def test_batch_normalisation_of_a_linear_output_and_dropout_of_a_classifier() -> None:
    assert not violations("AE107", followed_by(setup("linear", "mse", STANDARDISED), "BatchNorm1d"))
    assert not violations("AE107", followed_by(setup("linear", "cce", ONE_HOT, given=GREY), "Dropout"))
    assert not violations("AE107", followed_by(setup("linear", "mse", UNKNOWN, given=GREY), "Dropout"))


# AE206


@pytest.mark.parametrize(
    ("loss", "target"),
    [("mape", GREY), ("mape", RAW), ("mape", measured(-1.0, 1.0, zeros=0.1)), ("msle", SIGNED), ("msle", STANDARDISED)],
)
def test_relative_losses_out_of_their_domain(loss: str, target: DataFacts) -> None:
    subject = setup("linear", loss, target)
    assert len(violations("AE206", subject)) == 1
    assert remedies("AE206", subject) == ["mse as the loss"]


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        ("mape", data(Interval(1.0, 9.0))),
        ("mape", SIGNED),
        ("mape", data(ValueRange(UNIT))),
        ("mape", UNKNOWN),
        ("msle", GREY),
        ("msle", UNKNOWN),
        ("mse", SIGNED),
    ],
)
def test_relative_losses_within_it(loss: str, target: DataFacts) -> None:
    assert not violations("AE206", setup("relu", loss, target))


# AE208


def test_the_median_is_the_background() -> None:
    sparse = measured(0.0, 1.0, zeros=0.81)
    sparse = replace(sparse, measured=replace(sparse.measured, mode=0.0, mode_share=0.81))  # type: ignore[type-var]
    (violation,) = violations("AE208", setup("sigmoid", "mae", sparse))
    assert violation.message.startswith("81% of the target is 0,")
    assert not violations("AE208", setup("sigmoid", "mse", sparse))
    assert not violations("AE208", setup("sigmoid", "mae", measured(0.0, 1.0)))
    assert not violations("AE208", setup("sigmoid", "mae", GREY))


# AE209


@pytest.mark.parametrize(
    ("activation", "loss", "target", "wanted"),
    [
        ("sigmoid", "cce", ONE_HOT, ["softmax at the output"]),
        ("sigmoid", "sparse_cce", CLASSES, ["softmax at the output"]),
        ("sigmoid", "cce", MULTI_HOT, ["bce as the loss"]),
        ("softmax", "cce", MULTI_HOT, ["sigmoid at the output", "bce as the loss"]),
        ("sigmoid", "sparse_cce", UNKNOWN, ["softmax at the output"]),
    ],
)
def test_pairs_that_do_not_belong_together(activation: str, loss: str, target: DataFacts, wanted: list[str]) -> None:
    subject = setup(activation, loss, target, given=GREY, relation=Relation.LABELS, units=10)
    (violation,) = violations("AE209", subject)
    assert violation.severity is Severity.ERROR
    if target.structure is not Structure.UNKNOWN:
        assert remedies("AE209", subject) == wanted


def test_softmax_and_bce_on_many_classes_is_a_warning_on_two_it_is_right() -> None:
    many = setup("softmax", "bce", ONE_HOT, given=GREY, units=10)
    assert violations("AE209", many)[0].severity is Severity.WARNING
    assert remedies("AE209", many) == ["cce as the loss"]
    for units in (2, None):
        assert not violations("AE209", setup("softmax", "bce", ONE_HOT, given=GREY, units=units))


@pytest.mark.parametrize(
    ("backend", "recoverable", "told"),
    [("tensorflow", Tri.YES, True), ("tensorflow", Tri.NO, False), ("jax", Tri.YES, False), (None, Tri.YES, False)],
)
def test_softmax_and_bce_on_shares_differ_on_tensorflow_alone(
    backend: str | None, recoverable: Tri, told: bool
) -> None:
    shares = data(UNIT, Structure.DISTRIBUTION, structure_axis=-1)
    subject = setup("softmax", "bce", shares, given=GREY, units=64, backend=backend, recoverable=recoverable)
    assert bool(violations("AE209", subject)) is told


def test_cross_entropy_over_one_logit() -> None:
    subject = setup("linear", "sparse_cce", YES_OR_NO, given=GREY, framework=TORCH, logits=Tri.YES, units=1)
    assert remedies("AE209", subject) == ["bce on logits as the loss"]


def test_class_indices_are_no_quantities() -> None:
    regression = setup("linear", "mse", CLASSES, given=GREY, relation=Relation.LABELS, units=1)
    assert len(violations("AE209", regression)) == 1
    two = replace(CLASSES, values=ValueRange.exactly(UNIT))
    assert not violations("AE209", replace(regression, target=two))
    assert not violations("AE209", replace(regression, target=UNKNOWN))


@pytest.mark.parametrize(
    ("activation", "loss", "target", "logits"),
    [
        ("softmax", "cce", ONE_HOT, Tri.NO),
        ("softmax", "sparse_cce", CLASSES, Tri.NO),
        ("linear", "sparse_cce", CLASSES, Tri.YES),
        ("sigmoid", "bce", YES_OR_NO, Tri.NO),
        ("sigmoid", "bce", MULTI_HOT, Tri.NO),
        ("sigmoid", "mse", ONE_HOT, Tri.NO),
        ("sigmoid", "mse", YES_OR_NO, Tri.NO),
        ("linear", "mse", ONE_HOT, Tri.NO),
        ("sigmoid", "cce", ONE_HOT, Tri.UNKNOWN),
        ("log_softmax", "nll", CLASSES, Tri.NO),
    ],
)
def test_pairs_that_belong_together(activation: str, loss: str, target: DataFacts, logits: Tri) -> None:
    subject = setup(activation, loss, target, given=GREY, relation=Relation.LABELS, logits=logits, units=10)
    assert not violations("AE209", subject)


def test_an_unknown_reconstruction_is_left_to_the_other_rule() -> None:
    assert not violations("AE209", setup("sigmoid", "cce", UNKNOWN))


# AE303


@pytest.mark.parametrize("top", [1 / 255, 2 / 255, 1 / 65025])
def test_a_range_that_is_far_too_narrow(top: float) -> None:
    assert remedies("AE303", setup("sigmoid", "mse", data(Interval(0.0, top)))) == [
        "input and target divided by 255 only once"
    ]


def test_only_the_input_is_scaled_twice() -> None:
    twice = data(Interval(-1.0, -0.992))
    subject = setup("softmax", "sparse_cce", CLASSES, given=twice, relation=Relation.LABELS)
    assert remedies("AE303", subject) == ["the input divided by 255 only once"]


@pytest.mark.parametrize(
    "target",
    [
        GREY,
        RAW,
        UNKNOWN,
        STANDARDISED,
        data(Interval(0.0, 0.1)),
        data(Interval(0.5, 0.5)),
        data(ValueRange(Interval(0.0, 0.01))),
        data(Interval(0.0, 0.01), Structure.DISTRIBUTION),
    ],
)
def test_ranges_that_are_wide_enough_constant_or_unknown(target: DataFacts) -> None:
    assert not violations("AE303", setup("sigmoid", "mse", target))


@pytest.mark.parametrize(("top", "told"), [(1 / 255, True), (2 / 255, True), (0.0014, False), (0.0103, False)])
def test_of_measured_values_alone_only_bytes_divided_twice(top: float, *, told: bool) -> None:
    target = replace(measured(0.0, top), source=None)
    subject = setup("linear", "mse", target, given=GREY, relation=Relation.OTHER)
    assert bool(violations("AE303", subject)) is told
    known = replace(target, source="torchvision.datasets.MNIST")
    assert violations("AE303", replace(subject, target=known))


# AE304


def test_validation_data_on_another_scale() -> None:
    for part in ("input", "target"):
        subject = setup("sigmoid", "mse", GREY, **{f"validation_{part}": RAW})
        (violation,) = violations("AE304", subject)
        assert violation.message == f"the {part} is [0, 1] in training, but [0, 255] (mnist.load_data()) in validation"
    both = setup("sigmoid", "mse", GREY, validation_input=RAW, validation_target=RAW)
    assert len(violations("AE304", both)) == 1


@pytest.mark.parametrize("validation", [GREY, SIGNED, UNKNOWN, data(ValueRange(Interval(0.0, 255.0))), CLASSES])
def test_validation_data_on_the_same_or_an_unknown_scale(validation: DataFacts) -> None:
    subject = setup("sigmoid", "mse", GREY, validation_input=validation, validation_target=validation)
    assert not violations("AE304", subject)


# AE305


def test_non_finite_values_are_counted() -> None:
    holed = measured(0.0, 1.0, non_finite=3)
    (violation,) = violations("AE305", setup("linear", "mse", holed))
    assert violation.message.startswith("3 of 7840 values of the target seen at the loss are NaN")
    (violation,) = violations("AE305", setup("linear", "mse", GREY, given=measured(0.0, 1.0, non_finite=1)))
    assert violation.message.startswith("one value of the input seen at the loss is NaN")
    assert not violations("AE305", setup("linear", "mse", measured(0.0, 1.0)))
    assert not violations("AE305", setup("linear", "mse", UNKNOWN))


# AE307


def reconstructs(target: DataFacts, loss: str = "mse", *, made: int = 784, framework: object = KERAS) -> TrainingSetup:
    given = replace(GREY, shape=(None, 28, 28))
    subject = setup("linear", loss, target, given=given, relation=Relation.LABELS, framework=framework)  # type: ignore[arg-type]
    return replace(subject, head=replace(subject.head, shape=(None, made)))


def test_labels_as_the_target_of_a_reconstruction() -> None:
    for shape in ((None,), (None, 1), None):
        subject = reconstructs(replace(CLASSES, shape=shape))
        assert len(violations("AE307", subject)) == 1
        assert not violations("AE209", subject)
        entropy = reconstructs(replace(CLASSES, shape=shape), "bce")
        assert not violations("AE201", entropy)  # to scale the labels is no remedy, nor is a softmax
        assert len(violations("AE307", entropy)) == 1


@pytest.mark.parametrize(
    "subject",
    [
        reconstructs(CLASSES, made=10),
        reconstructs(CLASSES, "sparse_cce"),
        reconstructs(replace(CLASSES, shape=(None, 28, 28))),
        reconstructs(ONE_HOT),
        replace(reconstructs(CLASSES), input=GREY),
        replace(reconstructs(CLASSES), relation=Relation.OTHER),
    ],
)
def test_labels_where_they_belong(subject: TrainingSetup) -> None:
    assert not violations("AE307", subject)


# AE308


def test_noise_in_the_target() -> None:
    swapped = setup("sigmoid", "mse", GREY, given=GREY, relation=Relation.NOISED_TARGET)
    assert "wrong way round" in violations("AE308", swapped)[0].message
    both = setup("sigmoid", "mse", replace(GREY, noised=Tri.YES))
    assert "same noise" in violations("AE308", both)[0].message


def test_noise_in_the_validation_target_alone() -> None:
    subject = setup("sigmoid", "mse", replace(GREY, noised=Tri.NO), validation_target=replace(GREY, noised=Tri.YES))
    assert "validation target is noisy" in violations("AE308", subject)[0].message
    unknown = setup("sigmoid", "mse", GREY, validation_target=replace(GREY, noised=Tri.YES))
    assert not violations("AE308", unknown)


def test_noise_where_it_belongs() -> None:
    noisy = replace(GREY, noised=Tri.YES)
    assert not violations("AE308", setup("sigmoid", "mse", GREY, given=noisy, relation=Relation.NOISED_INPUT))
    assert not violations("AE308", setup("sigmoid", "mse", noisy, given=noisy, relation=Relation.OTHER))
    assert not violations("AE308", setup("sigmoid", "mse", GREY))


# AE309


def shaped(
    made: tuple[int | None, ...] | None, wanted: tuple[int | None, ...] | None, loss: str = "mse", **facts: object
) -> TrainingSetup:
    subject = setup("linear", loss, replace(STANDARDISED, shape=wanted), given=GREY, **facts)  # type: ignore[arg-type]
    return replace(subject, head=replace(subject.head, shape=made))


@pytest.mark.parametrize(
    ("framework", "made", "wanted"),
    [
        (TORCH, (None, 1), (None,)),
        (TORCH, (512, 1), (512,)),
        (TORCH, (64, 1, 28, 28), (64, 28, 28)),
        (TORCH, (None, 28, 28, 1), (None, 1, 28, 28)),
        (TORCH, (None, 10), (None, 1)),
        (KERAS, (None, 30, 1), (None, 1)),
        (KERAS, (None, 28, 28), (None, 28, 1)),
        (KERAS, (None, 30, 1), (None,)),
    ],
)
def test_shapes_that_differ_and_broadcast(
    framework: object, made: tuple[int | None, ...], wanted: tuple[int | None, ...]
) -> None:
    assert len(violations("AE309", shaped(made, wanted, framework=framework))) == 1


@pytest.mark.parametrize(
    ("loss", "ideal", "proved"),
    [
        ("bce", None, False),
        ("bce", Ideal(Outcome.BEATEN), True),
        ("mse", Ideal(Outcome.BLIND), True),
        ("mse", Ideal(Outcome.NOT_JUDGED), False),
    ],
)
def test_shapes_that_led_an_ideal_network_astray_are_proved_wrong(loss: str, ideal: Ideal | None, proved: bool) -> None:
    subject = replace(shaped((None, 1), (None,), loss, framework=TORCH), ideal=ideal)
    (violation,) = violations("AE309", subject)
    assert violation.proved is proved


@pytest.mark.parametrize("code", ["AE309", "AE211"])
def test_a_loss_that_raised_is_proof(code: str) -> None:
    subject = shaped((None, 1), (None,), "mse", framework=TORCH)
    if code == "AE211":
        labels = replace(subject.target, structure=Structure.CLASS_INDEX, values=ValueRange.exactly(Interval(1.0, 5.0)))
        head = replace(subject.head, shape=(None, 5), units=5)
        loss = replace(subject.loss, name="sparse_cce", from_logits=Tri.YES)
        subject = replace(subject, target=labels, head=head, loss=loss)
    raising = replace(subject, loss=replace(subject.loss, raises="IndexError: Target 5 is out of bounds."))
    for one, proved in ((subject, False), (raising, True)):
        (violation,) = violations(code, one)
        assert violation.proved is proved
        assert any("the loss raised" in evidence.text for evidence in violation.evidence) is proved


def test_torch_is_said_to_refuse_a_binary_cross_entropy_of_two_shapes() -> None:
    made, wanted = (None, 28, 28, 1), (None, 1, 28, 28)
    (refused,) = violations("AE309", shaped(made, wanted, "bce", framework=TORCH))
    (compared,) = violations("AE309", shaped(made, wanted, "mse", framework=TORCH))
    assert refused.message.endswith("torch's binary cross-entropy raises where the two differ")
    assert "broadcasting compares" in compared.message


@pytest.mark.parametrize(
    ("framework", "made", "wanted"),
    [
        (TORCH, (None, 784), (None, 784)),
        (TORCH, (None, 784), (784,)),
        (TORCH, (128, 1), (None, 1)),
        (TORCH, (1, 1, 28, 28), (1, 28, 28)),
        (TORCH, (None, 1, 28, 28), (None, 28, 28)),
        (TORCH, (64, 3, 28, 28), (3, 28, 28)),
        (TORCH, (None, None, 1), (None, 1, 28)),
        (TORCH, (None, 784), (None, 1, 28, 28)),
        (TORCH, None, (None,)),
        (TORCH, (None, 1), None),
        (KERAS, (None, 1), (None,)),
        (KERAS, (None,), (None, 1)),
        (KERAS, (None, 28, 28, 1), (None, 28, 28)),
        (KERAS, (None, None, None, 1), (60000, 1, 28, 28)),
    ],
)
def test_shapes_that_agree_are_unknown_or_stop_the_program(
    framework: object, made: tuple[int | None, ...] | None, wanted: tuple[int | None, ...] | None
) -> None:
    assert not violations("AE309", shaped(made, wanted, framework=framework))


def test_a_loss_on_class_indices_has_an_axis_less() -> None:
    assert not violations("AE309", shaped((None, 1), (None,), "sparse_cce", framework=TORCH))


def test_a_shift_alone_is_told_as_one() -> None:
    assert str(Rescale(1.0, -1.0)) == "input and target minus 1"
    assert str(Rescale(2 / 255, -1.0, input=False)) == "the target divided by 127.5, then − 1"
    assert str(Rescale(0.5, -20.0, input=False)) == "the target minus 40, divided by 2"
    assert str(Rescale(4.0, 3.0)) == "input and target plus 0.75, divided by 0.25"

"""AE101-AE105: the output layer against loss and target, with every fact known, unknown and in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.schema.findings import Severity
from ae_audit.schema.training_setup import Certificate, DataFacts, Relation, Structure, TrainingSetup
from ae_audit.theory.activations import ActivationRange
from ae_audit.theory.intervals import OPEN_UNIT, UNIT, Interval
from ae_audit.theory.ranges import Tri, ValueRange
from tests.rules.setups import (
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

# AE101


@pytest.mark.parametrize("target", [GREY, RAW, SIGNED, STANDARDISED], ids=str)
@pytest.mark.parametrize("loss", ["bce", "mse", "mae", "cce"])
def test_softmax_over_quantities_is_accused(target: DataFacts, loss: str) -> None:
    (violation,) = violations("AE101", setup("softmax", loss, target))
    assert violation.message.startswith("softmax makes the 784 outputs of a sample sum to 1")
    assert violation.location.line == 20
    assert not violation.proved


@pytest.mark.parametrize(
    ("loss", "target"),
    [("cce", ONE_HOT), ("mse", ONE_HOT), ("sparse_cce", CLASSES), ("sparse_cce", YES_OR_NO), ("bce", ONE_HOT)],
)
def test_softmax_over_classes_is_right(loss: str, target: DataFacts) -> None:
    subject = setup("softmax", loss, target, given=GREY, units=10)
    assert not violations("AE101", subject)
    assert not undecided_by("AE101", subject)


def test_grey_levels_as_class_indices_are_right() -> None:
    levels = replace(RAW, dtype="int64")
    subject = setup(
        "softmax", "sparse_cce", levels, given=GREY, relation=Relation.RESCALED, relation_scale=(255.0, 0.0)
    )
    for code in ("AE101", "AE102", "AE202", "AE302", "AE401"):
        assert not violations(code, subject), code
        assert not undecided_by(code, subject), code


def test_the_axis_of_the_softmax_is_compared_with_the_targets() -> None:
    along_channels = replace(ONE_HOT, structure_axis=1, shape=(None, 3, 8, 8))
    assert not violations("AE101", setup("softmax", "cce", along_channels, axis=1))
    assert violations("AE101", setup("softmax", "mse", along_channels, axis=-1))
    assert not violations("AE101", setup("softmax", "cce", along_channels, axis=None))


def test_softmax_over_an_unknown_target_is_undecided() -> None:
    assert undecided_by("AE101", setup("softmax", "bce", UNKNOWN)) == ["target structure"]
    assert undecided_by("AE101", setup("softmax", "cce", UNKNOWN)) == ["target structure"]
    assert undecided_by("AE101", setup("softmax", "cce", UNKNOWN, given=GREY)) == []
    assert undecided_by("AE101", setup("sigmoid", "bce", UNKNOWN)) == []
    assert undecided_by("AE101", setup(None, "bce", UNKNOWN)) == []


def test_values_beyond_a_distribution_accuse_where_the_structure_is_unknown() -> None:
    wide = data(Interval(0.0, 16.0), Structure.UNKNOWN)
    assert violations("AE101", setup("softmax", "mse", wide))
    assert undecided_by("AE101", setup("softmax", "sparse_cce", wide)) == ["target structure"]


def test_an_unknown_loss_is_believed_outside_reconstruction_only() -> None:
    assert violations("AE101", setup("softmax", None, GREY))
    assert undecided_by("AE101", setup("softmax", None, GREY, given=SIGNED)) == ["loss"]


def test_a_target_seen_to_sum_to_one_acquits() -> None:
    shares = measured(0.0, 1.0, sums_to_one_along=(1,))
    subject = setup("softmax", "mse", replace(shares, shape=(None, 784)))
    assert not violations("AE101", subject)
    assert not violations("AE202", setup("softmax", "cce", shares))


def test_the_certificate_proves_and_the_sums_are_told() -> None:
    bound = Certificate(5000, 1.0, attainable_r2=-0.632)
    seen = replace(measured(0.0, 1.0), measured=replace(measured(0.0, 1.0).measured, count=7840, samples=10, mean=0.1))  # type: ignore[type-var]
    (violation,) = violations("AE101", setup("softmax", "bce", seen, certificate=bound))
    assert violation.proved
    assert "sum to 78.4 on average" in violation.message
    assert any(item.kind == "certificate" and "−0.632" in item.text for item in violation.evidence)


@pytest.mark.parametrize(
    ("backend", "recoverable", "told"),
    [
        (None, Tri.YES, True),
        ("tensorflow", Tri.YES, True),
        ("tensorflow", Tri.NO, False),
        ("torch", Tri.YES, False),
        ("jax", Tri.YES, False),
    ],
)
def test_keras_on_tensorflow_hides_it_behind_a_healthy_loss(backend: str | None, recoverable: Tri, told: bool) -> None:
    (violation,) = violations("AE101", setup("softmax", "bce", GREY, backend=backend, recoverable=recoverable))
    assert any("healthy" in item.text for item in violation.evidence) is told


def test_torch_and_mse_hide_nothing() -> None:
    for subject in (setup("softmax", "bce", GREY, framework=TORCH), setup("softmax", "mse", GREY)):
        (violation,) = violations("AE101", subject)
        assert not any("healthy" in item.text for item in violation.evidence)


@pytest.mark.parametrize(
    ("loss", "target", "wanted"),
    [
        ("bce", GREY, "sigmoid at the output"),
        ("bce", RAW, "sigmoid at the output"),
        ("mse", GREY, "sigmoid at the output"),
        ("mse", RAW, "sigmoid at the output"),
        ("mse", SIGNED, "tanh at the output"),
        ("mse", STANDARDISED, "no activation at the output"),
        ("bce", STANDARDISED, "no activation at the output"),
    ],
)
def test_the_activation_that_suits_the_target_is_proposed(loss: str, target: DataFacts, wanted: str) -> None:
    assert remedies("AE101", setup("softmax", loss, target)) == [wanted]


# AE102


@pytest.mark.parametrize(
    ("activation", "target"),
    [
        ("sigmoid", RAW),
        ("sigmoid", STANDARDISED),
        ("sigmoid", SIGNED),
        ("relu", SIGNED),
        ("relu", STANDARDISED),
        ("tanh", RAW),
        ("softmax", RAW),
        ("softplus", SIGNED),
        ("silu", SIGNED),
    ],
)
def test_values_out_of_reach_are_accused(activation: str, target: DataFacts) -> None:
    (violation,) = violations("AE102", setup(activation, "mse", target))
    assert violation.location.line == 20
    assert violation.severity is None


@pytest.mark.parametrize(
    ("activation", "target"),
    [
        ("sigmoid", GREY),
        ("tanh", SIGNED),
        ("relu", RAW),
        ("relu", GREY),
        ("linear", STANDARDISED),
        ("linear", RAW),
        ("leaky_relu", SIGNED),
        ("elu", SIGNED),
        ("sigmoid", ONE_HOT),
        ("sigmoid", CLASSES),
    ],
)
def test_values_within_reach_are_not(activation: str, target: DataFacts) -> None:
    subject = setup(activation, "mse", target)
    assert not violations("AE102", subject)
    assert not undecided_by("AE102", subject)


def test_rounding_is_no_mismatch() -> None:
    assert not violations("AE102", setup("sigmoid", "mse", measured(0.0, 1.0000004)))
    assert violations("AE102", setup("sigmoid", "mse", measured(-0.02, 1.0)))


def test_a_hull_acquits_and_a_missing_reach_leaves_it_open() -> None:
    clipped = data(ValueRange(UNIT))
    assert not undecided_by("AE102", setup("sigmoid", "mse", clipped))
    assert undecided_by("AE102", setup("sigmoid", "mse", data(ValueRange(Interval(0.0, 255.0))))) == ["target range"]
    assert undecided_by("AE102", setup("sigmoid", "mse", UNKNOWN)) == ["target range"]
    assert undecided_by("AE102", setup("linear", "mse", UNKNOWN)) == []


def test_an_unknown_head_matters_only_against_a_known_target() -> None:
    assert undecided_by("AE102", setup(None, "mse", RAW)) == ["output activation"]
    assert undecided_by("AE102", setup(None, "mse", UNKNOWN)) == []


@pytest.mark.parametrize(("loss", "logits"), [("bce", Tri.YES), ("nll", Tri.NO), ("ssim", Tri.NO)])
def test_losses_on_another_scale_are_not_judged(loss: str, logits: Tri) -> None:
    assert not violations("AE102", setup("sigmoid", loss, RAW, logits=logits))


def test_under_a_categorical_loss_quantities_count_as_they_will_once_it_is_replaced() -> None:
    floats = replace(SIGNED, dtype="float32")
    assert violations("AE102", setup("sigmoid", "cross_entropy", floats, framework=TORCH, logits=Tri.YES))
    assert not violations("AE102", setup("linear", "cross_entropy", floats, framework=TORCH, logits=Tri.YES))
    assert not violations("AE102", setup("log_softmax", "cce", GREY, framework=TORCH))
    assert not violations("AE102", setup("softmax", "sparse_cce", CLASSES, given=GREY))


def test_an_unknown_loss_leaves_it_open_where_the_target_is_out_of_reach() -> None:
    assert undecided_by("AE102", setup("sigmoid", None, RAW)) == ["loss"]
    assert undecided_by("AE102", setup("sigmoid", None, GREY)) == []


def test_a_rare_excess_is_a_warning() -> None:
    rare, common = Certificate(100, 0.001, attainable_r2=0.999), Certificate(100, 0.8, attainable_r2=0.98)
    target = measured(0.0, 1.3)
    assert violations("AE102", setup("sigmoid", "mse", target, certificate=rare))[0].severity is Severity.WARNING
    assert violations("AE102", setup("sigmoid", "mse", target, certificate=common))[0].severity is None


@pytest.mark.parametrize(
    ("activation", "loss", "target", "wanted"),
    [
        ("sigmoid", "bce", RAW, ["input and target divided by 255"]),
        ("sigmoid", "mse", RAW, ["input and target divided by 255"]),
        ("tanh", "mse", RAW, ["input and target divided by 127.5, then − 1"]),
        ("sigmoid", "mse", data(Interval(0.0, 16.0)), ["input and target divided by 16"]),
        ("sigmoid", "mse", STANDARDISED, ["no activation at the output"]),
        ("sigmoid", "bce", STANDARDISED, ["no activation at the output", "mse as the loss"]),
        ("sigmoid", "mse", SIGNED, ["tanh at the output"]),
        ("relu", "mse", SIGNED, ["tanh at the output"]),
        ("relu", "mse", STANDARDISED, ["no activation at the output"]),
        ("relu", "mse", data(Interval(-0.42, 2.82)), ["no activation at the output"]),
        ("sigmoid", "bce", SIGNED, ["input and target divided by 2, then + 0.5"]),
    ],
)
def test_the_least_change_that_suits_is_proposed(
    activation: str, loss: str, target: DataFacts, wanted: list[str]
) -> None:
    assert remedies("AE102", setup(activation, loss, target)) == wanted


def test_only_the_target_is_divided_where_the_input_is_scaled() -> None:
    subject = setup("sigmoid", "mse", RAW, given=GREY, relation=Relation.RESCALED, relation_scale=(255.0, 0.0))
    assert remedies("AE102", subject) == ["the target divided by 255"]


def test_a_sigmoid_behind_a_relu_is_told_to_lose_the_relu() -> None:
    subject = setup("sigmoid", "mse", GREY)
    fed = replace(
        subject, head=replace(subject.head, range=ActivationRange(ValueRange.exactly(Interval(0.5, 1.0, hi_open=True))))
    )
    (violation,) = violations("AE102", fed)
    assert "sigmoid produces values in [0.5, 1) only" in violation.message
    # another activation in its place would be fed the same
    assert [str(remedy) for remedy in violation.remedies] == [
        "no activation of the last layer's own before the sigmoid"
    ]
    assert any("no activation in between" in item.text for item in violation.evidence)
    assert not violations("AE203", replace(fed, loss=replace(fed.loss, name="bce")))  # nor is its floor in reach


# AE103


@pytest.mark.parametrize("activation", ["tanh", "softsign"])
def test_half_a_range_wasted(activation: str) -> None:
    subject = setup(activation, "mse", GREY)
    (violation,) = violations("AE103", subject)
    assert remedies("AE103", subject) == ["sigmoid at the output"]
    assert violation.location.line == 20


@pytest.mark.parametrize(
    ("activation", "target"),
    [
        ("tanh", SIGNED),
        ("relu", GREY),
        ("linear", GREY),
        ("sigmoid", GREY),
        ("tanh", UNKNOWN),
        ("tanh", ONE_HOT),
        ("tanh", RAW),
    ],
)
def test_a_range_that_is_used_or_open(activation: str, target: DataFacts) -> None:
    subject = setup(activation, "mse", target)
    assert not violations("AE103", subject)
    assert not undecided_by("AE103", subject)


def test_a_narrow_hull_alone_does_not_accuse() -> None:
    assert not violations("AE103", setup("tanh", "mse", data(ValueRange(UNIT))))
    assert not violations("AE103", setup("tanh", "mse", data(Interval(0.0, 0.2))))


def test_a_loss_that_reads_it_otherwise_is_not_judged() -> None:
    assert not violations("AE103", setup("tanh", "bce", GREY))


# AE104


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        ("sigmoid", "bce"),
        ("tanh", "bce"),
        ("relu", "bce"),
        ("softmax", "cce"),
        ("softmax", "sparse_cce"),
        ("sigmoid", "cross_entropy"),
        ("softmax", "bce"),
    ],
)
def test_an_activation_before_logits_in_torch_is_an_error(activation: str, loss: str) -> None:
    subject = setup(activation, loss, CLASSES, given=GREY, framework=TORCH, logits=Tri.YES, units=10)
    (violation,) = violations("AE104", subject)
    assert violation.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("activation", "loss", "logits"),
    [
        ("linear", "bce", Tri.YES),
        ("leaky_relu", "bce", Tri.YES),
        ("linear", "cce", Tri.YES),
        ("relu", "cce", Tri.YES),
        ("log_softmax", "cross_entropy", Tri.YES),
        ("sigmoid", "bce", Tri.NO),
        ("softmax", "cce", Tri.NO),
        ("sigmoid", "mse", Tri.NO),
        ("linear", "bce", Tri.UNKNOWN),
    ],
)
def test_what_serves_as_logits_or_meets_no_logits(activation: str, loss: str, logits: Tri) -> None:
    subject = setup(activation, loss, ONE_HOT, given=GREY, framework=TORCH, logits=logits)
    assert not violations("AE104", subject)
    assert not undecided_by("AE104", subject)


@pytest.mark.parametrize(
    ("backend", "recoverable", "severity"),
    [
        ("tensorflow", Tri.YES, Severity.WARNING),
        ("tensorflow", Tri.UNKNOWN, Severity.WARNING),
        ("tensorflow", Tri.NO, Severity.ERROR),
        ("torch", Tri.YES, Severity.ERROR),
        ("jax", Tri.YES, Severity.ERROR),
        (None, Tri.YES, Severity.WARNING),
        (None, Tri.NO, Severity.ERROR),
    ],
)
def test_the_backend_decides_in_keras(backend: str | None, recoverable: Tri, severity: Severity) -> None:
    subject = setup("sigmoid", "bce", GREY, logits=Tri.YES, backend=backend, recoverable=recoverable)
    (violation,) = violations("AE104", subject)
    assert violation.severity is severity
    assert ("on torch and JAX" in violation.message) is (backend is None and recoverable is Tri.YES)
    assert any("Keras on TensorFlow finds the logits" in item.text for item in violation.evidence)


def test_a_tanh_is_not_undone_by_any_backend() -> None:
    subject = setup("tanh", "bce", GREY, logits=Tri.YES, backend="tensorflow", recoverable=Tri.YES)
    (violation,) = violations("AE104", subject)
    assert violation.severity is Severity.ERROR
    assert "which (-1, 1) cannot hold" in violation.message


def test_unknown_logits_are_undecided() -> None:
    assert undecided_by("AE104", setup("sigmoid", "bce", GREY, logits=Tri.UNKNOWN)) == ["loss"]


@pytest.mark.parametrize(
    ("framework", "activation", "loss", "target", "wanted"),
    [
        (TORCH, "sigmoid", "bce", GREY, ["no activation at the output"]),
        (KERAS, "sigmoid", "bce", GREY, ["from_logits=False"]),
        (TORCH, "softmax", "sparse_cce", CLASSES, ["no activation at the output"]),
        (KERAS, "softmax", "sparse_cce", CLASSES, ["from_logits=False"]),
        (KERAS, "tanh", "bce", GREY, ["sigmoid at the output", "from_logits=False"]),
        (TORCH, "sigmoid", "cross_entropy", SIGNED, ["tanh at the output", "mse as the loss"]),
    ],
)
def test_one_activation_in_all_is_proposed(
    framework: object, activation: str, loss: str, target: DataFacts, wanted: list[str]
) -> None:
    subject = setup(activation, loss, target, framework=framework, logits=Tri.YES, units=10)  # type: ignore[arg-type]
    assert remedies("AE104", subject) == wanted


# AE105


@pytest.mark.parametrize(
    ("framework", "activation", "loss"),
    [
        (KERAS, "linear", "bce"),
        (KERAS, "relu", "bce"),
        (KERAS, "tanh", "bce"),
        (KERAS, "linear", "cce"),
        (KERAS, "relu", "sparse_cce"),
        (TORCH, "linear", "bce"),
        (TORCH, "softmax", "nll"),
        (TORCH, "linear", "nll"),
        (TORCH, "softmax", "kl_divergence"),
        (KERAS, "linear", "kl_divergence"),
    ],
)
def test_no_probability_in_a_probability_loss(framework: object, activation: str, loss: str) -> None:
    subject = setup(activation, loss, ONE_HOT, given=GREY, framework=framework)  # type: ignore[arg-type]
    assert len(violations("AE105", subject)) == 1


@pytest.mark.parametrize(
    ("framework", "activation", "loss", "logits"),
    [
        (KERAS, "sigmoid", "bce", Tri.NO),
        (KERAS, "hard_sigmoid", "bce", Tri.NO),
        (KERAS, "softmax", "cce", Tri.NO),
        (KERAS, "linear", "bce", Tri.YES),
        (KERAS, "softmax", "kl_divergence", Tri.NO),
        (TORCH, "log_softmax", "nll", Tri.NO),
        (TORCH, "log_softmax", "kl_divergence", Tri.NO),
        (TORCH, "linear", "mse", Tri.NO),
    ],
)
def test_what_is_a_probability_passes(framework: object, activation: str, loss: str, logits: Tri) -> None:
    subject = setup(activation, loss, ONE_HOT, given=GREY, framework=framework, logits=logits)  # type: ignore[arg-type]
    assert not violations("AE105", subject)
    assert not undecided_by("AE105", subject)


def with_range(subject: TrainingSetup, values: ValueRange) -> TrainingSetup:
    return replace(subject, head=replace(subject.head, activation=None, range=ActivationRange(values)))


def test_the_range_counts_not_the_name() -> None:
    subject = setup("tanh", "bce", GREY)
    assert not violations("AE105", with_range(subject, ValueRange.exactly(OPEN_UNIT)))
    assert undecided_by("AE105", with_range(subject, ValueRange(Interval(0.0, 6.0)))) == ["output activation"]
    assert undecided_by("AE105", with_range(subject, ValueRange())) == ["output activation"]


def test_logits_unknown_matter_only_for_what_is_no_probability() -> None:
    assert undecided_by("AE105", setup("linear", "bce", GREY, logits=Tri.UNKNOWN)) == ["loss"]
    assert undecided_by("AE105", setup("sigmoid", "bce", GREY, logits=Tri.UNKNOWN)) == []


@pytest.mark.parametrize(
    ("framework", "activation", "loss", "target", "wanted"),
    [
        (KERAS, "linear", "bce", GREY, ["sigmoid at the output"]),
        (TORCH, "linear", "bce", GREY, ["from_logits=True"]),
        (TORCH, "relu", "bce", GREY, ["sigmoid at the output"]),
        (KERAS, "relu", "cce", ONE_HOT, ["softmax at the output"]),
        (TORCH, "softmax", "nll", CLASSES, ["log_softmax at the output"]),
        (KERAS, "linear", "bce", UNKNOWN, ["sigmoid at the output"]),
    ],
)
def test_the_link_that_is_missing_is_proposed(
    framework: object, activation: str, loss: str, target: DataFacts, wanted: list[str]
) -> None:
    subject = setup(activation, loss, target, framework=framework)  # type: ignore[arg-type]
    assert remedies("AE105", subject) == wanted

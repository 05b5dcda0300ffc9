"""Facts and certificates of real arrays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ae_audit.runtime.measure import facts
from ae_audit.runtime.measure.facts import certify, facts_from, facts_of, prediction_range
from ae_audit.runtime.measure.large_arrays import facts_of_whole
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import DataFacts, Framework, Head, LossUse, Structure, TrainingSetup
from ae_audit.theory.activations import Constraint, find_activation
from ae_audit.theory.intervals import OPEN_UNIT, Interval
from ae_audit.theory.ranges import Tri
from ae_audit.theory.summaries import summarise

GENERATOR = np.random.default_rng(8)
IMAGES = (GENERATOR.random((64, 8, 8)) ** 3 * 255).astype(np.uint8)
LABELS = GENERATOR.integers(0, 10, 64)


@pytest.mark.parametrize(
    ("array", "role", "structure", "axis"),
    [
        (IMAGES, None, Structure.CONTINUOUS, None),
        (IMAGES.astype(np.int64), None, Structure.CONTINUOUS, None),
        (IMAGES.reshape(64, 64), None, Structure.CONTINUOUS, None),
        (IMAGES / 255, None, Structure.CONTINUOUS, None),
        ((IMAGES > 127).astype(np.float32), None, Structure.CONTINUOUS, None),
        ((GENERATOR.random((64, 784)) > 0.5).astype(np.float32), None, Structure.CONTINUOUS, None),
        ((GENERATOR.random((64, 6)) > 0.5).astype(np.float32), None, Structure.MULTI_HOT, -1),
        ((GENERATOR.random((64, 6)) > 0.5).astype(np.float32), "reconstruction", Structure.CONTINUOUS, None),
        (LABELS, None, Structure.UNKNOWN, None),
        (LABELS[:, None], None, Structure.UNKNOWN, None),
        (LABELS.astype(np.float32), None, Structure.UNKNOWN, None),
        (LABELS + 1, None, Structure.UNKNOWN, None),
        (GENERATOR.integers(0, 100, 64) + np.eye(64, dtype=int)[0] * 99, None, Structure.UNKNOWN, None),
        (np.arange(200), None, Structure.CONTINUOUS, None),
        (GENERATOR.normal(size=64), None, Structure.CONTINUOUS, None),
        (LABELS % 2, None, Structure.BINARY_LABEL, None),
        ((LABELS % 2).astype(np.float32)[:, None], None, Structure.BINARY_LABEL, None),
        (np.eye(10)[LABELS], None, Structure.ONE_HOT, 1),
        (np.moveaxis(np.eye(4)[IMAGES % 4], -1, 1), None, Structure.ONE_HOT, 1),
        (np.eye(4)[IMAGES % 4], None, Structure.ONE_HOT, 3),
        (GENERATOR.dirichlet(np.ones(5), 64), None, Structure.DISTRIBUTION, 1),
        (IMAGES % 4, "class index", Structure.CLASS_INDEX, None),
    ],
)
def test_structures(array: np.ndarray, role: str | None, structure: Structure, axis: int | None) -> None:
    facts = facts_of(array, role=role)
    assert (facts.structure, facts.structure_axis) == (structure, axis)
    assert facts.shape == (None, *array.shape[1:])
    assert facts.dtype == str(array.dtype)
    if structure in {Structure.ONE_HOT, Structure.DISTRIBUTION}:
        assert facts.distribution_along(axis) is Tri.YES


@pytest.mark.parametrize(
    ("array", "standardised"),
    [
        (IMAGES, Tri.NO),
        (IMAGES / 127.5 - 1, Tri.NO),
        ((IMAGES - IMAGES.mean()) / IMAGES.std(), Tri.YES),
        ((IMAGES - IMAGES.mean(axis=0)) / IMAGES.std(axis=0), Tri.YES),
        (GENERATOR.normal(size=(2000, 30))[:32], Tri.YES),
        (GENERATOR.normal(3, 1, (100, 30)), Tri.NO),
        (GENERATOR.normal(size=(0, 3)), Tri.UNKNOWN),
    ],
)
def test_standardised_data_is_recognised(array: np.ndarray, standardised: Tri) -> None:
    assert facts_of(array).standardised is standardised


def test_measurements() -> None:
    array = np.array([[0.0, 0.5], [1.0, np.nan], [0.0, 0.0]])
    facts = facts_of(array, source="a file", stand_in=True, location=Location("a.py", 3))
    measured = facts.measured
    assert measured is not None
    assert (measured.count, measured.samples, measured.non_finite) == (6, 3, 1)
    assert (measured.zero_share, measured.one_share, measured.integer_share) == (3 / 6, 1 / 6, 4 / 6)
    assert (measured.mode, measured.mode_share) == (0.0, 0.5)
    assert measured.quantiles[0] == 0.0
    assert measured.quantiles[-1] == 1.0
    assert facts.values.hull == facts.values.reach == Interval(0.0, 1.0)
    assert (facts.source, facts.stand_in, facts.location) == ("a file", True, Location("a.py", 3))


def test_facts_of_a_stream() -> None:
    summary = summarise(IMAGES[:20]).merge(summarise(IMAGES[20:]))
    streamed, whole = facts_from(summary), facts_of(IMAGES)
    assert streamed.shape == (None, 8, 8)
    assert streamed.values == whole.values
    assert streamed.structure is whole.structure


def setup_of(
    activation: str,
    loss: str | None,
    *,
    from_logits: bool = False,
    framework: Framework = Framework.KERAS,
    **more: object,
) -> TrainingSetup:
    axis = -1 if activation in {"softmax", "log_softmax"} else None
    found = find_activation(activation, axis=axis)
    assert found is not None
    shape = more.get("shape")
    assert shape is None or isinstance(shape, tuple)
    head = Head(activation, range=found.range, axis=axis, shape=shape)
    use = LossUse(loss, from_logits=Tri.of(from_logits))
    return TrainingSetup(framework, Location("model.py", 9), head=head, loss=use)


def test_certificates_of_images() -> None:
    flat = IMAGES.reshape(64, 64)
    good = certify(setup_of("sigmoid", "bce"), flat / 255)
    assert good is not None
    assert (good.samples, good.unreachable_share, good.attainable_r2) == (64, 0.0, 1.0)
    assert good.floor is not None
    assert good.mean_prediction_loss is not None
    assert 0.0 < good.floor < good.mean_prediction_loss
    raw = certify(setup_of("sigmoid", "bce"), flat)
    assert raw is not None
    assert raw.attainable_r2 is not None
    assert (raw.floor, raw.mean_prediction_loss, raw.attainable_r2 < 0) == (-math.inf, None, True)
    softmax = certify(setup_of("softmax", "bce"), flat / 255)
    assert softmax is not None
    assert softmax.attainable_r2 is not None
    assert (softmax.unreachable_share, softmax.attainable_r2 < 0) == (1.0, True)


def test_a_linear_head_under_logits_is_seen_through_its_link() -> None:
    setup = setup_of("linear", "bce", from_logits=True)
    assert prediction_range(setup).values.hull == OPEN_UNIT
    raw, scaled = (certify(setup, data) for data in (IMAGES, IMAGES / 255))
    assert raw is not None
    assert raw.attainable_r2 is not None
    assert raw.attainable_r2 < 0
    assert scaled is not None
    assert scaled.attainable_r2 == 1.0
    vector = setup_of("linear", "cross_entropy", from_logits=True, framework=Framework.TORCH)
    assert prediction_range(vector).constraint is Constraint.SIMPLEX
    assert prediction_range(vector).axis == 1
    assert prediction_range(setup_of("log_softmax", "nll")).constraint is Constraint.SIMPLEX


def test_facts_and_certificate_of_many_samples_speak_of_the_same_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = IMAGES.reshape(len(IMAGES), -1)
    monkeypatch.setattr(facts, "MOST_VALUES", 20 * flat.shape[1])
    certificate = certify(setup_of("sigmoid", "bce"), flat)
    measured = facts_of_whole(flat).measured
    assert certificate is not None
    assert measured is not None
    assert certificate.samples == 20 < measured.samples == len(flat), "quartiles of a part, counts of all"
    assert (measured.quantiles[0], measured.quantiles[-1]) == (flat.min(), flat.max()), "ends are those of all values"


def test_class_indices_are_judged_by_the_loss_alone() -> None:
    found = certify(setup_of("softmax", "sparse_cce"), LABELS)
    assert found is not None
    assert (found.unreachable_share, found.attainable_r2, found.floor) == (0.0, None, 0.0)
    assert found.mean_prediction_loss is not None
    assert 2.0 < found.mean_prediction_loss <= math.log(10)


def test_one_hot_targets_are_within_a_softmax() -> None:
    found = certify(setup_of("softmax", "cce"), np.eye(10)[LABELS])
    assert found is not None
    assert (found.unreachable_share, found.attainable_r2) == (0.0, pytest.approx(1.0))


def test_targets_take_the_shape_of_the_prediction() -> None:
    setup = setup_of("softmax", "mse", shape=(None, 64))
    flat, square = certify(setup, IMAGES.reshape(64, 64) / 255), certify(setup, IMAGES / 255)
    assert flat is not None
    assert square is not None
    assert flat.attainable_r2 == pytest.approx(square.attainable_r2)
    other = certify(setup, IMAGES[:, :4] / 255)
    assert other is not None
    assert other.attainable_r2 is None, "values that do not meet one to one are not compared"


def test_without_head_and_loss_there_is_no_certificate() -> None:
    nothing = TrainingSetup(Framework.TORCH, Location("a.py", 1), target=DataFacts())
    assert certify(nothing, IMAGES) is None
    assert certify(setup_of("sigmoid", "bce"), np.zeros((0, 4))) is None
    custom = certify(setup_of("sigmoid", None), IMAGES)
    assert custom is not None
    assert (custom.floor, custom.attainable_r2 is not None) == (None, True)


def test_non_finite_targets_leave_what_can_be_said() -> None:
    data = IMAGES / 255
    data[0, 0, 0] = np.nan
    found = certify(setup_of("sigmoid", "bce"), data)
    assert found is not None
    assert (found.attainable_r2, found.floor) == (None, None)
    assert found.unreachable_share == pytest.approx(1 / IMAGES.size)


def test_the_floor_of_a_summed_loss_is_that_of_one_sample() -> None:
    setup = setup_of("sigmoid", "bce", framework=Framework.TORCH)
    averaged, summed = (
        certify(replace(setup, loss=replace(setup.loss, reduction=kind)), IMAGES / 255) for kind in ("mean", "sum")
    )
    assert averaged is not None
    assert summed is not None
    assert averaged.floor is not None
    assert summed.floor == pytest.approx(averaged.floor * IMAGES[0].size)

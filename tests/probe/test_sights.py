"""What a training looks like: histograms, layouts of samples, and pictures at quantiles of the error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ae_audit.engine.settling import settled
from ae_audit.probe import ProbeOptions
from ae_audit.probe.layouts import layout_of
from ae_audit.probe.sights import COLUMNS, Sketchbook, histogram_of, sight_of
from ae_audit.runtime.capture import Array, Evaluation
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import SwapActivation
from ae_audit.schema.sights import Counted, Kind, Sight, can_be_drawn
from ae_audit.schema.training_setup import Certificate, DataFacts, Framework, Head, Structure, TrainingSetup
from ae_audit.theory.activations import ActivationRange, Constraint
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import ValueRange
from tests.probe.test_settle import NumpyCapture, finding

SETUP = TrainingSetup(Framework.TORCH, Location("a.py", 1))


def blobs(samples: int, *shape: int) -> Array:
    """Bright spots on black, each somewhere else: neighbours are alike, rows apart are not."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    centres = rng.uniform(4, shape[0] - 4, (samples, 2, 1, 1))
    return np.exp(-((rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2) / 9)


def headed(activation: str, low: float, high: float, **more: object) -> TrainingSetup:
    head = Head(activation, range=ActivationRange(ValueRange.exactly(Interval(low, high))))
    return replace(SETUP, head=replace(head, **more))


@pytest.mark.parametrize(
    ("samples", "kind", "size"),
    [
        (blobs(64, 28, 28).reshape(64, 784), Kind.IMAGE, (28, 28, 1)),
        (blobs(64, 28, 28)[:, None], Kind.IMAGE, (28, 28, 1)),
        (blobs(64, 64, 64)[..., None], Kind.IMAGE, (28, 28, 1)),
        (blobs(64, 64, 32), Kind.IMAGE, (28, 14, 1)),
        (np.repeat(blobs(16, 32, 32)[:, None], 3, axis=1), Kind.IMAGE, (24, 24, 3)),
        (np.repeat(blobs(64, 32, 32)[..., None], 3, axis=3).reshape(64, 3072), Kind.IMAGE, (24, 24, 3)),
        (np.repeat(blobs(64, 32, 32)[:, None], 3, axis=1).reshape(64, 3072), Kind.IMAGE, (24, 24, 3)),
        (np.repeat(blobs(8, 20, 20)[:, None], 4, axis=1)[..., None], Kind.IMAGE, (20, 20, 1)),
        (np.sin(np.linspace(0, 9, 200) + np.arange(64)[:, None]), Kind.SIGNAL, (1, 64, 1)),
        (np.sin(np.linspace(0, 9, 200) + np.arange(64)[:, None])[:, None], Kind.SIGNAL, (1, 64, 1)),
        (np.random.default_rng(0).random((64, 100)), Kind.TABLE, (1, 48, 1)),
        (np.random.default_rng(0).random((64, 13)), Kind.TABLE, (1, 13, 1)),
    ],
)
def test_samples_are_shown_as_what_they_are(samples: Array, kind: Kind, size: tuple[int, int, int]) -> None:
    layout = layout_of(samples, SETUP, None)
    assert layout is not None
    assert (layout.kind, (layout.height, layout.width, layout.channels)) == (kind, size)
    reduced = layout.reduced(samples)
    assert reduced.shape == (len(samples), *size)
    if kind is Kind.IMAGE:
        assert abs(float(reduced.mean()) - float(samples.mean())) < 0.01, "blocks are averaged"


def test_channels_last_of_keras_and_a_signal_of_several_channels() -> None:
    waves = np.sin(np.linspace(0, 9, 100)[:, None] + np.arange(4) + np.arange(32)[:, None, None])
    keras = layout_of(waves, replace(SETUP, framework=Framework.KERAS), None)
    torch = layout_of(waves.transpose(0, 2, 1), SETUP, None)
    assert keras is not None
    assert torch is not None
    assert keras.note == torch.note == "the first of 4 channels"
    assert np.array_equal(keras.reduced(waves), torch.reduced(waves.transpose(0, 2, 1)))


def test_class_scores_make_a_mask_whichever_axis_they_lie_along() -> None:
    classes = np.arange(48 * 48).reshape(48, 48) % 3
    one_hot = np.repeat(np.eye(3)[classes][None], 4, axis=0)
    last, first = layout_of(one_hot, SETUP, -1), layout_of(one_hot.transpose(0, 3, 1, 2), SETUP, 1)
    assert last is not None
    assert first is not None
    shown = last.bytes_of(last.reduced(one_hot))
    assert last.kind is Kind.MASK
    assert shown.shape == (4, 32, 32)
    assert set(shown.reshape(-1)) == {0, 1, 2}
    assert np.array_equal(shown, first.bytes_of(first.reduced(one_hot.transpose(0, 3, 1, 2))))


def test_nothing_is_shown_of_single_numbers() -> None:
    assert layout_of(np.random.default_rng(0).random((64, 1)), SETUP, None) is None


def test_columns_are_quantiles_of_the_error_and_not_the_first_samples() -> None:
    targets = blobs(100, 28, 28).reshape(100, 784)
    wrong = targets + np.linspace(0.5, 0, 100)[:, None]
    book = Sketchbook(SETUP)
    book.keep("as written", Evaluation(wrong, targets))
    book.keep("all fixes", Evaluation(targets * 255, targets * 255))
    gallery = book.gallery("as written", ["nothing such", "all fixes"])
    assert gallery is not None
    assert [row.name for row in gallery.rows] == ["target", "as written", "all fixes", "error"]
    assert list(gallery.columns) == sorted(gallery.columns)
    assert len(gallery.columns) == COLUMNS
    assert gallery.columns[0] == pytest.approx(0)
    assert gallery.columns[2] == pytest.approx(0.25**2 / targets.var(), rel=0.05)
    target, written, fixed, error = gallery.rows
    assert fixed.pictures == target.pictures, "each arm on the scale of its own targets"
    assert written.pictures != target.pictures
    assert max(bytes.fromhex(error.pictures[0])) == 0
    assert min(bytes.fromhex(error.pictures[-1])) == round(0.5 * 255 / np.ptp(targets) + 0.01)
    assert can_be_drawn(Sight(gallery=gallery))


def test_predictions_that_are_no_numbers_are_the_worst_and_drawn_dark() -> None:
    targets = blobs(20, 28, 28).reshape(20, 784)
    predictions = targets.copy()
    predictions[7] = np.nan
    book = Sketchbook(SETUP)
    book.keep("as written", Evaluation(predictions, targets))
    gallery = book.gallery("as written", [])
    assert gallery is not None
    assert gallery.columns[-1] == float("inf")
    assert set(bytes.fromhex(gallery.rows[1].pictures[-1])) == {0}
    assert can_be_drawn(Sight(gallery=gallery))


def test_arms_that_were_scored_on_other_samples_are_left_out() -> None:
    targets = blobs(40, 28, 28).reshape(40, 784)
    book = Sketchbook(SETUP)
    book.keep("as written", Evaluation(targets, targets))
    book.keep("other", Evaluation(targets[::-1], targets[::-1].copy()))
    gallery = book.gallery("as written", ["other"])
    assert gallery is not None
    assert [row.name for row in gallery.rows] == ["target", "as written", "error"]


def test_the_histogram_lies_over_what_the_head_reaches() -> None:
    setup = replace(headed("sigmoid", 0.0, 1.0), certificate=Certificate(10, 0.9))
    seen = histogram_of(setup, np.linspace(0, 255, 1000).reshape(100, 10))
    assert seen is not None
    assert (seen.counted, seen.reach_low, seen.reach_high, seen.outside) == (Counted.VALUES, 0.0, 1.0, 0.9)
    assert (seen.low, seen.high, sum(seen.counts)) == (0.0, 255.0, 1000)


def test_an_output_that_reaches_everything_does_not_squeeze_the_histogram() -> None:
    seen = histogram_of(headed("linear", -np.inf, np.inf), np.linspace(0, 1, 100).reshape(10, 10))
    assert seen is not None
    assert (seen.low, seen.high) == (0.0, 1.0)


def test_of_outputs_that_sum_to_1_the_sums_are_counted() -> None:
    simplex = ActivationRange(ValueRange.exactly(UNIT), Constraint.SIMPLEX, -1)
    setup = replace(SETUP, head=Head("softmax", range=simplex, axis=-1, units=784), certificate=Certificate(9, 1.0))
    seen = histogram_of(setup, np.random.default_rng(0).random((50, 784)))
    assert seen is not None
    assert (seen.counted, seen.reach_low, seen.reach_high, sum(seen.counts)) == (Counted.SUMS, 1.0, 1.0, 50)
    assert seen.low == 1.0
    assert seen.high > 380


def test_class_indices_are_counted_by_class() -> None:
    target = DataFacts(structure=Structure.CLASS_INDEX)
    setup = replace(headed("linear", -np.inf, np.inf, units=3), target=target)
    seen = histogram_of(setup, np.array([0, 1, 1, 3]))
    assert seen is not None
    assert (seen.counted, seen.counts, seen.outside) == (Counted.CLASSES, (1, 2, 0, 1), 0.25)


def test_the_bench_hands_over_what_it_scored() -> None:
    audited = AuditedSetup(SETUP, (finding(SwapActivation("linear")),))
    after = settled(NumpyCapture("relu"), audited, ProbeOptions())
    assert after.sight is not None
    gallery = after.sight.gallery
    assert gallery is not None
    assert [row.name for row in gallery.rows] == ["target", "as written", "no activation at the output", "error"]
    assert gallery.kind is Kind.TABLE
    (evidence,) = after.findings[0].evidence
    written, fixed = evidence.arms
    assert len(written.curves) == len(written.r2) == 3
    assert [curve[-1] for curve in fixed.curves] == list(fixed.r2)
    assert len(fixed.losses[0]) == len(fixed.curve)


def test_of_a_sound_program_the_data_are_shown() -> None:
    capture = NumpyCapture("linear")
    seen = sight_of(capture, SETUP, None, [])
    assert seen is not None
    assert seen.gallery is not None
    assert [row.name for row in seen.gallery.rows] == ["target"]
    assert seen.gallery.columns == ()
    assert can_be_drawn(seen)

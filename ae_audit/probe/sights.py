"""What a training looks like: the histogram of its target over what the head reaches, and pictures of a few samples.

Nothing is fitted for it. The bench hands over the predictions that it scored anyway; they are reduced at once to what a
page can show.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ae_audit.probe.layouts import Layout, layout_of
from ae_audit.probe.score import NoScore, aligned
from ae_audit.runtime.capture import Array, Capture, Evaluation, FloatArray
from ae_audit.runtime.measure.facts import MOST_CLASSES, beside_predictions, part_of, prediction_range
from ae_audit.schema.sights import Counted, Gallery, Histogram, Row, Sight
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.theory.activations import Constraint

BINS = 40
COLUMNS = 5
"""samples that are shown: the ends of the errors and their quartiles"""
MOST_KEPT = 256
"""samples of which predictions are kept until it is known which are shown"""
TARGET, INPUT, ERROR = "target", "input", "error"
_SAME = 1e-3
"""of the target's span: how far the samples of two arms may differ and still be the same"""


@dataclass(frozen=True)
class _Sketch:
    """Targets and predictions of one arm, reduced; both on a scale on which the arm's targets run from 0 to 1."""

    targets: FloatArray
    predictions: FloatArray


class Sketchbook:
    """Collects what arms predict on the samples that they are scored on."""

    def __init__(self, setup: TrainingSetup) -> None:
        self._setup = setup
        self._layout: Layout | None = None
        self._span = (0.0, 1.0)
        self._sketches: dict[str, _Sketch] = {}
        self._samples = 0

    def keep(self, arm: str, evaluation: Evaluation) -> None:
        """Remember what the arm of that name predicts, in place of what it did before; never raises."""
        with contextlib.suppress(NoScore, ValueError, ArithmeticError, MemoryError):
            self._keep(arm, evaluation)

    def _keep(self, arm: str, evaluation: Evaluation) -> None:
        predictions = np.asarray(evaluation.predictions, dtype=np.float32)
        targets, axis = aligned(predictions, np.asarray(evaluation.targets), self._setup.head.axis)
        if len(targets) < 2 or targets.shape != predictions.shape:
            return
        chosen = np.unique(np.linspace(0, len(targets) - 1, min(len(targets), MOST_KEPT)).round().astype(int))
        targets, predictions = targets[chosen], predictions[chosen]
        if self._layout is None:
            self._layout = layout_of(targets, self._setup, axis)
            self._samples = len(chosen)
        if self._layout is None or not np.isfinite(targets).all():
            return
        low, high = float(targets.min()), float(targets.max())
        if not high > low:
            return
        if not self._sketches or arm == "as written":
            self._span = (low, high)
        scaled = [(array - low) / (high - low) for array in (targets, predictions)]
        self._sketches[arm] = _Sketch(*(np.asarray(self._layout.reduced(array), np.float32) for array in scaled))

    def gallery(self, written: str, others: Sequence[str]) -> Gallery | None:
        """Samples at quantiles of the error of the arm ``written``, and what the first of ``others`` makes of them."""
        sketch, layout = self._sketches.get(written), self._layout
        if sketch is None or layout is None:
            return None
        errors = _errors(sketch)
        shown = _at_quantiles(errors)
        rows = [
            _row(layout, TARGET, sketch.targets[shown]),
            _row(layout, written, sketch.predictions[shown]),
        ]
        for name in others:
            other = self._sketches.get(name)
            if other is not None and _of_the_same(other, sketch):
                rows.append(_row(layout, name, other.predictions[shown]))
                break
        wrong = layout.difference(sketch.predictions[shown], sketch.targets[shown])
        rows.append(_row(layout, ERROR, wrong, grey=True))
        return self._gallery(layout, errors[shown], rows)

    def of_one(self, arm: str) -> Gallery | None:
        """Samples at quantiles of their distance from the mean target, and what that arm makes of them."""
        sketch, layout = self._sketches.get(arm), self._layout
        if sketch is None or layout is None:
            return None
        shown = _at_quantiles(
            _errors(_Sketch(sketch.targets, np.broadcast_to(sketch.targets.mean(axis=0), sketch.targets.shape)))
        )
        rows = [_row(layout, TARGET, sketch.targets[shown]), _row(layout, arm, sketch.predictions[shown])]
        return self._gallery(layout, _errors(sketch)[shown], rows)

    def _gallery(self, layout: Layout, errors: NDArray[np.float64], rows: Sequence[Row]) -> Gallery:
        """Rows of samples with the error of each sample."""
        return Gallery(
            layout.kind,
            layout.height,
            layout.width,
            *self._span,
            tuple(map(float, errors)),
            tuple(rows),
            self._samples,
            layout.note,
        )


def pictures_of(setup: TrainingSetup, name: str, evaluation: Evaluation) -> Gallery | None:
    """What one fit makes of a few samples, from that nearest to the mean target to that farthest from it.

    The choice depends on the target alone, so that fits of several processes show the same. Never raises.
    """
    with contextlib.suppress(NoScore, ValueError, ArithmeticError, MemoryError):
        book = Sketchbook(setup)
        book.keep(name, evaluation)
        return book.of_one(name)
    return None


def _at_quantiles(errors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of samples at even quantiles of their errors, the ends included."""
    order = np.argsort(errors, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(COLUMNS, len(order))).round().astype(int))
    return np.asarray(order[places])


def _of_the_same(other: _Sketch, sketch: _Sketch) -> bool:
    """Whether two arms were scored on the same samples."""
    return other.targets.shape == sketch.targets.shape and bool(np.abs(other.targets - sketch.targets).max() <= _SAME)


def _errors(sketch: _Sketch) -> NDArray[np.float64]:
    """Of each sample, its mean squared error over the variance of all; infinite where it predicts no number."""
    with np.errstate(all="ignore"):
        squared = np.square(sketch.predictions.astype(np.float64) - sketch.targets)
        errors = squared.reshape(len(squared), -1).mean(axis=1) / max(float(sketch.targets.var()), 1e-12)
    return np.where(np.isfinite(errors), errors, np.inf)


def _row(layout: Layout, name: str, values: FloatArray, *, grey: bool = False) -> Row:
    pictures = layout.bytes_of(values, grey=grey)
    return Row(name, tuple(one.tobytes().hex() for one in pictures), 1 if grey else layout.channels)


def sight_of(capture: Capture, setup: TrainingSetup, book: Sketchbook | None, arms: Sequence[str]) -> Sight | None:
    """What there is to look at in one capture; never raises, since nothing depends on it.

    ``arms`` are the names of the arms that were fitted: the program as written, then the others, the best first.
    """
    histogram = gallery = None
    with contextlib.suppress(Exception):
        histogram = histogram_of(setup, np.asarray(capture.targets))
    with contextlib.suppress(Exception):
        gallery = None if book is None or not arms else book.gallery(arms[0], arms[1:])
        gallery = gallery or _data_alone(capture, setup)
    return None if histogram is None and gallery is None else Sight(histogram, gallery)


def _data_alone(capture: Capture, setup: TrainingSetup) -> Gallery | None:
    """The first samples of a program of which nothing was fitted: what goes in, and what is to come out."""
    targets, inputs = np.asarray(capture.targets), np.asarray(capture.inputs)
    axis = setup.target.structure_axis
    layout = layout_of(targets[:MOST_KEPT].astype(np.float32), setup, axis)
    if layout is None:
        return None
    shown = targets[:COLUMNS].astype(np.float32)
    low, high = float(shown.min()), float(shown.max())
    if not high > low:
        return None
    rows = [_row(layout, TARGET, layout.reduced((shown - low) / (high - low)))]
    if inputs.shape == targets.shape and not np.array_equal(inputs[:COLUMNS], targets[:COLUMNS]):
        fed = inputs[:COLUMNS].astype(np.float32)
        least, most = float(fed.min()), float(fed.max())
        if most > least:
            rows.insert(0, _row(layout, INPUT, layout.reduced((fed - least) / (most - least))))
    return Gallery(layout.kind, layout.height, layout.width, low, high, (), tuple(rows), len(targets), layout.note)


def histogram_of(setup: TrainingSetup, targets: Array) -> Histogram | None:
    """The target over what the head reaches; None where nothing is known of the one or the other."""
    if not targets.size or targets.ndim == 0:
        return None
    y, reached = part_of(targets), prediction_range(setup)
    beside = beside_predictions(setup, y, reached)
    if beside is None:
        return _classes(setup, y)
    outside = 0.0 if setup.certificate is None else setup.certificate.unreachable_share
    if reached.constraint is Constraint.SIMPLEX and outside > 0 and reached.axis is not None:
        sums = beside.astype(np.float64).sum(axis=reached.axis).reshape(-1)
        return _binned(Counted.SUMS, sums, 1.0, 1.0, outside)
    hull = reached.values.hull
    return _binned(Counted.VALUES, beside.astype(np.float64).reshape(-1), hull.lo, hull.hi, outside)


def _classes(setup: TrainingSetup, y: Array) -> Histogram | None:
    if y.dtype.kind not in "iubf" or setup.head.units is None:
        return None
    index = y.reshape(-1).astype(np.float64)
    if not np.isfinite(index).all() or np.any(index != np.round(index)) or np.abs(index).max() > MOST_CLASSES:
        return None
    units = setup.head.units
    low, high = min(index.min(), 0.0), max(index.max(), units - 1.0)
    bins = int(high - low) + 1 if high - low < BINS else BINS
    counts, _ = np.histogram(index, bins=bins, range=(low - 0.5, high + 0.5))
    outside = float(np.mean((index < 0) | (index > units - 1)))
    return Histogram(Counted.CLASSES, low - 0.5, high + 0.5, tuple(map(int, counts)), -0.5, units - 0.5, outside)


def _binned(counted: Counted, values: NDArray[np.float64], low: float, high: float, outside: float) -> Histogram | None:
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    least, most = float(values.min()), float(values.max())
    span = most - least
    ends = [end for end in (low, high) if np.isfinite(end) and least - 3 * span <= end <= most + 3 * span]
    if counted is Counted.SUMS:
        ends = [low]
    least, most = min([least, *ends]), max([most, *ends])
    if most <= least:
        least, most = least - 0.5, most + 0.5
    counts, _ = np.histogram(values, bins=BINS, range=(least, most))
    return Histogram(counted, least, most, tuple(map(int, counts)), float(low), float(high), outside)

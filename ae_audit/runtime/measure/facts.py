"""From real arrays to the facts of a training setup: :class:`DataFacts` and the :class:`Certificate`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.training_setup import Certificate, DataFacts, Framework, Measurement, Structure, TrainingSetup
from ae_audit.theory.activations import ActivationRange, Constraint, find_activation
from ae_audit.theory.array_losses import indexed
from ae_audit.theory.bounds import attainable_r2, reachability
from ae_audit.theory.floors import Reduction, floor, mean_prediction_loss
from ae_audit.theory.loss import Loss, PredictionKind
from ae_audit.theory.ranges import UNKNOWN_RANGE, Tri, ValueRange
from ae_audit.theory.summaries import Summary, summarise

Array = NDArray[Any]

QUANTILE_LEVELS = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
"""the ends, the ends without outliers (which rules read as ``quantiles[1]`` and ``[-2]``), and the quartiles"""
MOST_CLASSES = 100_000
"""An integer above this is no class index, even of a large vocabulary."""
MOST_LABELS = 128
"""A 0/1 vector longer than this is taken for a flattened binary image, not for independent labels."""
FEW_CLASSES = 100
"""Whole floats of more different values than this are counts or measurements; of fewer they may be labels as well."""
STANDARD_TOLERANCE = 0.15
"""How far mean and variance of standardised data may be from 0 and 1: a captured part is not the whole."""
FEWEST_SAMPLES = 16
"""Below this, means and variances say too little about the data set."""
MOST_VALUES = 1 << 21
"""of an array that are looked at one by one (half a second's work): the 2,048 captured digits of 784 pixels are all"""


def part_of(array: Array) -> Array:
    """Samples of ``array`` spread evenly over its length, as many as figures are computed on; itself where it is small.

    Facts and certificate both take this part, so that they speak of the same samples.
    """
    most = max(FEWEST_SAMPLES, MOST_VALUES // max(1, array.size // max(1, len(array))))
    if len(array) <= most:
        return array
    return np.asarray(array[np.linspace(0, len(array) - 1, most).round().astype(np.int64)])


def facts_of(
    array: Array,
    *,
    source: str | None = None,
    stand_in: bool = False,
    location: Location | None = None,
    trail: tuple[TrailStep, ...] = (),
    role: str | None = None,
) -> DataFacts:
    """What a captured array is.

    Args:
        array: batch axis first; numbers of any type.
        source: where it comes from, for a sentence.
        stand_in: generated in place of the real data.
        location: where it was last scaled or made.
        trail: how that is known.
        role: ``class index`` where the program uses it as such (the target of an index loss, of any rank);
            ``reconstruction`` where it is the model's input or an image of it, which no label structure can describe.

    Raises:
        TypeError: for complex, text or object arrays.
    """
    given = np.asarray(array)
    summary = summarise(given, whole=True)
    shape = (None, *given.shape[1:])  # how many samples were captured is no property of the data
    return facts_from(summary, shape=shape, source=source, stand_in=stand_in, location=location, trail=trail, role=role)


def facts_from(
    summary: Summary,
    *,
    shape: tuple[int | None, ...] | None = None,
    source: str | None = None,
    stand_in: bool = False,
    location: Location | None = None,
    trail: tuple[TrailStep, ...] = (),
    role: str | None = None,
) -> DataFacts:
    """As :func:`facts_of`, from a summary (of a stream of batches: merge their summaries)."""
    hull = summary.hull
    structure, axis = _structure(summary, role)
    return DataFacts(
        values=UNKNOWN_RANGE if hull is None else ValueRange.exactly(hull),
        dtype=summary.dtype,
        shape=shape if shape is not None else (None, *summary.sample_shape),
        structure=structure,
        structure_axis=axis,
        source=source,
        standardised=_standardised(summary),
        stand_in=stand_in,
        measured=measurement_of(summary),
        location=location,
        trail=trail,
    )


def measurement_of(summary: Summary) -> Measurement:
    """The summary's figures in the form that a setup carries."""
    mode, mode_share = summary.mode
    return Measurement(
        count=summary.count,
        samples=summary.samples,
        mean=summary.mean,
        std=summary.std,
        quantiles=summary.quantiles(QUANTILE_LEVELS),
        integer_share=summary.share(summary.integers),
        zero_share=summary.share(summary.zeros),
        one_share=summary.share(summary.ones),
        mode=mode,
        mode_share=mode_share,
        non_finite=summary.non_finite,
        sums_to_one_along=summary.sums_to_one_along,
        one_hot_along=summary.one_hot_along,
    )


def _structure(summary: Summary, role: str | None) -> tuple[Structure, int | None]:
    if role == "class index":
        return Structure.CLASS_INDEX, None
    if not summary.finite or summary.non_finite:
        return (Structure.CONTINUOUS, None) if summary.finite else (Structure.UNKNOWN, None)
    if summary.one_hot_along:
        return Structure.ONE_HOT, _class_axis(summary.one_hot_along)
    if summary.sums_to_one_along:
        return Structure.DISTRIBUTION, _class_axis(summary.sums_to_one_along)
    if role == "reconstruction":
        return Structure.CONTINUOUS, None
    whole = summary.integers == summary.count
    one_a_sample = math.prod(extent or 0 for extent in summary.sample_shape) == 1 and len(summary.sample_shape) <= 1
    binary = summary.zeros + summary.ones == summary.count
    if one_a_sample:
        if binary:
            return Structure.BINARY_LABEL, None
        if not whole or summary.minimum < -1.0 or summary.maximum > MOST_CLASSES:
            return Structure.CONTINUOUS, None
        few = summary.distinct is not None and summary.distinct <= FEW_CLASSES
        # Other whole numbers: labels, or counts, ratings and ages; nothing in them tells which.
        return (Structure.UNKNOWN if few else Structure.CONTINUOUS), None
    if binary and len(summary.sample_shape) == 1 and (summary.sample_shape[0] or 0) <= MOST_LABELS:
        return Structure.MULTI_HOT, -1
    return Structure.CONTINUOUS, None


def _class_axis(axes: tuple[int, ...]) -> int:
    """The last of several (a permutation matrix is one-hot both ways), as a positive axis."""
    return axes[-1]


def _standardised(summary: Summary) -> Tri:
    """Zero mean and unit variance, over all values or for each feature."""
    if not summary.finite or summary.minimum >= 0.0:
        return Tri.NO if summary.finite else Tri.UNKNOWN
    if abs(summary.mean) <= STANDARD_TOLERANCE and abs(summary.std - 1.0) <= STANDARD_TOLERANCE:
        return Tri.YES
    if summary.samples < FEWEST_SAMPLES:
        return Tri.UNKNOWN
    features = summary.features
    if features is not None:
        varying = features.variance > 1e-12
        if varying.any():
            means, variances = features.mean[varying], features.variance[varying]
            # The mean of n standard values has a standard deviation of 1/√n.
            offset = float(np.sqrt(np.square(means).mean()))
            noise = STANDARD_TOLERANCE + 1.5 / math.sqrt(summary.samples)
            if offset <= noise and abs(float(variances.mean()) - 1.0) <= 2.0 * STANDARD_TOLERANCE:
                return Tri.YES
    return Tri.NO


def certify(setup: TrainingSetup, targets: Array) -> Certificate | None:
    """What holds of ``setup`` for any weights, on these targets.

    Args:
        setup: its head's range, its loss and reduction are used; what is unknown is left out.
        targets: as the loss sees them, batch axis first; of many, :func:`part_of` them.

    Returns:
        None where neither the head's range nor the loss is known, or there are no targets.
    """
    y = np.asarray(targets)
    loss = setup.loss.theory
    if y.size == 0 or (setup.head.range.unknown and loss is None):
        return None
    y, reached = _part_of_batch(y), prediction_range(setup)
    comparable = beside_predictions(setup, y, reached)
    least = mean_loss = None
    if loss is not None and np.isfinite(y.astype(np.float64)).all():
        least, mean_loss = _loss_figures(setup, loss, y)
    return Certificate(
        samples=len(y),
        unreachable_share=0.0 if comparable is None else reachability(reached, comparable),
        attainable_r2=None if comparable is None else attainable_r2(reached, comparable),
        floor=least,
        mean_prediction_loss=mean_loss,
    )


def best_r2(setup: TrainingSetup, targets: Array) -> float | None:
    """The ``attainable_r2`` of :func:`certify` alone, at a fraction of its price."""
    y = np.asarray(targets)
    if y.size == 0:
        return None
    y, reached = _part_of_batch(y), prediction_range(setup)
    comparable = beside_predictions(setup, y, reached)
    return None if comparable is None else attainable_r2(reached, comparable)


def _part_of_batch(y: Array) -> Array:
    return y.reshape(1) if y.ndim == 0 else part_of(y)


def beside_predictions(setup: TrainingSetup, y: Array, reached: ActivationRange) -> Array | None:
    """The targets where predictions are; None where there is no such place."""
    loss = setup.loss.theory
    is_index = (loss is not None and indexed(loss, y)) or setup.target.structure is Structure.CLASS_INDEX
    return None if is_index or reached.unknown else _as_prediction(setup, y)


def prediction_range(setup: TrainingSetup) -> ActivationRange:
    """The range of the predictions in the target's own space.

    A head without activation has the loss's link applied (sigmoid, softmax, exp); a head with one is taken as it is,
    except that log-probabilities become probabilities.
    """
    head, loss = setup.head, setup.loss.theory
    if loss is None:
        return head.range
    if head.activation == "linear":
        if loss.prediction_kind is PredictionKind.LOGIT:
            return _apply("sigmoid", head.range)
        if loss.prediction_kind is PredictionKind.LOGIT_VECTOR:
            return _apply("softmax", head.range, _class_axis_of(setup, loss), head.units)
        if loss.prediction_kind is PredictionKind.LOG_RATE:
            return _apply("exponential", head.range)
    if loss.prediction_kind is PredictionKind.LOG_SIMPLEX and head.range.constraint is Constraint.LOG_SIMPLEX:
        return _apply("exponential", head.range)
    return head.range


def _apply(name: str, range_: ActivationRange, axis: int | None = None, units: int | None = None) -> ActivationRange:
    activation = find_activation(name, axis=axis)
    assert activation is not None
    return activation.range_of(range_, units)


def _class_axis_of(setup: TrainingSetup, loss: Loss) -> int:
    axis = dict(loss.parameters).get("axis", dict(setup.loss.parameters).get("axis"))
    if isinstance(axis, int) and not isinstance(axis, bool):
        return axis
    if setup.head.axis is not None:
        return setup.head.axis
    return 1 if setup.framework is Framework.TORCH else -1


def _as_prediction(setup: TrainingSetup, y: Array) -> Array | None:
    """The targets in the prediction's shape; None where they are not one value for one value."""
    shape = setup.head.shape
    if shape is None or len(shape) < 1:
        return y
    extents = [extent for extent in shape[1:] if extent is not None]
    if len(extents) < len(shape) - 1:
        return y if y.ndim == len(shape) else None
    if y[0].size != math.prod(extents):
        return None
    return y.reshape(len(y), *extents)


def _loss_figures(setup: TrainingSetup, loss: Loss, y: Array) -> tuple[float | None, float | None]:
    """Floor, and loss of the mean prediction, in the program's reduction; None where they depend on unknown numbers."""
    if "tensor" in {dict(setup.loss.parameters).get(name) for name in ("weight", "pos_weight")}:
        return None, None
    if loss.floor_unknown is not None:
        return None, None
    axis = -1 if loss.pointwise else _class_axis_of(setup, loss)
    if not loss.pointwise and not indexed(loss, y) and (y.ndim < 2 or not -y.ndim <= axis < y.ndim):
        return None, None
    reduction = Reduction(setup.loss.reduction, setup.framework is Framework.KERAS)
    units = setup.head.units
    try:
        least = floor(loss, y, axis, reduction, units)
        mean_loss = mean_prediction_loss(loss, y, axis, reduction, units)
    except (ValueError, OverflowError):  # a target outside what the loss can take at all, such as log of a negative
        return None, None
    # how many samples were captured is no property of the program: a sum is given for one
    samples = len(y) if reduction.kind == "sum" else 1
    return _number(least / samples), _number(mean_loss / samples)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value

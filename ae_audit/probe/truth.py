"""The target in the place of the prediction: which values would be right, and how like them some others are.

A loss takes its prediction on a scale of its own: probabilities, logits, log-rates, smoothed labels. Where the theory
knows the loss it names that scale (the link); elsewhere the usual ones are tried, and the one on which the target costs
least is the loss's own. Only scales are tried that keep the target's order: of a loss with its sign reversed none
makes the target cheap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import NotJudged
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.activations import FREE_HEADS
from ae_audit.theory.array_losses import indexed
from ae_audit.theory.loss import Link

Array = NDArray[Any]
Floats = NDArray[np.floating[Any]]

CERTAIN = 1e-3
"""how far from 0 and 1 a probability is kept before its logit or logarithm is taken"""
SCALES = (1e-3, 1 / 255, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""multiples of the target that are tried under a loss that no table knows"""
WILD = 10.0
"""times what the loss charges, on the target's own scale, for a constant or for another target: what costs less by more
than that on another scale lies beyond a pole of the loss"""
STILL_FALLING = 0.02
"""of the span of the costs on those scales: a loss that falls by more at the last of them has no end there"""
SAME_SCALE = 0.01
"""of what the loss charges for a constant or another target: less does not tell one scale from another"""
EXPONENT = 30.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The target as the prediction would have to be, on the loss's own scale.

    Attributes:
        values: the target in the prediction's shape; one-hot where the target holds class indices.
        wanted: the same on the scale on which the loss rewards it most.
        cost: of ``wanted``.
        axis: of the classes, where the target is a distribution along it.
        compared: which values count: the others get no gradient from the loss whatever they are.
    """

    values: Floats
    wanted: Floats
    cost: float
    axis: int | None
    compared: NDArray[np.bool_]
    constant: Floats
    """the mean target of each place, on the same scale"""
    order: NDArray[np.int64]
    """in which most samples have another's target"""

    def shuffled(self) -> Floats:
        """The targets of other samples, on the same scale; of a single sample those of other places."""
        if len(self.wanted) > 1:
            return self.wanted[self.order]
        return self.wanted.reshape(-1)[self.order].reshape(self.wanted.shape)


def in_shape(setup: TrainingSetup, target: Array, shape: tuple[int, ...]) -> tuple[Floats, int | None]:
    """The target in the prediction's shape, and the axis of the classes where it was class indices.

    Raises:
        NotJudged: where a value of the prediction has no value of the target.
    """
    y = np.asarray(target)
    loss = setup.loss.theory
    axes = _class_axes(setup, shape)
    if y.shape == shape or (y.size == int(np.prod(shape)) and not (loss is not None and indexed(loss, y))):
        values = y.reshape(shape).astype(np.float64)
        along = setup.target.structure_axis if setup.target.structure in _DISTRIBUTIONS else None
        return values, None if along is None else along % len(shape)
    if loss is None or indexed(loss, y):
        whole = y.dtype.kind in "iub" or bool((y == np.round(y)).all())
        for axis in axes if whole else ():
            index = y.squeeze(axis) if y.ndim == len(shape) and y.shape[axis] == 1 else y
            if index.size * shape[axis] == math.prod(shape) and index.shape[:1] == shape[:1]:
                index = index.reshape(shape[:axis] + shape[axis + 1 :])  # of pixels in one row
            if index.shape == shape[:axis] + shape[axis + 1 :]:
                extent = [1] * len(shape)
                extent[axis] = shape[axis]
                classes = np.arange(shape[axis]).reshape(extent)
                return (np.expand_dims(index, axis) == classes).astype(np.float64), axis
    if y.ndim == len(shape) and all(have in {1, extent} for have, extent in zip(y.shape, shape, strict=True)):
        return np.broadcast_to(y, shape).astype(np.float64), None  # several quantiles of one value
    raise NotJudged(f"a prediction of shape {shape} has no place for the values of a target of shape {y.shape}")


_DISTRIBUTIONS = frozenset({Structure.ONE_HOT, Structure.DISTRIBUTION})


def _class_axes(setup: TrainingSetup, shape: tuple[int, ...]) -> list[int]:
    """Where the classes of a prediction may lie, the likeliest first; never the batch axis."""
    loss = setup.loss.theory
    named = dict(setup.loss.parameters).get("axis") if loss is not None else None
    usual = 1 if setup.framework is Framework.TORCH else -1
    wanted = [setup.head.axis, named if isinstance(named, int) else None, usual, -1, 1]
    places = [axis % len(shape) for axis in wanted if axis is not None and -len(shape) <= axis < len(shape)]
    return [axis for axis in dict.fromkeys(places) if axis > 0]


def readings(prediction: Floats, axis: int | None) -> Iterator[Floats]:
    """Monotone readings of a prediction: as it is, and as logits or log-probabilities."""
    yield prediction
    yield 1.0 / (1.0 + np.exp(-np.clip(prediction, -EXPONENT, EXPONENT)))
    yield np.exp(np.clip(prediction, -EXPONENT, EXPONENT))
    if axis is not None:
        yield softmax(prediction, axis)


def softmax(values: Floats, axis: int) -> Floats:
    """Along ``axis``."""
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def linked(setup: TrainingSetup, prediction: Floats, axis: int | None) -> Floats:
    """What a prediction says in the target's space: by the loss's link where the head has no activation of its own."""
    loss = setup.loss.theory
    link = Link.IDENTITY if loss is None else loss.link
    if link is Link.EXP:
        return np.exp(np.clip(prediction, -EXPONENT, EXPONENT))
    if setup.head.activation not in {None, "linear"}:
        return prediction
    if link is Link.SIGMOID:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(prediction, -EXPONENT, EXPONENT))))
    if link is Link.SOFTMAX and axis is not None:
        return softmax(prediction, axis)
    return prediction


def correlation(truth: Truth, prediction: Floats) -> float:
    """The greatest correlation of a monotone reading of the prediction with the target, or with its peaks; -1 … 1.

    Under a loss that rewards peaks alone (a focal loss on heat maps) what is below them is no target of its own.
    """
    y = truth.values[truth.compared]
    versions = [y]
    if y.size and y.min() < y.max():
        versions.append((y >= y.max()).astype(np.float64))
        versions.append((y > 0.5 * (y.min() + y.max())).astype(np.float64))
    best = -1.0
    for reading in readings(prediction, truth.axis):
        p = reading[truth.compared]
        best = max(best, *(_correlation(p, version) for version in versions))
    return best


def correlation_as_it_is(truth: Truth, prediction: Floats) -> float:
    """Of the prediction itself with all values of the target that are compared; -1 … 1."""
    return _correlation(prediction[truth.compared], truth.values[truth.compared])


def _correlation(a: Floats, b: Floats) -> float:
    if not (np.isfinite(a).all() and a.size > 1):
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-12 * a.size else 0.0


def r2(truth: Truth, wanted: Floats, prediction: Floats) -> float:
    """Share of the variance of ``wanted`` that the prediction explains; -inf where it is not finite."""
    mean = wanted.mean(axis=0, keepdims=True) if len(wanted) > 1 else wanted.mean()
    total = float((np.square(wanted - mean) * truth.compared).sum())
    if not np.isfinite(prediction).all():
        return -np.inf
    if total <= 0.0:
        return 0.0
    return 1.0 - float((np.square(prediction - wanted) * truth.compared).sum()) / total


def encodings(
    setup: TrainingSetup, values: Floats, axis: int | None
) -> Iterator[tuple[Callable[[Floats], Floats], bool]]:
    """The scales on which a loss may want its target, each with whether multiples of it are to be tried too."""
    loss = setup.loss.theory
    unit = bool(values.min() >= 0.0 and values.max() <= 1.0)
    if loss is not None:
        link = loss.link
        if link is Link.SIGMOID and unit:
            yield _logit, True
        elif link is Link.SOFTMAX:
            yield _log, True
        elif link is Link.EXP:
            yield _log, False
        elif link is Link.SIGN and unit:
            yield _signs, True
        else:
            yield _same, link is not Link.IDENTITY
        return
    yield _same, True
    if setup.head.activation not in FREE_HEADS:
        return  # what comes out of another activation is on the target's own scale, or on none
    if unit:
        yield _logit, True
        yield _signs, True
        if axis is not None:
            yield _log, True
    elif values.min() >= 0.0:
        yield _log, False


def _same(values: Floats) -> Floats:
    return values


def _signs(values: Floats) -> Floats:
    return 2.0 * values - 1.0


def _logit(values: Floats) -> Floats:
    clipped = np.clip(values, CERTAIN, 1.0 - CERTAIN)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _log(values: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(values, CERTAIN)))


def truth_of(setup: TrainingSetup, target: Array, shape: tuple[int, ...], cost: Callable[[Floats], float]) -> Truth:
    """The target on the loss's own scale.

    Raises:
        NotJudged: where it cannot be compared with the prediction, does not vary, or costs no number.
    """
    values, axis = in_shape(setup, target, shape)
    if not np.isfinite(values).all():
        raise NotJudged("the target holds values that are no numbers")
    if float(np.ptp(values)) == 0.0:
        raise NotJudged("the target does not vary in the captured batch")
    order = _order(values)
    best: tuple[float, Floats, Floats] | None = None
    mean = np.broadcast_to(values.mean(axis=0 if len(values) > 1 else None, keepdims=True), shape)
    gap = 0.0
    other = values[order] if len(values) > 1 else values.reshape(-1)[order].reshape(shape)
    for encode, scaled in encodings(setup, values, axis):
        plain = encode(values)
        costs = {scale: cost(scale * plain) for scale in (SCALES if scaled else (1.0,))}
        scale = _own_scale(costs)
        own = costs[1.0]
        if scale not in {None, 1.0} and np.isfinite(own) and setup.head.range.values.hull.bounded:
            other_costs = [cost(encode(part)) for part in (mean, other)]
            free = own - costs[scale] <= SAME_SCALE * max(abs(value - own) for value in other_costs)
            if free or not costs[scale] < cost(scale * encode(other)):
                # of a loss free of scale rounding decides which is cheapest, and one with its sign reversed is cheap
                # wherever it is flat; a bounded output has a scale
                scale = 1.0
        if best is None:
            scale = 1.0 if scale is None else scale
        elif scale is None or not best[0] - WILD * gap < costs[scale] < cost(scale * encode(other)):
            continue  # there the loss has no end, falls beyond its own floor, or prefers other values to the target
        value = costs[scale]
        if not np.isfinite(value):
            plain, scale = _guarded(plain), 1.0
            value = cost(plain)
        if np.isfinite(value) and (best is None or value < best[0]):
            if best is None:
                gap = max(abs(cost(scale * encode(part)) - value) for part in (mean, other))
            best = value, scale * plain, scale * encode(mean)
    if best is None:
        raise NotJudged("the loss of the target itself is no number")
    return Truth(values, best[1], best[0], axis, np.ones(shape, dtype=np.bool_), best[2], order)


def _guarded(values: Floats) -> Floats:
    """Values a little off, for losses that have a logarithm of 0 at the target: off 0 and 1, or else to either side."""
    if values.min() >= 0.0 and values.max() <= 1.0 and bool(((values == 0.0) | (values == 1.0)).any()):
        return np.clip(values, CERTAIN, 1.0 - CERTAIN)
    sides = np.where(np.arange(values.size).reshape(values.shape) % 2, 1.0, -1.0)
    return values + CERTAIN * float(values.std()) * sides


def _order(values: Floats) -> NDArray[np.int64]:
    """An order in which most samples have another's target.

    Raises:
        NotJudged: where all samples have one target.
    """
    count = len(values) if len(values) > 1 else values.size
    rows = values.reshape(count, -1)
    best, changed = np.arange(count), 0.0
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(count)
        share = float(np.mean((rows[order] != rows).any(axis=1)))
        if share > changed:
            best, changed = order, share
    if changed == 0.0:
        raise NotJudged("all samples of the captured batch have the same target")
    return best


def _own_scale(costs: dict[float, float]) -> float | None:
    """The scale at which the target costs least; None where the loss has no end towards larger or smaller ones."""
    finite = {scale: value for scale, value in costs.items() if np.isfinite(value)}
    if len(finite) < 3:
        return 1.0
    scales = sorted(finite)
    values = [finite[scale] for scale in scales]
    least = int(np.argmin(values))
    span = max(values) - min(values)
    if span <= 0.0:
        return 1.0
    edge = {0: 1, len(scales) - 1: len(scales) - 2}.get(least)
    if edge is not None and (least == 0 or values[edge] - values[least] > STILL_FALLING * span):
        return None
    return scales[least]

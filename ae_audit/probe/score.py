"""The score of an arm: how much of the target's variance its predictions explain.

R² = 1 − Σ(y − p)² / Σ(y − ȳ)², where ȳ is the mean target (the mean image), one value for each position in a sample. It
does not depend on the loss, nor on the unit of the data: an arm fitted on data divided by 255 has the R² that it would
have had on the data as they were.

Where the target is a class index and the predictions are distributions over the classes, the share of its entropy that
they explain stands for the variance: 1 − Σ log p(class) / Σ log q(class), where q are the frequencies of the classes
(McFadden 1974, `Conditional logit analysis of qualitative choice behavior`). Squared differences hardly see whether a
classifier that is right nine times in ten is certain of its errors too.
"""

from __future__ import annotations

import math

import numpy as np

from ae_audit.runtime.capture import Array, Evaluation, FloatArray

CONSTANT = "the target does not vary from sample to sample, so there is nothing to explain"
ROUNDING = 1e-3
"""how far the probabilities of a sample may sum from 1, in half precision too"""
LEAST_PROBABILITY = 1e-7
"""float32 knows none between this and 0 beside a 1"""


class NoScore(Exception):
    """Predictions that cannot be compared with their targets; the text says why."""


def r2_score(evaluation: Evaluation, class_axis: int | None = None) -> float:
    """R² of predictions against the best constant prediction; in (−∞, 1], −∞ where a prediction is not finite.

    ``class_axis`` is the axis of the predictions along which a class index counts; by default the last for predictions
    of rank 2, else the second (torch's convention), whichever leaves the target's shape.

    Raises:
        NoScore: if the shapes cannot be matched, or the target is constant.
    """
    predictions = np.asarray(evaluation.predictions, dtype=np.float64)
    targets, axis = aligned(predictions, np.asarray(evaluation.targets), class_axis)
    if axis is not None and _is_distribution(predictions, axis):
        return _entropy_explained(predictions, targets, axis)
    deviation = targets - targets.mean(axis=0, keepdims=True)
    total = float(np.sum(deviation**2))
    if not total > 0.0:
        raise NoScore(CONSTANT)
    if not np.all(np.isfinite(predictions)):
        return -math.inf
    with np.errstate(over="ignore"):
        residual = float(np.sum((targets - predictions) ** 2))
    return 1.0 - residual / total


def _is_distribution(predictions: FloatArray, axis: int) -> bool:
    sums = predictions.sum(axis=axis)
    return bool(np.all(predictions >= -ROUNDING) and np.all(np.abs(sums - 1.0) <= ROUNDING))  # false for NaN


def _entropy_explained(predictions: FloatArray, one_hot: FloatArray, axis: int) -> float:
    chosen = np.log(np.maximum((predictions * one_hot).sum(axis=axis), LEAST_PROBABILITY)).sum()
    counts = np.moveaxis(one_hot, axis, -1).reshape(-1, one_hot.shape[axis]).sum(axis=0)
    counts = counts[counts > 0]
    if len(counts) < 2:
        raise NoScore(CONSTANT)
    return float(1.0 - chosen / (counts * np.log(counts / counts.sum())).sum())


def aligned(predictions: FloatArray, targets: Array, class_axis: int | None) -> tuple[FloatArray, int | None]:
    """The targets in the shape of the predictions; class indices become one-hot vectors along the axis that is told."""
    if predictions.shape == targets.shape:
        return np.asarray(targets, dtype=np.float64), None
    if predictions.size == targets.size and len(predictions) == len(targets):
        return np.asarray(targets.reshape(predictions.shape), dtype=np.float64), None
    if targets.shape[-1:] == (1,) and predictions.ndim == targets.ndim:
        targets = targets[..., 0]
    candidates = [class_axis] if class_axis is not None else [-1, 1]
    for axis in candidates:
        if predictions.ndim < 2:
            break
        axis %= predictions.ndim
        shape = predictions.shape[:axis] + predictions.shape[axis + 1 :]
        if shape == targets.shape:
            one_hot = np.equal(np.expand_dims(targets, axis), _classes_along(axis, predictions))
            return np.asarray(one_hot, dtype=np.float64), axis
    raise NoScore(f"predictions of shape {predictions.shape} have no place for targets of shape {targets.shape}")


def _classes_along(axis: int, predictions: FloatArray) -> Array:
    shape = [1] * predictions.ndim
    shape[axis] = predictions.shape[axis]
    return np.arange(predictions.shape[axis]).reshape(shape)

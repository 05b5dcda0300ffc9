"""The score of an arm: how much of the target's variance its predictions explain.

R² = 1 − Σ(y − p)² / Σ(y − ȳ)², where ȳ is the mean target (the mean image), one value for each position in a sample. It
does not depend on the loss, nor on the unit of the data: an arm fitted on data divided by 255 has the R² that it would
have had on the data as they were.
"""

from __future__ import annotations

import math

import numpy as np

from ae_audit.runtime.captures import Array, Evaluation, FloatArray


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
    targets = _aligned(predictions, np.asarray(evaluation.targets), class_axis)
    deviation = targets - targets.mean(axis=0, keepdims=True)
    total = float(np.sum(deviation**2))
    if not total > 0.0:
        raise NoScore("the target does not vary from sample to sample, so there is nothing to explain")
    if not np.all(np.isfinite(predictions)):
        return -math.inf
    with np.errstate(over="ignore"):
        residual = float(np.sum((targets - predictions) ** 2))
    return 1.0 - residual / total


def _aligned(predictions: FloatArray, targets: Array, class_axis: int | None) -> FloatArray:
    """The targets in the shape of the predictions; class indices become one-hot vectors."""
    if predictions.shape == targets.shape:
        return np.asarray(targets, dtype=np.float64)
    if predictions.size == targets.size and len(predictions) == len(targets):
        return np.asarray(targets.reshape(predictions.shape), dtype=np.float64)
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
            return np.asarray(one_hot, dtype=np.float64)
    raise NoScore(f"predictions of shape {predictions.shape} have no place for targets of shape {targets.shape}")


def _classes_along(axis: int, predictions: FloatArray) -> Array:
    shape = [1] * predictions.ndim
    shape[axis] = predictions.shape[axis]
    return np.arange(predictions.shape[axis]).reshape(shape)

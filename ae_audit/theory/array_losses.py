"""Losses on whole arrays: value, floor and minimiser, one entry a value or vector.

The same formulas as :mod:`ae_audit.theory.losses`, vectorised where arrays are large in practice (reconstruction and
classification losses); the others go through :meth:`Loss.value` entry by entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.theory.intervals import INFINITY
from ae_audit.theory.loss import Loss, PredictionKind, TargetKind, number
from ae_audit.theory.loss_names import GENERAL

Floats = NDArray[np.float64]
Array = NDArray[Any]


def indexed(loss: Loss, targets: Array) -> bool:
    """Whether the targets, of any shape, are class indices for this loss: of integer type where it takes either."""
    if loss.target_kind is TargetKind.CLASS_INDEX:
        return True
    return loss.target_kind is TargetKind.DISTRIBUTION_OR_INDEX and np.asarray(targets).dtype.kind in "iu"


def values(loss: Loss, targets: Array, predictions: Array, axis: int = -1) -> Floats:
    """The loss of each value, or of each vector along ``axis``.

    Args:
        loss: the loss.
        targets: of the predictions' shape; class indices lack the class axis.
        predictions: as the loss takes them (probabilities, logits …).
        axis: the class axis of the predictions; unused by pointwise losses.

    Returns:
        In nats (or the targets' own units): of the broadcast shape for pointwise losses, else without the class axis.
        Infinite or NaN where a prediction lies outside the loss's domain; nothing is raised.
    """
    p = np.asarray(predictions, np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if loss.pointwise:
            y = np.asarray(targets, np.float64)
            formula = None if _is_density(loss) else _POINTWISE.get(loss.name)
            if formula is not None:
                return formula(loss, y, p)
            return np.asarray(np.vectorize(loss.value, otypes=[np.float64])(y, p), np.float64)
        p = np.moveaxis(p, axis, -1)
        if indexed(loss, targets):
            indices = np.asarray(targets).astype(np.int64)
            if indices.ndim == p.ndim:  # Keras allows an extent of 1 along the class axis
                indices = np.moveaxis(indices, axis, -1)[..., 0]
            if _is_cross_entropy(loss) or loss.name == "nll":
                return _index_cross_entropy(loss, indices, p)
            return _by_rows(lambda row: loss.value(int(row[0]), row[1:].tolist()), indices[..., None], p)
        y = np.moveaxis(np.asarray(targets, np.float64), axis, -1)
        if _is_cross_entropy(loss):
            return np.asarray(-_times(_smoothed(loss, y), _log_probabilities(p, loss.from_logits)).sum(axis=-1))
        units = y.shape[-1]
        return _by_rows(lambda row: loss.value(row[:units].tolist(), row[units:].tolist()), y, p)


def floors(loss: Loss, targets: Array, axis: int = -1, units: int | None = None) -> Floats:
    """The floor L*(y) of each value, or of each vector along ``axis``; −inf where there is none.

    Args:
        loss: the loss.
        targets: of any shape; class indices lack the class axis.
        axis: the class axis of the targets; unused by pointwise losses.
        units: number of classes, for class indices under label smoothing.

    Returns:
        Of the targets' shape for pointwise losses and class indices, else without the class axis.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if loss.pointwise:
            y = np.asarray(targets, np.float64)
            if loss.name == "bce":
                return _bce_floor(loss, y)
            if loss.name == "poisson":
                logarithmic = bool(dict(loss.parameters).get("log_input"))
                best = np.log(np.maximum(y, 0.0)) if logarithmic else np.maximum(y, 0.0)
                return np.where(y >= 0.0, _poisson(loss, y, best), -INFINITY)
            if loss.prediction_kind is PredictionKind.ANY and loss.floor(1.0) == 0.0:
                return np.zeros(y.shape)
            distinct, inverse = np.unique(y, return_inverse=True)
            found = np.array([loss.floor(float(value)) for value in distinct])
            return np.asarray(found[inverse.reshape(-1)].reshape(y.shape))
        if indexed(loss, targets):
            indices = np.asarray(targets).astype(np.int64)
            distinct, inverse = np.unique(indices, return_inverse=True)
            found = np.array([loss.floor(int(value), units) for value in distinct])
            return np.asarray(found[inverse.reshape(-1)].reshape(indices.shape))
        y = np.moveaxis(np.asarray(targets, np.float64), axis, -1)
        if _is_cross_entropy(loss):
            weights = _smoothed(loss, y)
            total = weights.sum(axis=-1)
            entropy = -_times(weights, np.log(weights)).sum(axis=-1) + _times(total, np.log(total))
            return np.where((weights < 0.0).any(axis=-1), -INFINITY, entropy)
        return np.apply_along_axis(lambda row: loss.floor(row.tolist()), -1, y)


def _is_cross_entropy(loss: Loss) -> bool:
    """Whether it is the cross-entropy itself, of which torch's and Keras' names differ by the kind of target."""
    return loss.name == "cross_entropy" or GENERAL.get(loss.name) == "cross_entropy"


def _is_density(loss: Loss) -> bool:
    """Whether a distance is the whole logarithm of a likelihood, with the constant that belongs to its scale."""
    return loss.name == "mae" and bool(dict(loss.parameters).get("full"))


def _index_cross_entropy(loss: Loss, indices: Array, p: Floats) -> Floats:
    logs = p if loss.name == "nll" else _log_probabilities(p, loss.from_logits)
    smoothing = number(dict(loss.parameters), "label_smoothing", 0.0)
    chosen = np.take_along_axis(logs, np.maximum(indices, 0)[..., None], axis=-1)[..., 0]
    if not smoothing:
        return np.negative(chosen)
    return np.asarray(-(1.0 - smoothing) * chosen - smoothing * logs.mean(axis=-1))


def _by_rows(function: Callable[[Floats], float], *parts: Array) -> Floats:
    rows = np.concatenate([np.asarray(part, np.float64) for part in parts], axis=-1)
    flat = rows.reshape(-1, rows.shape[-1])
    return np.array([function(row) for row in flat], np.float64).reshape(rows.shape[:-1])


def _times(a: Floats, b: Floats) -> Floats:
    """``a * b`` with ``0 * inf = 0``."""
    return np.where(a == 0.0, 0.0, a * b)


def _softplus(x: Floats) -> Floats:
    return np.asarray(np.logaddexp(0.0, x))


def _log_probabilities(p: Floats, from_logits: bool) -> Floats:
    if from_logits:
        top = p.max(axis=-1, keepdims=True)
        return np.asarray(p - top - np.log(np.exp(p - top).sum(axis=-1, keepdims=True)))
    return np.asarray(np.log(p / p.sum(axis=-1, keepdims=True)))


def _smoothed(loss: Loss, y: Floats) -> Floats:
    smoothing = number(dict(loss.parameters), "label_smoothing", 0.0)
    return y * (1.0 - smoothing) + smoothing / y.shape[-1] if smoothing else y


def _bce_weights(loss: Loss, y: Floats) -> tuple[Floats, Floats]:
    parameters = dict(loss.parameters)
    smoothing = number(parameters, "label_smoothing", 0.0)
    q = y * (1.0 - smoothing) + 0.5 * smoothing
    return number(parameters, "pos_weight", 1.0) * q, 1.0 - q


def _bce(loss: Loss, y: Floats, p: Floats) -> Floats:
    positive, negative = _bce_weights(loss, y)
    if loss.from_logits:
        return _times(positive, _softplus(-p)) + _times(negative, _softplus(p))
    return -_times(positive, np.log(p)) - _times(negative, np.log1p(-p))


def _bce_floor(loss: Loss, y: Floats) -> Floats:
    positive, negative = _bce_weights(loss, y)
    total = positive + negative
    entropy = -_times(positive, np.log(positive / total)) - _times(negative, np.log(negative / total))
    return np.where((negative < 0.0) | (negative > 1.0), -INFINITY, entropy)


def _poisson(loss: Loss, y: Floats, p: Floats) -> Floats:
    parameters = dict(loss.parameters)
    found = np.exp(p) - _times(y, p) if parameters.get("log_input") else p - _times(y, np.log(p))
    if parameters.get("factorial"):
        distinct, inverse = np.unique(y, return_inverse=True)
        logarithms = np.array([math.lgamma(value + 1.0) if value >= 0.0 else math.nan for value in distinct])
        return np.asarray(found + logarithms[inverse.reshape(-1)].reshape(y.shape))
    if parameters.get("full"):
        safe = np.maximum(y, 1.0)
        found = found + np.where(y > 1.0, safe * np.log(safe) - safe + 0.5 * np.log(2.0 * math.pi * safe), 0.0)
    return np.asarray(found)


def _huber(loss: Loss, y: Floats, p: Floats) -> Floats:
    delta, error = number(dict(loss.parameters), "delta", 1.0), np.abs(y - p)
    return np.where(error <= delta, 0.5 * error**2, delta * error - 0.5 * delta * delta)


def _smooth_l1(loss: Loss, y: Floats, p: Floats) -> Floats:
    beta, error = number(dict(loss.parameters), "beta", 1.0), np.abs(y - p)
    return np.where(error < beta, 0.5 * error**2 / beta if beta else 0.0, error - 0.5 * beta)


def _log_cosh(_: Loss, y: Floats, p: Floats) -> Floats:
    error = np.abs(y - p)
    return np.asarray(error + _softplus(-2.0 * error) - math.log(2.0))


_POINTWISE: dict[str, Callable[[Loss, Floats, Floats], Floats]] = {
    "mse": lambda _, y, p: np.square(y - p),
    "mae": lambda _, y, p: np.abs(y - p),
    "mape": lambda _, y, p: 100.0 * np.abs(y - p) / np.maximum(np.abs(y), 1e-7),
    "msle": lambda _, y, p: np.square(np.log1p(np.maximum(y, 0.0)) - np.log1p(np.maximum(p, 0.0))),
    "huber": _huber,
    "smooth_l1": _smooth_l1,
    "log_cosh": _log_cosh,
    "bce": _bce,
    "poisson": _poisson,
}

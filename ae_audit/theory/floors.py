"""The floor of a loss on real targets: the number that no training can pass, and what a plain mean scores.

Binary cross-entropy on grey pixels never reaches 0: its floor is their entropy. What a model can still gain is the
excess over the floor, for cross-entropies the Kullback–Leibler divergence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.base.records import dataclass
from ae_audit.theory import array_losses
from ae_audit.theory.loss import Link, Loss, TargetKind

Floats = NDArray[np.float64]
Array = NDArray[Any]

NEGLIGIBLE_FLOOR = 1e-4
"""a floor below this is not worth a word: targets of 0 and 1 stored in half precision"""


@dataclass(frozen=True, slots=True)
class Reduction:
    """How a loss's entries become one number: Keras and PyTorch differ in what ``sum`` adds up."""

    kind: str | None = "mean"
    """``mean``, ``sum_over_batch_size``, ``sum``, ``batchmean``, ``none`` …; all but the sums are taken as the mean"""
    keras: bool = False
    """Keras averages pointwise losses over the last axis first, and ``sum`` adds up these averages"""

    def apply(self, entries: Floats, loss: Loss, shape: tuple[int, ...]) -> float:
        """One number from the loss of each value (or vector); ``shape`` is that of the target array."""
        if entries.size == 0:
            return 0.0
        if self.kind == "sum":
            total = float(entries.sum())
            return total / shape[-1] if self.keras and loss.pointwise and shape else total
        if self.kind == "batchmean":
            return float(entries.sum()) / shape[0]
        if self.kind == "mean" and not self.keras and loss.name == "kl_divergence":
            return float(entries.sum()) / float(np.prod(shape))  # KLDivLoss averages over values, not vectors
        return float(entries.mean())


MEAN = Reduction()


def floor(loss: Loss, targets: Array, axis: int = -1, reduction: Reduction = MEAN, units: int | None = None) -> float:
    """The lowest value of the loss on these targets, over all predictions of its domain; −inf where there is none.

    Args:
        loss: the loss.
        targets: batch axis first.
        axis: the class axis, for losses over vectors.
        reduction: how the program makes one number of it.
        units: number of classes, for class indices under label smoothing.
    """
    y = np.asarray(targets)
    return reduction.apply(array_losses.floors(loss, y, axis, units), loss, y.shape)


def mean_prediction_loss(
    loss: Loss, targets: Array, axis: int = -1, reduction: Reduction = MEAN, units: int | None = None
) -> float:
    """The loss of predicting the mean target (the mean image; the classes' frequencies), whatever the input.

    It is what a model scores that has learnt nothing but the average; NaN where the mean is outside the loss's domain.

    Args:
        loss: the loss.
        targets: batch axis first; class indices without the class axis, where negative ones do not count.
        axis: the class axis, for losses over vectors.
        reduction: how the program makes one number of it.
        units: number of classes, for class indices.
    """
    y = np.asarray(targets)
    if array_losses.indexed(loss, y):
        return _frequencies_loss(loss, y, reduction, units)
    numbers = y.astype(np.float64)
    if loss.target_kind is TargetKind.LOG_DISTRIBUTION:
        mean = np.log(np.exp(numbers).mean(axis=0, keepdims=True))
    else:
        mean = _to_prediction(loss, numbers.mean(axis=0, keepdims=True))
    if not loss.pointwise:
        mean = np.broadcast_to(mean, y.shape)
    return reduction.apply(array_losses.values(loss, numbers, mean, axis), loss, y.shape)


def _frequencies_loss(loss: Loss, indices: Array, reduction: Reduction, units: int | None) -> float:
    """The loss of predicting the classes' frequencies; negative indices mark targets that do not count."""
    flat = indices.astype(np.int64).reshape(-1)
    flat = flat[flat >= 0]
    if flat.size == 0:
        return 0.0
    counts = np.bincount(flat, minlength=units or 0)
    prediction = _to_prediction(loss, counts / flat.size)
    present = np.flatnonzero(counts)
    # One entry a class is enough: all targets of a class score the same.
    of_class = [
        float(array_losses.values(loss, np.array([index]), prediction[None, :])[0]) for index in present.tolist()
    ]
    entries = np.zeros(len(counts))
    entries[present] = of_class
    return reduction.apply(entries[flat], loss, indices.shape)


def _to_prediction(loss: Loss, data: Array) -> Floats:
    """The inverse of the loss's link: what the model must put out for its prediction to be ``data``."""
    x = np.asarray(data, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if loss.link is Link.SIGMOID:
            return np.asarray(np.log(x) - np.log1p(-x))
        if loss.link in {Link.SOFTMAX, Link.EXP}:
            return np.asarray(np.log(x))
    return x

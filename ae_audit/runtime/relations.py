"""How a target comes from an input, judged on the arrays themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.training_setup import Relation, Structure

LABELS = frozenset(
    {Structure.CLASS_INDEX, Structure.ONE_HOT, Structure.BINARY_LABEL, Structure.MULTI_HOT, Structure.DISTRIBUTION}
)
LOOKED_AT = 1 << 20
"""values that are compared at most; the arrays hold a few MiB, and a relation shows in far fewer"""
RELATED = 0.3
"""correlation from which two arrays of one shape count as two forms of one thing, one of them corrupted"""
ROUNDING = 1e-4
"""relative error that float32 arithmetic may leave in an affine map"""

Array = NDArray[Any]


def relation_of(
    inputs: Array, targets: Array, structure: Structure = Structure.UNKNOWN
) -> tuple[Relation, tuple[float, float] | None]:
    """The relation of ``targets`` to ``inputs`` (batch axis first), and ``(scale, shift)`` where that is a rescaling.

    ``structure`` is what the targets' numbers stand for, where it is known.
    """
    if inputs is targets:
        return Relation.SAME, None
    if inputs.size != targets.size or len(inputs) != len(targets) or not _numeric(inputs) or not _numeric(targets):
        return (Relation.LABELS if structure in LABELS else Relation.OTHER), None
    x, y = _flat(inputs), _flat(targets)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if not x.size:
        return Relation.UNKNOWN, None
    if np.array_equal(x, y):
        return Relation.SAME, None
    scale = _affine(x, y)
    if scale is not None:
        same = abs(scale[0] - 1.0) < ROUNDING and abs(scale[1]) < ROUNDING * max(1.0, float(np.abs(y).max()))
        return (Relation.SAME, None) if same else (Relation.RESCALED, scale)
    if structure in LABELS:
        return Relation.LABELS, None
    return _corruption(x, y), None


def _numeric(array: Array) -> bool:
    return array.dtype.kind in "biuf"


def _flat(array: Array) -> NDArray[np.float64]:
    flat = array.reshape(-1)
    step = -(-flat.size // LOOKED_AT)
    return np.asarray(flat[::step], dtype=np.float64)


def _affine(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float] | None:
    """``(scale, shift)`` with ``y == scale * x + shift`` everywhere, up to rounding; None otherwise."""
    low, high = int(np.argmin(x)), int(np.argmax(x))
    spread = x[high] - x[low]
    if spread == 0 or y[high] == y[low]:
        return None
    scale = float((y[high] - y[low]) / spread)
    shift = float(y[low] - scale * x[low])
    tolerance = ROUNDING * float(np.abs(y).max())
    return (scale, shift) if np.allclose(y, scale * x + shift, rtol=0.0, atol=tolerance) else None


def _corruption(x: NDArray[np.float64], y: NDArray[np.float64]) -> Relation:
    """Which of the two is the other with noise added or values blotted out; OTHER where they have little in common."""
    if abs(_correlation(x, y)) < RELATED:
        return Relation.OTHER
    differ = x != y
    blotted_input, blotted_target = _blot_share(x[differ]), _blot_share(y[differ])
    if not differ.all() and max(blotted_input, blotted_target) > 0.9 and blotted_input != blotted_target:
        return Relation.NOISED_INPUT if blotted_input > blotted_target else Relation.NOISED_TARGET
    scale, shift = np.polyfit(y, x, 1)
    noise = x - (scale * y + shift)
    # noise is independent of what it was added to: the residual of the clean array hangs together with the noisy one
    if _structured(noise, y) <= _structured(_residual(y, x), x):
        return Relation.NOISED_INPUT
    return Relation.NOISED_TARGET


def _residual(of: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    scale, shift = np.polyfit(by, of, 1)
    return np.asarray(of - (scale * by + shift))


def _structured(residual: NDArray[np.float64], base: NDArray[np.float64]) -> float:
    """How much of the residual hangs together with ``base`` beyond a straight line, by its means in bins of that."""
    edges = np.quantile(base, np.linspace(0, 1, 21)[1:-1])
    bins = np.digitize(base, np.unique(edges))
    counts = np.bincount(bins)
    sums = np.bincount(bins, weights=residual)
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    return float(np.sum(counts * means**2))


def _blot_share(values: NDArray[np.float64]) -> float:
    """Share of the most frequent two values: blotted pixels are all 0, or 0 and 1."""
    if not values.size:
        return 0.0
    _, counts = np.unique(values, return_counts=True)
    return float(np.sort(counts)[-2:].sum() / values.size)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    deviation = float(x.std() * y.std())
    return 0.0 if deviation == 0 else float(np.mean((x - x.mean()) * (y - y.mean())) / deviation)

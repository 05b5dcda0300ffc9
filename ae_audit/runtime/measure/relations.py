"""How a target comes from an input, judged on the arrays themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.schema.training_setup import Relation, Structure

LABELS = frozenset(
    {Structure.CLASS_INDEX, Structure.ONE_HOT, Structure.BINARY_LABEL, Structure.MULTI_HOT, Structure.DISTRIBUTION}
)
LOOKED_AT = 1 << 20
"""values that are compared at most; the arrays hold a few MiB, and a relation shows in far fewer"""
RELATED = 0.3
"""correlation from which two arrays of one shape count as two forms of one thing, one of them corrupted"""
BLOTTED = 0.9
"""share of the differing values that must be one of two values for a corruption that blots out"""
ROUGHER = 1.05
"""how much rougher the corrupted array is at least"""
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
    return _corruption(inputs, targets), None


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


def _corruption(inputs: Array, targets: Array) -> Relation:
    """Which of the two is the other with noise added or values blotted out; OTHER where they have little in common."""
    x, y = _rows(inputs), _rows(targets)
    if abs(_correlation(x.reshape(-1), y.reshape(-1))) < RELATED:
        return Relation.OTHER
    differ = x != y
    blotted_input, blotted_target = _blot_share(x[differ]), _blot_share(y[differ])
    if not differ.all() and max(blotted_input, blotted_target) > BLOTTED and blotted_input != blotted_target:
        return Relation.NOISED_INPUT if blotted_input > blotted_target else Relation.NOISED_TARGET
    rough_input, rough_target = _roughness(x), _roughness(y)
    if max(rough_input, rough_target) < ROUGHER * min(rough_input, rough_target):
        # values without neighbours to resemble: noise shows as variance only
        rough_input, rough_target = float(x.std()), float(y.std())
    return Relation.NOISED_INPUT if rough_input >= rough_target else Relation.NOISED_TARGET


def _rows(array: Array) -> NDArray[np.float64]:
    rows = array.reshape(len(array), -1)
    return np.asarray(rows[: max(1, LOOKED_AT // max(1, rows.shape[1]))], dtype=np.float64)


def _roughness(rows: NDArray[np.float64]) -> float:
    """How much neighbouring values differ, as a share of the variance; 2 where they have nothing in common."""
    variance = float(rows.var())
    return 0.0 if variance == 0 or rows.shape[1] < 2 else float(np.mean(np.diff(rows, axis=1) ** 2)) / variance


def _blot_share(values: NDArray[np.float64]) -> float:
    """Share of the most frequent two values: blotted pixels are all 0, or 0 and 1."""
    if not values.size:
        return 0.0
    _, counts = np.unique(values, return_counts=True)
    return float(np.sort(counts)[-2:].sum() / values.size)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    deviation = float(x.std() * y.std())
    return 0.0 if deviation == 0 else float(np.mean((x - x.mean()) * (y - y.mean())) / deviation)

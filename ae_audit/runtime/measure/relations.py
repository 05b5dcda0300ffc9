"""How a target comes from an input, judged on the arrays themselves.

Values alone are poor witnesses. That two arrays vary together says nothing: ``y = 30 x + noise`` is a regression, a
window before the next one a forecast, a blurred image before the sharp one a deblurring. What they do prove is that
they agree, place by place, over many values a sample; and without that the relation is unknown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.measure.affine import affine_map
from ae_audit.schema.training_setup import Relation, Structure

LABELS = frozenset(
    {Structure.CLASS_INDEX, Structure.ONE_HOT, Structure.BINARY_LABEL, Structure.MULTI_HOT, Structure.DISTRIBUTION}
)
LOOKED_AT = 1 << 20
"""values that are compared at most; the arrays hold a few MiB, and a relation shows in far fewer"""
MANY_VALUES = 16
"""values of a sample from which one straight line through all of them is no accident; a regression has few"""
KEPT = 0.2
"""share of the telling values that a corruption which blots out leaves as they were"""
BLOTTED = 0.9
"""share of the differing values that must be one of two values for a corruption that blots out"""
FEWEST_LEVELS = 16
"""different values that must be left as they were: masks and labels agree in a few by accident"""
ROUNDING = 1e-4
"""relative error that float32 arithmetic may leave in an affine map"""

Array = NDArray[Any]


def relation_of(
    inputs: Array, targets: Array, structure: Structure = Structure.UNKNOWN
) -> tuple[Relation, tuple[float, float] | None]:
    """The relation of ``targets`` to ``inputs`` (batch axis first), and ``(scale, shift)`` where that is a rescaling.

    ``structure`` is what the targets' numbers stand for, where it is known.

    Returns:
        OTHER where no value of the target has its place in the input (their sizes differ); UNKNOWN where they could
        have, and the values prove nothing.
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
    many = inputs.size >= MANY_VALUES * len(inputs)
    scale = affine_map(x, y, ROUNDING * float(np.abs(y).max())) if many else None
    if scale is not None:
        same = abs(scale[0] - 1.0) < ROUNDING and abs(scale[1]) < ROUNDING * max(1.0, float(np.abs(y).max()))
        return (Relation.SAME, None) if same else (Relation.RESCALED, scale)
    if structure in LABELS:
        return Relation.LABELS, None
    return (_blotted(x, y) if many else Relation.UNKNOWN), None


def _numeric(array: Array) -> bool:
    return array.dtype.kind in "biuf"


def _flat(array: Array) -> NDArray[np.float64]:
    flat = array.reshape(-1)
    step = -(-flat.size // LOOKED_AT)
    return np.asarray(flat[::step], dtype=np.float64)


def _blotted(x: NDArray[np.float64], y: NDArray[np.float64]) -> Relation:
    """Whether ``x`` is ``y`` with values blotted out (masked, salted, cut away); UNKNOWN where it is not.

    The values that are left agree to the last digit, and those that are not are one or two in number. The other way
    round it may be what the network is to learn: a photo against the figure cut out of it.
    """
    differ = x != y
    blots = _blots(x[differ])
    if blots is None or _blots(y[differ]) is not None:
        return Relation.UNKNOWN
    telling = ~np.isin(y, blots)  # that a black place stayed black tells nothing
    kept = y[telling & ~differ]
    if kept.size < KEPT * np.count_nonzero(telling) or len(np.unique(kept)) < FEWEST_LEVELS:
        return Relation.UNKNOWN
    return Relation.NOISED_INPUT


def _blots(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The value or two that nearly all of ``values`` are (blotted pixels are all 0, or 0 and 1); else None."""
    if not values.size:
        return None
    found, counts = np.unique(values, return_counts=True)
    most = np.argsort(counts)[-2:]
    return found[most] if counts[most].sum() > BLOTTED * values.size else None

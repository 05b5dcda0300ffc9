"""How two arrays of a program are related: the same data, on one scale or on two, with noise or without."""

from __future__ import annotations

import math

from ae_audit.schema.training_setup import Relation, Structure
from ae_audit.static.domain.arrays import LABELS
from ae_audit.static.domain.values import Array
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import Tri

OTHER_SCALE = 10.0
"""times the width of one range from which another is surely no darker or brighter form of the same data"""
SIGNED = Interval(-1.0, 1.0)
SAME_SCALE = 0.02
"""by which the ends of two ranges may differ that are one: 255 and 256, a rounding"""
MANY_VALUES = 16
"""values of a sample from which it is no mere measurement"""


def relation(input_: Array, target: Array) -> tuple[Relation, tuple[float, float] | None]:
    """How the target comes from the input, and for RESCALED the map target = scale · input + shift where known."""
    if input_.root != target.root:
        if target.structure in LABELS:
            return Relation.LABELS, None
        if input_.why is None and target.why is None and not input_.placeholder and not target.placeholder:
            return Relation.OTHER, None
        return Relation.UNKNOWN, None
    if input_.statistic != target.statistic:
        return Relation.OTHER, None  # the sum or the mean of a sample is no twin of it
    if input_.selection != target.selection:
        return (Relation.LABELS if target.structure in LABELS else Relation.OTHER), None
    if target.structure in {Structure.ONE_HOT, Structure.CLASS_INDEX} and input_.structure is not target.structure:
        return Relation.LABELS, None
    if input_.noise != target.noise:
        if input_.noise[: len(target.noise)] == target.noise:
            return Relation.NOISED_INPUT, None
        same_scale = (input_.scale, input_.shift) == (target.scale, target.shift) and input_.scale is not None
        if target.noise[: len(input_.noise)] == input_.noise and same_scale and not _measured(input_):
            return Relation.NOISED_TARGET, None
        return Relation.OTHER, None  # y = f(x) + noise is a regression
    related = _rescaled(input_, target)
    # y = 3 x + 2 of one number a sample is no image that was to be scaled as another was
    return (Relation.OTHER, None) if related[0] is Relation.RESCALED and _measured(input_) else related


def _measured(array: Array) -> bool:
    """Whether a sample is a few numbers, what depends on which is a quantity to be learned: a curve through points."""
    if array.shape is None:
        return array.synthetic
    extents = array.shape[1:]
    return None not in extents and math.prod(extent or 0 for extent in extents) < MANY_VALUES


def _rescaled(input_: Array, target: Array) -> tuple[Relation, tuple[float, float] | None]:
    """SAME or RESCALED, of two forms of one array."""
    if None in {input_.scale, input_.shift, target.scale, target.shift}:
        return (Relation.SAME if input_.scalings == target.scalings else Relation.RESCALED), None
    assert input_.scale is not None
    assert input_.shift is not None
    assert target.scale is not None
    assert target.shift is not None
    if math.isclose(input_.scale, target.scale, rel_tol=1e-6) and math.isclose(
        input_.shift, target.shift, rel_tol=1e-6, abs_tol=1e-9
    ):
        return Relation.SAME, None
    if input_.scale == 0:
        return Relation.RESCALED, None
    scale = target.scale / input_.scale
    return Relation.RESCALED, (scale, target.shift - scale * input_.shift)


def scaled_otherwise(trained: Array | None, other: Array | None) -> bool:
    """Whether two arrays of one source, of the same raw values, were brought to different scales."""
    if trained is None or other is None or trained.source is None or trained.source != other.source:
        return False
    if trained.selection != other.selection or trained.synthetic or other.synthetic or trained.predicted is not None:
        return False
    raw = [_before(array) for array in (trained, other)]
    if raw[0] is None or raw[1] is None or not _close(raw[0].lo, raw[1].lo) or not _close(raw[0].hi, raw[1].hi):
        return False
    own, given = trained.values.hull, other.values.hull
    if _close(own.lo, given.lo) and _close(own.hi, given.hi):
        return False
    far = not 1 / OTHER_SCALE < given.width / own.width < OTHER_SCALE
    # darker images, or images turned into their negatives, are given on purpose
    return far or any(_close(given.lo, habit.lo) and _close(given.hi, habit.hi) for habit in (raw[0], UNIT, SIGNED))


def _before(array: Array) -> Interval | None:
    """The values of the root, where they and all that was done to them are known to the number."""
    hull, reach = array.values.hull, array.values.reach
    if array.noise or not array.scale or array.shift is None or reach is None or not hull.bounded:
        return None
    if not _close(hull.lo, reach.lo) or not _close(hull.hi, reach.hi) or hull.width == 0:
        return None
    return hull.affine(1.0 / array.scale, -array.shift / array.scale)


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=SAME_SCALE, abs_tol=SAME_SCALE)


def mixed_with_noise(input_: Array | None, target: Array | None) -> Array | None:
    """The data that ``a · data + b · noise`` was made of, where the target is that noise, of unit variance.

    None where that is not known, or the data entered as they are, as in a schedule whose noise explodes.
    """
    if input_ is None or target is None or not target.random or target.standardised is not Tri.YES:
        return None
    if target.root not in {factor.root for factor in input_.factors if factor.random}:
        return None
    found = [
        item for item in input_.factors if not item.random and not item.synthetic and item.values.reach is not None
    ]
    return found[0] if len({item.root for item in found}) == 1 else None

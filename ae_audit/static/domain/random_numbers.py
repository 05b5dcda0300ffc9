"""What numbers that a program draws at random surely reach: themselves, their sums, and their products with weights.

Nothing is certain of chance; what is claimed fails one time in 200 at most.
"""

from __future__ import annotations

import math

from ae_audit.static.domain.plain_values import Array
from ae_audit.theory.intervals import REAL_LINE, Interval
from ae_audit.theory.ranges import ValueRange

Shape = tuple[int | None, ...] | None

NORMAL = ValueRange(REAL_LINE, Interval(-2.0, 2.0))
"""what the many numbers of a training that a standard normal distribution gives may be, and surely reach"""
MANY = 256
"""numbers of which some lie beyond two standard deviations on either side, but for one time in 200"""
FEW = 16
"""samples of which some may well lie all on one side of their mean"""
HALF = 0.5
"""standard deviations by which one in so many samples lies beyond the mean, on either side"""
TERMS = 4
"""weights drawn at random of which surely not all are small"""
LENGTH = 0.25
"""of such weights together, in their standard deviation, or for evenly drawn ones in their range: 1 in 1000 is less"""
SURELY = 0.05
"""share of its range at either end of which numbers drawn at random may fall short: next to 0 a logarithm shows it"""
_UNIFORM = frozenset(
    {"rand", "random", "random_sample", "uniform", "random_uniform", "rand_like", "randint", "integers"}
)
_NORMAL = frozenset({"randn", "normal", "standard_normal", "random_normal", "randn_like", "normal_"})


def normal_values(shape: Shape) -> ValueRange:
    """What numbers from a standard normal distribution may be, and surely reach; of a few, one deviation."""
    known = None if shape is None or None in shape else math.prod(extent for extent in shape if extent is not None)
    return NORMAL if known is None or known >= MANY else ValueRange(REAL_LINE, Interval(-1.0, 1.0))


def is_uniform(array: Array) -> bool:
    """Whether an array holds numbers drawn evenly from its whole range, for many samples."""
    return _drawn_by(array, _UNIFORM) and _has_many_rows(array)


def surely(values: ValueRange) -> ValueRange:
    """Numbers drawn at random without what lies close to the ends of their range."""
    reach = values.reach
    if reach is None or not reach.bounded:
        return values
    short = SURELY * reach.width
    return ValueRange(values.hull, Interval(reach.lo + short, reach.hi - short))


def summed(array: Array, how: str, terms: int | None) -> Interval | None:
    """What sums or means (``how``) of ``terms`` values of each sample reach: either side of the middle."""
    hull, deviation = array.values.hull, _deviation(array)
    if is_uniform(array) and hull.bounded and (how == "mean" or terms is not None):
        middle = (hull.lo + hull.hi) / 2 * (1 if how == "mean" or terms is None else terms)
        return Interval(middle, middle)
    if deviation is None or not _has_many_rows(array) or (how == "mean" and terms is None):
        return None
    # a sum of several spreads further than one of its terms
    spread = deviation if how == "sum" or terms is None else deviation / math.sqrt(max(terms, 1))
    return Interval(-HALF * spread, HALF * spread)


def weighed(left: Array, right: Array) -> Interval | None:
    """What ``left @ right`` reaches, of normal data and weights drawn at random: either side of 0."""
    deviation = _deviation(left)
    terms = left.shape[-1] if left.shape and len(left.shape) == 2 else None
    if deviation is None or terms is None or terms < TERMS or not _has_many_rows(left):
        return None
    weights = _deviation(right)
    if weights is None and _drawn_by(right, _UNIFORM) and right.values.hull.bounded:
        weights = right.values.hull.width
    if weights is None:
        return None
    spread = HALF * LENGTH * weights * deviation
    return Interval(-spread, spread)


def _deviation(array: Array) -> float | None:
    """At least the standard deviation of normal numbers round 0; None for others."""
    reach = array.values.reach
    if reach is None or not _drawn_by(array, _NORMAL) or reach.lo != -reach.hi:
        return None
    return reach.hi / 2 if array.values.hull == REAL_LINE else None


def _drawn_by(array: Array, names: frozenset[str]) -> bool:
    return array.random and (array.source or "").rpartition(".")[2] in names


def _has_many_rows(array: Array) -> bool:
    return bool(array.shape) and (array.shape is not None and (array.shape[0] is None or array.shape[0] >= FEW))

"""What is known of a set of values: the *hull* outside which nothing lies, and the *reach* that surely occurs.

Reach accuses, hull acquits. A value range is compared with the interval that something demands of it, and the answer
is three-valued (:class:`Tri`): where the reach leaves the interval, values surely lie outside; where the hull stays
within, none does; in between nothing is known.

The reach ``[a, b]`` reads: *some value is at or below a, and some value is at or above b*. That reading survives every
monotone map and every join of alternatives, which is what the interpreter needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum

from ae_audit.base.records import dataclass
from ae_audit.theory.intervals import REAL_LINE, Interval, format_number


class Tri(Enum):
    """Three-valued truth."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, value: bool | None) -> Tri:
        """The truth of a bool; ``UNKNOWN`` for None."""
        return cls.UNKNOWN if value is None else cls.YES if value else cls.NO

    @property
    def known(self) -> bool:
        """Whether it is ``YES`` or ``NO``."""
        return self is not Tri.UNKNOWN

    def __bool__(self) -> bool:
        raise TypeError("a three-valued truth has no bool: compare it with Tri.YES, Tri.NO or Tri.UNKNOWN")


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Hull and reach of one set of values (of data, or of what an output layer can produce).

    ``reach`` is None where no value is known to occur.
    """

    hull: Interval = REAL_LINE
    reach: Interval | None = None

    @classmethod
    def exactly(cls, interval: Interval) -> ValueRange:
        """Both sides known: nothing outside ``interval``, and its two ends do occur (or are approached)."""
        return cls(interval, interval)

    @property
    def unknown(self) -> bool:
        """Whether nothing is known: any value may occur, and none surely does."""
        return self.hull.is_real_line and self.reach is None

    def increasing(self, image: Callable[[Interval], Interval]) -> ValueRange:
        """The range after an increasing map, given as its action on intervals."""
        return ValueRange(image(self.hull), None if self.reach is None else image(self.reach))

    def affine(self, scale: float, shift: float) -> ValueRange:
        """The range after ``x -> scale * x + shift`` (either sign of ``scale``); unknown if one is not finite."""
        if not (math.isfinite(scale) and math.isfinite(shift)):
            return UNKNOWN_RANGE
        return self.increasing(lambda interval: interval.affine(scale, shift))

    def clip(self, lo: float, hi: float) -> ValueRange:
        """The range after ``x -> min(max(x, lo), hi)``."""
        return self.increasing(lambda interval: interval.clip(lo, hi))

    def either(self, other: ValueRange) -> ValueRange:
        """The range of a value that lies in one of the two, where it is unknown in which.

        Hulls are joined. The reach is what both reach; None where they have nothing in common.
        """
        hull = self.hull.hull(other.hull)
        if self.reach is None or other.reach is None:
            return ValueRange(hull)
        lo, lo_open = max((self.reach.lo, self.reach.lo_open), (other.reach.lo, other.reach.lo_open))
        hi, hi_closed = min((self.reach.hi, not self.reach.hi_open), (other.reach.hi, not other.reach.hi_open))
        return ValueRange(hull, Interval(lo, hi, lo_open, not hi_closed) if lo <= hi else None)

    def together(self, other: ValueRange) -> ValueRange:
        """The range of a collection that holds the values of both (a concatenation)."""
        hull = self.hull.hull(other.hull)
        if self.reach is None or other.reach is None:
            return ValueRange(hull, self.reach or other.reach)
        return ValueRange(hull, self.reach.hull(other.reach))

    def leaves(self, interval: Interval, tolerance: float = 0.0) -> Tri:
        """Whether values lie outside the closure of ``interval`` by more than ``tolerance``.

        YES by the reach, NO by the hull, UNKNOWN in between.
        """
        if self.reach is not None and (
            self.reach.lo < interval.lo - tolerance or self.reach.hi > interval.hi + tolerance
        ):
            return Tri.YES
        return Tri.NO if interval.covers(self.hull, tolerance) else Tri.UNKNOWN

    def __str__(self) -> str:
        if self.reach is None:
            return "unknown" if self.hull.is_real_line else f"within {self.hull}"
        if self.reach.closure() == self.hull.closure():
            return str(self.hull)
        hull, reach = self.hull, self.reach
        told = [] if hull.is_real_line else [f"within {hull}"]
        if reach.lo < hull.hi:  # else it says nothing beyond the hull
            told.append(f"down to {format_number(reach.lo)}" + (" or below" if reach.lo > hull.lo else ""))
        if reach.hi > hull.lo:
            told.append(f"up to {format_number(reach.hi)}" + (" or above" if reach.hi < hull.hi else ""))
        return ", ".join(told)


UNKNOWN_RANGE = ValueRange()

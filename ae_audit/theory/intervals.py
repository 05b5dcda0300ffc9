"""Real intervals with open or closed ends, and the arithmetic that data and activations undergo.

An end is *open* when the value itself is never taken: the sigmoid's interval is ``(0, 1)``. Float arithmetic
saturates (``sigmoid(40.0) == 1.0`` in float32), so comparisons with data use :meth:`Interval.closure`.
"""

from __future__ import annotations

import math

from ae_audit.base.records import dataclass

INFINITY = math.inf
_ENDLESS = (-INFINITY, INFINITY)


@dataclass(frozen=True, slots=True)
class Interval:
    """The real numbers between ``lo`` and ``hi``; infinite ends are always open.

    Raises:
        ValueError: if an end is NaN or ``lo > hi``.
    """

    lo: float
    hi: float
    lo_open: bool = False
    hi_open: bool = False

    def __post_init__(self) -> None:
        if not self.lo <= self.hi:  # which is False of NaN, too
            raise ValueError(f"an interval needs lo <= hi, both numbers; got {self.lo}, {self.hi}")
        if not self.lo_open and self.lo in _ENDLESS:
            object.__setattr__(self, "lo_open", True)
        if not self.hi_open and self.hi in _ENDLESS:
            object.__setattr__(self, "hi_open", True)

    @property
    def width(self) -> float:
        """``hi − lo``; ∞ where an end is infinite."""
        return self.hi - self.lo if self.hi > self.lo else 0.0

    @property
    def bounded(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.lo) and math.isfinite(self.hi)

    @property
    def is_real_line(self) -> bool:
        """Whether it is the whole real line."""
        return self.lo == -INFINITY and self.hi == INFINITY

    def closure(self) -> Interval:
        """The same interval with its finite ends included."""
        return Interval(self.lo, self.hi)

    def contains(self, value: float) -> bool:
        """Whether ``value`` lies in it; an open end does not, and NaN never does."""
        above = value > self.lo if self.lo_open else value >= self.lo
        below = value < self.hi if self.hi_open else value <= self.hi
        return above and below

    def covers(self, other: Interval, tolerance: float = 0.0) -> bool:
        """Whether the closure of this interval, widened by ``tolerance`` at each end, holds the whole of ``other``."""
        return self.lo - tolerance <= other.lo and other.hi <= self.hi + tolerance

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        lo, lo_open = min((self.lo, self.lo_open), (other.lo, other.lo_open))
        hi, hi_closed = max((self.hi, not self.hi_open), (other.hi, not other.hi_open))
        return Interval(lo, hi, lo_open, not hi_closed)

    def intersection(self, other: Interval) -> Interval | None:
        """The values that lie in both; None where there are none."""
        lo, lo_open = max((self.lo, self.lo_open), (other.lo, other.lo_open))
        hi, hi_closed = min((self.hi, not self.hi_open), (other.hi, not other.hi_open))
        if lo > hi or (lo == hi and (lo_open or not hi_closed)):
            return None
        return Interval(lo, hi, lo_open, not hi_closed)

    def affine(self, scale: float, shift: float) -> Interval:
        """The image under ``x -> scale * x + shift``."""
        if scale == 0:
            return Interval(shift, shift)
        lo, hi = scale * self.lo + shift, scale * self.hi + shift
        if math.isnan(lo) or math.isnan(hi):  # an infinite scale or shift meets zero or its opposite
            return REAL_LINE
        if scale < 0:
            return Interval(hi, lo, self.hi_open, self.lo_open)
        return Interval(lo, hi, self.lo_open, self.hi_open)

    def clip(self, lo: float, hi: float) -> Interval:
        """The image under ``x -> min(max(x, lo), hi)``, which is the constant ``hi`` where ``lo > hi``."""
        lo = min(lo, hi)

        def clipped(value: float, is_open: bool) -> tuple[float, bool]:
            if value < lo:
                return lo, False
            if value > hi:
                return hi, False
            return value, is_open

        new_lo, lo_open = clipped(self.lo, self.lo_open)
        new_hi, hi_open = clipped(self.hi, self.hi_open)
        if new_lo == new_hi:
            return Interval(new_lo, new_hi)
        return Interval(new_lo, new_hi, lo_open, hi_open)

    def add(self, other: Interval) -> Interval:
        """All sums ``x + y`` (Minkowski sum)."""
        lo, hi = self.lo + other.lo, self.hi + other.hi
        if math.isnan(lo) or math.isnan(hi):  # sums that overflowed on opposite sides
            return REAL_LINE
        return Interval(lo, hi, self.lo_open or other.lo_open, self.hi_open or other.hi_open)

    def multiply(self, other: Interval) -> Interval:
        """The closed hull of all products ``x * y``."""
        products = [_product(a, b) for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return Interval(min(products), max(products))

    def __str__(self) -> str:
        if self.is_real_line:
            return "ℝ"
        if self.lo == self.hi:
            return "{" + format_number(self.lo) + "}"
        left, right = "(" if self.lo_open else "[", ")" if self.hi_open else "]"
        return f"{left}{format_number(self.lo)}, {format_number(self.hi)}{right}"


REAL_LINE = Interval(-INFINITY, INFINITY)
UNIT = Interval(0.0, 1.0)
OPEN_UNIT = Interval(0.0, 1.0, True, True)
BYTE = Interval(0.0, 255.0)
NON_NEGATIVE = Interval(0.0, INFINITY)
POSITIVE = Interval(0.0, INFINITY, True, True)


def format_number(value: float) -> str:
    """A number as a report shows it: ``255``, ``0.0590``, ``27683``, ``-∞``.

    Four significant digits after rounding, more only in whole numbers below a million.
    """
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e6 else f"{value:.4g}"


def _product(a: float, b: float) -> float:
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def affine_onto(source: Interval, wanted: Interval) -> tuple[float, float] | None:
    """Factor and shift that map ``source`` onto ``wanted``; None where one has no end or no width."""
    if not (source.bounded and wanted.bounded and source.width > 0 and wanted.width > 0):
        return None
    scale = wanted.width / source.width
    return scale, wanted.lo - scale * source.lo + 0.0


def powered(interval: Interval, power: float) -> Interval:
    """The powers of the values of an interval that are not negative, from 0 on where some are."""
    low = raised(max(interval.lo, 0.0), power)
    return Interval(low, raised(interval.hi, power) if math.isfinite(interval.hi) else math.inf)


def odd_power(interval: Interval, power: int) -> Interval:
    """The values of an interval to an odd power, which keeps their signs and their order."""
    low, high = (math.copysign(raised(abs(end), power), end) for end in (interval.lo, interval.hi))
    return Interval(low, high, interval.lo_open, interval.hi_open)


def raised(base: float, power: float) -> float:
    """``base ** power`` of a base that is not negative; infinity past the largest float, where Python raises."""
    try:
        return float(base**power)
    except OverflowError:
        return math.inf

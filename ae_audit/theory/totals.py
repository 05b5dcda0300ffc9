"""Figures of all values of an array, however large: read in any pieces, by any number of workers, equal bit for bit.

Sums of floats depend on the order of their terms. Here the order is fixed by position alone: the values in C order are
cut into leaves of :data:`LEAF` values, leaves are merged in pairs, then pairs of pairs, after Chan, Golub and LeVeque
(1979). A :class:`Stretch` holds what is known of consecutive values, wherever they begin: whole subtrees as figures,
the rest as raw values until their neighbours come. Joining stretches is associative, so it does not matter who read
what, in which chunks, in how many processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.base.records import dataclass, replace
from ae_audit.theory.intervals import INFINITY

Array = NDArray[Any]

LEAF = 1 << 17
"""values; as 64-bit floats they fit into a second-level cache, where the passes over them cost little"""
_BYTE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """What was counted over all values. Equal arrays of one type have equal totals, bit for bit."""

    count: int
    """of all values"""
    nan: int
    infinite: int
    minimum: float
    """of the finite values, as are all that follow; ∞ (and ``maximum`` −∞) where there is none; whole for integers"""
    maximum: float
    at_minimum: int
    """number of values equal to the minimum"""
    at_maximum: int
    integers: int
    """number of values that are whole"""
    zeros: int
    ones: int
    total: float
    """the sum; exact, and a Python integer, for types of integers"""
    deviation: float
    """summed squared deviation from the mean (M2)"""
    counters: tuple[int, ...] | None = None
    """how often each value of a type of one byte occurs, from the smallest that the type has; None for other types"""
    lowest: int = 0
    """the value that the first counter counts"""

    @property
    def finite(self) -> int:
        """Number of finite values."""
        return self.count - self.nan - self.infinite

    @property
    def non_finite(self) -> int:
        """Number of NaN and infinite values."""
        return self.nan + self.infinite

    @property
    def mean(self) -> float:
        """Of the finite values; 0 where there is none."""
        return self.total / self.finite if self.finite else 0.0

    @property
    def variance(self) -> float:
        """Population variance of the finite values; 0 where there is none."""
        return self.deviation / self.finite if self.finite else 0.0

    @property
    def whole(self) -> bool:
        """Whether every value is a whole number."""
        return self.integers == self.count

    def merge(self, other: Totals) -> Totals:
        """The totals of both parts together. The order of merging is that of :class:`Stretch`."""
        if not other.count:
            return self
        if not self.count:
            return other
        if self.counters is not None and other.counters is not None and self.lowest == other.lowest:
            return _of_counters(tuple(map(sum, zip(self.counters, other.counters, strict=True))), self.lowest)
        minimum, maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        return Totals(
            count=self.count + other.count,
            nan=self.nan + other.nan,
            infinite=self.infinite + other.infinite,
            minimum=minimum,
            maximum=maximum,
            at_minimum=sum(part.at_minimum for part in (self, other) if part.minimum == minimum),
            at_maximum=sum(part.at_maximum for part in (self, other) if part.maximum == maximum),
            integers=self.integers + other.integers,
            zeros=self.zeros + other.zeros,
            ones=self.ones + other.ones,
            total=self.total + other.total,
            deviation=_merged_deviation(self, other),
        )


NOTHING = Totals(0, 0, 0, INFINITY, -INFINITY, 0, 0, 0, 0, 0, 0, 0.0)
"""of no values"""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """What is known of the values from ``start`` to ``stop`` of an array, counted in C order."""

    start: int
    stop: int
    head: Array
    """values before the first border of a leaf; all of them where there is no such border"""
    nodes: tuple[tuple[int, int, Totals], ...]
    """subtrees that are whole, in order: level, index at that level, totals of their 2^level leaves"""
    tail: Array
    """values after the last border"""

    def join(self, other: Stretch) -> Stretch:
        """What is known of both stretches as one.

        Raises:
            ValueError: if ``other`` does not begin where this one ends.
        """
        if other.start != self.stop:
            raise ValueError(f"values from {other.start} do not follow values up to {self.stop}")
        if not self._bordered:
            return Stretch(self.start, other.stop, np.concatenate([self.head, other.head]), other.nodes, other.tail)
        between = np.concatenate([self.tail, other.head])
        if not other._bordered:
            return Stretch(self.start, other.stop, self.head, self.nodes, between)
        nodes = self.nodes
        if between.size:  # a leaf, whole now
            nodes = _appended(nodes, ((0, self.stop // LEAF, _counted_up(between)),))
        return Stretch(self.start, other.stop, self.head, _appended(nodes, other.nodes), other.tail)

    def finish(self) -> Totals:
        """The totals of an array that begins with this stretch and ends with it.

        Raises:
            ValueError: if its beginning is missing.
        """
        if self.start:
            raise ValueError(f"the {self.start} values before this stretch are missing")
        found = _counted_up(self.tail) if self.tail.size else NOTHING
        for _, _, node in reversed(self.nodes):
            found = node.merge(found)
        return found

    @property
    def _bordered(self) -> bool:
        """Whether the border of a leaf lies at its start, its end or in between."""
        return _border(self.start) <= self.stop


def stretch(values: Array, start: int = 0) -> Stretch:
    """The stretch of consecutive values of an array.

    Args:
        values: real numbers of any shape, taken in C order.
        start: how many values come before them.

    Raises:
        TypeError: for complex, text or object arrays.
    """
    if values.dtype.kind not in "biufV" or (values.dtype.kind == "V" and not np.can_cast(values.dtype, np.float64)):
        raise TypeError(f"cannot add up an array of {values.dtype}")
    flat = np.ascontiguousarray(values).reshape(-1)
    stop = start + flat.size
    first, last = _border(start), stop // LEAF * LEAF
    if first > stop:
        return Stretch(start, stop, flat.copy(), (), flat[:0].copy())
    nodes: tuple[tuple[int, int, Totals], ...] = ()
    position = first
    while position < last:
        # bytes are counted, whose order makes no difference: a subtree at once
        level = _subtree(position // LEAF, last // LEAF) if _counts_bytes(flat) else 0
        end = position + (LEAF << level)
        node = _counted_up(flat[position - start : end - start])
        nodes = _appended(nodes, ((level, position // LEAF >> level, node),))
        position = end
    # copies, lest they hold the whole array
    return Stretch(start, stop, flat[: first - start].copy(), nodes, flat[last - start :].copy())


def totals_of(pieces: Iterable[Array]) -> Totals:
    """The totals of an array from its consecutive pieces, of which one at a time is held."""
    found: Stretch | None = None
    for piece in pieces:
        found = stretch(piece) if found is None else found.join(stretch(piece, found.stop))
    return NOTHING if found is None else found.finish()


def _border(position: int) -> int:
    """The first border of leaves at ``position`` or behind it."""
    return -(-position // LEAF) * LEAF


def _subtree(first: int, last: int) -> int:
    """The level of the largest subtree that begins with leaf ``first`` and ends before leaf ``last``."""
    most = (last - first).bit_length() - 1
    return most if first == 0 else min(most, (first & -first).bit_length() - 1)


def _appended(
    nodes: tuple[tuple[int, int, Totals], ...], more: tuple[tuple[int, int, Totals], ...]
) -> tuple[tuple[int, int, Totals], ...]:
    """Subtrees one after another, two of a kind under one parent made into that parent."""
    grown = list(nodes)
    for level, index, node in more:
        while grown and grown[-1][0] == level and index % 2:
            node = grown.pop()[2].merge(node)
            level, index = level + 1, index // 2
        grown.append((level, index, node))
    return tuple(grown)


def _counts_bytes(flat: Array) -> bool:
    return flat.dtype.kind in "biu" and flat.dtype.itemsize == 1


def _counted_up(flat: Array) -> Totals:
    if _counts_bytes(flat):
        return _of_counters(*_counted(flat))
    x = flat.astype(np.float64)
    whole_type = flat.dtype.kind in "iu"
    if not whole_type and not np.isfinite(x).all():
        finite = _counted_up(x[np.isfinite(x)])
        nan = int(np.count_nonzero(np.isnan(x)))
        return replace(finite, count=x.size, nan=nan, infinite=x.size - finite.count - nan)
    if not x.size:
        return NOTHING
    low, high = flat.min(), flat.max()
    with np.errstate(over="ignore", invalid="ignore"):
        total: float = _exact_sum(flat) if whole_type else float(x.sum())
        deviation = float(np.square(x - total / x.size).sum())
    return Totals(
        count=x.size,
        nan=0,
        infinite=0,
        minimum=int(low) if whole_type else float(low) + 0.0,  # one value of the two zeros
        maximum=int(high) if whole_type else float(high) + 0.0,
        at_minimum=int(np.count_nonzero(flat == low)),
        at_maximum=int(np.count_nonzero(flat == high)),
        integers=x.size if whole_type else int(np.count_nonzero(x == np.rint(x))),
        zeros=int(np.count_nonzero(x == 0.0)),
        ones=int(np.count_nonzero(x == 1.0)),
        total=total,
        deviation=deviation,
    )


def _exact_sum(flat: Array) -> int:
    if flat.dtype.itemsize < 8:
        return int(flat.sum(dtype=np.int64))
    # a leaf of 64-bit integers can exceed what 64 bits hold: halves cannot
    return (int((flat >> 32).sum(dtype=np.int64)) << 32) + int((flat & 0xFFFFFFFF).sum(dtype=np.int64))


def _counted(flat: Array) -> tuple[tuple[int, ...], int]:
    """How often each value of a type of one byte occurs, and the smallest value that the type has."""
    unsigned = flat.view(np.uint8)
    counts = np.zeros(_BYTE, np.int64)
    for start in range(0, unsigned.size, LEAF):
        part = unsigned[start : start + LEAF]
        if part.size % 2:
            counts[part[-1]] += 1
        # two bytes are counted at once, which halves the work
        pairs = np.bincount(part[: part.size // 2 * 2].view(np.uint16), minlength=_BYTE * _BYTE).reshape(_BYTE, _BYTE)
        counts += pairs.sum(axis=0) + pairs.sum(axis=1)
    if flat.dtype.kind == "i":
        return tuple(np.roll(counts, _BYTE // 2).tolist()), -_BYTE // 2
    return tuple(counts.tolist()), 0


def _of_counters(counters: tuple[int, ...], lowest: int) -> Totals:
    count = sum(counters)
    if not count:
        return NOTHING
    seen = [index for index, times in enumerate(counters) if times]
    total = sum((lowest + index) * counters[index] for index in seen)
    squares = sum((lowest + index) ** 2 * counters[index] for index in seen)
    return Totals(
        count=count,
        nan=0,
        infinite=0,
        minimum=lowest + seen[0],
        maximum=lowest + seen[-1],
        at_minimum=counters[seen[0]],
        at_maximum=counters[seen[-1]],
        integers=count,
        zeros=counters[-lowest],
        ones=counters[1 - lowest],
        total=total,
        deviation=(count * squares - total * total) / count,
        counters=counters,
        lowest=lowest,
    )


def _merged_deviation(a: Totals, b: Totals) -> float:
    if not b.finite:
        return a.deviation
    if not a.finite:
        return b.deviation
    delta = b.mean - a.mean
    return a.deviation + b.deviation + delta * delta * (a.finite * b.finite / (a.finite + b.finite))

"""Interval and hull/reach algebra, against sets of sampled values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_audit.theory.intervals import REAL_LINE, UNIT, Interval
from ae_audit.theory.ranges import UNKNOWN_RANGE, Tri, ValueRange

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))
collections = st.lists(numbers, min_size=1, max_size=8)
coefficients = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 2))


@st.composite
def ranges_of(draw: st.DrawFn, values: list[float]) -> ValueRange:
    """Some true statement about ``values``."""
    below, above = draw(st.floats(0, 1e6)), draw(st.floats(0, 1e6))
    hull = draw(st.sampled_from([REAL_LINE, Interval(min(values) - below, max(values) + above)]))
    lo, hi = min(values) + draw(st.floats(0, 1e6)), max(values) - draw(st.floats(0, 1e6))
    reach = Interval(lo, hi) if lo <= hi else None
    return ValueRange(hull, draw(st.sampled_from([None, reach])))


@st.composite
def known_sets(draw: st.DrawFn) -> tuple[list[float], ValueRange]:
    values = draw(collections)
    return values, draw(ranges_of(values))


def assert_true_of(values: list[float], known: ValueRange) -> None:
    slack = 1e-9 * max(1.0, *(abs(v) for v in values))
    assert known.hull.lo - slack <= min(values), "below the hull"
    assert max(values) <= known.hull.hi + slack, "above the hull"
    if known.reach is not None:
        assert min(values) <= known.reach.lo + slack, "the reach claims a smaller value than there is"
        assert max(values) >= known.reach.hi - slack, "the reach claims a larger value than there is"


@given(known_sets(), coefficients, coefficients)
def test_affine_maps_are_sound(known: tuple[list[float], ValueRange], scale: float, shift: float) -> None:
    values, before = known
    assert_true_of([scale * v + shift for v in values], before.affine(scale, shift))


@given(known_sets(), numbers, numbers)
def test_clips_are_sound(known: tuple[list[float], ValueRange], lo: float, hi: float) -> None:
    values, before = known
    assert_true_of([min(max(v, lo), hi) for v in values], before.clip(lo, hi))


@given(known_sets(), known_sets())
def test_joins_of_alternatives_hold_for_both(
    first: tuple[list[float], ValueRange], second: tuple[list[float], ValueRange]
) -> None:
    either = first[1].either(second[1])
    assert_true_of(first[0], either)
    assert_true_of(second[0], either)


@given(known_sets(), known_sets())
def test_concatenations_are_sound(
    first: tuple[list[float], ValueRange], second: tuple[list[float], ValueRange]
) -> None:
    assert_true_of(first[0] + second[0], first[1].together(second[1]))


@given(known_sets(), numbers, numbers)
def test_leaves_never_errs(known: tuple[list[float], ValueRange], a: float, b: float) -> None:
    values, claim = known
    interval = Interval(min(a, b), max(a, b))
    really = any(v < interval.lo or v > interval.hi for v in values)
    answer = claim.leaves(interval)
    assert answer is Tri.UNKNOWN or (answer is Tri.YES) == really


@given(collections, collections)
def test_exact_ranges_decide_everything(values: list[float], bounds: list[float]) -> None:
    interval = Interval(min(bounds), max(bounds))
    answer = ValueRange.exactly(Interval(min(values), max(values))).leaves(interval)
    assert answer is Tri.of(any(v < interval.lo or v > interval.hi for v in values))


@given(st.lists(st.tuples(numbers, numbers, st.booleans(), st.booleans()), min_size=2, max_size=2), numbers)
def test_hull_and_intersection_hold_the_same_values_as_the_sets(
    raw: list[tuple[float, float, bool, bool]], value: float
) -> None:
    a, b = (Interval(min(x, y), max(x, y), lo_open, hi_open) for x, y, lo_open, hi_open in raw)
    both = a.intersection(b)
    for probe in (value, a.lo, a.hi, b.lo, b.hi):
        in_both = a.contains(probe) and b.contains(probe)
        assert in_both == (both is not None and both.contains(probe))
        if a.contains(probe) or b.contains(probe):
            assert a.hull(b).contains(probe)


@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers), st.floats(0, 1), st.floats(0, 1))
def test_sums_and_products_hold_every_pair(a: tuple[float, float], b: tuple[float, float], s: float, t: float) -> None:
    left, right = Interval(min(a), max(a)), Interval(min(b), max(b))
    x, y = left.lo + s * left.width, right.lo + t * right.width
    slack = 1e-6 * max(1.0, abs(x * y), abs(x), abs(y))
    assert left.add(right).covers(Interval(x + y, x + y), slack)
    assert left.multiply(right).covers(Interval(x * y, x * y), slack)


def test_arithmetic_without_a_number_gives_up_instead_of_failing() -> None:
    assert Interval(0.0, 1.0).affine(math.inf, 0.0) == REAL_LINE
    assert Interval(1e308, 1e308).add(Interval(1e308, 1e308)).add(Interval(-math.inf, 0.0)) == REAL_LINE
    assert ValueRange.exactly(UNIT).affine(math.inf, 0.0) == UNKNOWN_RANGE


def test_a_clip_whose_ends_are_swapped_gives_the_upper_one() -> None:
    assert UNIT.clip(5.0, 2.0) == Interval(2.0, 2.0)


def test_three_valued_truth_has_no_bool() -> None:
    with pytest.raises(TypeError, match="three-valued"):
        bool(Tri.UNKNOWN)


def test_intervals_print_as_a_reader_expects() -> None:
    assert [str(Interval(0.0, 1.0, True, True)), str(REAL_LINE), str(Interval(1.0, 1.0))] == ["(0, 1)", "ℝ", "{1}"]
    assert str(ValueRange(UNIT)) == "within [0, 1]"
    below = Interval(-math.inf, 255.0)
    assert str(ValueRange(below, Interval(255.0, 255.0))) == "within (-∞, 255], up to 255"
    assert str(ValueRange(below, Interval(3.0, 9.0))) == "within (-∞, 255], down to 3 or below, up to 9 or above"
    assert str(ValueRange(reach=Interval(0.0, 9.0))) == "down to 0 or below, up to 9 or above"

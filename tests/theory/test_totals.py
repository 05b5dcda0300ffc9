"""Totals: against NumPy on the whole, and the same bits however the values are cut, ordered and joined."""

from __future__ import annotations

import math
from dataclasses import astuple
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ae_audit.theory import totals
from ae_audit.theory.totals import NOTHING, Stretch, Totals, stretch, totals_of

KINDS = ["uint8", "int8", "bool", "int16", "uint32", "int64", "uint64", "float16", "float32", "float64", ">f4"]


@pytest.fixture(autouse=True, scope="module")
def small_leaves() -> object:
    """Many leaves even of small arrays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(totals, "LEAF", 8)
        yield


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    shape = (draw(st.integers(0, 30)), *draw(st.lists(st.integers(1, 5), max_size=2)))
    if kind.kind == "b":
        return generator.random(shape) < 0.5
    if kind.kind in "iu":
        ends = np.iinfo(kind)
        return generator.integers(ends.min, ends.max, shape, kind, endpoint=True)
    values = np.round(generator.normal(0, 10, shape), draw(st.integers(0, 3))).astype(kind)
    values[generator.random(shape) < draw(st.sampled_from([0.0, 0.1, 1.0]))] = draw(
        st.sampled_from([np.nan, np.inf, -np.inf, -0.0])
    )
    return values


def bits(found: Totals) -> str:
    return repr(astuple(found))  # floats by their shortest exact form, integers as integers, NaN equal to itself


@given(arrays())
@settings(max_examples=150, deadline=None)
def test_figures_are_those_of_numpy(array: np.ndarray) -> None:
    found = totals_of([array])
    finite = array[np.isfinite(array)].astype(np.float64)
    assert (found.count, found.nan) == (array.size, int(np.isnan(array).sum()))
    assert found.infinite == int(np.isinf(array).sum())
    if not finite.size:
        assert (found.minimum, found.maximum, found.mean, found.variance) == (math.inf, -math.inf, 0.0, 0.0)
        return
    exact = [int(value) if array.dtype.kind in "biu" else float(value) for value in array[np.isfinite(array)].tolist()]
    low, high = min(exact), max(exact)
    assert (found.minimum, found.maximum) == (low, high), "64-bit integers included"
    assert (found.at_minimum, found.at_maximum) == (exact.count(low), exact.count(high))
    assert (found.zeros, found.ones) == (exact.count(0), exact.count(1))
    assert found.integers == sum(float(value).is_integer() for value in exact)
    assert found.whole == (found.integers == array.size)
    fractions = list(map(Fraction, exact))
    mean = sum(fractions) / len(fractions)
    assert found.total == pytest.approx(float(sum(fractions)), rel=1e-12, abs=1e-9)
    if array.dtype.kind in "biu":
        assert found.total == sum(exact), "to the last digit"
    assert found.deviation == pytest.approx(float(sum((value - mean) ** 2 for value in fractions)), rel=1e-10, abs=1e-9)
    assert found.variance == pytest.approx(finite.var(), rel=1e-9, abs=1e-9)
    if array.dtype.itemsize == 1:
        lowest = -128 if array.dtype == np.int8 else 0
        assert found.counters == tuple(exact.count(value) for value in range(lowest, lowest + 256))
    else:
        assert found.counters is None


@given(arrays(), st.lists(st.integers(0, 800), max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_bits_do_not_depend_on_pieces_nor_on_who_joins_them_first(
    array: np.ndarray, cuts: list[int], order: object
) -> None:
    flat = array.reshape(-1)
    edges = [0, *sorted(min(cut, flat.size) for cut in cuts), flat.size]
    parts = [stretch(flat[start:end], start) for start, end in pairwise(edges)]
    while len(parts) > 1:  # neighbours join in any order, as workers finish
        place = order.randrange(len(parts) - 1)  # type: ignore[attr-defined]
        parts[place : place + 2] = [parts[place].join(parts[place + 1])]
    assert bits(parts[0].finish()) == bits(totals_of([array]))


def test_the_order_of_merging_is_a_tree_over_positions() -> None:
    """Of three leaves and a half, ((a b) (c d)): a chain of the same leaves gives other bits."""
    values = np.random.default_rng(5).normal(1e3, 1, 28)
    leaves = [totals_of([values[start : start + 8]]) for start in (0, 8, 16, 24)]
    tree = leaves[0].merge(leaves[1]).merge(leaves[2].merge(leaves[3]))
    chain = leaves[0].merge(leaves[1]).merge(leaves[2]).merge(leaves[3])
    assert bits(totals_of([values])) == bits(tree) != bits(chain)


def test_pieces_in_another_memory_order_are_the_same_values() -> None:
    values = np.random.default_rng(6).normal(size=(40, 7))
    assert bits(totals_of([np.asfortranarray(values)])) == bits(totals_of(np.array_split(values, 9)))


def test_a_stretch_holds_less_than_two_leaves_of_values() -> None:
    held = stretch(np.arange(1000.0), 5)
    assert held.head.size + held.tail.size < 16
    assert held.head.base is held.tail.base is None, "no view keeps the array alive"


def test_what_does_not_belong_together_is_refused() -> None:
    part = stretch(np.ones(5), 20)
    with pytest.raises(ValueError, match="do not follow"):
        part.join(stretch(np.ones(5), 26))
    with pytest.raises(ValueError, match="20 values before"):
        part.finish()
    for wrong in (np.ones(3, complex), np.array(["a"]), np.array([None])):
        with pytest.raises(TypeError, match="cannot add up"):
            stretch(wrong)
    assert totals_of([]) is NOTHING
    assert isinstance(part, Stretch)

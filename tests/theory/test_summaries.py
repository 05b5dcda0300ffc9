"""Summaries: against NumPy on the whole, and equal however the samples are split."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ae_audit.theory.summaries import DISTINCT_LIMIT, SAMPLE_SIZE, Summary, summarise

LEVELS = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)


def _assert_same(a: Summary, b: Summary) -> None:
    exact = [
        *("dtype", "sample_shape", "samples", "count", "non_finite", "minimum", "maximum", "integers", "zeros", "ones"),
        *("at_minimum", "at_maximum", "sums_to_one_along", "one_hot_along", "mode", "distinct"),
    ]
    for name in exact:
        assert getattr(a, name) == getattr(b, name) or (a.finite == 0 and name == "mode"), name
    np.testing.assert_equal(a.quantiles(LEVELS), b.quantiles(LEVELS))
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(a.variance, b.variance, rtol=1e-9, atol=1e-9)
    assert (a.features is None) == (b.features is None)
    if a.features is not None and b.features is not None:
        for name in ("count", "mean", "deviation"):
            np.testing.assert_allclose(getattr(a.features, name), getattr(b.features, name), rtol=1e-8, atol=1e-8)
    assert (a.sample is None) == (b.sample is None)
    if a.sample is not None and b.sample is not None:
        np.testing.assert_array_equal(a.sample.keys, b.sample.keys)
        np.testing.assert_array_equal(a.sample.values, b.sample.values)
        np.testing.assert_array_equal(a.sample.counts, b.sample.counts)


def _streamed(array: np.ndarray, cuts: list[int]) -> Summary:
    edges = [0, *sorted(min(cut, len(array)) for cut in cuts), len(array)]
    parts = [summarise(array[start:end]) for start, end in pairwise(edges)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 40)), *draw(st.lists(st.integers(1, 5), max_size=3)))
    kind = draw(st.sampled_from(["bytes", "normal", "binary", "one-hot", "simplex", "gaps", "labels"]))
    if kind == "bytes":
        return generator.integers(0, 256, shape).astype(np.uint8)
    if kind == "binary":
        return generator.integers(0, 2, shape).astype(np.float32)
    if kind == "one-hot":
        return np.eye(4, dtype=np.float32)[generator.integers(0, 4, shape)]
    if kind == "simplex":
        return generator.dirichlet(np.ones(3), shape).astype(np.float32)
    if kind == "labels":
        return generator.integers(-3, 10, shape)
    values = generator.normal(3, 10, shape)
    if kind == "gaps":
        values[generator.random(shape) < 0.3] = generator.choice([np.nan, np.inf, -np.inf])
    return values


@given(arrays(), st.lists(st.integers(0, 40), max_size=4))
def test_a_stream_has_the_summary_of_the_whole(array: np.ndarray, cuts: list[int]) -> None:
    _assert_same(_streamed(array, cuts), summarise(array))


@given(arrays(), st.integers(0, 2**32 - 1))
def test_the_order_of_samples_does_not_matter(array: np.ndarray, seed: int) -> None:
    _assert_same(summarise(array[np.random.default_rng(seed).permutation(len(array))]), summarise(array))


@given(arrays())
def test_figures_are_numpys(array: np.ndarray) -> None:
    summary = summarise(array)
    flat = array.astype(np.float64).reshape(-1)
    finite = flat[np.isfinite(flat)]
    assert (summary.count, summary.samples, summary.finite) == (flat.size, len(array), finite.size)
    assert summary.integers == np.count_nonzero(finite == np.round(finite))
    assert (summary.zeros, summary.ones) == (np.count_nonzero(finite == 0), np.count_nonzero(finite == 1))
    if finite.size:
        assert summary.hull is not None
        assert (summary.hull.lo, summary.hull.hi) == (finite.min(), finite.max())
        assert summary.mean == pytest.approx(finite.mean(), abs=1e-9)
        assert summary.std == pytest.approx(finite.std(), abs=1e-9)
        np.testing.assert_allclose(summary.quantiles(LEVELS), np.quantile(finite, LEVELS), rtol=1e-9, atol=1e-9)
        values, counts = np.unique(finite, return_counts=True)
        assert summary.mode == (values[np.argmax(counts)], counts.max() / flat.size)
    else:
        assert summary.hull is None
        assert math.isnan(summary.quantiles([0.5])[0])


@pytest.fixture(scope="module")
def many_values() -> np.ndarray:
    generator = np.random.default_rng(3)
    array = generator.normal(size=(2000, 150))
    array[array < -0.5] = -0.5  # an atom at the minimum, as clipped or normalised images have
    return array


def test_beyond_the_limit_the_sample_is_that_of_the_whole(many_values: np.ndarray) -> None:
    whole = summarise(many_values)
    assert whole.distinct is None
    assert whole.sample is not None
    assert len(whole.sample.keys) == SAMPLE_SIZE
    _assert_same(_streamed(many_values, [300, 301, 1500]), whole)


def test_sampled_quantiles_are_within_the_stated_error(many_values: np.ndarray) -> None:
    summary = summarise(many_values)
    ordered = np.sort(many_values.reshape(-1))
    for level, value in zip(LEVELS, summary.quantiles(LEVELS), strict=True):
        low, high = (np.searchsorted(ordered, value, side) / ordered.size for side in ("left", "right"))
        assert low - 0.0053 <= level <= high + 0.0053
    assert summary.mode == (-0.5, np.mean(many_values == -0.5))


def test_parts_that_fit_and_a_whole_that_does_not() -> None:
    generator = np.random.default_rng(5)
    array = generator.normal(size=(DISTINCT_LIMIT + 500, 1))
    half = len(array) // 2
    assert summarise(array[:half]).distinct == half
    _assert_same(_streamed(array, [half]), summarise(array))


@given(arrays())
def test_a_whole_array_has_the_figures_of_a_part(array: np.ndarray) -> None:
    whole, part = summarise(array, whole=True), summarise(array)
    assert whole.histogram is not None
    assert whole.sample is None
    np.testing.assert_array_equal(whole.quantiles(LEVELS), part.quantiles(LEVELS))
    np.testing.assert_array_equal(whole.mode, part.mode)


def test_whole_arrays_whose_histograms_overflow_together_keep_estimates() -> None:
    array = np.random.default_rng(6).normal(size=(DISTINCT_LIMIT + 500, 1))
    first, second = (summarise(half, whole=True) for half in np.array_split(array, 2))
    merged = first.merge(second)
    assert merged.histogram is None
    assert merged.quantiles([0.25, 0.5, 0.75]) == pytest.approx(np.quantile(array, [0.25, 0.5, 0.75]), abs=0.02)


def test_repeated_samples_count_as_often_as_they_occur() -> None:
    rows = np.random.default_rng(9).normal(size=(100, 1000))
    array = np.concatenate([rows, np.repeat(rows[:1], 100, axis=0) + 50.0])
    summary = summarise(array)
    assert summary.distinct is None
    assert summary.quantiles([0.25, 0.75])[1] > 40.0
    _assert_same(_streamed(array, [120]), summary)


def test_structure_along_axes() -> None:
    one_hot = np.eye(5)[np.random.default_rng(1).integers(0, 5, (7, 6))]
    assert summarise(one_hot).one_hot_along == (2,)
    assert summarise(np.moveaxis(one_hot, 2, 1)).one_hot_along == (1,)
    soft = np.random.default_rng(1).dirichlet(np.ones(4), (8, 3)).astype(np.float16)
    assert (summarise(soft).sums_to_one_along, summarise(soft).one_hot_along) == ((2,), ())
    broken = soft.copy()
    broken[3, 1] *= 0.9
    assert summarise(broken).sums_to_one_along == ()
    assert _streamed(broken, [3, 4]).sums_to_one_along == ()
    assert summarise(np.ones((5, 1))).sums_to_one_along == (), "one unit is no distribution"


def test_samples_of_different_extent_merge_without_features() -> None:
    merged = summarise(np.zeros((2, 5))).merge(summarise(np.ones((3, 4))))
    assert (merged.sample_shape, merged.features, merged.mean) == ((None,), None, 12 / 22)
    with pytest.raises(ValueError, match="do not belong together"):
        summarise(np.zeros((2, 5))).merge(summarise(np.zeros(3)))


def test_an_empty_stream_is_the_unit_of_merging() -> None:
    empty, some = summarise(np.zeros((0, 3))), summarise(np.arange(6.0).reshape(2, 3))
    _assert_same(empty.merge(some), some)
    _assert_same(some.merge(empty), some)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([1j]), np.array([None])])
def test_what_is_no_number_is_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="cannot summarise"):
        summarise(array)


def test_variance_of_large_offsets_keeps_its_digits() -> None:
    array = 1e8 + np.random.default_rng(2).normal(size=(1000, 3))
    assert _streamed(array, [10, 500]).variance == pytest.approx(array.var(), rel=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_mixed_types_merge(seed: int) -> None:
    generator = np.random.default_rng(seed)
    bytes_, floats = generator.integers(0, 256, (10, 3)).astype(np.uint8), generator.normal(size=(10, 3))
    merged = summarise(bytes_).merge(summarise(floats))
    assert merged.mean == pytest.approx(np.concatenate([bytes_, floats]).mean())
    assert merged.dtype == "float64"


def test_floats_of_extensions_are_summarised() -> None:
    types = pytest.importorskip("ml_dtypes")
    summary = summarise(np.array([[0.5, 1.5], [2.0, 0.0]], dtype=types.bfloat16))
    assert (summary.dtype, summary.mean, summary.sample) == ("bfloat16", 1.0, None)
    assert summary.merge(summary).samples == 4


def test_samples_that_differ_in_signs_alone_have_their_own_keys() -> None:
    pair = np.array([[1.0, 3.0], [-1.0, -3.0]])
    for array in (pair, pair[::-1]):
        sample = summarise(array).sample
        assert sample is not None
        assert sorted(sample.values) == [-3.0, -1.0, 1.0, 3.0]

"""Student's interval of a mean, against SciPy's quantiles."""

from __future__ import annotations

import math
from statistics import stdev

import pytest

from ae_audit.theory.uncertainty import difference, estimate, student

QUANTILES = {1: 12.7062, 2: 4.30265, 3: 3.18245, 9: 2.26216, 10: 2.22814, 20: 2.08596, 29: 2.04523, 1000: 1.96234}


@pytest.mark.parametrize(("freedom", "quantile"), QUANTILES.items())
def test_quantiles(freedom: int, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, abs=2e-3)


def test_the_interval_of_a_mean() -> None:
    found = estimate((0.4, 0.5, 0.6))
    assert found is not None
    assert found.mean == pytest.approx(0.5)
    assert found.half_width == pytest.approx(4.30265 * stdev((0.4, 0.5, 0.6)) / math.sqrt(3), rel=1e-4)
    assert found.tells_from_zero


def test_one_value_says_nothing_of_its_spread() -> None:
    found = estimate((0.4,))
    assert found is not None
    assert (found.half_width, found.low, found.tells_from_zero) == (None, -math.inf, False)
    assert estimate(()) is None
    broken = estimate((0.4, -math.inf))
    assert broken is not None
    assert (broken.mean, broken.half_width) == (-math.inf, None)


def test_pairs_are_told_apart_where_means_are_not() -> None:
    ones, others = (0.50, 0.60, 0.70), (0.49, 0.59, 0.69)
    paired = difference(ones, others)
    assert paired is not None
    assert paired.tells_from_zero
    assert paired.mean == pytest.approx(0.01)
    apart = [one for one in map(estimate, (ones, others)) if one is not None]
    assert apart[0].low < apart[1].high
    assert difference((1.0,), (1.0, 2.0)) is None

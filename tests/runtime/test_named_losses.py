"""The algebra by which a loss that is written by hand gets a name."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ae_audit.runtime.measure.named_losses import FixedGaussian, fixed_gaussian

SHAPE = (8, 12)


def drawn(variance: float, full: bool, reduction: str | None, weight: float) -> tuple[list[float], list[float]]:
    random = np.random.default_rng(0)
    squares = [float(np.sum((scale * random.normal(size=SHAPE)) ** 2)) for scale in (0.3, 0.6, 1.0, 2.0)]
    count = math.prod(SHAPE)
    factor = {"mean": 1 / count, "sum": 1.0, None: 1 / SHAPE[0]}[reduction]
    constant = 0.5 * count * math.log((2 * math.pi if full else 1.0) * variance)
    return squares, [factor * (square / (2 * variance) + constant) / weight for square in squares]


@pytest.mark.parametrize("weight", [1.0, 0.25])
@pytest.mark.parametrize("reduction", ["mean", "sum", None])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("variance", [0.05, 3.0])
def test_a_gaussian_of_fixed_variance_is_told(
    variance: float, full: bool, reduction: str | None, weight: float
) -> None:
    squares, values = drawn(variance, full, reduction, weight)
    assert fixed_gaussian(squares, values, SHAPE, weight) == FixedGaussian(variance, full, reduction)


def test_what_is_none_is_not() -> None:
    squares, values = drawn(0.5, True, "mean", 1.0)
    assert fixed_gaussian(squares, [value + 1.0 for value in values], SHAPE) is None, "another constant"
    assert fixed_gaussian(squares, [-value for value in values], SHAPE) is None, "likeliest is farthest"
    assert fixed_gaussian(squares, [value**2 for value in values], SHAPE) is None, "no straight line"
    assert fixed_gaussian([1.0, 1.0], [2.0, 2.0], SHAPE) is None, "nothing varies"
    assert fixed_gaussian(squares, [*values[:-1], math.nan], SHAPE) is None

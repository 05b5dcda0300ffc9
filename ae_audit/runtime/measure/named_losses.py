"""Which named loss one that is written by hand equals, from its values on random data: what both frameworks share.

Each draws predictions and targets of its own and asks the loss; the algebra and its margins are here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

AGREEMENT = 2e-3
"""relative; logarithms are guarded by an epsilon, and float32 rounds"""
GUARD = 1e-2
"""A constant up to here that is added before a logarithm guards it."""
KINKS_OUTSIDE = {
    "hinge": "its kink lies outside what is drawn, where it is a plain product",
    "squared_hinge": "its kink lies outside what is drawn, where it is a plain product",
}
"""Losses of single values that no draw between 0 and 1 tells from others, and why."""


@dataclass(frozen=True, slots=True)
class FixedGaussian:
    """A Gaussian likelihood whose variance is one number."""

    variance: float
    full: bool
    """whether the constant ``log 2π`` is in it"""
    reduction: str | None
    """``mean``, ``sum``, or None: a sum for each sample, averaged"""


def fixed_gaussian(
    squares: Sequence[float], values: Sequence[float], shape: Sequence[int], weight: float = 1.0
) -> FixedGaussian | None:
    """The Gaussian likelihood of fixed variance that a loss is, from several draws.

    Its constant tells the variance and the reduction apart, both of which the factor of the squares holds.

    Args:
        squares: of each draw the sum of the squared errors.
        values: of each draw what the loss gave.
        shape: of a prediction, the batch first.
        weight: the factor with which the loss enters what is minimised.
    """
    if not np.isfinite([*squares, *values]).all():
        return None
    nearest, farthest = int(np.argmin(squares)), int(np.argmax(squares))
    if squares[farthest] == squares[nearest]:
        return None
    slope = (values[farthest] - values[nearest]) / (squares[farthest] - squares[nearest])
    constant = values[nearest] - slope * squares[nearest]
    margin = AGREEMENT * abs(values[farthest] - values[nearest])
    on_line = (abs(constant + slope * square - value) <= margin for square, value in zip(squares, values, strict=True))
    if slope * weight <= 0 or not all(on_line):
        return None
    count = math.prod(shape)
    for reduction, factor in (("mean", 1 / count), ("sum", 1.0), (None, 1 / shape[0])):
        variance = factor / (2 * slope * weight)
        if not 0 < variance < math.inf:
            continue
        for full in (True, False):
            expected = 0.5 * math.log(2 * math.pi * variance if full else variance) * count * factor
            if abs(constant * weight - expected) <= 10 * AGREEMENT * abs(expected):
                return FixedGaussian(float(f"{variance:.4g}"), full, reduction)  # float32 tells no more digits
    return None

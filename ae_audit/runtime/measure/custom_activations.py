"""An activation of the program's own, characterised by its values: which known one it equals, or what it can give.

A range that was sampled is evidence and no proof, and the report says how it was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.measure.affine import affine_map
from ae_audit.theory.activations import ELEMENTWISE, ActivationRange, find_activation
from ae_audit.theory.elementwise import BUILDERS
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange

Array = NDArray[Any]
Function = Callable[[Array], Array]
"""elementwise, of a vector"""

NEAR = np.linspace(-8, 8, 1601)
"""inputs that are tried"""
ALONE = (30, 800, 1400)
"""of these, the ones that are tried by themselves too"""
SATURATED = (-1e4, -1e3, -300.0, -100.0)
"""inputs at which an activation that has a bound has reached it, with their negatives"""
NOT_RECOGNISED = {
    "threshold": "it has no threshold unless one is given",
    "prelu": "its slope is learned",
    "rrelu": "its slope is drawn",
    "log": "it has no value below 0",
}
"""Elementwise activations that one of the program's own is not compared with, and why."""


@dataclass(frozen=True, slots=True)
class CustomActivation:
    """An activation function of the program's own."""

    range: ActivationRange
    name: str | None = None
    """canonical name of the known activation that it is an affine map of"""
    scale: float = 1.0
    shift: float = 0.0


@cache
def recognised() -> dict[str, Array]:
    """The values at :data:`NEAR` of the activations that one of the program's own may be, by canonical name."""
    found = {}
    for name in (*BUILDERS, *sorted(ELEMENTWISE - set(BUILDERS))):
        activation = find_activation(name)
        if activation is not None and name not in NOT_RECOGNISED:
            found[name] = np.asarray([activation.evaluate(float(x)) for x in NEAR])
    return found


def by_values(function: Function) -> CustomActivation | None:
    """What a function is, by its values; None where it does not go value by value, or cannot be tried."""
    far = np.asarray([*SATURATED, *(-value for value in reversed(SATURATED))])
    places = list(ALONE)
    try:
        values, limits = function(NEAR), function(far)
        backwards = function(NEAR[::-1])[::-1]
        alone = np.asarray([function(NEAR[index : index + 1])[0] for index in places])
    except Exception:  # it may want the shape of its own layer
        return None
    elementwise = np.allclose(values, backwards, atol=1e-6) and np.allclose(alone, values[places], atol=1e-6)
    if not elementwise or not np.isfinite(values).all():
        return None
    for name, expected in recognised().items():
        affine = _affine(expected, values)
        if affine is not None:
            return CustomActivation(ActivationRange(ValueRange()), name, *affine)
    everything = np.concatenate([values, limits[np.isfinite(limits)]])
    low, high = float(everything.min()), float(everything.max())
    half = len(SATURATED)
    # towards each end, from near to far
    for end in (limits[:half][::-1], limits[half:]):
        if not np.isfinite(end).all() or abs(end[-1] - end[-2]) > 1e-3 * max(1.0, abs(float(end[-2]))):
            rises = bool(end[-1] > end[0])
            low, high = (low, np.inf) if rises else (-np.inf, high)
    return CustomActivation(ActivationRange(ValueRange.exactly(Interval(low, high))))


def sentence(name: str, found: CustomActivation) -> str:
    """How the range was found."""
    return f"{name}, tried on inputs far from 0, gives values in {found.range.values.hull}"


def _affine(x: Array, y: Array) -> tuple[float, float] | None:
    found = affine_map(x, y, 1e-5 * max(1.0, float(np.abs(y).max())))
    if found is None:
        return None
    scale, shift = found
    return float(f"{scale:.4g}"), 0.0 if abs(shift) < 1e-5 else float(f"{shift:.4g}")

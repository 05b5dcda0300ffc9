"""Activation ranges: the set of values that an output layer can produce."""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass, replace
from ae_audit.theory.intervals import REAL_LINE, Interval
from ae_audit.theory.ranges import UNKNOWN_RANGE, ValueRange

NEGLIGIBLE_CLIP = 1e-3
"""A clip that cuts less than this share of a constrained vector's span guards a logarithm; the constraint stays."""


class Constraint(Enum):
    """What the values of a prediction must satisfy together, along an axis."""

    SIMPLEX = "simplex"
    """non-negative, summing to 1"""
    LOG_SIMPLEX = "log-simplex"
    """logarithms of a vector of the simplex"""
    UNIT_NORM = "unit norm"
    """Euclidean norm 1"""


@dataclass(frozen=True, slots=True)
class ActivationRange:
    """The set of values that an output layer can produce: a range for each value, and a constraint along an axis.

    ``values.hull`` holds every value that any weights can produce; ``values.reach`` is what some weights surely produce
    (all of it, since outputs are continuous in the weights). After a dense or convolution layer of fresh weights the
    reach is the whole image of the activation; where the activation's input is unknown there is no reach.
    """

    values: ValueRange = UNKNOWN_RANGE
    constraint: Constraint | None = None
    axis: int | None = None
    scale: float = 1.0
    """of an affine map applied to a constrained vector: the values are ``scale * s + shift`` with ``s`` in the set"""
    shift: float = 0.0

    @classmethod
    def exactly(cls, interval: Interval) -> ActivationRange:
        """Every value of ``interval``, each output for itself, and nothing else."""
        return cls(ValueRange.exactly(interval))

    @property
    def unknown(self) -> bool:
        """Whether nothing is known of the values, together or each for itself."""
        return self.values.unknown and self.constraint is None

    def affine(self, scale: float, shift: float) -> ActivationRange:
        """The range of ``scale * prediction + shift``."""
        values = self.values.affine(scale, shift)
        if self.constraint is None or scale == 0:
            return ActivationRange(values)
        return replace(self, values=values, scale=scale * self.scale, shift=scale * self.shift + shift)

    def clip(self, lo: float, hi: float) -> ActivationRange:
        """The range of the prediction clipped to ``[lo, hi]``; a constraint survives a clip that hardly cuts."""
        values = self.values.clip(lo, hi)
        if self.constraint is None:
            return ActivationRange(values)
        cut = max(lo - self.values.hull.lo, self.values.hull.hi - hi)
        if cut <= NEGLIGIBLE_CLIP * abs(self.scale):
            return replace(self, values=values)
        return ActivationRange(values)

    def either(self, other: ActivationRange) -> ActivationRange:
        """The range of a prediction that has one of the two, where it is unknown which."""
        values = self.values.either(other.values)
        same = (self.constraint, self.axis, self.scale, self.shift) == (
            other.constraint,
            other.axis,
            other.scale,
            other.shift,
        )
        return replace(self, values=values) if same else ActivationRange(values)

    def free(self) -> ActivationRange:
        """The range of each value for itself, without the constraint (after a mix of values across the axis)."""
        return ActivationRange(self.values)

    def __str__(self) -> str:
        if self.constraint is None:
            return str(self.values)
        base = {
            Constraint.SIMPLEX: "shares that sum to 1",
            Constraint.LOG_SIMPLEX: "logarithms of shares that sum to 1",
            Constraint.UNIT_NORM: "vectors of length 1",
        }
        where = "" if self.axis is None else f" along axis {self.axis}"
        mapped = "" if (self.scale, self.shift) == (1.0, 0.0) else f", times {self.scale:g}, plus {self.shift:g}"
        return f"{base[self.constraint]}{where}{mapped}"


UNKNOWN_ACTIVATION_RANGE = ActivationRange()
LINEAR_RANGE = ActivationRange.exactly(REAL_LINE)
"""Of a dense or convolution layer's output before its activation: its weights produce everything."""

"""Activation ranges (contract; being filled in)."""
from __future__ import annotations
from dataclasses import dataclass
from enum import Enum
from ae_audit.theory.ranges import UNKNOWN_RANGE, ValueRange


class Constraint(Enum):
    """What the values of a prediction must satisfy together, along an axis."""

    SIMPLEX = "simplex"
    """non-negative, summing to 1"""
    LOG_SIMPLEX = "log-simplex"
    UNIT_NORM = "unit norm"


@dataclass(frozen=True, slots=True)
class ActivationRange:
    """The set of values that an output layer can produce: a range for each value, and a constraint along an axis."""

    values: ValueRange = UNKNOWN_RANGE
    constraint: Constraint | None = None
    axis: int | None = None
    scale: float = 1.0
    """of an affine map applied to a constrained vector: the values are ``scale * s + shift`` with ``s`` in the set"""
    shift: float = 0.0


UNKNOWN_ACTIVATION_RANGE = ActivationRange()

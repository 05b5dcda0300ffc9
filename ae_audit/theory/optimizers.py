"""Optimizers: those of which the learning rate bounds a step."""

from __future__ import annotations

BOUNDED_STEP = frozenset({"adam", "adamw", "nadam", "adamax", "radam", "rmsprop", "lion"})
"""lower-case names of the optimizers that divide a gradient by its own size: a step moves a weight by about the
learning rate, however great the error is"""


def bounds_its_step(name: str | None) -> bool:
    """Whether an optimizer of that class moves a weight by no more than about its learning rate in a step."""
    return (name or "").lower() in BOUNDED_STEP

"""How far a Keras training goes: its steps and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Sized
from typing import Any

from ae_audit.schema.training_setup import Pace
from ae_audit.theory.optimizers import bounds_its_step

USUAL_BATCH = 32
"""Keras' own, where none is given"""


def steps_of(arguments: dict[str, Any]) -> int | None:
    """The optimizer steps of a call of ``fit`` with these arguments; None where its data do not say how many."""
    epochs = int(arguments.get("epochs") or 1) - int(arguments.get("initial_epoch") or 0)
    each = arguments.get("steps_per_epoch")
    if each is None:
        samples = _length(arguments.get("x"))
        if samples is None:
            return None
        kept = 1.0 - float(arguments.get("validation_split") or 0.0)
        batched = hasattr(arguments.get("x"), "__getitem__") and hasattr(arguments.get("x"), "on_epoch_end")
        each = samples if batched else math.ceil(int(samples * kept) / int(arguments.get("batch_size") or USUAL_BATCH))
    return max(0, epochs) * int(each)


def _length(x: Any) -> int | None:
    if isinstance(x, dict):
        x = next(iter(x.values()), None)
    if isinstance(x, (list, tuple)) and x and hasattr(x[0], "shape"):
        x = x[0]
    if hasattr(x, "cardinality"):
        return None  # of a data set in batches that may repeat
    return len(x) if isinstance(x, Sized) and getattr(x, "shape", None) != () else None


def pace_of(optimizer: Any, steps: int | None) -> Pace | None:
    """The pace of an optimizer whose steps its learning rate bounds; None of others, and under a schedule."""
    if steps is None or optimizer is None or not bounds_its_step(type(optimizer).__name__):
        return None
    try:
        rate = float(optimizer._learning_rate)
    except (TypeError, ValueError, AttributeError):
        return None
    return Pace(steps, rate)

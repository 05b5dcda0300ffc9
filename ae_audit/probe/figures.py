"""What predictions are like beside their R²: too dark or too bright, blurred, dead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ae_audit.probe.layouts import Layout
from ae_audit.runtime.capture import FloatArray
from ae_audit.schema.sights import Kind

STILL = 1e-6
"""of the target's spread: a value that moves less is the same for every sample"""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Figures of predictions; see :class:`ae_audit.schema.comparison.CellRun`."""

    bias: float | None
    sharpness: float | None
    dead: float | None


def bias_unit(targets: FloatArray) -> str:
    """``mean`` for data of one sign, whose mean is their brightness, ``std`` for others."""
    return "mean" if targets.size and float(targets.min()) >= 0.0 and float(targets.mean()) > 0.0 else "std"


def likeness(predictions: FloatArray, targets: FloatArray, layout: Layout | None, unit: str) -> Likeness:
    """Figures of predictions against targets of the same shape, batch axis first."""
    if not np.isfinite(predictions).all():
        return Likeness(None, None, _dead(predictions, targets))
    scale = float(targets.mean()) if unit == "mean" else float(targets.std())
    bias = float(predictions.mean() - targets.mean()) / scale if scale else None
    sharpness = None
    if layout is not None and layout.kind in {Kind.IMAGE, Kind.SIGNAL}:
        energy = _energy(targets, layout)
        sharpness = _energy(predictions, layout) / energy if energy > 0.0 else None
    return Likeness(bias, sharpness, _dead(predictions, targets))


def _energy(values: FloatArray, layout: Layout) -> float:
    """Squared differences of neighbours, down and across; (samples, height, width, channels) is laid out."""
    laid_out = layout.laid_out(values)
    return sum(float(np.square(np.diff(laid_out, axis=axis)).sum()) for axis in (1, 2))


def _dead(predictions: FloatArray, targets: FloatArray) -> float | None:
    if len(targets) < 2:
        return None
    least = STILL * float(targets.std())
    varying = targets.std(axis=0) > least
    if not varying.any():
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        still = predictions.std(axis=0) <= least  # False for NaN
    return float(np.mean(still[varying]))

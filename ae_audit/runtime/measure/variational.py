"""The two terms of a variational loss, measured: by what factor each enters what is minimised.

Where what is minimised holds ``c · Σ ½ (μ² + e^v − v − 1)``, its gradient at every μ is ``c · μ`` and at every v
``c · ½ (e^v − 1)``. So tensors whose gradients fit are the mean and the spread of a code, ``c`` is what the divergence
counts, and the same holds of a reconstruction whose loss has a name. Sums and means over values, latents and the
batch, and every factor of the author's, are in ``c``; nothing is read off the program's text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Reduction, VariationalTerms
from ae_audit.theory import array_losses
from ae_audit.theory.losses import find_loss

Array = NDArray[Any]

TOLERANCE = 2e-3
"""relative; gradients are in float32, and logarithms are guarded by an epsilon"""
ATTEMPTS = 3
"""steps of a program in which the divergence is looked for"""
DRAWS = ((0.1, 0.5), (0.4, 0.9))
"""what the tensors at which the terms begin are drawn from: between 0 and 1, so that probabilities and deviations are
such, and twice, so that a factor that depends on the values is seen"""

SPREADS: tuple[Callable[[Array], Array], ...] = (
    lambda v: 0.5 * np.expm1(v),
    lambda v: np.expm1(2 * v),
    lambda v: v - 1 / v,
    lambda v: 0.5 * (1 - 1 / v),
)
"""derivative of the divergence by the logarithm of the variance, that of the deviation, the deviation, the variance"""

NOT_MEASURED = {
    "mape": "it weighs each value by its own target",
    "msle": "no divergence of a code is weighed against it in practice",
    "hinge": "its slope is 0 past the margin, so a step shows the factor of some values alone",
    "squared_hinge": "its slope is 0 past the margin, so a step shows the factor of some values alone",
    "soft_margin": "its target is a sign, and a code is decoded into data",
    "binary_focal": "it is focused by parameters that are not asked for here",
    "gaussian_nll": "it takes the variance as a third tensor, which has a gradient of its own",
}
"""losses of single values that no divergence is weighed against here, and why"""
_STEP = 1e-5
"""of a central difference, in float64: some nine digits are right, and three are needed"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A tensor at one draw: its values, and the gradient of what is minimised by them."""

    value: Array
    gradient: Array


Samples = Sequence[Sample]
"""of one tensor, one for each draw"""


@dataclass(frozen=True, slots=True)
class Code:
    """A normal code: which of the tensors is its mean, and what its divergence is multiplied by."""

    mean: int
    factor: float
    shape: tuple[int, ...]


def measured(
    draws: Sequence[Sequence[Sample | None]], own: int, target: Array, name: str | None, from_logits: bool
) -> tuple[Code, float] | None:
    """The code, and what the sum of the reconstruction's loss is multiplied by; None where either cannot be told.

    Args:
        draws: for each draw the tensors in the order in which they were made; None for one without a gradient.
        own: which of them is the prediction.
        target: what the loss compares it with.
        name: of the loss, canonical.
        from_logits: whether it takes logits.
    """
    samples = [_in_every_draw(drawn) for drawn in zip(*draws, strict=True)]
    code = code_of([None if place == own else found for place, found in enumerate(samples)])
    prediction = samples[own]
    if code is None or prediction is None:
        return None
    factor = reconstruction_factor(prediction, target, name, from_logits)
    return None if factor is None else (code, factor)


def _in_every_draw(samples: Sequence[Sample | None]) -> Samples | None:
    known = [sample for sample in samples if sample is not None]
    return known if len(known) == len(samples) else None


def code_of(tensors: Sequence[Samples | None]) -> Code | None:
    """The code among tensors in the order in which they were made; None for one without a gradient."""
    known = [(place, samples) for place, samples in enumerate(tensors) if samples]
    means = [(place, samples, _factor(samples, lambda v: v)) for place, samples in known]
    for place, samples, factor in means:
        if factor is None:
            continue
        for other, candidate in known:
            if other == place or candidate[0].value.shape != samples[0].value.shape:
                continue
            for form in SPREADS:
                spread = _factor(candidate, form)
                if spread is not None and math.isclose(spread, factor, rel_tol=TOLERANCE):
                    return Code(place, factor, samples[0].value.shape)
    return None


def reconstruction_factor(samples: Samples, target: Array, name: str | None, from_logits: bool) -> float | None:
    """What the sum of a named loss over all its values is multiplied by; None where that cannot be told."""
    slope = slope_of(name, from_logits)
    if slope is None or not np.isfinite(target).all() or samples[0].value.size != target.size:
        return None
    y = target.reshape(samples[0].value.shape).astype(np.float64)
    return _factor(samples, lambda p: slope(p, y))


def slope_of(name: str | None, from_logits: bool) -> Callable[[Array, Array], Array] | None:
    """The derivative of each value's loss by the prediction, ``f(prediction, target)``, from the theory's values."""
    loss = None if name is None or name in NOT_MEASURED else find_loss(name, from_logits=from_logits)
    if loss is None or not loss.pointwise or loss.from_logits != from_logits:
        return None
    known = loss

    def slope(p: Array, y: Array) -> Array:
        p = np.asarray(p, np.float64)
        beyond, before = (array_losses.values(known, y, p + step) for step in (_STEP, -_STEP))
        return np.asarray((beyond - before) / (2 * _STEP))

    return slope


def terms(
    code: Code, reconstruction: float, shape: tuple[int, ...], location: Location | None, batch: int | None = None
) -> VariationalTerms | None:
    """Both terms as sums and means over a sample and the batch.

    Args:
        reconstruction: from :func:`reconstruction_factor`.
        shape: of the prediction, batch first.
        location: of the divergence.
        batch: samples of the program's own batches, where the shapes are those of a smaller one.
    """
    samples = shape[0]
    if not samples or not code.shape or code.shape[0] != samples:
        return None
    values, latents = math.prod(shape[1:]), math.prod(code.shape[1:])
    sign = -1.0 if reconstruction < 0 and code.factor < 0 else 1.0  # what is maximised is the negative of both
    return VariationalTerms(
        reduction(sign * reconstruction, values, samples), reduction(sign * code.factor, latents, samples),
        latents, batch or samples, location,
    )  # fmt: skip


def reduction(factor: float, size: int, batch: int) -> Reduction:
    """What a factor of the sum over ``size`` values of each of ``batch`` samples amounts to.

    Where two readings give the same number (as many values as samples), they weigh the same, and the first is taken.
    """
    for sample, of_sample in (("sum", 1.0), ("mean", 1.0 / size)):
        for over_batch, of_batch in (("mean", 1.0 / batch), ("sum", 1.0)):
            if math.isclose(factor, of_sample * of_batch, rel_tol=TOLERANCE):
                return Reduction(sample, over_batch)
    return Reduction("sum", "mean", float(f"{factor * batch:.4g}"))


def _factor(samples: Samples, direction: Callable[[Array], Array]) -> float | None:
    """The one number that every gradient is of the direction at its value, in every draw; None where there is none."""
    found: list[float] = []
    for sample in samples:
        with np.errstate(all="ignore"):  # most tensors are no code
            wanted = direction(sample.value.astype(np.float64))
            square = float(np.sum(wanted * wanted))
            if not square > 0:
                return None
            factor = float(np.sum(wanted * sample.gradient)) / square
            size = float(np.abs(factor * wanted).max())
            if not size > 0 or not float(np.abs(sample.gradient - factor * wanted).max()) <= TOLERANCE * size:
                return None
        found.append(factor)
    same = all(math.isclose(factor, found[0], rel_tol=TOLERANCE) for factor in found)
    return found[0] if same else None

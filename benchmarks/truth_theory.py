"""What theory says of a cell before anything is fitted: which prediction the loss rewards, and how near that comes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from truth_cells import Data, data_sets

from ae_audit.theory.activations import ActivationRange, Constraint, find
from ae_audit.theory.bounds import attainable_r2
from ae_audit.theory.loss import Link, Loss, PredictionKind, TargetKind
from ae_audit.theory.losses import find_loss

SUITS = 0.9
"""the share of the variance that the rewarded predictions must explain"""
LARGE = 10.0
"""inputs above this are raw"""
SCALED = {"(tanh + 1) / 2": ("tanh", 0.5, 0.5), "255 sigmoid": ("sigmoid", 255.0, 0.0)}
LINKS = {"sigmoid": Link.SIGMOID, "softmax": Link.SOFTMAX}


@dataclass(frozen=True)
class Theory:
    """The verdict of theory on a cell."""

    suits: bool
    why: str
    fragile: str | None
    """why it may suit and yet train badly"""
    bound: float | None
    """attainable R² of the head alone, whatever the loss"""


def theory_of(backend: str, head: str, loss: str, data: Data) -> Theory:
    """From ranges, domains and minimisers; nothing is fitted, and only the targets are looked at."""
    sample = replace(data, y=data.y[:500])
    suits, why, bound = _judged(backend, head, loss, sample)
    return Theory(suits, why, _weakness(head, loss, data) if suits else None, bound)


@cache
def bound_of(head: str, data: str) -> float | None:
    """Attainable R² of a head on the first 500 samples, whatever the loss."""
    found = data_sets()[data]
    return attainable_r2(_range(head, found), found.y[:500])


def _weakness(head: str, loss: str, data: Data) -> str | None:
    hull = _range(head, data).values.hull
    if float(np.abs(data.x).max()) > LARGE:
        return "the input is raw: what it starts from is far from where it should be"
    if data.y.ndim == 1:
        return None
    if hull.bounded and float(data.y.max() - data.y.min()) <= 2 / 3 * hull.width:
        return "a third of the output's range is where no target lies"
    if loss == "mae" and max(np.unique(data.y, return_counts=True)[1]) > data.y.size / 2:
        return "the median of the targets is one value"
    return None


def _judged(backend: str, head: str, loss: str, data: Data) -> tuple[bool, str, float | None]:
    produced, rewarded = _range(head, data), _loss(backend, loss, data)
    free = head == "linear" and rewarded.link is not Link.IDENTITY
    bound = None if data.y.ndim == 1 or free else bound_of(head, data.name)
    if produced.values.hull.width == 0:
        return False, "the output is a constant", bound
    behind = _behind(backend, head, rewarded)
    if behind is not None:
        rewarded, produced = behind, find("linear").range
        if rewarded.link is not LINKS[head]:
            return False, f"trained as a {rewarded.link.value}, used as a {head}", bound
    text = _target_fault(rewarded, data) or _head_fault(rewarded, produced, data)
    if text is None and rewarded.pointwise:
        reached = _rewarded_r2(rewarded, produced, head, data)
        text = None if reached >= SUITS else f"what the loss rewards explains {reached:.2f} of the variance"
    return text is None, text or "", bound


def _range(head: str, data: Data) -> ActivationRange:
    name, scale, shift = SCALED.get(head, (head, 1.0, 0.0))
    activation = find(name)
    return activation.range_of(find("linear").range, data.units).affine(scale, shift)


def _loss(backend: str, name: str, data: Data) -> Loss:
    torch = backend == "torch"
    logits = name.endswith(" on logits")
    base = name.removesuffix(" on logits")
    canonical = {
        "cce": "cce" if data.y.ndim > 1 else "sparse_cce",
        "kl": "kl_divergence",
        "cosine": "cosine_similarity",
        "soft margin": "soft_margin",
        "poisson on log-rates": "poisson",
    }.get(base, base)
    log_input = name == "poisson on log-rates" or (torch and name == "kl")
    found = find_loss(canonical, from_logits=logits, log_input=log_input, converts_binary=not torch)
    assert found is not None
    return found


def _behind(backend: str, head: str, loss: Loss) -> Loss | None:
    """Keras on TensorFlow computes cross-entropies from the logits behind a sigmoid or a softmax."""
    if backend != "keras-tensorflow" or head not in LINKS or loss.name not in {"bce", "cce", "sparse_cce"}:
        return None
    return find_loss(loss.name, from_logits=True)


def _target_fault(loss: Loss, data: Data) -> str | None:
    """Targets that the loss does not take."""
    y = data.y
    if loss.target_kind is TargetKind.NON_ZERO and bool((y == 0).any()):
        return "divides by targets that are 0"
    if loss.categorical and y.ndim > 1 and data.units > 1 and not np.allclose(y.sum(axis=1), 1.0, atol=1e-3):
        return "the targets are no distributions"
    if loss.categorical and data.units == 1:
        return "a distribution over one class says nothing"
    low, high = loss.target.lo - 1e-6, loss.target.hi + 1e-6
    if loss.target_kind is TargetKind.SIGN:
        binary = bool(np.isin(y, (0.0, 1.0)).all()) and ("converts_binary", True) in loss.parameters
        return None if binary or bool(np.isin(y, (-1.0, 1.0)).all()) else "the targets are not -1 and 1"
    if y.ndim > 1 and (float(y.min()) < low or float(y.max()) > high):
        return "targets outside the loss's domain"
    return None


def _head_fault(loss: Loss, produced: ActivationRange, data: Data) -> str | None:
    """Outputs that the loss does not take."""
    hull, kind = produced.values.hull, loss.prediction_kind
    if kind is PredictionKind.LOGIT_VECTOR:  # a softmax does not see what is added to all its logits
        likeliest = 1.0 / (1.0 + (data.units - 1) * math.exp(-hull.width))
        return None if likeliest >= SUITS else "the output's range is too narrow for logits"
    if kind is PredictionKind.SIMPLEX:
        return None if produced.constraint is Constraint.SIMPLEX else "the output is no distribution"
    if kind is PredictionKind.LOG_SIMPLEX:
        return None if produced.constraint is Constraint.LOG_SIMPLEX else "the output is no log-distribution"
    if loss.name == "cosine_similarity":
        fixed = produced.constraint is Constraint.SIMPLEX and np.allclose(data.y.sum(axis=1), 1.0, atol=1e-3)
        return None if fixed else "the scale of the output is left open"
    if not loss.prediction.closure().covers(hull.closure()):
        return "the output leaves the domain of the loss"
    return None


def _rewarded_r2(loss: Loss, produced: ActivationRange, head: str, data: Data) -> float:
    """R² of the predictions, among those that the head can produce, that a pointwise loss rewards most.

    Every pointwise loss falls towards its minimiser from both sides, so the best reachable one is the nearest.
    """
    if loss.link is Link.EXP and produced.constraint is Constraint.LOG_SIMPLEX:
        return bound_of("softmax", data.name) or 0.0
    hull = produced.values.hull
    values, where = np.unique(data.y, return_inverse=True)
    best = []
    for value in values.tolist():
        wanted = loss.minimiser(value)
        assert isinstance(wanted, float)
        found = loss.to_data(min(max(wanted, hull.lo), hull.hi))
        assert isinstance(found, float)
        best.append((found + 1.0) / 2.0 if loss.link is Link.SIGN and min(values) == 0 else found)
    predictions = np.asarray(best)[where].reshape(data.y.shape)
    total = float(np.square(data.y - data.y.mean(axis=0)).sum())
    reached = 1.0 - float(np.square(data.y - predictions).sum()) / total
    if produced.constraint is not None:
        reached = min(reached, bound_of(head, data.name) or 0.0)
    return reached

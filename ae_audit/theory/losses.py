"""Losses: where each is defined, which prediction it rewards most, and how low it can go.

:func:`find_loss` knows the canonical names, :func:`canonical` translates every spelling of Keras and PyTorch into them.
"""

from __future__ import annotations

from functools import lru_cache

from ae_audit.theory.loss import Link, Loss, Parameter, PredictionKind, TargetKind
from ae_audit.theory.loss_names import PARAMETER_ALIASES, RELATIONAL, SYMMETRIC, arguments, canonical
from ae_audit.theory.pointwise_losses import POINTWISE
from ae_audit.theory.vector_losses import OVER_VECTORS

__all__ = [
    "IN_ORDER",
    "LOSSES",
    "RELATIONAL",
    "SYMMETRIC",
    "Link",
    "Loss",
    "PredictionKind",
    "TargetKind",
    "arguments",
    "canonical",
    "find_loss",
]

IN_ORDER = (*POINTWISE, *OVER_VECTORS)
"""The names of :data:`LOSSES`, the most frequent of each kind first."""
LOSSES = frozenset(POINTWISE) | frozenset(OVER_VECTORS)
"""Canonical names that :func:`find_loss` knows; those of :data:`RELATIONAL` compare samples or sequences instead."""


def find_loss(name: str, /, *, from_logits: bool = False, **parameters: object) -> Loss | None:
    """The loss of that canonical name, or None where there is none.

    Args:
        name: ``mse``, ``bce``, ``cce`` … (:data:`LOSSES`).
        from_logits: whether it takes its prediction for a logit; ignored by losses that know no logits.
        parameters: by canonical or framework name (``delta``, ``label_smoothing``, ``log_input`` …); unknown ones are
            ignored, and so are values that are no plain number or string.
    """
    build = POINTWISE.get(name) or OVER_VECTORS.get(name)
    if build is None:
        return None
    aliases = PARAMETER_ALIASES.get(name, {})
    plain = {
        aliases.get(key, {"dim": "axis"}.get(key, key)): value
        for key, value in parameters.items()
        if isinstance(value, (bool, int, float, str))
    }
    return _build(name, bool(from_logits), tuple(sorted(plain.items())))


@lru_cache(maxsize=512)
def _build(name: str, from_logits: bool, parameters: tuple[tuple[str, Parameter], ...]) -> Loss:
    build = POINTWISE.get(name) or OVER_VECTORS[name]
    return build(from_logits, dict(parameters))

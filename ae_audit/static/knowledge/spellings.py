"""Spellings of activations and losses, looked up once: the tables of the theory behind a memo."""

from __future__ import annotations

from functools import lru_cache

from ae_audit.theory import activations, loss_names

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any


@lru_cache(maxsize=4096)
def _activation(framework: str, symbol: str) -> tuple[str, dict[str, Any]] | None:
    return activations.canonical(framework, symbol)


@lru_cache(maxsize=4096)
def _loss(framework: str, symbol: str) -> tuple[str, dict[str, Any]] | None:
    return loss_names.canonical(framework, symbol)


def activation(framework: str, symbol: str) -> tuple[str, dict[str, Any]] | None:
    """:func:`ae_audit.theory.activations.canonical`; the parameters are the caller's own copy."""
    found = _activation(framework, symbol)
    return None if found is None else (found[0], dict(found[1]))


def loss(framework: str, symbol: str) -> tuple[str, dict[str, Any]] | None:
    """:func:`ae_audit.theory.losses.canonical`; the parameters are the caller's own copy."""
    found = _loss(framework, symbol)
    return None if found is None else (found[0], dict(found[1]))

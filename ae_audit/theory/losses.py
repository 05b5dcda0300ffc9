"""Losses (contract; being filled in)."""

from __future__ import annotations


class Loss: ...


def find_loss(name: str, *, from_logits: bool = False, **parameters: object) -> Loss | None: ...

"""Facts attached to tensors and modules for as long as these live, without touching them."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

import torch

T = TypeVar("T")


class IdentityMap(Generic[T]):
    """A dictionary from objects to facts; an entry goes when its object does.

    Objects are told apart by identity alone: tensors compare value by value, and a module may hash itself as it likes.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[Any], T]] = {}

    def get(self, owner: object) -> T | None:
        entry = self._entries.get(id(owner))
        return entry[1] if entry is not None and entry[0]() is owner else None

    def __setitem__(self, owner: object, fact: T) -> None:
        key = id(owner)

        def forget(dead: weakref.ref[Any]) -> None:
            entry = self._entries.get(key)
            if entry is not None and entry[0] is dead:
                del self._entries[key]

        self._entries[key] = (weakref.ref(owner, forget), fact)

    def pop(self, owner: object) -> None:
        self._entries.pop(id(owner), None)


def size_in_bytes(tensor: torch.Tensor) -> int:
    """Of its values."""
    return tensor.element_size() * tensor.nelement()


def version(tensor: torch.Tensor) -> int:
    """How often the tensor was written to; 0 where torch does not count (inference mode)."""
    return 0 if tensor.is_inference() else tensor._version

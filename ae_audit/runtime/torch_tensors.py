"""Facts attached to tensors for as long as these live, without touching the tensors themselves."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

import torch

T = TypeVar("T")


class TensorMap(Generic[T]):
    """A dictionary from tensor objects (by identity) to facts; an entry goes when its tensor does."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[Any], T]] = {}

    def get(self, tensor: torch.Tensor) -> T | None:
        entry = self._entries.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else None

    def __setitem__(self, tensor: torch.Tensor, fact: T) -> None:
        key = id(tensor)

        def forget(dead: weakref.ref[Any]) -> None:
            entry = self._entries.get(key)
            if entry is not None and entry[0] is dead:
                del self._entries[key]

        self._entries[key] = (weakref.ref(tensor, forget), fact)

    def pop(self, tensor: torch.Tensor) -> None:
        self._entries.pop(id(tensor), None)


def size_in_bytes(tensor: torch.Tensor) -> int:
    """Of its values."""
    return tensor.element_size() * tensor.nelement()


def version(tensor: torch.Tensor) -> int:
    """How often the tensor was written to; 0 where torch does not count (inference mode)."""
    return 0 if tensor.is_inference() else tensor._version

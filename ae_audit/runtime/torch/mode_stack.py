"""Torch's stack of function modes: putting one in and taking it out, wherever it stands among the program's own.

A mode that is entered in one place and left in another may find the program's own modes above it; leaving it as a
``with`` block does would take one of those off instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import DeviceContext

_push = torch._C._push_on_torch_function_stack
_pop = torch._C._pop_torch_function_stack
_height = torch._C._len_torch_function_stack


def insert_mode(mode: TorchFunctionMode) -> None:
    """Put ``mode`` below all modes of the program, but above that of the default device, which must be the lowest."""
    above = []
    while _height():
        top = _pop()
        if isinstance(top, DeviceContext):
            _push(top)
            break
        above.append(top)
    _push(mode)
    for other in reversed(above):
        _push(other)


def remove_mode(mode: TorchFunctionMode) -> bool:
    """Take ``mode`` off the stack; False where it is not on it (torch takes a mode off while it handles a call)."""
    above = []
    found = False
    while _height() and not found:
        top = _pop()
        found = top is mode
        if not found:
            above.append(top)
    for other in reversed(above):
        _push(other)
    return found


@contextlib.contextmanager
def without_mode(mode: TorchFunctionMode | None) -> Iterator[None]:
    """Run the block without ``mode``."""
    taken = mode is not None and remove_mode(mode)
    try:
        yield
    finally:
        if taken and mode is not None:
            insert_mode(mode)

"""Programs that ask for CUDA where there is none: what they put on a device stays on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

NOTE = "there is no CUDA device here: what the program puts on one stayed on the CPU"

Call = tuple[tuple[Any, ...], dict[str, Any]]


class CpuInstead:
    """Turns calls that ask for CUDA into calls that do not, where torch has none.

    Attributes:
        asked: whether any call did.
    """

    def __init__(self) -> None:
        self.absent = not torch.cuda.is_available()
        self.asked = False

    def redirected(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call of the torch function ``name`` without CUDA; None where it may stay as it is."""
        if name == "cuda":
            self.asked = True
            return args[:1], {}
        if name == "to" and any(_is_cuda(value) for value in args[1:]):
            self.asked = True
            return tuple("cpu" if _is_cuda(value) else value for value in args), self._without(kwargs)
        if "device" in kwargs and _is_cuda(kwargs["device"]):
            self.asked = True
            return args, self._without(kwargs)
        return None

    def _without(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {key: "cpu" if key == "device" and _is_cuda(value) else value for key, value in kwargs.items()}

    @contextlib.contextmanager
    def pretending(self) -> Iterator[None]:
        """Let questions about the absent device be answered instead of raising."""
        if not self.absent:
            yield
            return
        answers: dict[str, Callable[..., Any]] = {
            "set_device": lambda *_, **__: None,
            "synchronize": lambda *_, **__: None,
            "current_device": lambda: 0,
            "get_device_name": lambda *_: "cpu",
            "get_device_capability": lambda *_: (0, 0),
        }
        originals = {name: getattr(torch.cuda, name) for name in answers}
        for name, answer in answers.items():
            setattr(torch.cuda, name, answer)
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(torch.cuda, name, original)


def _is_cuda(value: Any) -> bool:
    if isinstance(value, torch.device):
        return value.type == "cuda"
    return isinstance(value, str) and (value == "cuda" or value.startswith("cuda:"))

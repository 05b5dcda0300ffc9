"""Programs that ask for CUDA where there is none: what they put on a device stays on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

NOTE = "there is no CUDA device here: what the program puts on one stayed on the CPU"


class CpuInstead:
    """Turns calls that ask for CUDA into calls that do not, where torch has none.

    Attributes:
        asked: whether any call did.
    """

    def __init__(self) -> None:
        self.absent = not torch.cuda.is_available()
        self.asked = False

    def redirected(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Keyword arguments without a CUDA device."""
        if not self.absent or not _is_cuda(kwargs.get("device")):
            return kwargs
        self.asked = True
        return {**kwargs, "device": "cpu"}

    @contextlib.contextmanager
    def pretending(self) -> Iterator[None]:
        """Let tensors and modules stay where they are, and questions about the absent device be answered."""
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
        move = torch.Tensor.to

        def cuda(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            self.asked = True
            return tensor

        def to(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            if any(_is_cuda(value) for value in args):
                self.asked = True
                args = tuple("cpu" if _is_cuda(value) else value for value in args)
            return move(tensor, *args, **self.redirected(kwargs))

        for name, answer in answers.items():
            setattr(torch.cuda, name, answer)
        torch.Tensor.cuda = cuda  # type: ignore[assignment,method-assign]
        torch.Tensor.to = to  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(torch.cuda, name, original)
            del torch.Tensor.cuda, torch.Tensor.to  # the base class has the originals


def _is_cuda(value: Any) -> bool:
    if isinstance(value, torch.device):
        return value.type == "cuda"
    return isinstance(value, str) and (value == "cuda" or value.startswith("cuda:"))

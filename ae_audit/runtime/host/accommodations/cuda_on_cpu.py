"""Programs that ask for CUDA where there is none: what they put on a device stays on the CPU."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

from ae_audit.runtime.host.patching import replaced

NOTE = "there is no CUDA device here: what the program puts on one stayed on the CPU"

_FACTORIES = (
    *("arange", "as_tensor", "empty", "empty_like", "eye", "full", "full_like", "linspace", "logspace", "ones"),
    *("ones_like", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "scalar_tensor"),
    *("tensor", "tril_indices", "triu_indices", "zeros", "zeros_like"),
)
_METHODS = ("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros")
_TENSOR_TYPES = (
    *("BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor"),
    "ShortTensor",
)


class CpuInstead:
    """Turns calls that ask for CUDA into calls that do not, where torch has none.

    Attributes:
        asked: whether any call did.
    """

    def __init__(self) -> None:
        self.absent = not torch.cuda.is_available()
        self.asked = False
        self._answered = False

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
        with contextlib.ExitStack() as stack:
            for name, answer in self._answers().items():
                stack.enter_context(replaced(torch.cuda, name, answer))
            for name in _TENSOR_TYPES:
                stack.enter_context(replaced(torch.cuda, name, getattr(torch, name)))
            for name in _FACTORIES:
                stack.enter_context(replaced(torch, name, self._on_cpu(getattr(torch, name))))
            for name in _METHODS:
                stack.enter_context(replaced(torch.Tensor, name, self._on_cpu(getattr(torch.Tensor, name))))
            stack.enter_context(replaced(torch.Tensor, "cuda", self._stays))
            for movable in (torch.Tensor, torch.nn.Module):
                stack.enter_context(replaced(movable, "to", self._moves(movable.to)))
            stack.enter_context(replaced(torch.Tensor, "type", self._types(torch.Tensor.type)))
            set_device, set_type = torch.set_default_device, torch.set_default_tensor_type
            stack.enter_context(replaced(torch, "set_default_device", lambda device: set_device(self._device(device))))
            stack.enter_context(replaced(torch, "set_default_tensor_type", lambda kind: set_type(self._kind(kind))))
            yield

    @contextlib.contextmanager
    def pretending_again(self) -> Iterator[None]:
        """Pretend for what is played again of a program: only where it asked, since replacing all this takes long."""
        with self.pretending() if self.asked or self._answered else contextlib.nullcontext():
            yield

    def _device(self, value: Any) -> Any:
        if not _is_cuda(value):
            return value
        self.asked = True
        return "cpu"

    def _kind(self, value: Any) -> Any:
        """A tensor type without its device: ``torch.FloatTensor`` for ``torch.cuda.FloatTensor``."""
        if not isinstance(value, str) or not value.startswith("torch.cuda."):
            return value
        self.asked = True
        return value.replace("torch.cuda.", "torch.")

    def _answers(self) -> dict[str, Any]:
        """What the functions of ``torch.cuda`` that need a device answer without one."""
        described = SimpleNamespace(name="cpu", total_memory=0, major=0, minor=0, multi_processor_count=0)
        constant = {
            **dict.fromkeys(
                ("set_device", "synchronize", "empty_cache", "reset_peak_memory_stats", "ipc_collect", "init")
            ),
            **dict.fromkeys(("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"), 0),
            "current_device": 0,
            "get_device_name": "cpu",
            "get_device_capability": (0, 0),
            "get_device_properties": described,
            "mem_get_info": (0, 0),
        }
        streams = ("stream", "current_stream", "default_stream", "device")
        # a function for each: torch's compiler keeps a table of them in which none may stand twice
        return {
            **{name: self._giving(value) for name, value in constant.items()},
            **{name: self._making(_Stream) for name in streams},
            "Stream": _Stream,
            "Event": _Clock,
        }

    def _giving(self, value: Any) -> Callable[..., Any]:
        def answer(*_: Any, **__: Any) -> Any:
            self._answered = True
            return value

        return answer

    def _making(self, cls: type[Any]) -> Callable[..., Any]:
        def make(*_: Any, **__: Any) -> Any:
            self._answered = True
            return cls()

        return make

    @property
    def _stays(self) -> Callable[..., torch.Tensor]:
        def cuda(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            self.asked = True
            return tensor

        return cuda

    def _on_cpu(self, original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        @functools.wraps(original)
        def make(*args: Any, **kwargs: Any) -> torch.Tensor:
            return original(*args, **self.redirected(kwargs)) if "device" in kwargs else original(*args, **kwargs)

        return make

    def _moves(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def to(movable: Any, *args: Any, **kwargs: Any) -> Any:
            return original(movable, *(self._device(value) for value in args), **self.redirected(kwargs))

        return to

    def _types(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def type_(tensor: torch.Tensor, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
            return original(tensor, self._kind(dtype), *args, **kwargs)

        return type_


def _is_cuda(value: Any) -> bool:
    if isinstance(value, torch.device):
        return value.type == "cuda"
    if isinstance(value, int):
        return not isinstance(value, bool)  # torch takes a bare number for that GPU
    return isinstance(value, str) and (value == "cuda" or value.startswith("cuda:"))


class _Clock:
    """``torch.cuda.Event`` by the computer's own clock."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._at = 0.0

    def record(self, *_: Any) -> None:
        self._at = time.perf_counter()

    def elapsed_time(self, later: _Clock) -> float:
        """Milliseconds."""
        return 1000.0 * (later._at - self._at)

    def synchronize(self) -> None: ...

    def wait(self, *_: Any) -> None: ...

    def query(self) -> bool:
        return True


class _Stream(contextlib.AbstractContextManager[None]):
    """``torch.cuda.Stream``, and the context that ``torch.cuda.stream`` gives: everything runs in order."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def synchronize(self) -> None: ...

    def wait_stream(self, *_: Any) -> None: ...

    def wait_event(self, *_: Any) -> None: ...

    def record_event(self, *_: Any) -> _Clock:
        return _Clock()

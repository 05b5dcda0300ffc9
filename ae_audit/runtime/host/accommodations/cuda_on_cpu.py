"""Programs that ask for CUDA where there is none: what they put on a device stays on the CPU."""

from __future__ import annotations

import contextlib
import functools
import operator
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

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
        self._originals: tuple[Any, ...] = ()
        self._replacements: tuple[Any, ...] = ()
        self._pretends = False

    def redirected(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Keyword arguments without a CUDA device."""
        if not self.absent or not _is_cuda(kwargs.get("device")):
            return kwargs
        self.asked = True
        return {**kwargs, "device": "cpu"}

    @contextlib.contextmanager
    def pretending(self) -> Iterator[None]:
        """Let tensors and modules stay where they are, and questions about the absent device be answered."""
        if not self.absent or self._pretends:
            yield
            return
        before = tuple(vars(owner).get(name, _INHERITED) for owner, name in _PLACES)
        originals = tuple(getattr(owner, name) for owner, name in _PLACES)
        if len(self._originals) != len(originals) or any(map(operator.is_not, originals, self._originals)):
            answers = _answers()
            self._originals = originals
            self._replacements = tuple(
                answers[name] if name in answers and owner is torch.cuda else self._replacing(owner, name, original)
                for (owner, name), original in zip(_PLACES, originals, strict=True)
            )
        self._pretends = True
        lazy: Any = vars(torch.nn.parameter)["UninitializedTensorMixin"]
        allowed = lazy._allowed_methods  # of a parameter without a shape: what stands in for one of them is one, too
        pairs = zip(self._originals, self._replacements, strict=True)
        lazy._allowed_methods = [*allowed, *(new for old, new in pairs if old in allowed)]
        try:
            for (owner, name), replacement in zip(_PLACES, self._replacements, strict=True):
                setattr(owner, name, replacement)
            yield
        finally:
            self._pretends = False
            lazy._allowed_methods = allowed
            for (owner, name), value in zip(_PLACES, before, strict=True):
                if value is _INHERITED:
                    delattr(owner, name)
                else:
                    setattr(owner, name, value)

    def _replacing(self, owner: Any, name: str, original: Any) -> Any:
        """What stands for ``owner.name``, which was ``original``."""
        if owner is torch.cuda:
            return getattr(torch, name)
        if name == "cuda":
            return self._stays
        if name == "to":
            return self._moves(original)
        if name == "type":
            return self._types(original)
        if name == "set_default_device":
            return lambda device: original(self._device(device))
        if name == "set_default_tensor_type":
            return lambda kind: original(self._kind(kind))
        return self._on_cpu(original)

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


def _answers() -> dict[str, Any]:
    """What the functions of ``torch.cuda`` that need a device answer without one."""
    described = SimpleNamespace(name="cpu", total_memory=0, major=0, minor=0, multi_processor_count=0)
    constant = {
        **dict.fromkeys(("set_device", "synchronize", "empty_cache", "reset_peak_memory_stats", "ipc_collect", "init")),
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
        **{name: _always(value) for name, value in constant.items()},
        **{name: _made(_Stream) for name in streams},
        "Stream": _Stream,
        "Event": _Clock,
    }


def _always(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def _made(cls: type[Any]) -> Callable[..., Any]:
    return lambda *_, **__: cls()


_PLACES: tuple[tuple[Any, str], ...] = (
    *((torch.cuda, name) for name in (*_answers(), *_TENSOR_TYPES)),
    *((torch, name) for name in (*_FACTORIES, "set_default_device", "set_default_tensor_type")),
    *((torch.Tensor, name) for name in (*_METHODS, "cuda", "to", "type")),
    (torch.nn.Module, "to"),
)
"""what is replaced: (owner, name)"""
_INHERITED = object()

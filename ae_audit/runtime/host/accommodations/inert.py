"""Values of a package that is not installed: they take every call and attribute, and refuse to be computed with.

Plots, logs and progress bars are called and never looked at. Where a program does look (a number, an array, a class to
build a network on), nothing can stand in for what is absent, and the error says so at that line.
"""

from __future__ import annotations

import dis
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, FunctionType
from typing import Any, NoReturn

_PROGRESS = frozenset(
    {"tqdm", "tqdm_notebook", "track", "progress_bar", "progressbar", "ProgressBar", "alive_it", "stqdm"}
    | {"auto_tqdm", "BackgroundGenerator"}
)
"""functions that give back, one by one, what they are given"""
_COUNTING = frozenset({"trange", "tnrange"})
_OPTIMIZER = re.compile(r"ada|sgd|optim|prop$|lion|sophia|lars|lamb|ranger|yogi|shampoo|prodigy|novo", re.IGNORECASE)
_OF_A_NETWORK = frozenset(
    {"forward", "call", "training_step", "train_step", "configure_optimizers", "__getitem__", "__iter__"}
)
"""methods of a class on which a training is built: a base that does nothing would leave the training out"""


class AbsentValue(ModuleNotFoundError):
    """The program computes with what a package gives that is not installed."""

    __qualname__ = "ModuleNotFoundError"  # as the report calls it


class Inert:
    """One such value.

    Args:
        name: how the program came by it: ``seaborn.load_dataset()``.
        given: what it was called with, where it is the result of a call.
        empty: whether going through it finds nothing, in place of an error (what a notebook's host was given by hand).
    """

    _absent_name = ""
    _absent_given: tuple[Any, ...] = ()
    _absent_empty = False

    def __init__(self, name: str = "", given: tuple[Any, ...] = (), *, empty: bool = False) -> None:
        self.__dict__.update(_absent_name=name, _absent_given=given, _absent_empty=empty)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "backward":
            return self._absent_backward
        child = self._absent_child(f".{name}")
        self.__dict__[name] = child
        return child

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = self._absent_name.rpartition(".")[2]
        if len(args) == 1 and not kwargs and isinstance(args[0], (FunctionType, type)):
            return args[0]  # a decorator
        if name in _COUNTING:
            return _Progress(self._absent_name, (range(*args),))
        if name in _PROGRESS and args and isinstance(args[0], Iterable):
            return _Progress(self._absent_name, args)
        optimizer = _optimizer(name, args, kwargs)
        return self._absent_child("()", args) if optimizer is None else optimizer

    def __mro_entries__(self, _: tuple[Any, ...]) -> tuple[type, ...]:
        return (type(self._absent_name.rpartition(".")[2] or "Absent", (_Base,), {"_absent_name": self._absent_name}),)

    def __instancecheck__(self, _: object) -> bool:
        return False

    def __getitem__(self, _: object) -> Any:
        return self._absent_child("[…]")

    def __setitem__(self, key: object, value: object) -> None: ...

    def __delitem__(self, key: object) -> None: ...

    def __contains__(self, _: object) -> bool:
        return False

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Any:
        first = self._absent_given[0] if self._absent_given else None
        return first if getattr(first, "requires_grad", False) is True else self  # a loss, scaled for half precision

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Any]:
        count = _unpacked_into(sys._getframe(1))
        if count is not None:
            given = self._absent_given
            if len(given) == count and hasattr(given[0], "parameters"):
                return iter(given)  # a model and what goes with it, prepared and given back
            return iter([self._absent_child("[…]") for _ in range(count)])
        if self._absent_empty:
            return iter(())
        self._absent_refuse()

    def __len__(self) -> int:
        if self._absent_empty:
            return 0
        self._absent_refuse()

    def __str__(self) -> str:
        return f"<{self._absent_name}, which is not installed>"

    __repr__ = __str__

    def __format__(self, _: str) -> str:
        return ""

    def __fspath__(self) -> str:
        return self._absent_name.partition(".")[0]

    def _absent_child(self, suffix: str, given: tuple[Any, ...] = ()) -> Inert:
        return Inert(f"{self._absent_name}{suffix}", given, empty=self._absent_empty)

    def _absent_backward(self, *args: Any, **kwargs: Any) -> None:
        """What an absent trainer does with a loss is to take its gradients; an absent loss has none."""
        if not args or not hasattr(args[0], "backward"):
            self._absent_refuse()
        args[0].backward()

    def _absent_refuse(self, *_: Any, **__: Any) -> NoReturn:
        refuse(self._absent_name)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> NoReturn:
        refuse(_first_name((args, kwargs or {})) or "it")


def refuse(value: Inert | str) -> NoReturn:
    """Raise that nothing stands in for a value, or for one of that name.

    Raises:
        AbsentValue: always.
    """
    name = value if isinstance(value, str) else value._absent_name
    package = name.partition(".")[0].partition("(")[0]
    raise AbsentValue(f"No module named '{package}', and the program computes with what `{name}` gives", name=package)


def _refusing(name: str) -> Callable[..., NoReturn]:
    def method(self: Inert, *_: Any, **__: Any) -> NoReturn:
        self._absent_refuse()

    method.__name__ = name
    return method


_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
for _name in (
    *("array", "float", "int", "index", "complex", "lt", "le", "gt", "ge", "next", "reversed", "round"),
    *("neg", "pos", "abs", "invert"),
    *(f"{prefix}{name}" for name in _ARITHMETIC for prefix in ("", "r", "i")),
):
    setattr(Inert, f"__{_name}__", _refusing(f"__{_name}__"))


class _Base(Inert):
    """What a class of the program's is built on whose base is absent: a callback, a logger."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not _OF_A_NETWORK.isdisjoint(vars(cls)):
            refuse(cls._absent_name)


class _Progress(Inert):
    """A progress bar over what it was given."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self._absent_given[0])

    def __len__(self) -> int:
        return len(self._absent_given[0])


def _unpacked_into(frame: FrameType) -> int | None:
    """How many names the running instruction assigns to, where it takes a value apart."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if 0 <= at < len(code) and dis.opname[code[at]] == "UNPACK_SEQUENCE":
        return code[at + 1]
    return None


def _optimizer(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Torch's Adam where an optimizer was to be made that is absent: made from weights, with a step size."""
    torch = sys.modules.get("torch")
    given = args[0] if args else kwargs.get("params")
    if torch is None or not (_OPTIMIZER.search(name) or "lr" in kwargs) or not isinstance(given, Iterable):
        return None
    if isinstance(given, (str, bytes, Inert)) or hasattr(given, "shape"):
        return None
    weights = [{**each, "params": list(each.get("params", ()))} if isinstance(each, dict) else each for each in given]
    parts = [part for each in weights for part in (each["params"] if isinstance(each, dict) else (each,))]
    if not parts or not all(isinstance(part, torch.nn.Parameter) for part in parts):
        return None
    rate = kwargs.get("lr", args[1] if len(args) > 1 else None)
    return torch.optim.Adam(weights, lr=rate if isinstance(rate, float) else 1e-3)


def _first_name(values: Any) -> str | None:
    """The name of the first absent value among arguments."""
    if isinstance(values, Inert):
        return values._absent_name
    parts = values.values() if isinstance(values, dict) else values if isinstance(values, (tuple, list)) else ()
    return next((name for part in parts if (name := _first_name(part)) is not None), None)

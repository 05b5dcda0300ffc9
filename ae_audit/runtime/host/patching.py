"""Replacing a function of a library for a while."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from types import FrameType, FunctionType
from typing import Any


@contextlib.contextmanager
def replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """``owner.name`` is ``replacement``; what the owner merely inherits is inherited again afterwards."""
    own = name in vars(owner)
    original = vars(owner)[name] if own else getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


def can_be_detoured(function: object) -> bool:
    """Whether :func:`detoured` takes it: a function written in Python that closes over nothing."""
    return isinstance(function, FunctionType) and not function.__code__.co_freevars


@contextlib.contextmanager
def detoured(function: Callable[..., Any], instead: Callable[[FunctionType], Callable[..., Any]]) -> Iterator[None]:
    """Every call of ``function`` is one of ``instead(original)``, by whatever reference it is made.

    The code of the function is exchanged, not a name for it: a program may have stored the function earlier, in an
    attribute, a local variable or a default. ``original`` is a function of its own with the code as it was.
    """
    assert isinstance(function, FunctionType)
    code, signature = function.__code__, inspect.signature(function)
    original = FunctionType(code, function.__globals__, function.__name__, function.__defaults__)
    original.__kwdefaults__ = function.__kwdefaults__
    target = instead(original)
    constants = tuple(target if constant == _TARGET else constant for constant in _detour.__code__.co_consts)
    own = vars(function).get("__signature__")
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__code__ = _detour.__code__.replace(co_consts=constants)
    try:
        yield
    finally:
        function.__code__ = code
        if own is None:
            del function.__signature__  # type: ignore[attr-defined]


def is_detour(frame: FrameType) -> bool:
    """Whether ``frame`` is a detoured function on its way to what is called instead of it."""
    return (frame.f_code.co_filename, frame.f_code.co_name) == (_detour.__code__.co_filename, _detour.__name__)


_TARGET = "what is called instead, put here by detoured()"


def _detour(*args: Any, **kwargs: Any) -> Any:
    target: Any = "what is called instead, put here by detoured()"
    return target(*args, **kwargs)

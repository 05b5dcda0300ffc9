"""Methods and attributes that a class no longer has."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

from ae_audit.runtime.compat.uses import Uses


class OldAttributes:
    """Gives the classes of one library back what they had, where they have nothing of the name.

    Args:
        uses: told of each use.
        library: the package's name, as the report knows it.
        kin: the packages that are one library with it.
    """

    def __init__(self, uses: Uses, library: str, kin: Iterable[str]) -> None:
        self._uses = uses
        self._library = library
        self._kin = frozenset(kin)

    def method(
        self, cls: Any, name: str, function: Callable[..., Any], successor: str, done: str | None = None
    ) -> None:
        """``cls.name(…)`` is ``function(instance, …)``; ``done`` is said instead of what ``successor`` did."""
        shown = f"{cls.__name__}.{name}"

        def method(self_: Any, *args: Any, **kwargs: Any) -> Any:
            self._uses.tell(shown, self._library, done or f"{successor} stood in for it")
            return function(self_, *args, **kwargs)

        self._add(cls, name, lambda instance: functools.partial(method, instance))

    def attribute(self, cls: Any, name: str, get: Callable[[Any], Any], successor: str) -> None:
        """``cls.name`` is ``get(instance)``."""

        def told(instance: Any) -> Any:
            found = get(instance)
            self._uses.tell(f"{cls.__name__}.{name}", self._library, f"{successor} stood in for it")
            return found

        self._add(cls, name, told)

    def _add(self, cls: Any, name: str, get: Callable[[Any], Any]) -> None:
        if not hasattr(cls, name):
            setattr(cls, name, _Asked(name, get, lambda frame: self._uses.answers(self._kin, frame)))


class _Asked:
    """An attribute that is there for who writes its name, and for nobody who only looks whether it is there."""

    def __init__(self, name: str, get: Callable[[Any], Any], answers: Callable[[Any], bool]) -> None:
        self._name = name
        self._get = get
        self._answers = answers

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        if instance is None or not self._answers(sys._getframe(1)):
            owner = type(instance) if kind is None else kind
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}")
        return self._get(instance)

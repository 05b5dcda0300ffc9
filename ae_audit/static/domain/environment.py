"""Scopes and frames: where names live while a program is interpreted, and how its blocks are left."""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass, field
from ae_audit.static.domain.values import Class, Value
from ae_audit.static.source.sources import Text

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable
    from typing import Protocol

    from ae_audit.static.domain.values import Function, Module

    class Waiting(Protocol):
        """Names of a scope that are bound when they are asked for."""

        def ask(self, scope: Scope, name: str) -> Value | None:
            """The value of ``name``, bound in ``scope`` from now on; None where nothing gives it."""

        def put(self, name: str, supplier: Callable[[], Value | None]) -> None:
            """``supplier`` gives the value of ``name``, once it is asked for."""

        def put_star(self, supplier: Callable[[], Module | None]) -> None:
            """The public names of a module, where nothing else binds them."""

        def drop(self, name: str) -> None:
            """``name`` is no longer bound."""

        def names(self) -> list[str]:
            """Those that wait."""


class Signal(Enum):
    """How a block was left."""

    NEXT = "next"
    BREAK = "break"
    CONTINUE = "continue"
    RETURN = "return"
    RAISE = "raise"


class Scope:
    """Names bound in one function call, module or class body, and the scopes around it."""

    __slots__ = ("globals_", "names", "parent", "redirected", "waiting")

    def __init__(self, parent: Scope | None = None, *, module: bool = False) -> None:
        self.names: dict[str, Value] = {}
        self.parent = parent
        self.globals_: Scope = self if module or parent is None else parent.globals_
        self.redirected: dict[str, Scope] = {}
        self.waiting: Waiting | None = None

    def own(self, name: str) -> Value | None:
        """What ``name`` is bound to in this scope alone."""
        found = self.names.get(name)
        return found if found is not None or self.waiting is None else self.waiting.ask(self, name)

    def lookup(self, name: str) -> Value | None:
        scope: Scope | None = self
        while scope is not None:
            target = scope.redirected.get(name, scope) if scope.redirected else scope
            found = target.names.get(name)
            if found is None and target.waiting is not None:
                found = target.waiting.ask(target, name)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def every(self) -> dict[str, Value]:
        """All names with what they are bound to."""
        if self.waiting is not None:
            for name in self.waiting.names():
                self.own(name)
        return self.names

    def bind(self, name: str, value: Value) -> None:
        self.redirected.get(name, self).names[name] = value

    def unbind(self, name: str) -> None:
        target = self.redirected.get(name, self)
        target.names.pop(name, None)
        if target.waiting is not None:
            target.waiting.drop(name)

    def declare_global(self, name: str) -> None:
        self.globals_.own(name)  # what it is bound to first comes before what the function binds it to
        self.redirected[name] = self.globals_

    def declare_nonlocal(self, name: str) -> None:
        scope = self.parent
        while scope is not None and name not in scope.names:
            scope = scope.parent
        if scope is not None:
            self.redirected[name] = scope


@dataclass(slots=True)
class Frame:
    """One activation: the scope, the text whose nodes are being run, and what was returned or yielded."""

    scope: Scope
    text: Text
    function: Function | None = None
    owner: Class | None = None
    receiver: Value | None = None
    returned: Value | None = None
    yielded: list[Value] = field(default_factory=list)
    package: str = ""
    """dotted name of the package for relative imports"""

    @property
    def name(self) -> str:
        return "" if self.function is None else self.function.name

"""Scopes and frames: where names live while a program is interpreted, and how its blocks are left."""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass, field
from ae_audit.static.domain.values import Class, Value
from ae_audit.static.source.sources import Text

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.values import Function


class Signal(Enum):
    """How a block was left."""

    NEXT = "next"
    BREAK = "break"
    CONTINUE = "continue"
    RETURN = "return"
    RAISE = "raise"


class Scope:
    """Names bound in one function call, module or class body, and the scopes around it."""

    __slots__ = ("globals_", "names", "parent", "redirected")

    def __init__(self, parent: Scope | None = None, *, module: bool = False) -> None:
        self.names: dict[str, Value] = {}
        self.parent = parent
        self.globals_: Scope = self if module or parent is None else parent.globals_
        self.redirected: dict[str, Scope] = {}

    def lookup(self, name: str) -> Value | None:
        scope: Scope | None = self
        while scope is not None:
            target = scope.redirected.get(name, scope)
            if name in target.names:
                return target.names[name]
            scope = scope.parent
        return None

    def bind(self, name: str, value: Value) -> None:
        self.redirected.get(name, self).names[name] = value

    def unbind(self, name: str) -> None:
        self.redirected.get(name, self).names.pop(name, None)

    def declare_global(self, name: str) -> None:
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

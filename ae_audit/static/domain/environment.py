"""Scopes and frames: where names live while a program is interpreted, and how its blocks are left."""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass, field
from ae_audit.static.domain.definitions import Class, Function
from ae_audit.static.domain.definitions import Scope as Scope
from ae_audit.static.domain.plain_values import Value
from ae_audit.static.source.sources import Text


class Signal(Enum):
    """How a block was left."""

    NEXT = "next"
    BREAK = "break"
    CONTINUE = "continue"
    RETURN = "return"
    RAISE = "raise"


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
    chosen: list[Value] = field(default_factory=list)
    """what it returned by ways that it takes in other turns of a loop"""
    package: str = ""
    """dotted name of the package for relative imports"""

    @property
    def name(self) -> str:
        return "" if self.function is None else self.function.name

"""What a program defines and makes: functions, classes and modules with their scopes, instances, library objects."""

from __future__ import annotations

import ast

from ae_audit.base.records import dataclass
from ae_audit.static.domain.plain_values import Library, Value
from ae_audit.static.source.sources import Text, Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable
    from typing import Any, Protocol

    from ae_audit.static.domain.arguments import Call

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


class Object(Value):
    """An instance of a library class: a layer, a model, a scaler. ``state`` belongs to the knowledge table."""

    __slots__ = ("attrs", "call", "cls", "state", "where")

    def __init__(self, cls: str, call: Call | None = None, state: Any = None, where: Where | None = None) -> None:
        self.cls = cls
        self.call = call
        self.state = state
        self.where = where if where is not None or call is None else call.where
        self.attrs: dict[str, Value] = {}

    def __repr__(self) -> str:
        return f"Object({self.cls})"


class Function(Value):
    """A function of the user's own, with its closure; ``owner`` is the class whose body holds it."""

    __slots__ = ("closure", "decoration", "defaults", "kw_defaults", "name", "node", "owner", "text")

    def __init__(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        closure: Scope,
        text: Text,
        defaults: list[Value],
        kw_defaults: dict[str, Value],
        owner: Class | None = None,
    ) -> None:
        self.node = node
        self.name: str = getattr(node, "name", "<lambda>")
        self.closure = closure
        self.text = text
        self.defaults = defaults
        self.kw_defaults = kw_defaults
        self.owner = owner
        self.decoration: str | None = None

    @property
    def where(self) -> Where:
        return Where(self.text, self.node)

    def __repr__(self) -> str:
        return f"Function({self.name})"


class Class(Value):
    """A class of the user's own."""

    __slots__ = ("_lineage", "attrs", "bases", "fields", "kinds", "name", "node", "text")

    def __init__(self, name: str, node: ast.ClassDef, text: Text, bases: list[Value]) -> None:
        self.name = name
        self.node = node
        self.text = text
        self.bases = bases
        self.attrs: dict[str, Value] = {}
        self.fields: list[str] | None = None
        self.kinds: tuple[str, ...] | None = None
        """what the registry found its library bases to inherit from, once asked"""
        self._lineage: list[Class] | None = None

    def lineage(self) -> list[Class]:
        """This class and its user-defined ancestors, nearest first; not to be changed."""
        if self._lineage is None:
            seen: list[Class] = []
            pending: list[Value] = [self]
            while pending and len(seen) < 32:
                item = pending.pop(0)
                if isinstance(item, Class) and item not in seen:
                    seen.append(item)
                    pending[0:0] = item.bases
            self._lineage = seen
        return self._lineage

    def library_bases(self) -> list[str]:
        return [base.name for cls in self.lineage() for base in cls.bases if isinstance(base, Library)]

    def find(self, name: str) -> Value | None:
        for cls in self.lineage():
            if name in cls.attrs:
                return cls.attrs[name]
        return None

    def __repr__(self) -> str:
        return f"Class({self.name})"


class Instance(Value):
    """An instance of a user's class. ``state`` belongs to the knowledge table of its library base."""

    __slots__ = ("attrs", "cls", "state", "where")

    def __init__(self, cls: Class, where: Where | None = None) -> None:
        self.cls = cls
        self.where = where
        self.attrs: dict[str, Value] = {}
        self.state: Any = None

    def __repr__(self) -> str:
        return f"Instance({self.cls.name})"


@dataclass(frozen=True, slots=True)
class Bound(Value):
    """A method with its receiver: a user's function, or a library method known by name."""

    receiver: Value
    name: str
    function: Value | None = None


@dataclass(frozen=True, slots=True)
class Super(Value):
    """``super()`` inside a method."""

    owner: Class
    receiver: Value


@dataclass(frozen=True, slots=True)
class Partial(Value):
    """``functools.partial`` and the like: a callable with some arguments given."""

    function: Value
    args: tuple[Value, ...] = ()
    kwargs: tuple[tuple[str, Value], ...] = ()


class Module(Value):
    """A module of the user's own project."""

    __slots__ = ("name", "path", "scope")

    def __init__(self, name: str, scope: Scope, path: str | None = None) -> None:
        self.name = name
        self.scope = scope
        self.path = path

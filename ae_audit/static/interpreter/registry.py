"""Knowledge tables: how what is known of a library is declared, and how it is found by qualified name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ae_audit.static.domain.values import (
    Array,
    Bound,
    Class,
    Const,
    Difference,
    Function,
    Instance,
    Library,
    LossFunction,
    LossValue,
    Mapping,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any, TypeVar

    from ae_audit.static.domain.arguments import Call
    from ae_audit.static.interpreter.run import Run

    Handler = Callable[["Run", "Call"], Value]
    MethodHandler = Callable[["Run", Any, "Call"], Value]
    AttributeHandler = Callable[["Run", Any], Value]
    NameHandler = Callable[["Run", str, "Call"], Value]
    _H = TypeVar("_H", bound=Callable[..., Value])


class Table:
    """The knowledge of one library. A knowledge module holds one, named ``TABLE``, and fills it by decorators."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions: dict[str, Handler] = {}
        self.methods: dict[tuple[str, str], MethodHandler] = {}
        self.attributes: dict[tuple[str, str], AttributeHandler] = {}
        self.constants: dict[str, Any] = {}
        self.bases: dict[str, tuple[str, ...]] = {}
        self.aliases: dict[str, str] = {}
        self.prefixes: dict[str, NameHandler] = {}

    def function(self, *names: str) -> Callable[[_H], _H]:
        """``handler(run, call) -> Value`` for functions and constructors, by qualified name."""
        return _filling(self.functions, names)

    def method(self, kind: str, *names: str) -> Callable[[_H], _H]:
        """``handler(run, receiver, call) -> Value`` for methods of a kind, ``__call__`` included."""
        return _filling(self.methods, [(kind, name) for name in names])

    def attribute(self, kind: str, *names: str) -> Callable[[_H], _H]:
        """``handler(run, receiver) -> Value`` for attributes that are no methods."""
        return _filling(self.attributes, [(kind, name) for name in names])

    def prefix(self, *names: str) -> Callable[[_H], _H]:
        """``handler(run, qualified_name, call) -> Value`` for every name below a prefix that has no handler."""
        return _filling(self.prefixes, names)


def _filling(table: dict[Any, Any], keys: Iterable[Any]) -> Callable[[_H], _H]:
    """A decorator that enters a handler under each of the keys."""

    def register(handler: _H) -> _H:
        table.update(dict.fromkeys(keys, handler))
        return handler

    return register


class Registry:
    """All tables together."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.functions: dict[str, Handler] = {}
        self.methods: dict[tuple[str, str], MethodHandler] = {}
        self.attributes: dict[tuple[str, str], AttributeHandler] = {}
        self.constants: dict[str, Any] = {}
        self.bases: dict[str, tuple[str, ...]] = {}
        self.aliases: dict[str, str] = {}
        self.prefixes: dict[str, NameHandler] = {}
        for table in tables:
            self.functions.update(table.functions)
            self.methods.update(table.methods)
            self.attributes.update(table.attributes)
            self.constants.update(table.constants)
            self.bases.update(table.bases)
            self.aliases.update(table.aliases)
            self.prefixes.update(table.prefixes)
        self._normal: dict[str, str] = {}
        self._public: dict[tuple[str, str], str] = {}
        self._lines: dict[str, tuple[str, ...]] = {}

    def normalise(self, name: str) -> str:
        """The one name under which the tables know ``name``: ``tensorflow.keras.layers`` is ``keras.layers``."""
        known = self._normal.get(name)
        if known is not None:
            return known
        result = name
        for _ in range(6):
            changed = self._rewrite(result)
            if changed == result:
                break
            result = changed
        self._normal[name] = result
        return result

    def _rewrite(self, name: str) -> str:
        head = name
        while True:
            if head in self.aliases:
                return self.aliases[head] + name[len(head) :]
            if "." not in head:
                return name
            head = head.rpartition(".")[0]

    def knows(self, name: str) -> bool:
        return name in self.functions or name in self.constants or name in self.bases

    def public(self, name: str) -> str | None:
        """``name`` where it is known, else the known name of the same library that ends alike; None: there is none.

        In a library's own sources ``keras.src.layers.core.dense.Dense`` is ``keras.layers.Dense``.
        """
        if not self._public:
            kinds = {kind for kind, _ in self.methods}
            for known in sorted((*self.functions, *self.bases, *kinds), key=len, reverse=True):
                root, dot, rest = known.partition(".")
                if dot:
                    self._public[root, rest.rpartition(".")[2]] = known  # the shortest is entered last
        root, _, rest = name.partition(".")
        return name if self.knows(self.normalise(name)) else self._public.get((root, rest.rpartition(".")[2]))

    def line(self, kind: str) -> tuple[str, ...]:
        """A kind and all that it inherits from, nearest first."""
        known = self._lines.get(kind)
        if known is None:
            seen: dict[str, None] = {}
            pending = [kind]
            while pending:
                item = pending.pop(0)
                if item not in seen:
                    seen[item] = None
                    pending.extend(self.bases.get(item, ()))
            known = self._lines[kind] = tuple(seen)
        return known

    def kinds(self, value: Value) -> tuple[str, ...]:
        """The kinds under which methods and attributes of ``value`` are looked up, nearest first."""
        if isinstance(value, Object):
            return self.line(value.cls)
        if isinstance(value, Instance):
            kinds = value.cls.kinds
            if kinds is None:
                kinds = value.cls.kinds = tuple(kind for base in value.cls.library_bases() for kind in self.line(base))
            return kinds
        return _KINDS.get(type(value), ()) if not isinstance(value, Const) else _const_kinds(value)

    def method(self, value: Value, name: str) -> MethodHandler | None:
        for kind in self.kinds(value):
            handler = self.methods.get((kind, name))
            if handler is not None:
                return handler
        return None

    def attribute(self, value: Value, name: str) -> AttributeHandler | None:
        for kind in self.kinds(value):
            handler = self.attributes.get((kind, name))
            if handler is not None:
                return handler
        return None

    def prefix(self, name: str) -> NameHandler | None:
        head = name
        while head:
            if head in self.prefixes:
                return self.prefixes[head]
            head = head.rpartition(".")[0]
        return None


_KINDS: dict[type, tuple[str, ...]] = {
    Array: ("array",),
    Tensor: ("tensor",),
    Seq: ("list",),
    Mapping: ("dict",),
    LossFunction: ("lossfunction",),
    LossValue: ("lossvalue",),
    Difference: ("difference",),
    Unknown: ("unknown",),
    Library: ("library",),
    Function: ("function",),
    Class: ("class",),
    Bound: ("bound",),
}


def _const_kinds(value: Const) -> tuple[str, ...]:
    if isinstance(value.value, str):
        return ("str",)
    if isinstance(value.value, (int, float)):
        return ("number",)
    return ()

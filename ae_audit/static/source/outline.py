"""The outline of a module: which of its statements a name comes from, told from syntax alone.

A name asked of a module needs the statements that bind or change it, in their order, and no others. Statements that
touch one name belong together; so does one that reads, while the module is imported, a name that several bind.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.static.source.syntax import Traits

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.source.sources import Text

_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTING = (ast.Import, ast.ImportFrom)


class Outline:
    """The statements of a module, sorted by what asks for them."""

    __slots__ = ("_writers", "groups", "imports", "registering", "stars", "statements", "unasked")

    def __init__(self, units: list[tuple[Text, ast.Module]]) -> None:
        self.statements: list[tuple[Text, ast.stmt]] = [
            (text, node) for text, tree in units for node in tree.body if not _is_idle(node)
        ]
        self.groups: dict[str, tuple[int, ...]] = {}
        """a name, and the statements that it needs: their places in ``statements``"""
        self.unasked: list[int] = []
        """what acts on something other than the module's own names: run when the module is read"""
        self.stars: list[int] = []
        """``from … import *``"""
        self.imports: list[int] = []
        """imports of names, each by its statement"""
        self.registering: list[int] = []
        """definitions with decorators, which may enter them elsewhere"""
        self._writers: dict[str, frozenset[str]] = {}
        self._read()

    def writers(self, name: str) -> frozenset[str]:
        """The functions, methods included, that put something into the dictionary or attribute ``name``."""
        known = self._writers.get(name)
        if known is None:
            known = self._writers[name] = frozenset(
                part.name
                for _, node in self.statements
                for part in ast.walk(node)
                if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))
                if any(_puts_into(inner, name) for inner in ast.walk(part))
            )
        return known

    def _read(self) -> None:
        touched = [set(_touched(node)) for _, node in self.statements]
        own: set[str] = set()
        counts: dict[str, int] = {}
        for (_, node), names in zip(self.statements, touched, strict=True):
            if not isinstance(node, _IMPORTING):
                own.update(_bound(node))
            for name in names:
                counts[name] = counts.get(name, 0) + 1
        setting = {name for text, node in self.statements if "global " in text.source for name in _setting(node)}
        several = {name for name, count in counts.items() if count > 1}
        together: dict[str, list[int]] = {}
        for place, ((_, node), names) in enumerate(zip(self.statements, touched, strict=True)):
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                self.stars.append(place)
                continue
            if isinstance(node, _IMPORTING):
                self.imports.append(place)
            elif isinstance(node, _DEFINING):
                if node.decorator_list:
                    self.registering.append(place)
            elif not names <= own or not names or Traits([node]).trains or _acts_elsewhere(node, own, setting):
                self.unasked.append(place)
            if several:
                names.update(name for name in _read_at_once(node) if name in several)
            for name in names:
                together.setdefault(name, []).append(place)
        self._join(touched, together)

    def _join(self, touched: list[set[str]], together: dict[str, list[int]]) -> None:
        """Statements that share a name make one group, and what shares one with those."""
        done: set[str] = set()
        for first in together:
            if first in done:
                continue
            places: set[int] = set()
            names, waiting = {first}, [first]
            while waiting:
                for place in together[waiting.pop()]:
                    if place not in places:
                        places.add(place)
                        new = touched[place] - names
                        names |= new
                        waiting.extend(new)
            done |= names
            group = tuple(sorted(places))
            self.groups.update(dict.fromkeys(names, group))


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The dotted name that ``from … import`` names in a module of ``package``."""
    name = node.module or ""
    if node.level:
        parents = package.split(".") if package else []
        base = parents[: max(len(parents) - (node.level - 1), 0)]
        name = ".".join([*base, *([name] if name else [])])
    return name


def imported_names(node: ast.AST, package: str) -> Iterator[str]:
    """The modules that an import may name, in a module of ``package``: what is imported may be one too."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        name = absolute(node, package)
        yield name
        yield from (f"{name}.{alias.name}" if name else alias.name for alias in node.names)


def _puts_into(node: ast.AST, name: str) -> bool:
    holder: ast.expr | None = None
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        holder = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _PUTTING:
        holder = node.func.value
    return getattr(holder, "attr", getattr(holder, "id", None)) == name


_PUTTING = frozenset({"update", "setdefault", "__setitem__"})


def _is_idle(node: ast.stmt) -> bool:
    """Docstrings, and what runs only where the file is the program."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If) and not node.orelse and isinstance(node.test, ast.Compare):
        return isinstance(node.test.left, ast.Name) and node.test.left.id == "__name__"
    return isinstance(node, (ast.Pass, ast.Assert))


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, those of definitions inside an ``if`` included."""
    if isinstance(node, _DEFINING):
        yield node.name
        return
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Name):
            if not isinstance(part.ctx, ast.Load):
                yield part.id
            continue
        if isinstance(part, _DEFINING):
            yield part.name
            continue
        if isinstance(part, ast.alias):
            yield (part.asname or part.name).partition(".")[0]
        elif isinstance(part, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and part.name is not None:
            yield part.name
        elif isinstance(part, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue  # what these bind is their own
        waiting.extend(ast.iter_child_nodes(part))


def _touched(node: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, or whose values it changes."""
    yield from _bound(node)
    if isinstance(node, (*_DEFINING, *_IMPORTING)):
        return
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _DEFINING):
            continue
        if isinstance(part, (ast.Attribute, ast.Subscript)) and not isinstance(part.ctx, ast.Load):
            yield from _holder(part.value)
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            call = part.value
            if isinstance(call.func, ast.Attribute):
                yield from _holder(call.func.value)
            yield from (given.id for given in call.args if isinstance(given, ast.Name))
        waiting.extend(ast.iter_child_nodes(part))


def _holder(part: ast.expr) -> Iterator[str]:
    """``x`` of ``x[0].y``, ``x.add(…)``."""
    while not isinstance(part, ast.Name):
        if isinstance(part, ast.Call):
            part = part.func
        elif isinstance(part, (ast.Attribute, ast.Subscript)):
            part = part.value
        else:
            return
    yield part.id


_SAYING = frozenset({"print", "warn", "warning", "info", "debug"})
"""calls for an effect that nothing in the program depends on"""


def _acts_elsewhere(node: ast.stmt, own: set[str], setting: set[str]) -> bool:
    """Whether a statement calls something for its effect on more than the names that it touches.

    ``register(x)`` does, wherever it stands, and what sets global names; ``settings.update(x)`` does not.
    """
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, (*_DEFINING, ast.Lambda)):
            continue
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            function = part.value.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            held = isinstance(function, ast.Attribute) and any(name in own for name in _holder(function.value))
            if not held and name not in _SAYING:
                return True
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in setting:
            return True
        waiting.extend(ast.iter_child_nodes(part))
    return False


def _setting(node: ast.stmt) -> Iterator[str]:
    """The name of a function that sets global names."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(
        isinstance(part, ast.Global) for part in ast.walk(node)
    ):
        yield node.name


def _read_at_once(node: ast.stmt) -> Iterator[str]:
    """The names that a statement reads when it is run: what functions read when they are called does not count."""
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting.extend((*part.decorator_list, *part.args.defaults, *filter(None, part.args.kw_defaults)))
        elif isinstance(part, ast.Lambda):
            waiting.extend(part.args.defaults)
        else:
            waiting.extend(ast.iter_child_nodes(part))

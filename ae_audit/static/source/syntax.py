"""Questions about syntax alone, each answered once a node: a program is run several times, its tree stays the same."""

from __future__ import annotations

import ast
from collections.abc import Iterable

BUILDING = frozenset(
    [
        "add",
        "append",
        "extend",
        "insert",
        "compile",
        "fit",
        "fit_generator",
        "add_module",
        "update",
        "pop",
        "backward",
        "train_on_batch",
        "add_loss",
        "step",
        "setdefault",
        "map",
        "train",
    ]
)
"""methods that change an object in a way that can matter"""
GROWING = frozenset(["append", "add", "extend", "insert", "add_module", "__setitem__"])


TRAINING = frozenset(["fit", "fit_generator", "train_on_batch", "backward", "minimize", "train_model"])
"""methods that by their name train a model"""


_MATTERS, _GROWS, _CALLS, _TRAINS = 1, 2, 4, 8


def _acts(node: ast.AST) -> int:
    """What one node of the tree does by itself, as flags."""
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Attribute):
            return _CALLS
        method = node.func.attr
        return _CALLS | _MATTERS * (method in BUILDING) | _GROWS * (method in GROWING) | _TRAINS * (method in TRAINING)
    if isinstance(node, ast.Assign):
        counts = isinstance(node.value, ast.BinOp) and any(
            isinstance(step, ast.Constant) for step in _counted(node.targets[0], node.value)[:1]
        )
        return _MATTERS | _GROWS * counts
    if isinstance(node, ast.AugAssign):
        return _MATTERS | _GROWS
    return _MATTERS if isinstance(node, (ast.AnnAssign, ast.Return)) else 0


def _flags(statement: ast.AST) -> int:
    """What a statement does with all that is inside it; kept on the nodes, so that each is looked at once."""
    kept = getattr(statement, "ae_flags", None)
    if kept is not None:
        return int(kept)
    inner: list[ast.AST] = [statement]
    own: list[tuple[ast.AST, int, list[ast.AST]]] = []
    while inner:
        block = inner.pop()
        flags = 0
        nested: list[ast.AST] = []
        waiting = [block]
        while waiting:
            node = waiting.pop()
            flags |= _acts(node)
            for child in ast.iter_child_nodes(node):
                if not isinstance(child, ast.stmt):
                    waiting.append(child)
                elif getattr(child, "ae_flags", None) is None:
                    nested.append(child)
                else:
                    flags |= child.ae_flags  # type: ignore[attr-defined]
        own.append((block, flags, nested))
        inner.extend(nested)
    for block, flags, nested in reversed(own):  # what is inside comes after what holds it
        for child in nested:
            flags |= child.ae_flags  # type: ignore[attr-defined]
        block.ae_flags = flags  # type: ignore[attr-defined]
    return int(statement.ae_flags)  # type: ignore[attr-defined]


def _counted(target: ast.expr, value: ast.BinOp) -> list[ast.expr]:
    """``x = x + 1`` is ``x += 1``: by what ``target`` is counted, where it is."""
    if not isinstance(target, ast.Name):
        return []
    return [
        step
        for own, step in ((value.left, value.right), (value.right, value.left))
        if isinstance(own, ast.Name) and own.id == target.id
    ][:1]


class Traits:
    """What a block of statements does, as far as its syntax tells."""

    __slots__ = ("_body", "_counts", "calls", "grows", "matters", "trains")

    def __init__(self, body: Iterable[ast.AST]) -> None:
        self._body = tuple(body)
        self._counts: _Counts | None = None
        flags = 0
        for statement in self._body:
            flags |= _flags(statement)
        self.matters = bool(flags & _MATTERS)
        """it binds something, returns, or changes an object"""
        self.grows = bool(flags & _GROWS)
        """it adds to something: its turns differ"""
        self.calls = bool(flags & _CALLS)
        self.trains = bool(flags & _TRAINS)
        """it calls something that by its name trains a model"""

    @property
    def counted(self) -> dict[str, list[ast.expr]]:
        """Names that are counted up or down, and by what."""
        return self._counting().names

    @property
    def counted_places(self) -> list[tuple[ast.Attribute | ast.Subscript, ast.expr]]:
        """Attributes and elements that are, and by what."""
        return self._counting().places

    @property
    def compared(self) -> set[str]:
        """Names that are compared, by themselves or in arithmetic."""
        return self._counting().compared

    def _counting(self) -> _Counts:
        if self._counts is None:
            self._counts = _Counts(self._body)
        return self._counts


class _Counts:
    """What a loop counts and compares."""

    __slots__ = ("compared", "names", "places")

    def __init__(self, body: Iterable[ast.AST]) -> None:
        self.names: dict[str, list[ast.expr]] = {}
        self.places: list[tuple[ast.Attribute | ast.Subscript, ast.expr]] = []
        self.compared: set[str] = set()
        for statement in body:
            for node in ast.walk(statement):
                self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            if isinstance(node.value, ast.BinOp):
                for step in _counted(node.targets[0], node.value):
                    assert isinstance(node.targets[0], ast.Name)
                    self.names.setdefault(node.targets[0].id, []).append(step)
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.target, ast.Name):
                self.names.setdefault(node.target.id, []).append(node.value)
            else:
                self.places.append((node.target, node.value))
        elif isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                self.compared.update(_numbers(side))


def _numbers(node: ast.expr) -> Iterable[str]:
    """Names that make up a number: not those that index something, or that are handed to a function."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.BinOp):
            waiting.extend((part.left, part.right))


class Syntax:
    """The traits of the blocks of a program, by their nodes."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[ast.AST, Traits]] = {}

    def of(self, owner: ast.AST, body: Iterable[ast.AST], part: str = "body") -> Traits:
        """The traits of ``body``, a part of the node ``owner``."""
        key = (id(owner), part)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (owner, Traits(body))
        return known[1]

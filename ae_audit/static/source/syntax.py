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


class Traits:
    """What a block of statements does, as far as its syntax tells."""

    __slots__ = ("calls", "compared", "counted", "counted_places", "grows", "matters", "trains")

    def __init__(self, body: Iterable[ast.AST]) -> None:
        self.matters = False
        """it binds something, returns, or changes an object"""
        self.grows = False
        """it adds to something: its turns differ"""
        self.calls = False
        self.trains = False
        """it calls something that by its name trains a model"""
        self.counted: dict[str, list[ast.expr]] = {}
        """names that are counted up or down, and by what"""
        self.counted_places: list[tuple[ast.Attribute | ast.Subscript, ast.expr]] = []
        """attributes and elements that are, and by what"""
        self.compared: set[str] = set()
        """names that are compared, by themselves or in arithmetic"""
        for statement in body:
            for node in ast.walk(statement):
                self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            self.calls = True
            if isinstance(node.func, ast.Attribute):
                self.matters = self.matters or node.func.attr in BUILDING
                self.grows = self.grows or node.func.attr in GROWING
                self.trains = self.trains or node.func.attr in TRAINING
        elif isinstance(node, ast.Assign):
            self.matters = True
            if isinstance(node.value, ast.BinOp):
                self._note_count(node.targets[0], node.value)
        elif isinstance(node, (ast.AnnAssign, ast.Return)):
            self.matters = True
        elif isinstance(node, ast.AugAssign):
            self.matters = self.grows = True
            if isinstance(node.target, ast.Name):
                self.counted.setdefault(node.target.id, []).append(node.value)
            else:
                self.counted_places.append((node.target, node.value))
        elif isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                self.compared.update(_numbers(side))

    def _note_count(self, target: ast.expr, value: ast.BinOp) -> None:
        """``x = x + 1`` is ``x += 1``."""
        if not isinstance(target, ast.Name):
            return
        for own, step in ((value.left, value.right), (value.right, value.left)):
            if isinstance(own, ast.Name) and own.id == target.id:
                self.counted.setdefault(target.id, []).append(step)
                self.grows = self.grows or isinstance(step, ast.Constant)
                return


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

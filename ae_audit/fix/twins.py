"""What else a fix of the training data must change: the data that the trained model is asked about afterwards."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from ae_audit.fix.source import Text, dotted

_ASKING = frozenset({"predict", "evaluate", "predict_on_batch", "test_on_batch", "predict_step"})
_LONGEST = 32
"""names that are followed back from one to another"""


def twins_in_use(text: Text, call: ast.Call, names: Iterable[str]) -> list[str] | None:
    """The variables that go into the model besides ``names`` and were made as one of these was.

    ``(x_train, _), (x_test, _) = load_data()`` makes two twins, as long as the same is done to both.
    None where something goes into the model that was made from the data in another way: a fix that leaves that as it is
    would train the model on one scale and ask it on another.
    """
    tree = text.tree
    model = dotted(call.func.value) if isinstance(call.func, ast.Attribute) else None
    if tree is None or model is None:
        return []
    makings = _Makings(tree)
    scaled, found = list(names), []
    for given in _asked(tree, model):
        for name in _root_names(given):
            if name in scaled or name in found:
                continue
            if any(makings.are_twins(name, one) for one in scaled):
                if makings.last_line(name) > call.lineno:
                    return None  # it is made after the place where the others are divided
                found.append(name)
            elif makings.share_origin(name, scaled):
                return None
    return found


def made_later(text: Text, call: ast.Call) -> list[ast.expr]:
    """What the variables are made by that the model is given and was not trained on; none where one shows none."""
    model = dotted(call.func.value) if isinstance(call.func, ast.Attribute) else None
    if text.tree is None or model is None:
        return []
    trained = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
    makings = _Makings(text.tree)
    later = {name for given in _asked(text.tree, model) for name in _root_names(given)} - trained
    named = [makings.expressions(name) for name in sorted(later) if makings.share_origin(name, trained)]
    return [made[-1] for made in named if made] if all(named) else []


def made_alike(made: ast.expr, variable: ast.Name | None, text: Text) -> Iterator[ast.expr]:
    """The expressions that the twins of a variable are made by, where ``made`` is what the variable is made by last.

    Of ``train, test = split(data)`` and ``x = train[:, 1:]; xt = test[:, 1:]`` the second.
    """
    if text.tree is None or variable is None:
        return
    makings = _Makings(text.tree)
    ours = makings.expressions(variable.id)
    for other in makings.names():
        theirs = makings.expressions(other)
        if other == variable.id or len(ours) != len(theirs) or made not in ours:
            continue
        twin = theirs[ours.index(made)]
        if twin is not made and makings.are_twins(other, variable.id):
            yield twin


def _asked(tree: ast.AST, model: str) -> Iterator[ast.expr]:
    """What the model is given to predict or to be measured on."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        asks = isinstance(node.func, ast.Attribute) and node.func.attr in _ASKING and dotted(node.func.value) == model
        if asks or dotted(node.func) == model:
            yield node.args[0]
            if asks and isinstance(node.func, ast.Attribute) and node.func.attr == "evaluate":
                yield from node.args[1:2]


def _root_names(given: ast.expr) -> Iterator[str]:
    """The variables of an argument: of ``x_test[:10]`` the first."""
    if isinstance(given, ast.Subscript):
        yield from _root_names(given.value)
    else:
        yield from dict.fromkeys(node.id for node in ast.walk(given) if isinstance(node, ast.Name))


class _Makings:
    """The assignments by which each variable of a file came about."""

    def __init__(self, tree: ast.AST) -> None:
        self._made: dict[str, list[ast.Assign]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    for part in ast.walk(target):
                        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                            self._made.setdefault(part.id, []).append(node)

    def names(self) -> Iterator[str]:
        """Every variable that is assigned somewhere."""
        yield from self._made

    def expressions(self, name: str) -> list[ast.expr]:
        """The values that a variable is given, in order."""
        return [node.value for node in self._made.get(name, ())]

    def last_line(self, name: str) -> int:
        """The line of its last assignment, 0 where there is none."""
        return max((node.lineno for node in self._made.get(name, ())), default=0)

    def are_twins(self, one: str, other: str, depth: int = 0) -> bool:
        """Whether both come from one assignment to several variables, and the same was done to both since."""
        ours, theirs = self._made.get(one, []), self._made.get(other, [])
        if one == other:
            return True
        if not ours or len(ours) != len(theirs) or depth > _LONGEST:
            return False
        return all(
            mine is yours or self._alike(mine.value, yours.value, (one, other), depth)
            for mine, yours in zip(ours, theirs, strict=True)
        )

    def _alike(self, mine: ast.AST, yours: ast.AST, pair: tuple[str, str], depth: int) -> bool:
        """Whether two expressions are the same but for the names, which are twins."""
        if isinstance(mine, ast.Name) and isinstance(yours, ast.Name):
            return (mine.id, yours.id) == pair or self.are_twins(mine.id, yours.id, depth + 1)
        if type(mine) is not type(yours):
            return False
        if isinstance(mine, ast.Constant) and isinstance(yours, ast.Constant):
            return mine.value == yours.value or (_counts(mine) and _counts(yours))
        parts, others = list(ast.iter_child_nodes(mine)), list(ast.iter_child_nodes(yours))
        if len(parts) != len(others) or getattr(mine, "attr", None) != getattr(yours, "attr", None):
            return False
        return all(self._alike(a, b, pair, depth) for a, b in zip(parts, others, strict=True))

    def share_origin(self, name: str, others: Iterable[str]) -> bool:
        """Whether a variable was made from one of ``others``, or from what those were made from."""
        return bool(self._ancestors(name) & set().union(*(self._ancestors(other) for other in others)))

    def _ancestors(self, name: str) -> set[int]:
        """The assignments that a variable goes back to, by identity."""
        found: set[int] = set()
        seen, waiting = {name}, [name]
        while waiting and len(seen) < _LONGEST:
            for node in self._made.get(waiting.pop(), ()):
                found.add(id(node))
                fresh = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)} - seen
                seen |= fresh
                waiting.extend(fresh)
        return found


def _counts(node: ast.Constant) -> bool:
    """A number of samples (``reshape(10000, 784)``), which differs between training and test data."""
    return isinstance(node.value, int) and not isinstance(node.value, bool) and node.value >= 1000

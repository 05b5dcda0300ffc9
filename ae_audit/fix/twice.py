"""Edits that take the second of two scalings out, of all data that were scaled twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.fix.source import Text, Texts, dotted, without_element
from ae_audit.schema.findings import Edit
from ae_audit.schema.remedies import Rescale
from ae_audit.schema.training_setup import TrainingSetup


def scale_once(remedy: Rescale, setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """The edits after which the data are divided once; None where the second division is not seen."""
    data = setup.target if remedy.target else setup.input
    text = texts.at(data.location) if data.location is not None else None
    if text is None or text.tree is None:
        return None
    by = remedy.scale
    edits = list(_nested(by, text)) or list(_repeated(by, text)) or list(_transforms(by, text))
    last = None if data.location is None else text.node_at(data.location)
    if not edits and isinstance(last, ast.BinOp) and _divides(last, by):  # what was done before it lies elsewhere
        edits = [text.replace(last, text.text(last.left))]
    return tuple(edits) or None


def _nested(by: float, text: Text) -> Iterator[Edit]:
    """``x / 255.0 / 255.0``."""
    assert text.tree is not None
    for node in ast.walk(text.tree):
        if isinstance(node, ast.BinOp) and _divides(node, by) and _divides(node.left, by):
            yield text.replace(node, text.text(node.left))


def _repeated(by: float, text: Text) -> Iterator[Edit]:
    """The last of several statements that divide the same variable, of every such variable."""
    assert text.tree is not None
    found: dict[tuple[ast.AST | None, str], list[ast.stmt]] = {}
    for node in ast.walk(text.tree):
        name = _divided(node, by)
        if name is not None and isinstance(node, ast.stmt):
            found.setdefault((text.parents.get(node), name), []).append(node)
    for statements in found.values():
        if len(statements) > 1 and isinstance(last := statements[-1], ast.Assign | ast.AugAssign):
            edit = _without(last, text)
            if edit is not None:
                yield edit


def _without(statement: ast.Assign | ast.AugAssign, text: Text) -> Edit | None:
    """The line of a statement that does nothing else, or the division of one that does."""
    start, end = text.span(statement)
    first = text.line_starts[statement.lineno - 1]
    value = statement.value
    name = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if isinstance(value, ast.BinOp) and name is not None and dotted(value.left) != dotted(name):
        return text.replace(value, text.text(value.left))
    last = end + 1 if text.source[end : end + 1] == "\n" else end
    return text.edit(first, last, "") if not text.source[first:start].strip() and last > end else None


def _divided(node: ast.AST, by: float) -> str | None:
    """The variable that a statement divides, where that is all or the last that it does."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div) and _is(node.value, by):
        return dotted(node.target)
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and _divides(node.value, by):
        return dotted(node.targets[0])
    return None


def _divides(node: ast.AST, by: float) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _is(node.right, by)


def _is(node: ast.expr, value: float) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def _transforms(by: float, text: Text) -> Iterator[Edit]:
    """``Lambda(lambda x: x / 255)`` behind ``ToTensor()``, which divides bytes itself."""
    assert text.tree is not None
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] == "Lambda" and node.args:
            function = node.args[0]
            if isinstance(function, ast.Lambda) and _divides(function.body, by):
                edit = without_element(node, text)
                if edit is not None and "ToTensor(" in text.source:
                    yield edit

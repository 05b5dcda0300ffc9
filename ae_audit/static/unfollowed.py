"""What a statement leaves behind that the interpreter could not follow: names of which nothing is known any more."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.static.environment import Frame
from ae_audit.static.sources import Where
from ae_audit.static.values import Class, Instance, Library, Module, Object, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter import Run

MAX_MESSAGE = 120
"""characters of an exception's own words that a report quotes"""


def why(error: Exception) -> str:
    """What the report says of a line on which the interpreter itself failed."""
    if isinstance(error, RecursionError):
        return "this line is nested too deeply to be followed"
    message = f"{type(error).__name__}: {error}"[:MAX_MESSAGE]
    return f"this line could not be followed ({message}): please report it"


def give_up(run: Run, node: ast.stmt, frame: Frame, error: Exception) -> None:
    """Note the failure, and forget what the statement may have bound or changed: old values would be told as new."""
    where = Where(frame.text, node)
    reason = why(error)
    run.faults.append((where, reason))
    lost = Unknown(reason, where)
    for place in _bound(node):
        if isinstance(place, ast.Name):
            if not isinstance(frame.scope.lookup(place.id), (Library, Module, Class)):
                frame.scope.bind(place.id, lost)
        elif isinstance(place.value, ast.Name):
            owner = frame.scope.lookup(place.value.id)
            if isinstance(owner, (Instance, Object)):
                owner.attrs[place.attr] = lost


def _bound(node: ast.stmt) -> Iterator[ast.Name | ast.Attribute]:
    """The names and attributes that a statement sets, and the object whose method it calls for the effect alone."""
    for part in ast.walk(node):
        if isinstance(part, (ast.Name, ast.Attribute)) and isinstance(part.ctx, ast.Store):
            yield part
        elif isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store) and isinstance(part.value, ast.Name):
            yield part.value
    if isinstance(node, ast.Expr):
        called: ast.expr = node.value
        while isinstance(called, (ast.Call, ast.Attribute)):
            called = called.func if isinstance(called, ast.Call) else called.value
        if isinstance(called, ast.Name) and isinstance(node.value, ast.Call):
            yield called

"""What a statement leaves behind that the interpreter could not follow: names of which nothing is known any more."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.static.domain.environment import Frame
from ae_audit.static.domain.values import Class, Instance, Library, Module, Object, Unknown
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

MAX_MESSAGE = 120
"""characters of an exception's own words that a report quotes"""


def why(error: Exception) -> str:
    """What the report says of a line on which the interpreter itself failed."""
    if isinstance(error, RecursionError):
        return "this line is nested too deeply to be followed"
    message = f"{type(error).__name__}: {error}"[:MAX_MESSAGE]
    return f"this line could not be followed ({message}): please report it"


def havoc(run: Run, node: ast.stmt, frame: Frame, error: Exception) -> None:
    """Note the failure, and forget what the statement may have bound or changed: old values would be told as new."""
    where = Where(frame.text, node)
    reason = why(error)
    run.faults.append((where, reason))
    lost = Unknown(reason, where)
    for place in _changed(node):
        if isinstance(place, str):
            if not isinstance(frame.scope.lookup(place), (Library, Module, Class)):
                frame.scope.bind(place, lost)
        elif isinstance(place.value, ast.Name):
            owner = frame.scope.lookup(place.value.id)
            if isinstance(owner, (Class, Instance, Object)):
                owner.attrs[place.attr] = lost


_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _changed(node: ast.stmt) -> Iterator[str | ast.Attribute]:
    """The names and attributes that a statement sets, and the object whose method it calls for the effect alone."""
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _OWN_SCOPE):
            yield part.name  # what its body binds is its own
            continue
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            yield part
        elif isinstance(part, ast.Subscript) and not isinstance(part.ctx, ast.Load):
            yield from _holder(part.value)
        elif isinstance(part, ast.alias):
            yield (part.asname or part.name).partition(".")[0]
        elif isinstance(part, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and part.name is not None:
            yield part.name
        waiting.extend(ast.iter_child_nodes(part))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        yield from _holder(node.value.func.value)


def _holder(part: ast.expr) -> Iterator[str | ast.Attribute]:
    """The name or attribute that is changed: ``x`` where ``x[0][1]`` is set or ``x.add(…).fit(…)`` is called."""
    while not isinstance(part, ast.Name):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            yield part
            return
        if isinstance(part, ast.Call):
            part = part.func.value if isinstance(part.func, ast.Attribute) else part.func
        elif isinstance(part, (ast.Attribute, ast.Subscript)):
            part = part.value
        else:
            return
    yield part.id

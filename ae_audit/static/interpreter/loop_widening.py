"""What a loop changes turn by turn: in a turn that may be any of many, and after the last, it may be anything."""

from __future__ import annotations

import ast

from ae_audit.base.records import replace
from ae_audit.static.domain.environment import Frame
from ae_audit.static.domain.values import Array, Class, Const, Instance, Mapping, Object, Unknown, Value
from ae_audit.theory.ranges import UNKNOWN_RANGE, Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

    Loop = ast.For | ast.AsyncFor | ast.While

REASON = "a number counted in a loop"
CHANGED = "data that a loop changes again in every turn"


def widen(run: Run, loop: Loop, frame: Frame) -> list[str]:
    """Before a turn that may be any: forget the numbers that the turns count by numbers; their names.

    What is added up of computed values (``loss += criterion(y, x)``) keeps its beginning, which is all that is known.
    """
    widened: list[str] = []
    for name, steps in run.project.syntax.of(loop, loop.body).counted.items():
        if _is_number(frame, name) and any(_is_step(step, loop, frame) for step in steps):
            frame.scope.bind(name, Unknown(REASON))
            widened.append(name)
    for place, step in run.project.syntax.of(loop, loop.body).counted_places:
        if _is_step(step, loop, frame):
            _forget_place(run, place, frame)
    return widened


def _forget_place(run: Run, place: ast.Attribute | ast.Subscript, frame: Frame) -> None:
    """``self.seen`` and ``totals["seen"]``, where they are numbers."""
    if not isinstance(place.value, (ast.Name, ast.Attribute)):
        return  # what a call returns would be made twice
    owner = run.evaluate(place.value, frame)
    if isinstance(place, ast.Attribute):
        if isinstance(owner, (Class, Instance, Object)) and _counts(owner.attrs.get(place.attr)):
            owner.attrs[place.attr] = Unknown(REASON)
    elif isinstance(owner, Mapping) and isinstance(place.slice, ast.Constant):
        key = place.slice.value
        if _counts(owner.items.get(key)):
            owner.items[key] = Unknown(REASON)


def carried(run: Run, loop: Loop, frame: Frame) -> dict[str, Array]:
    """Before a loop: the data that its turns may change by arithmetic, each from what the turn before it left."""
    found = {name: frame.scope.lookup(name) for name in run.project.syntax.of(loop, loop.body).counted}
    return {name: value for name, value in found.items() if isinstance(value, Array)}


def forget(run: Run, loop: Loop, frame: Frame, before: dict[str, Array]) -> None:
    """After a loop of unknown length: forget what it counted, by whatever steps, and the range of data it changed."""
    traits = run.project.syntax.of(loop, loop.body)
    for place, _ in traits.counted_places:
        _forget_place(run, place, frame)
    for name in traits.counted:
        if _is_number(frame, name):
            frame.scope.bind(name, Unknown(REASON))
        first, last = before.get(name), frame.scope.lookup(name)
        if first is None or not isinstance(last, Array) or last.values == first.values:
            continue
        if first.root == last.root or not last.scalings:  # made from it, or a sum of it and other data
            frame.scope.bind(name, replace(last, values=UNKNOWN_RANGE, scale=None, shift=None,
                                           standardised=Tri.UNKNOWN, why=CHANGED))  # fmt: skip


def _is_number(frame: Frame, name: str) -> bool:
    return _counts(frame.scope.lookup(name))


def _counts(value: Value | None) -> bool:
    return isinstance(value, Const) and isinstance(value.value, (int, float))


def _is_step(step: ast.expr, loop: Loop, frame: Frame) -> bool:
    """Whether a step is a number: a literal, a length, or a name that is one and stays it throughout the loop."""
    if isinstance(step, ast.UnaryOp):
        step = step.operand
    if isinstance(step, ast.Constant):
        return isinstance(step.value, (int, float))
    if isinstance(step, ast.Call):
        return isinstance(step.func, ast.Name) and step.func.id == "len"
    return isinstance(step, ast.Name) and _is_number(frame, step.id) and not _sets(loop, step.id)


def _sets(loop: Loop, name: str) -> bool:
    return any(
        isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Store) for part in ast.walk(loop)
    )

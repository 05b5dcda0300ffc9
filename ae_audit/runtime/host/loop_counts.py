"""How often the user's loops round the running line go round, as far as their source and their frames say."""

from __future__ import annotations

import ast
import linecache
import operator
import sys
from collections.abc import Callable, Sized
from functools import cache
from types import FrameType
from typing import Any

from ae_audit.runtime.host.user_code import UserCode

PASSED_THROUGH = frozenset({"enumerate", "tqdm", "iter", "list", "track", "trange", "range"})
"""functions of an iterable, or of a number, that go round as often as it does; other ones may do anything"""
NUMBERS = (int, bool)
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
}  # fmt: skip
MOST_LINES = 5000
"""of a file that is looked through"""

Loop = ast.For | ast.While | ast.AsyncFor


def rounds(code: UserCode) -> int | None:
    """How often the loops of the user's frames that run now bring the program to this place; None where not known."""
    total = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if code.place(frame.f_code.co_filename) is not None:
            for loop in _loops_round(frame):
                count = _count(loop.iter, frame) if isinstance(loop, ast.For) else None
                if count is None:
                    return None
                total *= count
            if frame.f_code.co_name == "<module>":
                break
        frame = frame.f_back
    return total


def _loops_round(frame: FrameType) -> list[Loop]:
    """The loops of a frame's own function in which its line stands."""
    line, first = frame.f_lineno, frame.f_code.co_firstlineno
    inside = [loop for loop in _loops_of(frame.f_code.co_filename) if loop.lineno < line <= (loop.end_lineno or 0)]
    if frame.f_code.co_name == "<module>":
        return inside
    return [loop for loop in inside if loop.lineno >= first]


@cache
def _loops_of(filename: str) -> tuple[Loop, ...]:
    lines = linecache.getlines(filename)
    if not lines or len(lines) > MOST_LINES:
        return ()
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, Loop))


def _count(node: ast.expr, frame: FrameType) -> int | None:
    """How often ``for … in node`` goes round."""
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in PASSED_THROUGH or not node.args:
            return None
        if name in {"range", "trange"}:
            ends = [_number(argument, frame) for argument in node.args]
            known = [end for end in ends if end is not None]
            return len(range(*known)) if len(known) == len(ends) <= 3 and 0 not in known[2:] else None
        return _count(node.args[0], frame)
    value = _value(node, frame)
    if isinstance(value, (str, bytes)) or not isinstance(value, Sized):
        return None
    try:
        return len(value)
    except Exception:  # a loader of a stream has no length, and says so in a way of its own
        return None


def _number(node: ast.expr, frame: FrameType) -> int | None:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _number(node.left, frame), _number(node.right, frame)
        if left is None or right is None or (right == 0 and isinstance(node.op, ast.FloorDiv)):
            return None
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"len", "int"} and node.args:
        return _count(node.args[0], frame) if node.func.id == "len" else _number(node.args[0], frame)
    value = _value(node, frame)
    return int(value) if isinstance(value, NUMBERS) else None


def _value(node: ast.expr, frame: FrameType) -> Any:
    """What a name, an attribute of one or a constant stands for in a frame; None where nobody knows."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, frame)
        return getattr(owner, "__dict__", {}).get(node.attr)  # no property is computed
    return None

"""8-bit arithmetic: what NumPy, TensorFlow and torch keep as unsigned bytes, and where that leaves the range of bytes.

All three keep ``uint8`` when a whole Python number or another ``uint8`` array is added to it, subtracted from it or
multiplied with it, and begin again at the other end without a word. A number with a point, a float or a wider array
makes a wider result (NumPy 2, TensorFlow 2, torch 2; NumPy 1 did the same for whole numbers of at most 255).
"""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.location import TrailStep
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain.values import Array, Const, Value
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import BYTE, Interval, format_number
from ae_audit.theory.ranges import ValueRange

STAYING = frozenset({"+", "-", "*", "**"})
LABELS_BEGIN = 100
"""where the labels of a mask surely have begun: whoever takes more away centres the bytes of pictures"""
ROUNDING = 0.01
"""how far the ends of a computed range may lie off: constants such as 1 / 255 round"""


def settled(symbol: str, left: Value, right: Value, result: Value, where: Where) -> Value:
    """``left symbol right``, whose values without bounds are ``result``, as arithmetic on bytes leaves it."""
    if symbol not in STAYING or not isinstance(result, Array):
        return result
    if not (_is_bytes(left) or _is_bytes(right)) or not (_stays(left) and _stays(right)):
        return result
    hull, reach = result.values.hull, result.values.reach
    if reach is None and symbol in {"+", "-"} and (_fills(left, right) or _fills(right, left)):
        reach = hull  # noise meets both ends of the bytes sooner or later
    if reach is None and symbol == "-" and _are_pictures(left, right):
        reach = hull  # of two pictures, neither is the lighter one everywhere
    if reach is not None and (reach.lo < -ROUNDING or reach.hi > BYTE.hi + ROUNDING):
        if not _is_random(left) and not _is_random(right) and _may_be_labels(result, reach):
            return _doubtful(result, where)
        return wrapped(result, f"`{where.written}` stays uint8: {_ends(reach)} wraps round at 0 and 256", where)
    if BYTE.covers(hull, ROUNDING):
        return replace(result, dtype="uint8")
    return replace(result, dtype="uint8", values=ValueRange(BYTE), scale=None, shift=None)  # some of them may wrap


def cast(array: Array, made: Array, where: Where) -> Array:
    """``array`` turned into bytes, ``made`` if all its values fit."""
    reach = array.values.reach
    if reach is None or (reach.lo > -1.0 and reach.hi < BYTE.hi + 1):
        return _within_bytes(made)
    if not array.noise and _may_be_labels(array, reach):
        return _doubtful(array, where)
    text = f"`{where.written}` turns {_ends(reach)} into uint8, which holds 0 to 255 and wraps round"
    return wrapped(made, text, where)


def _within_bytes(array: Array) -> Array:
    """The array, whose values are bytes whatever they were before."""
    if BYTE.covers(array.values.hull):
        return array
    inside = array.values.hull.intersection(BYTE) if array.values.reach is not None else BYTE
    return replace(array, values=ValueRange(inside or BYTE, array.values.reach))


def wrapped(array: Array, text: str, where: Where) -> Array:
    """The array after its values went round: bytes in no order that its scale could tell."""
    return replace(
        array, dtype="uint8", values=ValueRange(BYTE), scale=None, shift=None,
        wrapped=array.wrapped or TrailStep(text, where.location), why=array.why or "its values wrapped round",
    )  # fmt: skip


def _may_be_labels(array: Array, reach: Interval) -> bool:
    """Whether files that a run would open may hold the few labels of a mask, which stay in range where bytes do not."""
    return array.pictured and reach.lo >= -LABELS_BEGIN


def _doubtful(array: Array, where: Where) -> Array:
    """The bytes that arithmetic leaves whose result wraps round for pictures, and does not for masks."""
    return replace(
        array, dtype="uint8", values=ValueRange(BYTE), scale=None, shift=None, structure=Structure.UNKNOWN,
        why=array.why or f"its files may hold the labels of masks or photographs, which `{where.written}` wraps round",
    )  # fmt: skip


def _is_random(value: Value) -> bool:
    return isinstance(value, Array) and value.random


def _ends(values: Interval) -> str:
    return f"[{format_number(values.lo)}, {format_number(values.hi)}]"


def _fills(data: Value, noise: Value) -> bool:
    """Whether the one surely holds both ends of the bytes, and the other numbers drawn at random."""
    if not isinstance(data, Array) or not isinstance(noise, Array) or not noise.random or data.random:
        return False
    reach = data.values.reach
    return reach is not None and reach.covers(BYTE, ROUNDING)


def _are_pictures(left: Value, right: Value) -> bool:
    """Whether two different pictures, or parts of a set of them, surely hold both ends of the bytes."""
    if not isinstance(left, Array) or not isinstance(right, Array):
        return False
    full = all(
        each.structure is Structure.CONTINUOUS and each.values.reach is not None
        and each.values.reach.covers(BYTE, ROUNDING) for each in (left, right)
    )  # fmt: skip
    return full and (left.root, left.selection, left.scalings) != (right.root, right.selection, right.scalings)


def _is_bytes(value: Value) -> bool:
    return isinstance(value, Array) and value.dtype == "uint8" and value.shape != ()


def _stays(value: Value) -> bool:
    """Whether an operand lets the other stay a byte."""
    if isinstance(value, Const):
        whole = isinstance(value.value, int) and not isinstance(value.value, bool)
        return whole and 0 <= value.value <= BYTE.hi
    return _is_bytes(value)

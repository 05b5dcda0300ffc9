"""Shapes after a subscript or a reduction, as NumPy, TensorFlow and torch agree on them.

A shape is a tuple of extents, an unknown extent None; where nothing is known of the axes the shape itself is None.
Every function answers None where it cannot tell, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.static.domain.values import Array, Const, Seq, Tensor, Unknown, Value

Shape = tuple[int | None, ...]


class Window:
    """A slice that takes ``width`` places of an axis, wherever it begins."""

    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        self.width = width


Part = int | slice | Window | str | None
"""one entry of a subscript: a number takes an axis away, None adds one, a text is one of those below"""
REST = "..."
"""an ellipsis: all axes that the other entries leave"""
INDEX = "index"
"""a whole number that is not known: the axis goes"""
PICKS = "picks"
"""a list or array of places: the axis stays, its extent is not known"""
MASK = "mask"
"""truth values of unknown rank, or something else of which nothing is known"""


def part_of(value: Value) -> Part:
    """What a value is as one entry of a subscript."""
    if isinstance(value, Const):
        if value.value is None or (isinstance(value.value, int) and not isinstance(value.value, bool)):
            return value.value
        return REST if value.value is Ellipsis else MASK
    if isinstance(value, Seq):
        return PICKS if all(isinstance(item, (Const, Unknown)) for item in value.items) else MASK
    array = value.array if isinstance(value, Unknown) else value
    if not isinstance(array, Array):
        return MASK
    if array.dtype == "bool":  # a mask over one axis picks along it
        return PICKS if array.shape is not None and len(array.shape) == 1 else MASK
    if array.shape == ():
        return INDEX
    return PICKS if array.shape is not None and len(array.shape) == 1 else MASK


def parts_of(key: Value) -> list[Part]:
    """The entries of a subscript that is no slice: those of a tuple, or the one that it is."""
    if isinstance(key, Seq) and key.kind == "tuple":
        return [part_of(item) for item in key.items] if key.rest is None else [MASK]
    return [part_of(key)]


def indexed(shape: Shape | None, parts: Sequence[Part]) -> Shape | None:
    """The shape of ``x[parts]``."""
    if shape is None or MASK in parts or sum(part is REST or part == REST for part in parts) > 1:
        return None
    picks = [place for place, part in enumerate(parts) if part == PICKS]
    if len(picks) > 1:
        return None
    taken = sum(part is not None and part != REST for part in parts)
    if taken > len(shape):
        return None
    made: list[int | None] = []
    left = list(shape)
    for part in parts:
        if part is None:
            made.append(1)
        elif part == REST:
            skipped = len(left) - sum(p is not None and p != REST for p in parts[_place(parts, REST) + 1 :])
            made.extend(left[:skipped])
            del left[:skipped]
        elif isinstance(part, slice):
            made.append(stretch(left.pop(0), part))
        elif isinstance(part, Window):
            left.pop(0)
            made.append(part.width)
        elif part == PICKS:
            left.pop(0)
            made.append(None)
        else:
            left.pop(0)
    return (*made, *left)


def _place(parts: Sequence[Part], wanted: str) -> int:
    return next(place for place, part in enumerate(parts) if part == wanted)


def stretch(extent: int | None, part: slice) -> int | None:
    """The extent of an axis after a slice, whose ends are numbers, None, or ``...`` where they are not known."""
    if part.start is None and part.stop is None and part.step in {None, 1, -1}:
        return extent
    if ... in {part.start, part.stop, part.step}:
        return None
    ends = (part.start, part.stop, part.step)
    sensible = part.step != 0 and all(end is None or isinstance(end, int) for end in ends)
    if extent is None or extent < 0 or not sensible:  # a program's own mistake
        return None
    return len(range(*part.indices(extent)))


def reduced(shape: Shape | None, axis: object, *, keep: bool = False) -> Shape | None:
    """The shape after ``sum``, ``mean`` … along ``axis``: a number, several, or None for all."""
    if axis is None:
        if not keep:
            return ()
        return None if shape is None else (1,) * len(shape)
    places = axis if isinstance(axis, tuple) else (axis,)
    if shape is None or not all(isinstance(place, int) and -len(shape) <= place < len(shape) for place in places):
        return None
    gone = {place % len(shape) for place in places if isinstance(place, int)}
    if keep:
        return tuple(1 if place in gone else extent for place, extent in enumerate(shape))
    return tuple(extent for place, extent in enumerate(shape) if place not in gone)


def broadcast(shape: Shape | None, other: Shape | None) -> Shape | None:
    """The shape of elementwise arithmetic with something of the shape ``other``: extents of 1 are repeated."""
    if shape is None:
        return None
    if other is None:
        return tuple(None if extent == 1 else extent for extent in shape)
    rank = max(len(shape), len(other))
    pairs = zip((1,) * (rank - len(shape)) + shape, (1,) * (rank - len(other)) + other, strict=True)
    return tuple(b if a == 1 else a if b in {1, None} or a == b else b if a is None else None for a, b in pairs)


def together(left: Shape | None, right: Shape | None) -> Shape | None:
    """The shape of elementwise arithmetic on two arrays, the larger of which is known."""
    if left == ():
        return right
    if right == ():
        return left
    known, other = (left, right) if left is not None else (right, left)
    if known is not None and other is None and len(known) < 2:
        return None  # a row may be added to each sample of a table
    return broadcast(known, other)


def shape_of(value: Value) -> Shape | None:
    """The shape of data or of a tensor of the network, where it is known."""
    if isinstance(value, Array):
        return value.shape
    return value.head.shape if isinstance(value, Tensor) else None

"""Shapes after the functions that NumPy, TensorFlow and Keras' backend name alike: ``expand_dims``, ``transpose`` …."""

from __future__ import annotations

import math

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.indexing import Shape
from ae_audit.static.domain.values import Array, Const, Seq, Tensor, Value, python


def moved_shape(name: str, shape: Shape | None, call: Call) -> Shape | None:
    """The shape after a function of that name, ``call`` holding what follows the array itself."""
    if shape is None:
        return None
    if name in {"flatten", "ravel"}:
        return (None if None in shape else math.prod(extent for extent in shape if extent is not None),)
    if name in _KEEPING:
        return shape
    axis = call.constant(0, "axis", "axes")
    if name == "expand_dims" and isinstance(axis, int):
        place = axis if axis >= 0 else len(shape) + 1 + axis
        return (*shape[:place], 1, *shape[place:]) if 0 <= place <= len(shape) else None
    if name == "squeeze":
        return _squeezed(shape, axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis)
    if name in {"transpose", "permute_dimensions"}:
        order = (
            [python(item) for item in call.args] if len(call.args) > 1 else call.constant(0, "axes", "perm", "pattern")
        )
        return _permuted(shape, tuple(reversed(range(len(shape)))) if order is None and not call.args else order)
    if name == "swapaxes":
        return _swapped(shape, call.constant(0, "axis1"), call.constant(1, "axis2"))
    if name == "moveaxis":
        return _moved(shape, call.constant(0, "source"), call.constant(1, "destination"))
    return None


def moved_axis(name: str, axis: int, shape: Shape | None, after: Shape | None, call: Call) -> int | None:
    """Where an axis of ``shape`` stands after that function; None where it cannot be followed."""
    if name in _KEEPING:
        return axis
    if shape is None or not -len(shape) <= axis < len(shape):
        return None
    place, rank = axis % len(shape), len(shape)
    if name in {"transpose", "permute_dimensions", "swapaxes", "moveaxis"}:
        # the order of the axes is what the same function makes of their numbers
        order = moved_shape(name, tuple(range(rank)), call)
        return order.index(place) if order is not None and place in order else None
    if name == "expand_dims" and after is not None:
        new = call.constant(0, "axis", "axes")
        return place + (new % len(after) <= place) if isinstance(new, int) else None
    # reshaped or the like: a last axis that keeps its extent still holds the same vectors
    kept = after is not None and place == rank - 1 and shape[place] is not None and after[-1:] == shape[place:]
    return -1 if kept else None


_KEEPING = frozenset({
    "flip", "fliplr", "flipud", "roll", "sort", "reverse", "shuffle", "random_shuffle", "random_brightness",
    "flip_left_right", "random_flip_left_right", "random_flip_up_down", "dropout", "require",
})  # fmt: skip
"""functions that change the places of values along an axis, and no extent"""


def _squeezed(shape: Shape, axis: object) -> Shape | None:
    if axis is None:
        return None if None in shape[1:] else (*shape[:1], *(extent for extent in shape[1:] if extent != 1))
    if not isinstance(axis, int) or not -len(shape) <= axis < len(shape) or shape[axis] not in {1, None}:
        return None
    place = axis % len(shape)
    return (*shape[:place], *shape[place + 1 :])


def _permuted(shape: Shape, order: object) -> Shape | None:
    if not isinstance(order, (list, tuple)) or not all(isinstance(axis, int) for axis in order):
        return None
    if sorted(axis % max(len(shape), 1) for axis in order) != list(range(len(shape))):
        return None
    return tuple(shape[axis] for axis in order)


def _swapped(shape: Shape, first: object, second: object) -> Shape | None:
    order = list(range(len(shape)))
    if not (isinstance(first, int) and isinstance(second, int)) or not all(
        -len(shape) <= axis < len(shape) for axis in (first, second)
    ):
        return None
    order[first], order[second] = order[second], order[first]
    return tuple(shape[axis] for axis in order)


def _moved(shape: Shape, source: object, destination: object) -> Shape | None:
    """``moveaxis`` of a single axis."""
    if not (isinstance(source, int) and isinstance(destination, int)) or not all(
        -len(shape) <= axis < len(shape) for axis in (source, destination)
    ):
        return None
    rest = [extent for place, extent in enumerate(shape) if place != source % len(shape)]
    rest.insert(destination % len(shape), shape[source])
    return tuple(rest)


def given_shape(value: Value | None) -> Shape | None:
    """The shape that an argument gives: a number, a sequence of extents some of which may not be known."""
    if isinstance(value, Const):
        return (value.value,) if isinstance(value.value, int) and not isinstance(value.value, bool) else None
    if not isinstance(value, Seq) or value.rest is not None or value.open:
        return None
    known = [python(item) for item in value.items]
    return tuple(
        int(extent) if isinstance(extent, (int, float)) and 0 <= extent < math.inf else None for extent in known
    )


def shape_like(value: Value | None) -> Shape | None:
    """The shape of an array or tensor that something is made like."""
    if isinstance(value, Tensor):
        return value.head.shape
    return value.shape if isinstance(value, Array) else None

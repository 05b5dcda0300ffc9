"""``view``, ``permute``, ``squeeze`` …: where the values go, and where the axis of a softmax goes with them."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Seq, Tensor, Unknown, Value, python
from ae_audit.static.knowledge.torch import heads, shapes

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.knowledge.torch.shapes import Shape

KEEPING_AXES = frozenset(
    {"expand", "expand_as", "broadcast_to", "flip", "fliplr", "flipud", "roll", "sort", "contiguous"}
)


def rearranged(run: Run, value: Array | Tensor, call: Call, name: str) -> Value:
    """The value after a method that moves values about."""
    shape = heads.shape_of(value)
    new = new_shape(name, shape, call)
    made = heads.moved(value, new)
    if name == "sort":
        return Seq([made, Unknown("the order of values", call.where)], "tuple")
    if isinstance(made, Tensor) and made.head.axis is not None:
        return _with_axis(made, name, shape, new, call)
    if isinstance(made, Array) and made.structure_axis is not None and name not in KEEPING_AXES:
        return replace(made, structure_axis=_followed(made.structure_axis, name, shape, new, call))
    return made


def new_shape(name: str, shape: Shape | None, call: Call) -> Shape | None:
    """The shape after the method ``name``."""
    if name == "resize" and len(call.args) <= 1:
        return _resized(shape, call)
    if name in {"view", "reshape", "resize"}:
        return shapes.viewed(shape, sizes) if (sizes := _sizes(call)) is not None else None
    if name in {"view_as", "reshape_as", "expand_as"}:
        other = call.args[0] if call.args else None
        return heads.shape_of(other) if isinstance(other, (Array, Tensor)) else None
    if name == "flatten":
        return shapes.flattened(shape, *_axes(call, ("start_dim", 0), ("end_dim", -1)))
    if name == "ravel":
        return shapes.flattened(shape)
    if name == "squeeze":
        axis = call.constant(0, "dim")
        return shapes.squeezed(shape, axis if isinstance(axis, int) else None)
    if name == "unsqueeze":
        axis = call.constant(0, "dim")
        return shapes.unsqueezed(shape, axis) if isinstance(axis, int) else None
    if name == "permute":
        order = _sizes(call)
        if order is None or any(item is None for item in order):
            return None
        return shapes.permuted(shape, [item for item in order if item is not None])
    if name in {"transpose", "swapaxes", "swapdims"}:
        return shapes.transposed(shape, *_axes(call, ("dim0", 0), ("dim1", 1)))
    if name in {"t", "T", "mT"}:
        return None if shape is None or len(shape) < 2 else (*shape[:-2], shape[-1], shape[-2])
    if name in {"flip", "fliplr", "flipud", "roll", "sort"}:
        return shape
    if name == "unfold":
        return shapes.unfolded(shape, *(_int(python(item)) for item in call.args[:3])) if len(call.args) >= 3 else None
    if name == "unflatten":
        axis, sizes = call.constant(0, "dim"), call.constant(1, "sizes")
        return shapes.unflattened(shape, axis, sizes) if isinstance(axis, int) and isinstance(sizes, tuple) else None
    return None


def _resized(shape: Shape | None, call: Call) -> Shape | None:
    """``image.resize((width, height))`` of Pillow, which keeps the channels; of a tensor only with as many axes."""
    sizes = _sizes(call)
    if shape is None or sizes is None:
        return None
    if len(sizes) == 2 and len(shape) in {2, 3}:
        return (sizes[1], sizes[0], *shape[2:])
    return shapes.viewed(shape, sizes)


def _sizes(call: Call) -> tuple[int | None, ...] | None:
    """The sizes given as separate arguments or as one sequence."""
    given: list[Value] = list(call.args)
    single = call.get(0, "shape", "size", "dims", "sizes")
    if len(given) <= 1 and isinstance(single, Seq):
        if single.rest is not None:
            return None
        given = single.items
    elif len(given) == 1 and not isinstance(given[0], (Const, Unknown)):
        return None
    if call.open or not given:
        return None
    return tuple(_int(python(item)) for item in given)


def _axes(call: Call, *parameters: tuple[str, int]) -> tuple[int, int]:
    found = [call.constant(place, name, default=default) for place, (name, default) in enumerate(parameters)]
    first, second = (item if isinstance(item, int) else parameters[place][1] for place, item in enumerate(found))
    return first, second


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _with_axis(value: Tensor, name: str, before: Shape | None, after: Shape | None, call: Call) -> Tensor:
    """Follow the axis of a softmax to where it stands now; the constraint goes where it cannot be followed."""
    axis = value.head.axis
    assert axis is not None
    if name in KEEPING_AXES:
        return value
    moved = _followed(axis, name, before, after, call)
    if moved is not None:
        range_ = value.head.range
        if range_.constraint is not None:
            range_ = replace(range_, axis=moved)
        return replace(value, head=replace(value.head, axis=moved, range=range_))
    range_ = value.head.range
    if range_.constraint is not None:
        range_ = replace(range_, axis=None)
    # Folded over several axes, or out of sight: the vector is still one of the set, along an axis unknown from here.
    return replace(value, head=replace(value.head, axis=None, range=range_, after=(*value.head.after, name)))


def _followed(axis: int, name: str, before: Shape | None, after: Shape | None, call: Call) -> int | None:
    """Where that axis stands afterwards; None where it cannot be followed."""
    if before is None or after is None:
        return None
    return _moved_axis(name, axis % len(before) if before else 0, before, after, call)


def _moved_axis(name: str, axis: int, before: Shape, after: Shape, call: Call) -> int | None:
    if name == "permute":
        order = _sizes(call)
        if order is not None and None not in order:
            places = [item % len(before) for item in order if item is not None]
            return places.index(axis) if axis in places else None
    if name in {"transpose", "swapaxes", "swapdims"}:
        first, second = (item % len(before) for item in _axes(call, ("dim0", 0), ("dim1", 1)))
        return {first: second, second: first}.get(axis, axis)
    if name in {"view", "reshape", "flatten", "unsqueeze", "squeeze"}:
        lead, tail = before[:axis], before[axis + 1 :]
        for place, extent in enumerate(after):
            if (
                extent is not None
                and extent == before[axis]
                and _fits(after[:place], lead)
                and _fits(after[place + 1 :], tail)
            ):
                return place
    return None


def _fits(some: Shape, others: Shape) -> bool:
    first, second = shapes.product(some), shapes.product(others)
    return first == second or (first is None and second is None)

"""Operations that NumPy, TensorFlow, Keras' backend and torch share, on data and network tensors alike."""

from __future__ import annotations

import math

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Structure
from ae_audit.static.domain import (
    arrays,
    critics,
    cross_entropies,
    divergences,
    indexing,
    losses,
    operators,
    overlaps,
    random_numbers,
    tensor_arithmetic,
    tensors,
    unsigned,
)
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.array_shapes import moved_axis
from ae_audit.static.domain.values import (
    Array,
    Const,
    Difference,
    LossValue,
    Seq,
    Tensor,
    Unknown,
    Value,
    number,
    python,
)
from ae_audit.static.source.sources import Where
from ae_audit.theory.activations import ActivationRange, find_activation
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.domain.evaluator import Evaluator

Shape = tuple[int | None, ...] | None


def data(run: Evaluator, value: Value | None) -> Value | None:
    """The value as an array, tensor, error or loss; None where it is none of these."""
    if value is None or isinstance(value, (Tensor, LossValue, Difference)):
        return value
    return run.as_array(value)


def moved(run: Evaluator, value: Value | None, name: str, where: Where, shape: Shape = None, *, untouched: bool = False
          ) -> Value:  # fmt: skip
    """Values moved, selected or repeated: reshape, transpose, pad, pool."""
    found = data(run, value)
    if isinstance(found, Array):
        return replace(found, shape=shape)
    if isinstance(found, Tensor):
        made = tensors.kept(found, name, shape, untouched=untouched)
        if made.head.axis is not None or made.head.range.constraint is not None or shape is None:
            return made
        return replace(made, head=replace(made.head, units=tensors.features(shape, made.framework)))
    if found is not None:
        return found
    return Unknown(f"what `{name}` gives", where)


def with_moved_axis(value: Value, name: str, before: Shape, call: Call) -> Value:
    """The value after :func:`moved`, with the axis of its distributions where it stands now."""
    if not isinstance(value, Array) or value.structure_axis is None:
        return value
    return replace(value, structure_axis=moved_axis(name, value.structure_axis, before, value.shape, call))


def shape_of(value: Value | None) -> Shape:
    """The shape of an array or tensor, where it is known."""
    if isinstance(value, Array):
        return value.shape
    return value.head.shape if isinstance(value, Tensor) else None


def whole(value: object) -> int | None:
    """An extent; None for what is none: a text, infinity."""
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def reshaped(run: Evaluator, value: Value | None, sizes: Any, where: Where, name: str = "Reshape") -> Value:
    """``reshape`` to ``sizes``: a tuple of numbers, -1 and unknown (None)."""
    old = shape_of(value)
    new: Shape = None
    if isinstance(sizes, tuple) and all(s is None or whole(s) is not None for s in sizes):
        extents: list[int | None] = [None if s is None or s < 0 else int(s) for s in sizes]
        if sum(s is None for s in sizes) == 0 and sum(s < 0 for s in sizes if s is not None) == 1:
            total = _total(old)
            known = math.prod(e for e in extents if e is not None)
            if total is not None and known > 0 and total % known == 0:
                extents[next(i for i, s in enumerate(sizes) if s is not None and s < 0)] = total // known
        new = tuple(extents)
    return moved(run, value, name, where, new, untouched=False)


def _total(shape: Shape) -> int | None:
    if shape is None or any(extent is None for extent in shape):
        return None
    return math.prod(extent for extent in shape if extent is not None)


def sizes_of(call: Call, start: int) -> Any:
    """The sizes given to ``reshape``/``view``: one sequence, or one argument each."""
    first = call.get(start, "shape", "newshape", "target_shape", "size")
    if isinstance(first, Seq):
        return tuple(python(item) for item in first.items) if first.rest is None else None
    return tuple(python(item) for item in call.args[start:])


def axis_of(call: Call, position: int) -> object:
    """The axis or axes that a reduction is told of; None where none are, a text where they are not known."""
    if not call.given(position, "axis", "dim"):
        return None
    known = call.constant(position, "axis", "dim", default=UNKNOWN_AXIS)
    return known


UNKNOWN_AXIS = "some axis"


def reduced(
    run: Evaluator,
    value: Value | None,
    how: str,
    where: Where,
    *,
    whole: bool = True,
    axis: object = UNKNOWN_AXIS,
    keep: bool = False,
) -> Value:
    """``mean``, ``sum``, ``max``, ``min``, ``std``, ``var``; ``whole``: over all axes."""
    found = data(run, value)
    along = None if whole else axis
    if isinstance(found, (LossValue, Difference)):
        return losses.reduced(run, found, how, where, along) if how in {"mean", "sum"} else found
    judged = cross_entropies.certain(run, found, where) if how in {"mean", "sum"} and found is not None else None
    if judged is not None:
        return losses.reduced(run, judged, how, where, along)
    if isinstance(found, Tensor):
        shape = indexing.reduced(found.head.shape, along, keep=keep)
        made = tensors.opaque(run, found.framework, [found], f"`{where.written}` is a statistic of the output",
                              shape=shape)  # fmt: skip
        made = tensors.remembering(made, [found], where)
        if how == "mean" and isinstance(along, (int, tuple)):
            made = tensors.averaged(found, made, shape)
        told = divergences.reduced(found, made, how, along, where)
        summed = overlaps.reduced(found, told, how, where, whole=along is None)
        return critics.averaged(found, summed, how, where)
    if not isinstance(found, Array):
        return Unknown(f"what `{where.written}` gives", where)
    hull, reach = found.values.hull, found.values.reach
    values = ValueRange(hull)
    if how == "max" and whole and reach is not None and math.isfinite(hull.hi) and reach.hi >= hull.hi:
        values = ValueRange.exactly(Interval(hull.hi, hull.hi))
    elif how == "min" and whole and reach is not None and math.isfinite(hull.lo) and reach.lo <= hull.lo:
        values = ValueRange.exactly(Interval(hull.lo, hull.lo))
    elif how in {"std", "var"}:
        values = ValueRange(Interval(0.0, math.inf))
    elif how == "sum":
        values = _summed(found, along)
    if how == "mean" and hull.width == 0:
        values = found.values
    if how in {"mean", "sum"} and not whole and hull.width > 0:
        values = ValueRange(values.hull, random_numbers.summed(found, how, _terms(found, along)))
    return replace(
        found, values=values, statistic=how, shape=indexing.reduced(found.shape, along, keep=keep),
        structure=Structure.UNKNOWN, random=False, trail=(), where=where, dtype="float64", source=None,
        why=found.why or f"`{where.written}` is computed from the data",
    )  # fmt: skip


def _terms(array: Array, axis: object) -> int | None:
    """How many values a statistic along ``axis`` is taken of; None where that is not known, or of all of them."""
    left = indexing.reduced(array.shape, axis)
    if array.shape is None or left is None or axis is None or None in array.shape[1:]:
        return None
    places = axis if isinstance(axis, tuple) else (axis,)
    extents = [array.shape[place] for place in places if isinstance(place, int)]
    return None if None in extents else math.prod(extent for extent in extents if extent is not None)


def _summed(array: Array, axis: object) -> ValueRange:
    """Where the sum of an array along ``axis`` (None: all) lies: as many times its ends as there are terms."""
    hull = array.values.hull
    count = _terms(array, axis)
    if count is None:
        lo = 0.0 if hull.lo >= 0 else -math.inf
        hi = 0.0 if hull.hi <= 0 else math.inf
        return ValueRange(Interval(lo, hi))
    return ValueRange(hull.affine(float(count), 0.0))


def mapped(run: Evaluator, value: Value | None, name: str, where: Where, *, framework: Framework | None = None,
           written: str | None = None, parameters: dict[str, Any] | None = None, axis: int | None = None
           ) -> Value:  # fmt: skip
    """An activation function by canonical name, on a tensor (a head) or on data."""
    found = data(run, value)
    if isinstance(found, Difference):
        bare = found.power == 1.0 and not found.absolute
        found = tensors.as_tensor(found) if bare else losses.reduced(run, found, "none", where)
    if isinstance(found, Tensor):
        return tensors.activated(
            run, found, name, where, framework=framework or found.framework, written=written, parameters=parameters,
            axis=axis,
        )  # fmt: skip
    if isinstance(found, Array):
        activation = find_activation(name, **(parameters or {}))
        if activation is None:
            return arrays.unknown_array(run, f"the values of `{where.written}`", where)
        values = activation.range_of(ActivationRange(found.values)).values
        return arrays.recast(found, values, f"{name}()", where, why=found.why if values.unknown else None)
    if isinstance(found, LossValue):
        return losses.bent(found)
    return Unknown(f"what `{where.written}` gives", where)


def clipped(run: Evaluator, value: Value | None, lo: float | None, hi: float | None, where: Where) -> Value:
    """``clip`` of data or of an output, by ends as :func:`bound` gives them."""
    found = data(run, value)
    if isinstance(found, Array):
        return arrays.clipped(found, lo, hi, f"clip to [{_end(lo)}, {_end(hi)}]", where)
    if isinstance(found, Tensor):
        return tensors.clipped(found, lo, hi)
    return found or Unknown(f"what `{where.written}` gives", where)


def extreme(run: Evaluator, first: Value, second: Value, where: Where, *, upper: bool) -> Value:
    """The lesser (``upper``: neither is passed) or the greater of two values, place by place."""
    for bound_, other in ((second, first), (first, second)):
        known = constant_number(bound_)
        if known is not None:
            return clipped(run, other, None if upper else known, known if upper else None, where)
    one, two = data(run, first), data(run, second)
    if isinstance(one, Array) and isinstance(two, Array):
        hulls = one.values.hull, two.values.hull
        pick = min if upper else max
        values = ValueRange(Interval(pick(hull.lo for hull in hulls), pick(hull.hi for hull in hulls)))
        return replace(arrays.unknown_array(run, f"the values of `{where.written}`", where), values=values,
                       shape=indexing.together(one.shape, two.shape))  # fmt: skip
    found = [value for value in (one, two) if isinstance(value, Tensor)]
    if not found:
        return Unknown(f"what `{where.written}` gives", where)
    made = tensors.opaque(run, found[0].framework, found, f"`{where.written}` is not known")
    target = two if found[0] is one else one
    return tensor_arithmetic.meeting(run, made, found[0], target, where) if isinstance(target, Array) else made


def bound(value: Value | None) -> float | None:
    """An end of a clip: None where none is given, NaN where it is given and not known."""
    if value is None or (isinstance(value, Const) and value.value is None):
        return None
    known = number(value)
    return math.nan if known is None else known


def _end(value: float | None) -> str:
    return "?" if value is None or math.isnan(value) else arrays.short(value)


def squared(run: Evaluator, value: Value | None, where: Where) -> Value:
    """``square`` of data, an output, or an error."""
    found = data(run, value)
    if isinstance(found, Difference):
        return losses.squared(found, where)
    if isinstance(found, Tensor):
        return tensor_arithmetic.squared(run, found, where)
    if isinstance(found, Array):
        return operators.binary(run, "**", found, Const(2), where)
    return found or Unknown(f"what `{where.written}` gives", where)


def rooted(run: Evaluator, value: Value | None, where: Where) -> Value:
    """``sqrt`` of data, an output, an error or a loss."""
    found = data(run, value)
    if isinstance(found, LossValue):
        return losses.rooted(found)
    if found is None:
        return Unknown(f"what `{where.written}` gives", where)
    return operators.binary(run, "**", found, Const(0.5), where)


def absolute(run: Evaluator, value: Value | None, where: Where) -> Value:
    """``abs`` of data, an output, or an error."""
    found = data(run, value)
    if isinstance(found, Difference):
        return losses.absolute(found, where)
    if isinstance(found, Array) and found.values.hull.lo < 0:
        top = max(abs(found.values.hull.lo), abs(found.values.hull.hi))
        return arrays.recast(found, ValueRange(Interval(0.0, top)), arrays.ABSOLUTE, where, why=found.why)
    if isinstance(found, Tensor):
        return mapped(run, found, "absolute", where)
    return found or Unknown(f"what `{where.written}` gives", where)


def logarithm(run: Evaluator, value: Value | None, where: Where, name: str = "log") -> Value:
    """``log``, ``log1p``, ``log2`` or ``log10`` of data or of an output."""
    found = data(run, value)
    if isinstance(found, Tensor):
        return tensors.logarithm(found, where, name)
    if isinstance(found, Array):
        drawn = random_numbers.surely(found.values) if found.random else found.values
        values = tensors.in_logarithms(ActivationRange(drawn), name).values
        why = found.why or ("a logarithm of the data" if values.unknown else None)
        return arrays.recast(found, values, f"{name}()", where, why=why)
    return found or Unknown(f"what `{where.written}` gives", where)


def binary(run: Evaluator, symbol: str, call: Call) -> Value:
    """A function form of an operator: ``np.subtract(a, b)``."""
    if len(call.args) < 2:
        return Unknown("an operation with one operand", call.where)
    return operators.binary(run, symbol, call.args[0], call.args[1], call.where)


def joined(run: Evaluator, value: Value | None, where: Where, framework: Framework) -> Value:
    """Concatenation or stacking of a sequence of arrays or tensors."""
    if value is None:
        return Unknown("a concatenation of nothing", where)
    items, rest = run.iterate(value, where)
    parts = [*items, *([] if rest is None else [rest])]
    if any(isinstance(part, Tensor) for part in parts):
        return tensors.concatenated(run, parts, where, framework)
    found = [array for array in (run.as_array(part) for part in parts) if array is not None]
    if not found or len(found) != len(parts):
        return Unknown("a concatenation of values of unknown kind", where)
    if len(found) == 1:
        return replace(found[0], shape=None)
    return arrays.concatenated(run, found)


def cast(run: Evaluator, value: Value | None, dtype: str | None, where: Where) -> Value:
    """The same values as another type; ``bool`` makes 0 and 1."""
    found = data(run, value)
    if not isinstance(found, Array):
        return found or Unknown(f"what `{where.written}` gives", where)
    if dtype == "bool":
        return replace(arrays.thresholded(found, "astype(bool)", where), dtype="bool")
    if dtype is None:
        return found
    whole = dtype.startswith(("int", "uint", "long"))
    if whole and found.dtype is not None and found.dtype.startswith("f") and found.values.hull.width < math.inf:
        floor = found.values.increasing(lambda i: Interval(math.trunc(i.lo), math.trunc(i.hi)))
        made = replace(found, dtype=dtype, values=ValueRange(floor.hull))
    else:
        made = replace(found, dtype=dtype)
    return unsigned.cast(found, made, where) if dtype == "uint8" else made


def random(run: Evaluator, call: Call, values: ValueRange, shape: Shape, what: str) -> Array:
    """An array drawn at random."""
    return Array(
        values=values,
        shape=shape,
        dtype="float64",
        root=run.fresh(),
        random=True,
        where=call.where,
        source=what,
        synthetic=True,
    )


def normal(run: Evaluator, call: Call, mean: float | None, std: float | None, shape: Shape, what: str) -> Array:
    """Normally distributed noise."""
    centre, width = 0.0 if mean is None else mean, 1.0 if std is None else std
    many = shape != () and math.isfinite(centre) and math.isfinite(width)
    values = random_numbers.normal_values(shape).affine(abs(width), centre) if many else ValueRange()
    made = random(run, call, values, shape, what)
    return replace(made, standardised=Tri.of((centre, width) == (0.0, 1.0)))


def constant_number(value: Value | None) -> float | None:
    """A number that the program fixes."""
    return number(value)

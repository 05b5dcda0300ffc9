"""Arithmetic on tensors, reductions, and picks: ``x.mul(y)``, ``torch.mean(x)``, ``F.one_hot(labels)``."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import (
    array_api,
    arrays,
    comparisons,
    critics,
    cross_entropies,
    divergences,
    indexing,
    losses,
    operators,
    overlaps,
    tensors,
)
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    Array,
    Const,
    Difference,
    Library,
    LossValue,
    Seq,
    Tensor,
    Unknown,
    Value,
    number,
)
from ae_audit.static.knowledge.torch import functional as names
from ae_audit.static.knowledge.torch import heads
from ae_audit.static.knowledge.torch.declare import carried, operation
from ae_audit.theory.activations import canonical
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

# -- arithmetic ------------------------------------------------------------------------------------------------------


@operation(*names.BINARY)
def binary(run: Run, value: Value, call: Call, name: str) -> Value:
    """``torch.add(x, y, alpha=…)``, ``x.mul(y)``."""
    other = call.get(0, "other", "exponent")
    if other is None:
        return Unknown(f"`{name}`", call.where)
    alpha = call.get(None, "alpha")
    if alpha is not None:
        other = operators.binary(run, "*", other, alpha, call.where)
    return operators.binary(run, names.BINARY[name], value, other, call.where)


@operation("rsub")
def reversed_subtraction(run: Run, value: Value, call: Call, name: str) -> Value:
    """``torch.rsub(x, y)`` is ``y - x``."""
    other = call.get(0, "other")
    return Unknown(name, call.where) if other is None else operators.binary(run, "-", other, value, call.where)


@operation("neg", "negative")
def negate(run: Run, value: Value, call: Call, name: str) -> Value:
    """``-x``."""
    return operators.negate(run, value, call.where)


@operation("square")
def square(run: Run, value: Value, call: Call, name: str) -> Value:
    """``x ** 2``."""
    return operators.binary(run, "**", value, Const(2), call.where)


@operation("sqrt")
def root(run: Run, value: Value, call: Call, name: str) -> Value:
    """``x ** 0.5``."""
    return array_api.rooted(run, value, call.where)


@operation("abs", "absolute")
def absolute(run: Run, value: Value, call: Call, name: str) -> Value:
    """``|x|``; of an error, the absolute error."""
    if isinstance(value, Difference):
        return losses.absolute(value, call.where)
    return _elementwise(run, value, "abs", call)


@operation("log", "log1p", "log2", "log10")
def logarithm(run: Run, value: Value, call: Call, name: str) -> Value:
    """``log(x)``: of a prediction, perhaps half of a cross-entropy written out."""
    if isinstance(value, (Array, Tensor)):
        return array_api.logarithm(run, value, call.where, name)
    return _elementwise(run, value, name, call)


@operation("exp", "sin", "cos", "erf", "atan", "arctan", "expm1", "sign", "floor", "ceil")
@operation("cumsum", "cumprod", "lgamma", "digamma", "erfc", "erfinv", "exp2", "acosh", "asinh", "atanh", "sgn")
@operation("round", "reciprocal", "rsqrt", "sinh", "cosh", "tan", "asin", "acos", "frac", "trunc")
def unary(run: Run, value: Value, call: Call, name: str) -> Value:
    """Other functions of one number."""
    return _elementwise(run, value, name, call)


_BENDING = frozenset({"exp", "exp2", "expm1", "sin", "cos", "tan", "erf", "reciprocal", "rsqrt", "tanh", "sigmoid"})
"""functions of a loss that make another one of it, least for who knows which prediction"""


def _elementwise(run: Run, value: Value, name: str, call: Call) -> Value:
    if isinstance(value, LossValue) and name == "log10":
        losses.decibels(run, value, call.where)
    if isinstance(value, Difference) and name in _BENDING and (value.absolute or value.power != 1.0):
        value = losses.reduced(run, value, "none", call.where)
    if isinstance(value, LossValue) and name in _BENDING:
        return losses.exponential(value) if name == "exp" else losses.bent(value)
    if isinstance(value, (LossValue, Difference)):
        return value
    found = carried(run, value)
    if found is None:
        return Unknown(f"`{name}`", call.where)
    known = canonical("torch", f"torch.nn.functional.{name}")
    if known is not None:
        return heads.activated(run, found, known[0], known[1], call.where)
    if isinstance(found, Tensor):
        return heads.undetermined(run, found, f"the range of `{call.where.written}`", call.where)
    return replace(
        found,
        values=ValueRange(),
        scale=None,
        shift=None,
        scalings=(*found.scalings, name),
        why=f"the range of `{name}`",
    )


@operation("clamp", "clip", "clamp_min", "clamp_max")
def clamp(run: Run, value: Value, call: Call, name: str) -> Value:
    """``x.clamp(lo, hi)``."""
    if isinstance(value, (LossValue, Difference)):
        return value
    lo = array_api.bound(call.get(0, "min")) if name != "clamp_max" else None
    hi = array_api.bound(call.get(1, "max")) if name in {"clamp", "clip"} else None
    if name == "clamp_max":
        hi = array_api.bound(call.get(0, "max"))
    found = carried(run, value)
    if isinstance(found, Tensor):
        return tensors.clipped(found, lo, hi)
    if found is None:
        return Unknown(f"`{name}`", call.where)
    return arrays.clipped(found, lo, hi, f"`{call.where.written}`", call.where)


@operation(*names.COMPARISONS)
def compare(run: Run, value: Value, call: Call, name: str) -> Value:
    """Truth values, no gradient."""
    other = call.get(0, "other")
    if name in {"eq", "equal"} and other is not None:
        operators.note_agreement(run, value, other, call.where)
    if isinstance(value, Array):
        equal = name in {"eq", "ne", "not_equal"}
        compared = arrays.thresholded(value, f"the comparison `{call.where.written}`", call.where, equal=equal)
        compared = replace(compared, dtype="bool")
        return comparisons.of_both(compared, value, other) if isinstance(other, Array) else compared
    return Unknown("a test on values", call.where)


@operation("where")
def where(run: Run, value: Value, call: Call, name: str) -> Value:
    """``torch.where(condition, a, b)``, and ``a.where(condition, b)``."""
    if len(call.args) < 2:
        return Unknown("a choice between values", call.where)
    first, second = call.args[0], call.args[1]
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        made = heads.undetermined(run, Seq([first, second]), "a choice between values", call.where)
        return tensors.remembering(made, [first, second], call.where) if isinstance(made, Tensor) else made
    one, other = run.as_array(first), run.as_array(second)
    if one is None or other is None:
        return Unknown("a choice between values", call.where)
    shapes = {found.shape for found in (run.as_array(value), one, other) if found is not None} - {()}
    return replace(one, values=one.values.either(other.values), root=run.fresh(), structure=Structure.UNKNOWN,
                   shape=shapes.pop() if len(shapes) == 1 else None)  # fmt: skip


_FILLER = {"fill": 0, "masked_fill": 1, "masked_scatter": 1, "index_fill": 2}


@operation(*_FILLER)
def masked_fill(run: Run, value: Value, call: Call, name: str) -> Value:
    """Some values replaced by others: a corrupted form of the same data."""
    if not isinstance(value, Array):
        return value
    given = call.get(_FILLER[name], "value", "source")
    filler = None if given is None else run.as_array(given)
    new = ValueRange() if filler is None else filler.values
    if name == "fill":
        return replace(value, values=new, scale=None, shift=None)
    mask = call.get(0, "mask")
    by_value = isinstance(mask, Array) and mask.root == value.root  # perhaps just those that were known to occur
    spread = ValueRange(value.values.hull.hull(new.hull), None if by_value else value.values.reach)
    return replace(value, values=spread, noise=(*value.noise, run.fresh()))


# -- reductions and picks --------------------------------------------------------------------------------------------


@operation(*names.REDUCING)
def reduce(run: Run, value: Value, call: Call, name: str) -> Value:
    """``mean``, ``sum``, ``max`` …: of a loss expression its reduction, of data a statistic."""
    if isinstance(value, (LossValue, Difference)):
        if name in {"mean", "sum", "nanmean", "nansum"}:
            return losses.reduced(run, value, name.removeprefix("nan"), call.where, array_api.axis_of(call, 0))
        return value
    judged = cross_entropies.certain(run, value, call.where) if name in {"mean", "sum"} else None
    if judged is not None:
        return losses.reduced(run, judged, name, call.where, array_api.axis_of(call, 0))
    along = call.get(0, "dim", "axis")
    if name in {"max", "min"} and isinstance(call.get(0, "other"), (Array, Tensor, Unknown, Difference)):
        return extreme_of_two(run, value, call, name)
    if name in {"max", "min", "median", "mode"} and isinstance(along, Const) and isinstance(along.value, int):
        found = carried(run, value)
        shape = None if found is None else indexing.reduced(heads.shape_of(found), along.value, keep=_keeps(call))
        picked: Value = heads.moved(found, shape) if found is not None else Unknown(f"`{name}`", call.where)
        return Seq([picked, Unknown("the index of an extreme value", call.where)], "tuple")
    if isinstance(value, Tensor):
        made = heads.undetermined(run, value, f"`{call.where.written}` is a statistic of an output", call.where)
        axis = array_api.axis_of(call, 0)
        if isinstance(made, Tensor):
            shape = indexing.reduced(value.head.shape, axis, keep=_keeps(call))
            made = tensors.remembering(replace(made, head=replace(made.head, shape=shape)), [value], call.where)
            if name == "mean" and isinstance(axis, (int, tuple)):
                made = tensors.averaged(value, made, shape)
        told = divergences.reduced(value, made, name, axis, call.where)
        summed = overlaps.reduced(value, told, name, call.where, whole=axis is None)
        return critics.averaged(value, summed, name, call.where)
    array = run.as_array(value)
    if array is None:
        return Unknown(f"`{name}`", call.where)
    return run.call(Library(f"numpy.{name}"), Call(call.where, [array, *call.args], call.kwargs, call.open))


def _keeps(call: Call) -> bool:
    return call.constant(1, "keepdim", "keepdims") is True


@operation("maximum", "minimum", "fmax", "fmin")
def extreme_of_two(run: Run, value: Value, call: Call, name: str) -> Value:
    """``torch.maximum(x, y)``, the larger of two values place by place."""
    other = call.get(0, "other")
    if other is None:
        return Unknown(f"`{name}`", call.where)
    return array_api.extreme(run, value, other, call.where, upper="min" in name)


@operation(*names.CLASS_PICKING)
def pick(run: Run, value: Value, call: Call, name: str) -> Value:
    """An index: no gradient, no head."""
    return Unknown(f"the index that `{name}` picks", call.where)


@operation("one_hot")
def one_hot(run: Run, value: Value, call: Call, name: str) -> Value:
    """``F.one_hot(labels, classes)``."""
    classes = call.constant(0, "num_classes")
    classes = classes if isinstance(classes, int) and classes > 0 else None
    array = carried(run, value)
    if not isinstance(array, Array):
        return Unknown("one-hot vectors of a prediction", call.where)
    return replace(
        array,
        values=ValueRange.exactly(UNIT),
        dtype="int64",
        shape=None if array.shape is None else (*array.shape, classes),
        structure=Structure.ONE_HOT,
        structure_axis=-1,
        scale=None,
        shift=None,
    )


@operation("scatter", "scatter_add")
def scatter(run: Run, value: Value, call: Call, name: str) -> Value:
    """``zeros.scatter_(1, labels, 1)`` makes one-hot vectors."""
    axis, index, source = call.constant(0, "dim"), call.get(1, "index"), number(call.get(2, "src", "value"))
    labels = run.as_array(index) if index is not None and not isinstance(index, Tensor) else None
    if isinstance(value, Array) and labels is not None and source == 1.0 and isinstance(axis, int):
        return replace(
            labels,
            values=ValueRange.exactly(UNIT),
            dtype="float32",
            shape=value.shape,
            structure=Structure.ONE_HOT,
            structure_axis=axis,
            scale=None,
            shift=None,
        )
    return value


@operation("bernoulli")
def bernoulli(run: Run, value: Value, call: Call, name: str) -> Value:
    """``torch.bernoulli(x)``: each value drawn with the probability that it states."""
    if isinstance(value, Array):
        return replace(arrays.thresholded(value, f"`{call.where.written}` draws 0 or 1", call.where), dtype=value.dtype)
    return Unknown("values drawn at random", call.where)

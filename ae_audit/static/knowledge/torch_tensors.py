"""Operations on tensors: functions of ``torch`` and ``torch.nn.functional``, methods of ``Tensor``.

An operation is written once as ``operation(run, value, call, name)``, where ``call`` holds the arguments after the
tensor itself; it is registered as a function, as a method, and with a trailing underscore.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ae_audit.static import arrays, losses, operators, tensors
from ae_audit.static.arguments import Call
from ae_audit.static.knowledge import torch_functional as names
from ae_audit.static.knowledge import torch_heads as heads
from ae_audit.static.knowledge.torch_layers import LAYERS
from ae_audit.static.knowledge.torch_modules import Given, layer_shape, merged_parameters
from ae_audit.static.knowledge.torch_rearranging import rearranged
from ae_audit.static.knowledge.torchvision_steps import dtype_name
from ae_audit.static.registry import Table
from ae_audit.static.values import (
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
    python,
)
from ae_audit.theory.activations import ActivationRange, arguments, canonical
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import ValueRange
from ae_audit.training_setup import Framework, Structure

if TYPE_CHECKING:
    from ae_audit.static.interpreter import Run

TABLE = Table("torch tensors")
Operation = Callable[["Run", Value, Call, str], Value]

OPERATIONS: dict[str, Operation] = {}
FUNCTION_MODULES = ("torch", "torch.nn.functional", "torch.Tensor", "torch.special", "torch.linalg")
INTEGER_DTYPES = ("int", "uint", "bool")


def operation(*given: str) -> Callable[[Operation], Operation]:
    """Register an operation under its names."""

    def register(handler: Operation) -> Operation:
        for name in given:
            OPERATIONS[name] = handler
        return handler

    return register


def apply(run: Run, name: str, value: Value, call: Call) -> Value:
    """An operation by name, on a value of any kind."""
    plain = name.rstrip("_") if not name.startswith("_") else name
    handler = OPERATIONS.get(name) or OPERATIONS.get(plain)
    if handler is None:
        return heads.undetermined(run, value, f"what «{name}» returns is not known", call.where)
    return handler(run, value, call, plain)


def _as_function(name: str) -> Callable[[Run, Call], Value]:
    def handler(run: Run, call: Call) -> Value:
        value = call.get(0, "input", "x", "tensors", "self")
        if value is None:
            return Unknown(f"the argument of «{name}»", call.where)
        return apply(run, name, value, call.without_first() if call.args else call)

    return handler


def _as_method(name: str) -> Callable[[Run, Any, Call], Value]:
    def handler(run: Run, receiver: Any, call: Call) -> Value:
        return apply(run, name, receiver, call)

    return handler


def carried(run: Run, value: Value) -> Array | Tensor | None:
    """Data or a tensor of the network."""
    return heads.carried(run, value)


# -- the same values -------------------------------------------------------------------------------------------------


@operation(*names.SAME_VALUES)
def same(run: Run, value: Value, call: Call, name: str) -> Value:
    """The tensor itself, perhaps as another dtype."""
    if isinstance(value, Array) and name in {"to", "type", "type_as"}:
        for argument in call.values():
            dtype = dtype_name(argument) or _tensor_type(argument)
            if dtype is not None:
                return cast(run, value, dtype, call)
            if isinstance(argument, Array) and argument.dtype is not None:
                return cast(run, value, argument.dtype, call)
    if isinstance(value, (Tensor, Array, LossValue, Difference)):
        return value
    return run.as_array(value) or value


def _tensor_type(value: Value) -> str | None:
    if isinstance(value, Library):
        return names.TENSOR_TYPES.get(value.name.rpartition(".")[2])
    if isinstance(value, Const) and isinstance(value.value, str) and value.value.startswith("torch."):
        return names.TENSOR_TYPES.get(value.value.rpartition(".")[2])
    return None


def cast(run: Run, value: Value, dtype: str, call: Call) -> Value:
    """Another dtype; integers lose the fraction, and with it whatever lay between 0 and 1."""
    if not isinstance(value, Array):
        return value
    was_float = value.dtype is None or value.dtype.startswith(("float", "bfloat"))
    if not dtype.startswith(INTEGER_DTYPES) or not was_float or value.values.unknown:
        return replace(value, dtype=dtype)
    if dtype == "bool":
        return replace(arrays.thresholded(run, value, f"«{call.where.written}»", call.where), dtype="bool")
    made = arrays.increasing(value, _truncated, f"«{call.where.written}» drops the fraction", call.where)
    return replace(made, dtype=dtype, structure=value.structure)


def _truncated(interval: Interval) -> Interval:
    lo, hi = (float(int(end)) if abs(end) < 1e15 else end for end in (interval.lo, interval.hi))
    return Interval(lo, hi)


def _caster(dtype: str) -> Operation:
    def handler(run: Run, value: Value, call: Call, name: str) -> Value:
        array = value if isinstance(value, (Array, Tensor, LossValue, Difference)) else run.as_array(value)
        return value if array is None else cast(run, array, dtype, call)

    return handler


for _name, _dtype in names.CAST_METHODS.items():
    OPERATIONS[_name] = _caster(_dtype)


# -- places ----------------------------------------------------------------------------------------------------------


@operation(*names.REARRANGING)
def rearrange(run: Run, value: Value, call: Call, name: str) -> Value:
    """The same values at other places."""
    if isinstance(value, (LossValue, Difference)):
        return value
    found = carried(run, value)
    return Unknown(f"«{name}»", call.where) if found is None else rearranged(run, found, call, name)


@operation(*names.SELECTING)
def select(run: Run, value: Value, call: Call, name: str) -> Value:
    """Some of the values."""
    if isinstance(value, (LossValue, Difference)):
        return value
    found = carried(run, value)
    if found is None:
        return Unknown(f"«{name}»", call.where)
    if "pool" in name:
        return _pooled(found, call, name)
    part = heads.moved(found, None)
    if name not in names.SPLITTING:
        return part
    count = call.constant(0, "chunks", "sections")
    if name in {"chunk", "tensor_split"} and isinstance(count, int) and 0 < count <= 16:
        return Seq([part] * count, "tuple")
    return Seq([], "tuple", rest=part)


@operation(*names.AVERAGING)
def average(run: Run, value: Value, call: Call, name: str) -> Value:
    """Averages of neighbours."""
    found = carried(run, value)
    return Unknown(f"«{name}»", call.where) if found is None else _pooled(found, call, name)


def _pooled(value: Array | Tensor, call: Call, name: str) -> Value:
    layer = "".join(part.capitalize() for part in name.split("_")).replace("pool", "Pool")
    spec = LAYERS.get(layer)
    shape = None if spec is None else layer_shape(layer, spec, Given(call, spec.signature), heads.shape_of(value))
    return heads.passed(value, layer, shape)


@operation("interpolate", "upsample")
def interpolate(run: Run, value: Value, call: Call, name: str) -> Value:
    """``F.interpolate``: copies or averages, except that bicubic overshoots."""
    found = carried(run, value)
    if found is None:
        return Unknown(f"«{name}»", call.where)
    spec = LAYERS["Upsample"]
    shape = layer_shape("Upsample", spec, Given(call, spec.signature), heads.shape_of(found))
    if call.constant(2, "mode", default="nearest") == "bicubic" and isinstance(found, Tensor):
        return heads.weighed(run, found, "interpolate", shape, call.where)
    return heads.passed(found, "interpolate", shape)


@operation("pad")
def pad(run: Run, value: Value, call: Call, name: str) -> Value:
    """``F.pad``: a constant round the edge, or the edge itself again."""
    found = carried(run, value)
    if found is None:
        return Unknown(f"«{name}»", call.where)
    if call.constant(1, "mode", default="constant") != "constant":
        return heads.passed(found, "pad", None)
    edge = call.number(2, "value", default=0.0)
    around = Interval(edge or 0.0, edge or 0.0)
    if isinstance(found, Array):
        return replace(found, values=ValueRange(found.values.hull.hull(around), found.values.reach), shape=None)
    values = found.head.range.values
    spread = ActivationRange(ValueRange(values.hull.hull(around), values.reach))
    return tensors.spread(found, "pad", spread, call.where)


@operation(*names.JOINING)
def join(run: Run, value: Value, call: Call, name: str) -> Value:
    """``cat`` and ``stack``."""
    items, rest = run.iterate(value, call.where)
    parts = [*items, *([] if rest is None else [rest])]
    if not parts:
        return Unknown("nothing joined", call.where)
    if any(isinstance(part, Tensor) for part in parts):
        return tensors.concatenated(run, parts, call.where, Framework.TORCH)
    found = [array for array in (run.as_array(part) for part in parts) if array is not None]
    if len(found) != len(parts):
        return Unknown("things joined that are no tensors", call.where)
    made = found[0] if len(found) == 1 else arrays.concatenated(run, found, call.where)
    first = found[0].shape
    if name == "stack":
        count = len(parts) if rest is None else None
        return replace(made, shape=None if first is None else (count, *first))
    axis = call.constant(0, "dim", "axis", default=0)
    if first is None or not isinstance(axis, int) or not -len(first) <= axis < len(first):
        return replace(made, shape=None)
    place = axis % len(first)
    return replace(made, shape=(*first[:place], None, *first[place + 1 :]))


# -- layers as functions ---------------------------------------------------------------------------------------------


@operation(*names.WEIGHING)
def weigh(run: Run, value: Value, call: Call, name: str) -> Value:
    """Sums of products: any real number, where weights take part; of data alone, something unknown."""
    given = [value, *call.values()]
    if not any(run.find_tensors(item) for item in given) and not _has_weights(call, name):
        found = [item for item in given if isinstance(item, Array)]
        why = f"what «{name}» makes of data"
        return arrays.unknown_array(run, why, call.where, found[0].source if found else None)
    feeding = [item for item in given if isinstance(item, Tensor) and item.fed]
    first: Value = value if not feeding else feeding[0]
    if feeding and isinstance(value, Array):
        first = tensors.entering(run, Framework.TORCH, [value, *feeding])
    return heads.weighed(run, first, name, None, call.where)


def _has_weights(call: Call, name: str) -> bool:
    return name in {"linear", "embedding", "embedding_bag", "bilinear"} or name.startswith("conv")


@operation(*names.NORMALISING)
def normalise(run: Run, value: Value, call: Call, name: str) -> Value:
    """Normalisation layers as functions."""
    found = carried(run, value)
    return Unknown(name, call.where) if found is None else heads.normalised(run, found, name, call.where)


@operation(*names.DROPPING)
def drop(run: Run, value: Value, call: Call, name: str) -> Value:
    """``F.dropout(x, p)``."""
    found = carried(run, value)
    if found is None:
        return Unknown(name, call.where)
    return heads.dropped(run, found, name, call.number(0, "p", default=0.5), call.where)


@operation(*names.ACTIVATIONS, "normalize")
def activate(run: Run, value: Value, call: Call, name: str) -> Value:
    """Activation functions."""
    found = heads.output(run, value)
    symbol = f"torch.nn.functional.{_FUNCTION_NAMES.get(name, name)}"
    known = canonical("torch", symbol)
    if found is None or known is None:
        return heads.undetermined(run, value, f"what «{name}» returns is not known", call.where)
    order = tuple(item for item in arguments("torch", symbol) or () if item != "input")
    return heads.activated(run, found, known[0], merged_parameters(call, order, known[1]), call.where)


_FUNCTION_NAMES = {"expit": "sigmoid", "log_sigmoid": "logsigmoid"}


# -- arithmetic ------------------------------------------------------------------------------------------------------


@operation(*names.BINARY)
def binary(run: Run, value: Value, call: Call, name: str) -> Value:
    """``torch.add(x, y, alpha=…)``, ``x.mul(y)``."""
    other = call.get(0, "other", "exponent")
    if other is None:
        return Unknown(f"«{name}»", call.where)
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
    """``x ** 0.5``; the root of a loss is smallest where the loss is."""
    if isinstance(value, LossValue):
        return value
    return operators.binary(run, "**", value, Const(0.5), call.where)


@operation("abs", "absolute")
def absolute(run: Run, value: Value, call: Call, name: str) -> Value:
    """``|x|``; of an error, the absolute error."""
    if isinstance(value, Difference):
        return losses.absolute(value, call.where)
    return _elementwise(run, value, "abs", call)


@operation("log")
def logarithm(run: Run, value: Value, call: Call, name: str) -> Value:
    """``log(x)``: of a prediction, perhaps half of a cross-entropy written out."""
    if isinstance(value, Tensor):
        return tensors.logarithm(value, call.where)
    return _elementwise(run, value, "log", call)


@operation("exp", "sin", "cos", "erf", "atan", "arctan", "log1p", "log2", "log10", "expm1", "sign", "floor", "ceil")
@operation("round", "reciprocal", "rsqrt", "sinh", "cosh", "tan", "asin", "acos", "frac", "trunc")
def unary(run: Run, value: Value, call: Call, name: str) -> Value:
    """Other functions of one number."""
    return _elementwise(run, value, name, call)


def _elementwise(run: Run, value: Value, name: str, call: Call) -> Value:
    if isinstance(value, (LossValue, Difference)):
        return value
    found = carried(run, value)
    if found is None:
        return Unknown(f"«{name}»", call.where)
    known = canonical("torch", f"torch.nn.functional.{name}")
    if known is not None:
        return heads.activated(run, found, known[0], known[1], call.where)
    if isinstance(found, Tensor):
        return heads.undetermined(run, found, f"the range of «{call.where.written}»", call.where)
    return replace(
        found,
        values=ValueRange(),
        scale=None,
        shift=None,
        scalings=(*found.scalings, name),
        why=f"the range of «{name}»",
    )


@operation("clamp", "clip", "clamp_min", "clamp_max")
def clamp(run: Run, value: Value, call: Call, name: str) -> Value:
    """``x.clamp(lo, hi)``."""
    if isinstance(value, (LossValue, Difference)):
        return value
    lo = number(call.get(0, "min")) if name != "clamp_max" else None
    hi = number(call.get(1, "max")) if name in {"clamp", "clip"} else None
    if name == "clamp_max":
        hi = number(call.get(0, "max"))
    found = carried(run, value)
    if isinstance(found, Tensor):
        return tensors.clipped(found, lo, hi, call.where)
    if found is None:
        return Unknown(f"«{name}»", call.where)
    return arrays.clipped(found, lo, hi, f"«{call.where.written}»", call.where)


@operation(*names.COMPARISONS)
def compare(run: Run, value: Value, call: Call, name: str) -> Value:
    """Truth values, no gradient."""
    if isinstance(value, Array):
        return replace(arrays.thresholded(run, value, f"«{call.where.written}» thresholds", call.where), dtype="bool")
    return Unknown("a test on values", call.where)


@operation("where")
def where(run: Run, value: Value, call: Call, name: str) -> Value:
    """``torch.where(condition, a, b)``, and ``a.where(condition, b)``."""
    if len(call.args) < 2:
        return Unknown("a choice between values", call.where)
    first, second = call.args[0], call.args[1]
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        return heads.undetermined(run, Seq([first, second]), "a choice between values", call.where)
    one, other = run.as_array(first), run.as_array(second)
    if one is None or other is None:
        return Unknown("a choice between values", call.where)
    return replace(one, values=one.values.either(other.values), root=run.fresh(), structure=Structure.UNKNOWN)


@operation("masked_fill", "fill", "index_fill", "masked_scatter")
def masked_fill(run: Run, value: Value, call: Call, name: str) -> Value:
    """Some values replaced by a constant: a corrupted form of the same data."""
    filled = number(call.args[-1]) if call.args else None
    if not isinstance(value, Array) or filled is None:
        return value
    around = Interval(filled, filled)
    if name == "fill":
        return replace(value, values=ValueRange.exactly(around), scale=None, shift=None)
    spread = ValueRange(value.values.hull.hull(around), value.values.reach)
    return replace(value, values=spread, noise=(*value.noise, run.fresh()))


# -- reductions and picks --------------------------------------------------------------------------------------------


@operation(*names.REDUCING)
def reduce(run: Run, value: Value, call: Call, name: str) -> Value:
    """``mean``, ``sum``, ``max`` …: of a loss expression its reduction, of data a statistic."""
    if isinstance(value, (LossValue, Difference)):
        if name in {"mean", "sum", "nanmean", "nansum"}:
            return losses.reduced(run, value, name.removeprefix("nan"), call.where)
        return value
    along = call.get(0, "dim", "axis")
    if name in {"max", "min", "median", "mode"} and isinstance(along, Const) and isinstance(along.value, int):
        found = carried(run, value)
        picked: Value = heads.moved(found, None) if found is not None else Unknown(f"«{name}»", call.where)
        return Seq([picked, Unknown("the index of an extreme value", call.where)], "tuple")
    if isinstance(value, Tensor):
        return heads.undetermined(run, value, f"«{call.where.written}» is a statistic of an output", call.where)
    array = run.as_array(value)
    if array is None:
        return Unknown(f"«{name}»", call.where)
    return run.call(Library(f"numpy.{name}"), Call(call.where, [array, *call.args], call.kwargs, call.open))


@operation(*names.CLASS_PICKING)
def pick(run: Run, value: Value, call: Call, name: str) -> Value:
    """An index: no gradient, no head."""
    return Unknown(f"the index that «{name}» picks", call.where)


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
        return replace(
            arrays.thresholded(run, value, f"«{call.where.written}» draws 0 or 1", call.where), dtype=value.dtype
        )
    return Unknown("values drawn at random", call.where)


@operation("shape", "size", "numel", "dim", "nelement", "ndimension", "stride", "element_size", "get_device")
def measured(run: Run, value: Value, call: Call, name: str) -> Value:
    """``x.size(0)``, ``x.size()``."""
    found = value if isinstance(value, (Array, Tensor)) else None
    shape = None if found is None else heads.shape_of(found)
    if shape is None:
        axis = call.constant(0, "dim")
        return Unknown("an extent" if isinstance(axis, int) or name != "size" else "a shape", call.where)
    if name in {"dim", "ndimension"}:
        return Const(len(shape))
    if name in {"numel", "nelement"}:
        total = 1
        for extent in shape:
            if extent is None:
                return Unknown("a number of values", call.where)
            total *= extent
        return Const(total)
    if name == "size":
        axis = python(call.get(0, "dim"))
        if isinstance(axis, int):
            extent = shape[axis] if -len(shape) <= axis < len(shape) else None
            return Unknown("an extent", call.where) if extent is None else Const(extent)
        return shape_value(shape)
    return Unknown(f"«{name}»", call.where)


def shape_value(shape: tuple[int | None, ...]) -> Seq:
    """A shape as a tuple."""
    return Seq([Unknown("an extent") if n is None else Const(n) for n in shape], "tuple")


@TABLE.attribute("tensor", "shape")
def tensor_shape(run: Run, receiver: Any) -> Value:
    """``x.shape`` of a tensor of the network."""
    shape = receiver.head.shape
    return Unknown("a shape") if shape is None else shape_value(shape)


@TABLE.attribute("tensor", "data", "grad_fn", "T", "mT", "real")
@TABLE.attribute("array", "data", "mT")
def tensor_data(run: Run, receiver: Any) -> Value:
    """``x.data``."""
    return receiver if isinstance(receiver, (Array, Tensor)) else Unknown("data")


@TABLE.attribute("tensor", "device", "dtype", "grad", "is_cuda", "requires_grad", "layout")
@TABLE.attribute("array", "device", "grad", "is_cuda", "requires_grad", "layout")
def tensor_part(run: Run, receiver: Any) -> Value:
    """Attributes that say nothing of the values."""
    return Unknown("an attribute of a tensor")


NUMPY_METHODS = names.names(
    """
    reshape mean sum max min std var squeeze transpose repeat clip tolist item fill sort argmax argmin argsort dot all
    any prod swapaxes take diagonal astype T shape size round copy ravel data median
    """
)
"""Methods that NumPy's arrays have as well; :mod:`ae_audit.static.knowledge.numpy_arrays` knows them."""


def register() -> None:
    """Enter every operation in the table under all its spellings."""
    for name in OPERATIONS:
        spellings = (name, f"{name}_") if not name.endswith("_") else (name,)
        for spelling in spellings:
            for module in FUNCTION_MODULES:
                TABLE.functions.setdefault(f"{module}.{spelling}", _as_function(spelling))
            if name in {"data", "T", "mT", "shape", "real"}:
                continue
            TABLE.methods["tensor", spelling] = _as_method(spelling)
            if spelling not in NUMPY_METHODS:
                TABLE.methods["array", spelling] = _as_method(spelling)
            if name in {"abs", "square", "pow", "sqrt", "mul", "div", "add", "sub", "neg"}:
                TABLE.methods["difference", spelling] = _as_method(spelling)
                TABLE.methods["lossvalue", spelling] = _as_method(spelling)


register()
for _name, _dtype in names.DTYPES.items():
    TABLE.constants[f"torch.{_name}"] = _dtype

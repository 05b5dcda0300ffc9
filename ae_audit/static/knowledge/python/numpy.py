"""NumPy: making, reshaping, scaling and summarising arrays; and the array methods that pandas and others share."""

from __future__ import annotations

import math
from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Structure
from ae_audit.static.domain import array_api, arrays, comparisons, indexing, losses
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.array_shapes import moved_shape
from ae_audit.static.domain.dtypes import dtype_name
from ae_audit.static.domain.values import (
    COLUMNS,
    Array,
    Const,
    Difference,
    Library,
    LossValue,
    Seq,
    Tensor,
    Unknown,
    Value,
    python,
)
from ae_audit.static.interpreter.registry import Table
from ae_audit.theory.intervals import REAL_LINE, UNIT, Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("numpy")
TABLE.aliases.update({"jax.numpy": "numpy", "cupy": "numpy", "tensorflow.experimental.numpy": "numpy",
                      "autograd.numpy": "numpy"})  # fmt: skip
TABLE.constants.update({"numpy.pi": math.pi, "numpy.e": math.e, "numpy.newaxis": None, "numpy.inf": math.inf,
                        "numpy.Inf": math.inf})  # fmt: skip
MOVING = (
    "transpose", "swapaxes", "moveaxis", "squeeze", "expand_dims", "ravel", "flatten", "copy", "ascontiguousarray",
    "rollaxis", "flip", "fliplr", "flipud", "rot90", "tile", "repeat", "roll", "atleast_2d", "atleast_3d",
    "broadcast_to", "resize", "require", "nan_to_num", "sort", "diagonal", "unique", "delete", "take", "array_split",
)  # fmt: skip
MOST_PARTS = 16
"""parts of the columns of an array that are told from each other"""
_TYPES = ("float32", "float64", "uint8")
_SAME = ("array", "asarray", "asanyarray", *_TYPES, "asfarray", "matrix", "asmatrix")


def _first(call: Call) -> Value:
    return call.args[0] if call.args else Unknown("a missing argument", call.where)


@TABLE.function(*(f"numpy.{name}" for name in _SAME))
def _array(run: Run, call: Call) -> Value:
    value = _first(call)
    found = array_api.data(run, value)
    if found is None:
        return value
    dtype = call.name if call.name in _TYPES else dtype_name(call.get(1, "dtype"))
    return array_api.cast(run, found, dtype, call.where) if dtype else found


@TABLE.function(*(f"numpy.{name}" for name in MOVING))
def _moving(run: Run, call: Call) -> Value:
    rest = call.without_first()
    rest.name = call.name
    return _moved_method(run, _first(call), rest)


_HANDING_ON = frozenset(
    ("copy", "cpu", "detach", "numpy", "to", "cuda", "clone", "contiguous", "ascontiguousarray", "nan_to_num")
)


@TABLE.method("array", *MOVING, "cpu", "detach", "numpy", "to", "cuda", "clone", "contiguous", "view")
def _moved_method(run: Run, receiver: Value, call: Call) -> Value:
    name = call.name
    shape = array_api.shape_of(receiver)
    if name in _HANDING_ON:
        return receiver
    if name == "view":
        sizes = array_api.sizes_of(call, 0)
        return array_api.reshaped(run, receiver, sizes, call.where, "view")
    new = moved_shape(name, shape, call)
    if isinstance(receiver, Const):
        receiver = run.as_array(receiver) or receiver
    return array_api.with_moved_axis(array_api.moved(run, receiver, name, call.where, new), name, shape, call)


@TABLE.attribute("array", "T")
def _reversed_axes(run: Run, receiver: Array) -> Value:
    axis = receiver.structure_axis
    return replace(receiver, shape=None if receiver.shape is None else receiver.shape[::-1],
                   structure_axis=None if axis is None else -1 - axis)  # fmt: skip


@TABLE.attribute("array", "values", "array", "data", "iloc", "loc", "real", "flat", "ix")
def _itself(run: Run, receiver: Array) -> Value:
    return receiver


@TABLE.attribute("array", "shape")
def _shape(run: Run, receiver: Array) -> Value:
    if receiver.shape is None:
        return Unknown("the shape of an array")
    return Seq([Unknown("an extent of an array") if e is None else Const(e) for e in receiver.shape], "tuple")


@TABLE.attribute("array", "dtype")
def _dtype(run: Run, receiver: Array) -> Value:
    return Library(f"{comparisons.TYPE}.{receiver.dtype}") if receiver.dtype else Unknown("the type of an array")


@TABLE.attribute("array", "columns")
def _labels(run: Run, receiver: Array) -> Value:
    return Unknown(COLUMNS)


@TABLE.attribute("array", "ndim")
def _rank(run: Run, receiver: Array) -> Value:
    return Unknown("the number of axes of an array") if receiver.shape is None else Const(len(receiver.shape))


@TABLE.attribute("array", "size", "index", "nbytes", "device", "grad", "requires_grad")
def _about(run: Run, receiver: Array) -> Value:
    return Unknown("a property of an array")


@TABLE.function("numpy.reshape")
def _reshape(run: Run, call: Call) -> Value:
    return array_api.reshaped(run, _first(call), array_api.sizes_of(call, 1), call.where)


@TABLE.method("array", "reshape")
def _reshape_method(run: Run, receiver: Array, call: Call) -> Value:
    return array_api.reshaped(run, receiver, array_api.sizes_of(call, 0), call.where)


@TABLE.method("array", "astype", "type", "type_as", "asType", "to_dtype")
def _astype(run: Run, receiver: Array, call: Call) -> Value:
    return array_api.cast(run, receiver, dtype_name(call.get(0, "dtype")), call.where)


@TABLE.method("array", "tolist", "toarray", "todense", "to_numpy", "as_matrix", "compute", "get", "read", "getdata")
def _as_it_is(run: Run, receiver: Array, call: Call) -> Value:
    return receiver


@TABLE.method("array", "item")
def _item(run: Run, receiver: Array, call: Call) -> Value:
    return receiver if receiver.shape == () else replace(receiver, shape=(), values=ValueRange(receiver.values.hull))


@TABLE.function("numpy.zeros", "numpy.zeros_like", "numpy.ones", "numpy.ones_like", "numpy.empty", "numpy.empty_like",
                "numpy.full", "numpy.full_like")  # fmt: skip
def _filled(run: Run, call: Call) -> Value:
    name = call.name
    value = 1.0 if name.startswith("ones") else 0.0
    if name.startswith("full"):
        given = array_api.constant_number(call.get(1, "fill_value"))
        if given is None:
            return arrays.unknown_array(run, "an array filled with an unknown value", call.where)
        value = given
    model = run.as_array(_first(call)) if name.endswith("_like") else None
    dtype = dtype_name(call.get(2 if name.startswith("full") else 1, "dtype"))
    if dtype is None:
        dtype = "float64" if model is None else model.dtype
    return Array(ValueRange.exactly(Interval(value, value)), shape=_shape_given(call), dtype=dtype, root=run.fresh(),
                 where=call.where, source=name)  # fmt: skip


def _shape_given(call: Call) -> tuple[int | None, ...] | None:
    given = call.constant(0, "shape", "size")
    if isinstance(given, int):
        return (given,)
    if isinstance(given, tuple):
        return tuple(array_api.whole(g) for g in given)
    first = call.get(0, "shape", "size")
    if isinstance(first, Array):
        return first.shape
    return None


@TABLE.function("numpy.eye", "numpy.identity")
def _eye(run: Run, call: Call) -> Value:
    return Array(ValueRange.exactly(UNIT), dtype="float64", structure=Structure.ONE_HOT, structure_axis=-1,
                 root=run.fresh(), where=call.where, source="one-hot vectors")  # fmt: skip


@TABLE.function("numpy.arange", "numpy.linspace", "numpy.logspace")
def _spaced(run: Run, call: Call) -> Value:
    numbers = [call.number(i) for i in range(min(len(call.args), 2))]
    if len(numbers) == 1 and numbers[0] is not None:
        numbers = [0.0, numbers[0]]
    values = ValueRange()
    if len(numbers) == 2 and numbers[0] is not None and numbers[1] is not None and numbers[0] <= numbers[1]:
        span = Interval(numbers[0], numbers[1])
        values = ValueRange(span, Interval(numbers[0], numbers[0]) if call.name == "arange" else span)
    if call.name == "logspace":
        values = ValueRange(Interval(0.0, math.inf))
    count = call.constant(2, "num", default=50) if call.name != "arange" else _steps_of(call)
    structure = Structure.UNKNOWN if call.name == "arange" else Structure.CONTINUOUS
    return Array(values, dtype="float64", root=run.fresh(), where=call.where, structure=structure,
                 shape=(count if isinstance(count, int) else None,), source=call.name, synthetic=True)  # fmt: skip


def _steps_of(call: Call) -> int | None:
    """How many numbers ``np.arange`` makes, where it is told in whole numbers."""
    given = [call.constant(place) for place in range(min(len(call.args), 3))]
    if call.kwargs.keys() - {"dtype"} or not given or not all(isinstance(end, int) for end in given):
        return None
    ends = [end for end in given if isinstance(end, int)]
    return None if len(ends) == 3 and ends[2] == 0 else len(range(*ends))


@TABLE.function("numpy.clip", "numpy.core.umath.clip")
def _clip(run: Run, call: Call) -> Value:
    low = call.get(1, "a_min", "min")
    high = call.get(2, "a_max", "max")
    return array_api.clipped(run, _first(call), array_api.bound(low), array_api.bound(high), call.where)


@TABLE.method("array", "clip")
def _clip_method(run: Run, receiver: Array, call: Call) -> Value:
    low, high = call.get(0, "min", "lower"), call.get(1, "max", "upper")
    return array_api.clipped(run, receiver, array_api.bound(low), array_api.bound(high), call.where)


@TABLE.function("numpy.maximum", "numpy.fmax", "numpy.minimum", "numpy.fmin")
def _bounded(run: Run, call: Call) -> Value:
    if len(call.args) < 2:
        return Unknown(f"what `{call.where.written}` gives", call.where)
    return array_api.extreme(run, call.args[0], call.args[1], call.where, upper=call.name in {"minimum", "fmin"})


@TABLE.function("numpy.concatenate", "numpy.vstack", "numpy.hstack", "numpy.dstack", "numpy.stack", "numpy.row_stack",
                "numpy.column_stack", "pandas.concat")  # fmt: skip
def _concatenate(run: Run, call: Call) -> Value:
    given = call.get(0, "arrays", "objs", "tup")
    made = array_api.joined(run, given, call.where, Framework.KERAS)
    axis = call.constant(1, "axis", default=None if call.get(1, "axis") is not None else 0)
    if isinstance(made, Array) and given is not None and isinstance(axis, int):
        items, rest = run.iterate(given, call.where)
        first = run.as_array(items[0] if items else rest or given)
        count = len(items) if rest is None else None
        return replace(made, shape=arrays.joined_shape(call.name, None if first is None else first.shape, count, axis))
    return replace(made, shape=None) if isinstance(made, Array) else made


@TABLE.function("numpy.append")
def _append(run: Run, call: Call) -> Value:
    return array_api.joined(run, Seq(call.args[:2]), call.where, Framework.KERAS)


_STATISTICS = {
    "mean": "mean", "nanmean": "mean", "average": "mean", "median": "median", "std": "std", "nanstd": "std",
    "var": "var", "max": "max", "amax": "max", "nanmax": "max", "min": "min", "amin": "min", "nanmin": "min",
    "sum": "sum", "prod": "prod", "percentile": "quantile", "quantile": "quantile", "ptp": "span",
}  # fmt: skip


@TABLE.function(*(f"numpy.{name}" for name in _STATISTICS), "numpy.product")
def _statistic(run: Run, call: Call) -> Value:
    name = call.name
    value = _first(call)
    if name in {"prod", "product"} and isinstance(value, Seq):
        known = python(value)
        if value.rest is None and all(isinstance(k, (int, float)) for k in known) and known:
            return Const(math.prod(known), call.where)
        return Unknown("a product of extents", call.where)
    how = _STATISTICS.get(name, "prod")
    axis = None if name in {"percentile", "quantile"} else array_api.axis_of(call, 1)
    return array_api.reduced(run, value, how, call.where, whole=axis is None, axis=axis, keep=_keeps(call))


@TABLE.method("array", "mean", "std", "var", "max", "min", "sum", "prod", "median", "amax", "amin", "ptp")
def _statistic_method(run: Run, receiver: Array, call: Call) -> Value:
    axis = array_api.axis_of(call, 0)
    how = _STATISTICS.get(call.name, "max")
    made = array_api.reduced(run, receiver, how, call.where, whole=axis is None, axis=axis, keep=_keeps(call))
    if isinstance(made, Array) and axis is not None and how in {"max", "min", "median"} and "axis" not in call.kwargs:
        return replace(made, shape=None)  # torch gives a pair, of which the values are the first
    return made


def _keeps(call: Call) -> bool:
    """Whether the axes that a reduction takes away stay, with an extent of 1."""
    return call.constant(None, "keepdims", "keepdim") is True


@TABLE.function("numpy.square")
def _square(run: Run, call: Call) -> Value:
    return array_api.squared(run, _first(call), call.where)


@TABLE.function("numpy.abs", "numpy.absolute", "numpy.fabs")
def _abs(run: Run, call: Call) -> Value:
    return array_api.absolute(run, _first(call), call.where)


@TABLE.method("array", "abs")
def _abs_method(run: Run, receiver: Array, call: Call) -> Value:
    return array_api.absolute(run, receiver, call.where)


@TABLE.function("numpy.sqrt")
def _sqrt(run: Run, call: Call) -> Value:
    return array_api.rooted(run, _first(call), call.where)


@TABLE.function("numpy.log", "numpy.log1p", "numpy.log2", "numpy.log10", "math.log10")
def _log(run: Run, call: Call) -> Value:
    value = _first(call)
    if isinstance(value, LossValue) and call.name == "log10":
        losses.decibels(run, value, call.where)
    if isinstance(value, Const) and isinstance(value.value, (int, float)) and value.value > 0:
        return Const(getattr(math, call.name)(value.value), call.where)
    return array_api.logarithm(run, value, call.where, call.name)


@TABLE.function("numpy.exp", "numpy.tanh", "numpy.sin", "numpy.cos")
def _smooth(run: Run, call: Call) -> Value:
    name = {"exp": "exponential", "sin": "sine", "cos": "cosine"}.get(call.name, call.name)
    made = array_api.mapped(run, _first(call), name, call.where)
    # nobody measures what a sine is taken of: a signal that the program makes up, whatever its frequency
    return replace(made, synthetic=True) if isinstance(made, Array) and call.name in {"sin", "cos"} else made


_OPERATORS: dict[str, str] = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/",
                              "power": "**", "floor_divide": "//"}  # fmt: skip


@TABLE.function(*(f"numpy.{name}" for name in _OPERATORS))
def _operator(run: Run, call: Call) -> Value:
    return array_api.binary(run, _OPERATORS[call.name], call)


_TO_WHOLE: dict[str, Callable[[float], float]] = {"floor": math.floor, "ceil": math.ceil, "rint": round}


@TABLE.function("numpy.round", "numpy.around", "numpy.rint", "numpy.floor", "numpy.ceil")
def _rounded(run: Run, call: Call) -> Value:
    value = array_api.data(run, _first(call))
    if not isinstance(value, Array):
        return value or Unknown("a rounded value", call.where)
    to_whole = _TO_WHOLE.get(call.name)
    digits = 0 if to_whole is not None else call.constant(1, "decimals", default=0 if len(call.args) < 2 else None)
    if not isinstance(digits, int):
        return arrays.unknown_array(run, f"the values of `{call.where.written}`", call.where)

    def rounded(end: float) -> float:
        return end if not math.isfinite(end) else round(end, digits) if to_whole is None else to_whole(end)

    return arrays.increasing(value, lambda i: Interval(rounded(i.lo), rounded(i.hi)), f"{call.name}()", call.where)


@TABLE.function("numpy.where")
def _where(run: Run, call: Call) -> Value:
    if len(call.args) < 3:
        return Unknown("indices found at run time", call.where)
    condition = run.as_array(call.args[0])
    yes, no = run.as_array(call.args[1]), run.as_array(call.args[2])
    if yes is None or no is None:
        return Unknown(f"what `{call.where.written}` gives", call.where)
    constant = [array_api.constant_number(v) for v in call.args[1:3]]
    if None not in constant and condition is not None:
        low, high = sorted(c for c in constant if c is not None)
        if (low, high) == (0.0, 1.0):
            return arrays.thresholded(condition, f"`{call.where.written}`", call.where)
        levels = ValueRange.exactly(Interval(low, high))
        return arrays.recast(replace(condition, pictured=False), levels, f"`{call.where.written}`", call.where)
    base = yes if constant[0] is None else no
    return replace(base, values=ValueRange(yes.values.hull.hull(no.values.hull)), scale=None, shift=None,
                   scalings=(*base.scalings, f"`{call.where.written}`"), where=call.where)  # fmt: skip


@TABLE.function("numpy.lib.stride_tricks.sliding_window_view")
def _windows(run: Run, call: Call) -> Value:
    """Every stretch of an axis, along a new last one."""
    found = run.as_array(_first(call))
    width = call.constant(1, "window_shape")
    if found is None:
        return Unknown(f"what `{call.where.written}` gives", call.where)
    flat = found.shape is not None and len(found.shape) == 1 and isinstance(width, int)
    return replace(found, shape=(None, width) if flat else None)


@TABLE.function("numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile", "numpy.memmap",
                "numpy.frombuffer", "numpy.fromiter")  # fmt: skip
def _load(run: Run, call: Call) -> Value:
    name = call.name
    made = Unknown(f"it is read from a file by `np.{name}`", call.where)
    made.array = Array(root=run.fresh(), where=call.where, why=made.reason, source=f"np.{name}")
    return made


@TABLE.function("numpy.split", "numpy.vsplit", "numpy.hsplit", "numpy.dsplit")
def _split(run: Run, call: Call) -> Value:
    value = run.as_array(_first(call))
    if value is None:
        return Unknown("a part of something", call.where)
    axes = {"vsplit": 0, "hsplit": 0 if value.shape is not None and len(value.shape) == 1 else 1, "dsplit": 2}
    along = axes[call.name] if call.name in axes else call.constant(2, "axis", default=0)
    if along == 0:
        return Seq([], "list", replace(value, shape=(None, *value.shape[1:]) if value.shape else None))
    cuts = call.constant(1, "indices_or_sections")
    count = len(cuts) + 1 if isinstance(cuts, tuple) else cuts
    if isinstance(count, int) and 0 < count <= MOST_PARTS:
        return Seq([arrays.selected(value, f"part {part} of {count}", None) for part in range(count)], "list")
    return Seq([], "list", arrays.selected(value, f"a part of `{call.where.written}`", None))


@TABLE.function("numpy.argmax", "numpy.argmin", "numpy.argsort", "numpy.digitize", "numpy.nonzero")
def _indices(run: Run, call: Call) -> Value:
    value = run.as_array(_first(call))
    if value is not None and call.name in {"argmax", "argmin"} and call.given(1, "axis"):
        return _places(run, value, call, 1)
    return arrays.unknown_array(run, "indices found at run time", call.where) if value is not None else Unknown(
        "indices found at run time", call.where
    )  # fmt: skip


@TABLE.function("numpy.pad")
def _padded(run: Run, call: Call) -> Value:
    """``np.pad(x, width, mode, constant_values=0)``: by default zeros are put round the values."""
    made = array_api.moved(run, _first(call), "pad", call.where)
    mode = call.constant(2, "mode", default="constant" if call.get(2, "mode") is None else None)
    if not isinstance(made, Array) or mode in {"edge", "reflect", "symmetric", "wrap", "maximum", "minimum"}:
        return made
    given = call.get(3, "constant_values")
    filler = 0.0 if given is None else array_api.constant_number(given)
    hull = REAL_LINE if mode != "constant" or filler is None else made.values.hull.hull(Interval(filler, filler))
    return replace(made, values=ValueRange(hull, made.values.reach))


@TABLE.function("numpy.dot", "numpy.matmul")
def _product(run: Run, call: Call) -> Value:
    return array_api.binary(run, "@", call)


@TABLE.function("numpy.interp", "numpy.outer", "numpy.einsum")
def _general(run: Run, call: Call) -> Value:
    made = arrays.unknown_array(run, f"the values of `{call.where.written}`", call.where)
    given = [run.as_array(value) for value in call.args]
    return replace(made, synthetic=bool(given) and all(item is not None and item.synthetic for item in given))


@TABLE.function("numpy.linalg.norm", "numpy.isnan", "numpy.isfinite", "numpy.shape", "numpy.ndim", "numpy.all",
                "numpy.any", "numpy.savez", "numpy.save", "numpy.savetxt", "numpy.meshgrid")  # fmt: skip
def _other(run: Run, call: Call) -> Value:
    if call.name == "shape":
        return run.attribute(_first(call), "shape", call.where)
    whole = call.name in {"any", "all"} and not call.given(1, "axis")
    settled = comparisons.settled(run, _first(call), call.name) if whole else None
    return settled or Unknown(f"what `{call.where.written}` gives", call.where)


def _places(run: Run, value: Array, call: Call, position: int) -> Value:
    """Where along an axis the greatest values stand: whole numbers from 0 on, as classes are."""
    axis = call.constant(position, "axis", "dim")
    extent = None
    if isinstance(axis, int) and value.shape is not None and -len(value.shape) <= axis < len(value.shape):
        extent = value.shape[axis]
    made = arrays.unknown_array(run, f"the places that `{call.where.written}` finds", call.where)
    top = math.inf if extent is None else extent - 1.0
    return replace(made, values=ValueRange(Interval(0.0, top)), dtype="int64", structure=Structure.CLASS_INDEX,
                   shape=indexing.reduced(value.shape, axis) if axis is not None else None, why=None,
                   synthetic=value.synthetic)  # fmt: skip


@TABLE.method("array", "argmax", "argmin")
def _places_method(run: Run, receiver: Array, call: Call) -> Value:
    if call.given(0, "axis", "dim"):
        return _places(run, receiver, call, 0)
    return Unknown(f"what `{call.where.written}` gives", call.where)


@TABLE.method("array", "any", "all", "dot")
def _other_method(run: Run, receiver: Array, call: Call) -> Value:
    whole = call.name in {"any", "all"} and not call.given(0, "axis", "dim")
    settled = comparisons.settled(run, receiver, call.name) if whole else None
    return settled or Unknown(f"what `{call.where.written}` gives", call.where)


@TABLE.method("difference", "mean", "sum")
def _difference_reduced(run: Run, receiver: Difference, call: Call) -> Value:
    return array_api.reduced(run, receiver, call.name, call.where)


@TABLE.method("lossvalue", "mean", "sum")
def _loss_reduced(run: Run, receiver: LossValue, call: Call) -> Value:
    return array_api.reduced(run, receiver, call.name, call.where)


@TABLE.method("tensor", "numpy", "copy")
def _tensor_as_it_is(run: Run, receiver: Tensor, call: Call) -> Value:
    return receiver

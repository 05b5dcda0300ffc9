"""Operations that keep values and change their place, shape or type: ``view``, ``cat``, ``F.pad``, ``float()``."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework
from ae_audit.static.domain import arrays, losses, operators, tensors, unsigned
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
    python,
)
from ae_audit.static.knowledge.torch import functional as names
from ae_audit.static.knowledge.torch import heads
from ae_audit.static.knowledge.torch.declare import OPERATIONS, Operation, carried, operation
from ae_audit.static.knowledge.torch.einops_shapes import arranged
from ae_audit.static.knowledge.torch.layer_call import Given, layer_shape
from ae_audit.static.knowledge.torch.layers import LAYERS
from ae_audit.static.knowledge.torch.permute import rearranged
from ae_audit.static.knowledge.torch.torchvision_steps import dtype_name
from ae_audit.theory.activations import ActivationRange
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

INTEGER_DTYPES = ("int", "uint", "bool")


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
    if name == "requires_grad" and isinstance(value, Array) and call.constant(0, "requires_grad", default=True):
        hull = value.values.hull
        if hull.lo == hull.hi:  # one number everywhere is a beginning, where data are what they are
            return heads.parameter(value.shape)
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
        return replace(arrays.thresholded(value, f"`{call.where.written}`", call.where), dtype="bool")
    made = arrays.increasing(value, _truncated, f"`{call.where.written}` drops the fraction", call.where)
    made = replace(made, dtype=dtype, structure=value.structure)
    return unsigned.cast(value, made, call.where) if dtype == "uint8" else made


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
    if isinstance(value, LossValue):
        return regrouped(value, call, name)
    if isinstance(value, Difference):
        return value
    found = carried(run, value)
    return Unknown(f"`{name}`", call.where) if found is None else rearranged(run, found, call, name)


def regrouped(value: LossValue, call: Call, name: str) -> LossValue:
    """A loss that was computed value by value, in another form: ``rec.view(n, -1)``, ``rec.flatten(1)``."""
    if not value.terms or all(None in {axis for _, axis in term.steps} for term in value.terms):
        return value  # it is one number by now
    if name == "flatten":
        start = call.constant(0, "start_dim", default=0)
        return losses.regrouped(value, start if isinstance(start, int) and call.get(1, "end_dim") is None else None)
    if name in {"view", "reshape"}:
        sizes = [python(item) for item in call.args]
        if sizes == [-1]:
            return losses.regrouped(value, 0)
        return losses.regrouped(value, 1 if len(sizes) == 2 and sizes[1] == -1 and sizes[0] != -1 else None)
    return value if name in {"squeeze", "unsqueeze", "contiguous"} else losses.regrouped(value, None)


@operation(*names.SELECTING)
def select(run: Run, value: Value, call: Call, name: str) -> Value:
    """Some of the values."""
    if isinstance(value, (LossValue, Difference)):
        return value
    found = carried(run, value)
    if found is None:
        return Unknown(f"`{name}`", call.where)
    if "pool" in name:
        return _pooled(found, call, name)
    part = heads.moved(found, _shape_of_part(name, heads.shape_of(found), call.constant(1, "dim", default=0)))
    if name in {"tril", "triu", "diag"} and isinstance(part, Array):
        zero = Interval(0.0, 0.0)
        return replace(part, values=ValueRange(part.values.hull.hull(zero), part.values.reach))
    if name == "masked_select" and isinstance(part, Array):
        return replace(part, values=ValueRange(part.values.hull))  # which values are left depends on the mask
    if name not in names.SPLITTING:
        return part
    count = call.constant(0, "chunks", "sections")
    if name in {"chunk", "tensor_split"} and isinstance(count, int) and 0 < count <= 16:
        return Seq([part] * count, "tuple")
    return Seq([], "tuple", rest=part)


def _shape_of_part(name: str, shape: tuple[int | None, ...] | None, axis: object) -> tuple[int | None, ...] | None:
    """The shape of one of the parts that a tensor is split into along an axis; None where that is not known."""
    if shape is None or name not in {"chunk", "split", "tensor_split", "unbind"}:
        return None
    if name == "unbind":
        return shape[1:] if axis == 0 else None
    if not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        return None
    place = axis % len(shape)
    return (*shape[:place], None, *shape[place + 1 :])


@operation("cumsum", "cumprod", "logcumsumexp")
def accumulated(run: Run, value: Value, call: Call, name: str) -> Value:
    """Sums so far: of the values nothing is known, of the shape all."""
    found = carried(run, value)
    if not isinstance(found, Array):
        reason = f"what `{name}` makes of an output is not known"
        return Unknown(f"`{name}`", call.where) if found is None else heads.undetermined(run, found, reason, call.where)
    why = found.why or f"`{call.where.written}` is computed from the data"
    return replace(found, values=ValueRange(), scale=None, shift=None, standardised=Tri.UNKNOWN, why=why)


@operation(*names.AVERAGING)
def average(run: Run, value: Value, call: Call, name: str) -> Value:
    """Averages of neighbours."""
    found = carried(run, value)
    return Unknown(f"`{name}`", call.where) if found is None else _pooled(found, call, name)


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
        return Unknown(f"`{name}`", call.where)
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
        return Unknown(f"`{name}`", call.where)
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
    if any(isinstance(part, (LossValue, Difference)) for part in parts):
        parts = [losses.reduced(run, p, "none", call.where) if isinstance(p, Difference) else p for p in parts]
        total: Value = parts[0]
        for part in parts[1:]:
            total = operators.binary(run, "+", total, part, call.where)
        return total
    if any(isinstance(part, Tensor) for part in parts):
        return tensors.concatenated(run, parts, call.where, Framework.TORCH)
    found = [array for array in (run.as_array(part) for part in parts) if array is not None]
    if len(found) != len(parts):
        return Unknown("things joined that are no tensors", call.where)
    made = found[0] if len(found) == 1 else arrays.concatenated(run, found)
    first = found[0].shape
    axis = call.constant(0, "dim", "axis", default=None if call.get(0, "dim", "axis") is not None else 0)
    count = len(parts) if rest is None else None
    return replace(made, shape=arrays.joined_shape(name, first, count, axis if isinstance(axis, int) else None))


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
    return Unknown(f"`{name}`", call.where)


def shape_value(shape: tuple[int | None, ...]) -> Seq:
    """A shape as a tuple."""
    return Seq([Unknown("an extent") if n is None else Const(n) for n in shape], "tuple")


def rearrange_by_words(run: Run, value: Value, call: Call, name: str) -> Value:
    """``einops.rearrange(x, "b c h w -> b (c h w)")``."""
    found = carried(run, value)
    if found is None:
        return Unknown(f"`{name}`", call.where)
    pattern = call.constant(1, "pattern")
    sizes = {key: python(item) for key, item in call.kwargs.items()}
    known = {key: item for key, item in sizes.items() if isinstance(item, int)}
    shape = arranged(pattern, heads.shape_of(found), known) if isinstance(pattern, str) else None
    return heads.moved(found, shape)

"""The table of tensor operations: functions of ``torch`` and ``torch.nn.functional``, methods of ``Tensor``.

An operation is written once as ``operation(run, value, call, name)``, where ``call`` holds the arguments after the
tensor itself; it is registered as a function, as a method, and with a trailing underscore.
"""

from __future__ import annotations

from collections.abc import Callable

from ae_audit.schema.training_setup import Framework
from ae_audit.static.domain import arrays, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Seq, Tensor, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import arithmetic, heads, shape_ops  # noqa: F401  (imported for the operations that it declares)
from ae_audit.static.knowledge.torch import functional as names
from ae_audit.static.knowledge.torch.declare import OPERATIONS, apply, carried, operation
from ae_audit.static.knowledge.torch.layer_call import activation_of, merged_parameters
from ae_audit.static.knowledge.torch.shape_ops import shape_value

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("torch tensors")
FUNCTION_MODULES = ("torch", "torch.nn.functional", "torch.Tensor", "torch.special", "torch.linalg")


def _as_function(name: str) -> Callable[[Run, Call], Value]:
    def handler(run: Run, call: Call) -> Value:
        value = call.get(0, "input", "x", "tensors", "self")
        if value is None:
            return Unknown(f"the argument of `{name}`", call.where)
        return apply(run, name, value, call.without_first() if call.args else call)

    return handler


def _as_method(name: str) -> Callable[[Run, Any, Call], Value]:
    def handler(run: Run, receiver: Any, call: Call) -> Value:
        return apply(run, name, receiver, call)

    return handler


# -- layers as functions ---------------------------------------------------------------------------------------------


@operation(*names.WEIGHING)
def weigh(run: Run, value: Value, call: Call, name: str) -> Value:
    """Sums of products: any real number, where weights take part; of data alone, something unknown."""
    given = [value, *call.values()]
    if not any(run.find_tensors(item) for item in given) and not _has_weights(call, name):
        found = [item for item in given if isinstance(item, Array)]
        if name in names.MATRIX_PRODUCTS and len(found) == len(given) == 2:
            return arrays.matrix_product(run, found[0], found[1], call.where)
        why = f"what `{name}` makes of data"
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
    known = activation_of(symbol)
    if found is None or known is None:
        return heads.undetermined(run, value, f"what `{name}` returns is not known", call.where)
    order = tuple(item for item in known[2] if item != "input")
    return heads.activated(run, found, known[0], merged_parameters(call, order, known[1]), call.where)


_FUNCTION_NAMES = {"expit": "sigmoid", "log_sigmoid": "logsigmoid"}


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


@TABLE.method("unknown", "to", "cuda", "cpu", "detach", "clone", "contiguous", "train", "eval", "float", "double")
@TABLE.method("unknown", "half", "requires_grad_", "pin_memory")
def unknown_itself(run: Run, receiver: Any, call: Call) -> Value:
    """Whatever it is, a tensor or a model: it is the same elsewhere, or as another float type."""
    return receiver if isinstance(receiver, Unknown) else Unknown("something unknown", call.where)


NUMPY_METHODS = names.names(
    """
    reshape mean sum max min std var squeeze transpose repeat clip tolist item fill sort argmax argmin argsort dot all
    any prod swapaxes take diagonal astype T shape size round copy ravel data median
    """
)
"""Methods that NumPy's arrays have as well; :mod:`ae_audit.static.knowledge.python.numpy` knows them."""


_OF_LOSSES = names.names("abs square pow sqrt mul div add sub neg exp log log1p log10 expm1 tanh sigmoid reciprocal")


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
            if name in {"view", "reshape", "flatten"}:
                TABLE.methods["lossvalue", spelling] = _as_method(spelling)
            if name in {"clamp", "clip"}:  # of a residual, which is a prediction then
                TABLE.methods["difference", spelling] = _as_method(spelling)
            if name in _OF_LOSSES:
                TABLE.methods["difference", spelling] = _as_method(spelling)
                TABLE.methods["lossvalue", spelling] = _as_method(spelling)


@TABLE.function("einops.rearrange", "einops.repeat", "einops.einops.rearrange", "einops.einops.repeat")
def einops(run: Run, call: Call) -> Value:
    """``einops.rearrange(x, "b c h w -> b (c h w)")``."""
    value = call.get(0, "tensor")
    return (
        Unknown("a tensor", call.where) if value is None else shape_ops.rearrange_by_words(run, value, call, call.name)
    )


@TABLE.function("einops.reduce", "einops.einops.reduce")
def einops_reduced(run: Run, call: Call) -> Value:
    """``einops.reduce(x, "b c h w -> b c", "mean")``: averages and extremes lie among the values, sums do not."""
    value = call.get(0, "tensor")
    if value is None or call.constant(2, "reduction") not in {"mean", "max", "min"}:
        return Unknown("a tensor that is reduced", call.where)
    return shape_ops.rearrange_by_words(run, value, call, call.name)


@TABLE.function("einops.pack")
def einops_packed(run: Run, call: Call) -> Value:
    """``pack([x], "b * d")``: the tensor under another shape, and what it takes to undo that."""
    given = call.get(0, "tensors")
    items = given.items if isinstance(given, Seq) else []
    first = carried(run, items[0]) if len(items) == 1 else None
    packed: Value = Unknown("tensors packed together", call.where) if first is None else heads.moved(first, None)
    return Seq([packed, Unknown("the shapes of what was packed", call.where)], "tuple")


@TABLE.function("einops.unpack")
def einops_unpacked(run: Run, call: Call) -> Value:
    """``unpack(x, shapes, "b * d")``: a list of tensors."""
    found = carried(run, call.args[0]) if call.args else None
    return Unknown("a tensor", call.where) if found is None else Seq([], "list", rest=heads.moved(found, None))


TABLE.aliases["itertools.izip"] = "builtins.zip"
register()
for _name, _dtype in names.DTYPES.items():
    TABLE.constants[f"torch.{_name}"] = _dtype

"""Tensors made from data, from nothing, or at random; and the rest of ``torch`` that a program calls by the way."""

from __future__ import annotations

from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.random_numbers import Shape, normal_values
from ae_audit.static.domain.stores import Store
from ae_audit.static.domain.values import (
    NONE,
    Array,
    Const,
    Difference,
    Function,
    Instance,
    LossValue,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
    number,
    python,
)
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import functional as names
from ae_audit.static.knowledge.torch import heads
from ae_audit.static.knowledge.torch.shape_ops import cast
from ae_audit.static.knowledge.torch.torchvision_steps import dtype_name
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("torch creation")


# -- from data -------------------------------------------------------------------------------------------------------


@TABLE.function(*(f"torch.{name}" for name in names.WRAPPING))
def wrap(run: Run, call: Call) -> Value:
    """``torch.tensor(data, dtype=…)``, ``torch.from_numpy(data)``, ``Variable(data)``."""
    value = call.get(0, "data", "obj", "ndarray")
    if value is None:
        return Unknown("a tensor", call.where)
    if isinstance(value, (Tensor, LossValue, Difference)):
        return value
    array = run.as_array(value)
    if array is None:
        return value
    if array.random and python(call.get(1, "requires_grad")) is True:
        return heads.parameter(array.shape)
    dtype = dtype_name(call.get(1, "dtype"))
    return array if dtype is None else cast(run, array, dtype, call)


def _legacy(dtype: str) -> Callable[[Run, Call], Value]:
    def handler(run: Run, call: Call) -> Value:
        value = call.get(0, "data")
        sized = value is None or len(call.args) > 1 or not isinstance(value, (Array, Tensor, Seq))
        if not sized and isinstance(value, Seq) and value.kind == "tuple":
            sized = True
        if sized or value is None:
            return Array(
                dtype=dtype, shape=_shape(run, call), root=run.fresh(), where=call.where, why="it is not filled"
            )
        if isinstance(value, Tensor):
            return value
        array = run.as_array(value)
        return Unknown("a tensor", call.where) if array is None else replace(array, dtype=dtype)

    return handler


for _name, _dtype in names.TENSOR_TYPES.items():
    TABLE.functions[f"torch.{_name}"] = _legacy(_dtype)
    TABLE.functions[f"torch.cuda.{_name}"] = _legacy(_dtype)


# -- from nothing ----------------------------------------------------------------------------------------------------


def _shape(run: Run, call: Call, skip: int = 0) -> tuple[int | None, ...] | None:
    """The sizes that a creating function is given: separate numbers, one sequence, or a shape."""
    given: list[Value] = call.args[skip:]
    sized = call.get(None, "size")
    if sized is not None:
        given = [sized]
    if len(given) == 1 and isinstance(given[0], Seq):
        if given[0].rest is not None:
            return None
        given = given[0].items
    elif len(given) == 1 and isinstance(given[0], Unknown):
        return None
    if call.open:
        return None
    return tuple(item if isinstance(item, int) and not isinstance(item, bool) else None for item in map(python, given))


def _like(run: Run, call: Call) -> tuple[int | None, ...] | None:
    value = call.get(0, "input")
    return heads.shape_of(value) if isinstance(value, (Array, Tensor)) else None


_SPACED = frozenset({"arange", "range", "linspace", "logspace"})


def _creator(name: str) -> Callable[[Run, Call], Value]:
    def handler(run: Run, call: Call) -> Value:
        like = name.endswith("_like")
        plain = name.removesuffix("_like").removeprefix("new_")
        shape = _like(run, call) if like else _shape_made(run, plain, call)
        model = call.get(0, "input") if like else None
        copied = model.dtype if isinstance(model, Array) else None
        dtype = dtype_name(call.get(None, "dtype")) or copied or ("int64" if plain in _INTEGERS else "float32")
        if python(call.get(None, "requires_grad")) is True:
            return heads.parameter(shape)
        values = _values(run, plain, call, like, shape)
        return Array(
            values=values,
            dtype=dtype,
            shape=shape,
            root=run.fresh(),
            where=call.where,
            source=f"torch.{name}",
            random=name in names.RANDOM,
            standardised=Tri.of(True if plain == "randn" else None),
            synthetic=name in names.RANDOM or plain in _SPACED,
            structure=Structure.CONTINUOUS if name in names.RANDOM and plain != "randint" else Structure.UNKNOWN,
            why="it is not filled" if plain in {"empty", "new"} else None,
        )

    return handler


_MOST_ELEMENTS = 1 << 40
"""of a range whose length is told: len() of a longer one than memory can hold raises"""


def _shape_made(run: Run, name: str, call: Call) -> tuple[int | None, ...] | None:
    """The shape of what a function makes that fills no shape of its own accord, or takes other arguments too."""
    if call.get(None, "size") is not None:
        return _shape(run, call)
    if name in {"linspace", "logspace"}:
        return (_count(call.get(2, "steps")),)
    if name in {"arange", "range", "randperm"}:
        ends = [_count(end) for end in call.args]
        known = name != "range" and ends and None not in ends and ends[2:3] != [0]
        made = range(*(end for end in ends if end is not None)) if known else None
        return (None if made is None or made[_MOST_ELEMENTS:] else len(made),)
    if name == "eye":
        rows = _count(call.get(0, "n"))
        return rows, rows if call.get(1, "m") is None else _count(call.get(1, "m"))
    if name in {"bernoulli", "poisson", "normal"}:
        first, second = call.get(0, "input", "mean"), call.get(1, "std")
        given = {heads.shape_of(value) for value in (first, second) if isinstance(value, (Array, Tensor))} - {()}
        if name == "normal" and not given:
            return _shape(run, call, 2)
        return given.pop() if len(given) == 1 else None
    if name == "full":
        return _shape(run, replace(call, args=call.args[:1]))
    if name == "randint":
        return _shape(run, call, 1 if len(call.args) == 2 else 2)
    if name == "tensor":
        return None
    return _shape(run, call)


def _count(value: Value | None) -> int | None:
    count = python(value)
    return count if isinstance(count, int) and not isinstance(count, bool) else None


_INTEGERS = frozenset({"randint", "randperm", "arange", "range"})


def _values(run: Run, name: str, call: Call, like: bool, shape: Shape) -> ValueRange:
    skip = 1 if like else 0
    fixed = names.CREATING.get(name)
    if name == "rand":
        return ValueRange(Interval(0.0, 1.0, False, True), Interval(0.05, 0.95))
    if fixed is not None:
        return ValueRange.exactly(Interval(*fixed))
    if name == "randn":
        return normal_values(shape)
    if name == "normal":
        mean, std = number(call.get(0, "mean")), number(call.get(1, "std"))
        known = mean is not None and std is not None and std >= 0
        return normal_values(shape).affine(std or 0.0, mean or 0.0) if known else ValueRange()
    if name == "full":
        value = number(call.get(1, "fill_value"))
        return ValueRange() if value is None else ValueRange.exactly(Interval(value, value))
    if name == "randint":
        first, second = number(call.get(skip, "low", "high")), number(call.get(skip + 1, "high"))
        lo, hi = (0.0, first) if second is None else (first, second)
        if lo is not None and hi is not None and lo <= hi - 1.0:
            return ValueRange(Interval(lo, hi - 1.0), Interval(lo, hi - 1.0))
    if name in {"linspace", "arange"}:
        first, second = number(call.get(0, "start", "end")), number(call.get(1, "end"))
        lo, hi = (0.0, first) if second is None else (first, second)
        if lo is not None and hi is not None and lo < hi:
            return ValueRange.exactly(Interval(lo, hi))
    return ValueRange()


for _name in names.CREATING:
    if not _name.startswith("new"):
        TABLE.functions[f"torch.{_name}"] = _creator(_name)


def _new(name: str) -> Callable[[Run, Any, Call], Value]:
    creator = _creator(name)

    def handler(run: Run, receiver: Any, call: Call) -> Value:
        return creator(run, call)

    return handler


for _name in names.CREATING:
    if _name.startswith("new"):
        for _kind in ("array", "tensor"):
            TABLE.methods[_kind, _name] = _new(_name)


def _filler(name: str) -> Callable[[Run, Any, Call], Value]:
    def handler(run: Run, receiver: Any, call: Call) -> Value:
        if not isinstance(receiver, Array):
            return receiver if isinstance(receiver, Tensor) else Unknown("a tensor", call.where)
        values = names.FILLING[name]
        made = ValueRange() if values is None else ValueRange.exactly(Interval(*values))
        if name == "normal_":
            mean, std = call.number(0, "mean", default=0.0), call.number(1, "std", default=1.0)
            made = (
                normal_values(receiver.shape).affine(std, mean)
                if mean is not None and std is not None and std >= 0
                else ValueRange()
            )
        elif name == "uniform_":
            lo, hi = call.number(0, "from", default=0.0), call.number(1, "to", default=1.0)
            made = ValueRange(Interval(lo, hi)) if lo is not None and hi is not None and lo < hi else ValueRange()
        return replace(
            receiver, values=made, random=name != "zero_", why=None, root=run.fresh(), source=f"torch.{name}"
        )

    return handler


for _name in names.FILLING:
    TABLE.methods["array", _name] = _filler(_name)
    TABLE.methods["tensor", _name] = _filler(_name)


@TABLE.prefix("torch.nn.init")
def initialise(run: Run, name: str, call: Call) -> Value:
    """``nn.init.normal_(tensor, mean, std)`` and its older spelling without the underscore."""
    value = call.get(0, "tensor")
    last = name.rpartition(".")[2].rstrip("_") + "_"
    if isinstance(value, Array) and last in names.FILLING:
        return _filler(last)(run, value, call.without_first())
    return value if value is not None else NONE


# -- by the way ------------------------------------------------------------------------------------------------------


@TABLE.function("torch.cuda.is_available", "torch.backends.mps.is_available", "torch.cuda.is_bf16_supported")
def has_accelerator(run: Run, call: Call) -> Value:
    """Where tensors live changes no value: one answer will do."""
    return Const(True)


@TABLE.function("torch.device", "torch.cuda.current_device")
def device(run: Run, call: Call) -> Value:
    """A device."""
    return Object("torch.device", call)


@TABLE.function("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.inference_mode")
def no_grad(run: Run, call: Call) -> Value:
    """A context in which nothing is trained; as a decorator, the function itself."""
    if call.args and isinstance(call.args[0], Function):
        return call.args[0]
    return Object("torch.no_grad", call)


@TABLE.function("torch.set_grad_enabled", "torch.autograd.set_grad_enabled")
def set_grad_enabled(run: Run, call: Call) -> Value:
    """``with torch.set_grad_enabled(phase == "train")``."""
    return Object("torch.no_grad" if python(call.get(0, "mode")) is False else "torch.enable_grad", call)


@TABLE.function("torch.enable_grad", "torch.autocast", "torch.cuda.amp.autocast", "torch.amp.autocast")
def context(run: Run, call: Call) -> Value:
    """Contexts that change no value."""
    return Object("torch.enable_grad", call)


@TABLE.function(
    "torch.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "torch.save",
    "torch.cuda.empty_cache",
    "torch.cuda.synchronize",
    "torch.set_printoptions",
    "torch.autograd.set_detect_anomaly",
    "torch.set_float32_matmul_precision",
    "torch.use_deterministic_algorithms",
    "torch.nn.utils.clip_grad_norm_",
    "torch.nn.utils.clip_grad_value_",
    "torchvision.utils.save_image",
)
def nothing(run: Run, call: Call) -> Value:
    """Called for its effect."""
    return NONE


@TABLE.function("torch.load", "torch.jit.load", "torch.hub.load")
def load(run: Run, call: Call) -> Value:
    """Something from a file."""
    return Unknown("it is loaded from a file", call.where)


OPTIMIZERS: Store[list[str]] = Store(list)
"""names of those that the program makes"""


@TABLE.prefix("torch.optim")
def optimizer(run: Run, name: str, call: Call) -> Value:
    """An optimizer: noted for the set-ups that come after it."""
    last = name.rpartition(".")[2]
    if "lr_scheduler" not in name and last[:1].isupper():
        OPTIMIZERS.of(run).append(last.lower())
    return Object("torch.optim.Optimizer", call)


@TABLE.method("torch.optim.Optimizer", "step", "zero_grad", "load_state_dict", "add_param_group")
def optimizer_step(run: Run, receiver: Any, call: Call) -> Value:
    """Methods of optimizers and schedulers; a closure computes the loss."""
    for value in call.args[:1]:
        if isinstance(value, (Function, Instance)):
            return run.call(value, Call(call.where))
    return NONE

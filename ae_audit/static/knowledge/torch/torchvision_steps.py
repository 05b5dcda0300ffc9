"""``torchvision.transforms`` at work: an image through a transform or a pipeline of them."""

from __future__ import annotations

from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import arrays
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Library, Mapping, Object, Seq, Tensor, Unknown, Value, python
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch.torchvision_datasets import are_statistics
from ae_audit.static.knowledge.torch.torchvision_transforms import (
    ALWAYS_SCALE,
    ALWAYS_SCALE_FUNCTIONS,
    FUNCTIONS,
    TRANSFORMS,
    Step,
    TransformSpec,
)
from ae_audit.theory.intervals import BYTE, REAL_LINE, UNIT, Interval
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("torchvision transforms")
BASE = "torchvision.transforms.Transform"
CLASSES = "torchvision.transforms"
FUNCTIONAL = "torchvision.transforms.functional"

TABLE.aliases["torchvision.transforms.v2.functional"] = FUNCTIONAL
TABLE.aliases["torchvision.transforms.v2"] = CLASSES
TABLE.aliases["torchvision.transforms.transforms"] = CLASSES
TABLE.aliases["torchvision.transforms._transforms_video"] = CLASSES
TABLE.aliases["torchvision.transforms.functional_tensor"] = FUNCTIONAL

UNIT_AS_BYTES = "to [0, 255]"


@TABLE.function("torchvision.io.read_image", "torchvision.io.image.read_image", "torchvision.io.decode_image")
@TABLE.function("torchvision.io.decode_jpeg", "torchvision.io.decode_png")
def read_image(run: Run, call: Call) -> Value:
    """An image file as a tensor of 8-bit integers, channels first."""
    return Array(
        ValueRange.exactly(BYTE),
        "uint8",
        (None, None, None),
        Structure.CONTINUOUS,
        source="an image file",
        where=call.where,
        pictured=True,
        root=run.fresh(),
    )


def _constructor(kind: str) -> Callable[[Run, Call], Value]:
    def construct(run: Run, call: Call) -> Value:
        return Object(kind, call)

    return construct


for _name in TRANSFORMS:
    TABLE.functions[f"{CLASSES}.{_name}"] = _constructor(f"{CLASSES}.{_name}")
    TABLE.bases[f"{CLASSES}.{_name}"] = (BASE,)


@TABLE.method(BASE, "__call__", "forward")
def transform(run: Run, receiver: Any, call: Call) -> Value:
    """``transform(image)``; in v2 also ``transform(image, target)``, where the target is handed through."""
    if not isinstance(receiver, Object) or not call.args:
        return Unknown("a transform", call.where)
    name = receiver.cls.rpartition(".")[2]
    spec = TRANSFORMS.get(name)
    if spec is None:
        return Unknown(f"the transform `{name}`", call.where)
    if len(call.args) == 1:
        return applied(run, spec, name, receiver.call or call, call.args[0], receiver.where or call.where, 0)
    first = applied(run, spec, name, receiver.call or call, call.args[0], receiver.where or call.where, 0)
    return Seq([first, *call.args[1:]], "tuple")


@TABLE.attribute(BASE, "transforms")
def pipeline_parts(run: Run, receiver: Any) -> Value:
    """``pipeline.transforms``: the list, which may be changed in place."""
    given = receiver.call.get(0, "transforms") if isinstance(receiver, Object) and receiver.call else None
    return given if given is not None else Unknown("the parts of a pipeline")


def _function(name: str) -> Callable[[Run, Call], Value]:
    def handler(run: Run, call: Call) -> Value:
        if not call.args and not call.kwargs:
            return Unknown(f"`{name}`", call.where)
        value = call.get(0, "pic", "img", "image", "inpt", "tensor")
        if value is None:
            return Unknown(f"the image of `{name}`", call.where)
        return applied(run, FUNCTIONS[name], name, call, value, call.where, 1)

    return handler


for _name in FUNCTIONS:
    TABLE.functions[f"{FUNCTIONAL}.{_name}"] = _function(_name)


def applied(run: Run, spec: TransformSpec, name: str, given: Call, value: Value, where: Where, skip: int) -> Value:
    """``value`` after one transform, whose arguments stand in ``given`` after ``skip`` others."""
    if spec.step is Step.SEQUENCE:
        return _sequence(run, given.get(skip, "transforms"), value, where)
    if spec.step is Step.CALLS:
        function = given.get(skip, "lambd")
        return Unknown("a transform", where) if function is None else run.call(function, Call(where, [value]))
    if isinstance(value, Seq):
        items = [applied(run, spec, name, given, item, where, skip) for item in value.items]
        return Seq(items, value.kind, value.rest)
    if isinstance(value, Mapping):
        changed = {key: applied(run, spec, name, given, item, where, skip) for key, item in value.items.items()}
        return Mapping(changed, value.rest)
    if isinstance(value, Tensor):
        return value if spec.step in {Step.KEEPS, Step.RESIZES} else Unknown(f"`{name}` of an output", where)
    array = run.as_array(value)
    if array is None:
        return Unknown(f"the values after `{name}`", where)
    if spec.step in {Step.MAYBE, Step.ONE_OF}:
        return _at_random(run, given.get(skip, "transforms"), array, where, spec.step is Step.MAYBE)
    if spec.step is Step.NORMALISES:
        return normalised(run, array, given.get(skip, "mean"), given.get(skip + 1, "std"), where)
    if spec.step is Step.TO_DTYPE:
        scale = name in ALWAYS_SCALE or name in ALWAYS_SCALE_FUNCTIONS or given.constant(skip + 1, "scale") is True
        return to_dtype(run, array, given.get(skip, "dtype"), scale, where)
    return _simple(run, spec.step, name, given, array, where, skip)


def _simple(run: Run, step: Step, name: str, given: Call, array: Array, where: Where, skip: int) -> Value:
    if step is Step.TO_UNIT:
        return to_unit(run, array, where)
    if step is Step.TO_TENSOR_RAW:
        return replace(array, shape=channels_first(array.shape), where=array.where or where)
    if step is Step.TO_PIL:
        return to_pil(array, where)
    if step is Step.RESIZES:
        return _resized(array, python(given.get(skip, "size", "output_size")))
    if step is Step.GREY:
        channels = given.constant(skip, "num_output_channels", default=1)
        return replace(array, shape=_with_channels(array.shape, channels if isinstance(channels, int) else None))
    if step is Step.FILLS:
        return replace(array, values=array.values.together(_fill(given, array)), shape=_padded(name, array))
    if step is Step.NOISES:
        noise = Array(random=True, root=run.fresh())
        made = arrays.mixed(run, array, noise, f"`{where.written}`", where)
        clip = given.constant(skip + 2, "clip", default=True)
        return replace(made, values=ValueRange(UNIT, array.values.reach)) if clip is not False else made
    if step in {Step.KEEPS, Step.RECOLOURS}:
        return array
    return arrays.unknown_array(run, f"the values after `{name}`", where, array.source)


def _sequence(run: Run, given: Value | None, value: Value, where: Where) -> Value:
    if given is None:
        return Unknown("a pipeline of unknown transforms", where)
    if not isinstance(given, Seq):
        items, rest = run.iterate(given, where)
    else:
        items, rest = given.items, given.rest
    for item in items:
        if not (isinstance(item, Const) and item.value is None):
            value = run.call(item, Call(where, [value]))
    return value if rest is None else Unknown("a pipeline of unknown transforms", where)


def _at_random(run: Run, given: Value | None, array: Array, where: Where, maybe: bool) -> Value:
    items, rest = run.iterate(given, where) if given is not None else ([], None)
    if rest is not None:
        return Unknown("a random choice of unknown transforms", where)
    results: list[Value] = [array] if maybe else []
    if maybe:
        results.append(_sequence(run, given, array, where))
    else:
        results.extend(run.call(item, Call(where, [array])) for item in items)
    values: ValueRange | None = None
    for result in results:
        found = run.as_array(result) if not isinstance(result, Tensor) else None
        if found is None:
            return Unknown("a random choice of transforms", where)
        values = found.values if values is None else values.together(found.values)
    return replace(array, values=values or array.values)


def to_unit(run: Run, array: Array, where: Where) -> Array:
    """``ToTensor``: divides 8-bit integers by 255, leaves every other array's values as they are.

    An image of which nothing is known is taken for 8-bit: that is what files and data sets give.
    """
    shape = channels_first(array.shape)
    if array.dtype == "uint8" or (array.dtype is None and array.values.hull == BYTE):
        scaled = arrays.affine(array, 1.0 / 255.0, 0.0, "ToTensor()", where)
        return replace(scaled, dtype="float32", shape=shape, structure=_image(array))
    if array.dtype is None and array.values.unknown:
        made = arrays.recast(array, ValueRange.exactly(UNIT), "ToTensor()", where)
        return replace(made, dtype="float32", shape=shape, structure=_image(array), pictured=True)
    if array.dtype is not None and array.values.leaves(UNIT) is Tri.YES:
        text = f"ToTensor() scales bytes only: these are {array.dtype} and stay {array.values}"
        return replace(array, shape=shape, trail=arrays.step(array, text, where))
    return replace(array, shape=shape)


def _image(array: Array) -> Structure:
    return Structure.CONTINUOUS if array.structure is Structure.UNKNOWN else array.structure


def to_pil(array: Array, where: Where) -> Array:
    """``ToPILImage``: floats are taken for [0, 1] and become 8-bit integers."""
    shape = array.shape
    if shape is not None and len(shape) == 3 and shape[-1] not in {1, 3, 4}:
        shape = shape[1:] if shape[0] == 1 else (*shape[1:], shape[0])
    if array.dtype is not None and array.dtype.startswith("float"):
        made = arrays.affine(array, 255.0, 0.0, "ToPILImage()", where)
        return replace(made, dtype="uint8", shape=shape, structure=_image(array))
    return replace(array, shape=shape, dtype=array.dtype or "uint8")


def to_dtype(run: Run, array: Array, dtype: Value | None, scale: bool, where: Where) -> Array:
    """``ToDtype`` and ``ConvertImageDtype``: scaled to the valid range of the new dtype only where asked for."""
    if isinstance(dtype, Mapping):
        dtype = next(iter(dtype.items.values()), None)
    name = dtype_name(dtype)
    if name is None:
        return replace(array, dtype=None)
    floats = name.startswith(("float", "bfloat"))
    was_bytes = array.dtype == "uint8" or (array.dtype is None and array.values.unknown)
    if scale and floats and was_bytes:
        return replace(to_unit(run, array, where), shape=array.shape, dtype=name)
    if scale and not floats and array.dtype is not None and array.dtype.startswith("float"):
        return replace(arrays.affine(array, 255.0, 0.0, UNIT_AS_BYTES, where), dtype=name)
    return replace(array, dtype=name)


def dtype_name(value: Value | None) -> str | None:
    """The dtype that an argument names: ``torch.float32``, ``"float32"``."""
    from ae_audit.static.knowledge.torch.functional import DTYPES

    if isinstance(value, Library):
        return DTYPES.get(value.name.rpartition(".")[2])
    if isinstance(value, Const) and isinstance(value.value, str):
        return DTYPES.get(value.value.rpartition(".")[2])
    return None


def normalised(run: Run, array: Array, mean: Value | None, std: Value | None, where: Where) -> Array:
    """``(x - mean) / std`` channel by channel."""
    means, stds = _numbers(run, mean), _numbers(run, std)
    if means is None or stds is None or not means or not stds or 0.0 in stds:
        return arrays.standardised(array, "Normalize with statistics that are computed", where)
    count = max(len(means), len(stds))
    means, stds = _spread(means, count), _spread(stds, count)
    how = f"Normalize({_text(means)}, {_text(stds)})"
    channels = channels_of(array.shape)
    misfit = (count, channels) if channels is not None and count not in {1, channels} else None
    if channels == 1:
        means, stds = means[:1], stds[:1]
    if len(set(zip(means, stds, strict=True))) == 1:
        made = arrays.affine(array, 1.0 / stds[0], -means[0] / stds[0], how, where)
    else:
        parts = [array.values.affine(1.0 / s, -m / s) for m, s in zip(means, stds, strict=True)]
        values = parts[0]
        for part in parts[1:]:
            values = values.together(part)
        made = arrays.recast(array, values, how, where, dtype=array.dtype)
    known = are_statistics(means, stds)
    return replace(made, standardised=Tri.YES if known else Tri.NO, dtype=array.dtype, misfit=misfit)


def channels_of(shape: Shape) -> int | None:
    """The number of channels of an image or a batch of images, first or last, where it can only be that."""
    if shape is None or len(shape) < 3:
        return None
    extent = shape[2] if _is_channels_last(shape) else shape[-3]
    return extent if extent in {1, 2, 3, 4} else None


def _numbers(run: Run, value: Value | None) -> tuple[float, ...] | None:
    given = python(value)
    if isinstance(given, (int, float)):
        return (float(given),)
    if isinstance(given, tuple) and given and all(isinstance(item, (int, float)) for item in given):
        return tuple(float(item) for item in given)
    if isinstance(value, Array) and value.values.reach is not None and value.values.hull.width == 0:
        return (value.values.hull.lo,)
    return None


def _spread(numbers: tuple[float, ...], count: int) -> tuple[float, ...]:
    return numbers * count if len(numbers) == 1 else numbers


def _text(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{n:g}" for n in (numbers[:1] if len(set(numbers)) == 1 else numbers))


# -- shapes of images ------------------------------------------------------------------------------------------------

Shape = tuple[int | None, ...] | None


def _is_channels_last(shape: tuple[int | None, ...]) -> bool:
    return len(shape) == 3 and shape[2] in {1, 3, 4} and shape[0] not in {1, 3, 4}


def channels_first(shape: Shape) -> Shape:
    """Height × width (× channels) as channels × height × width."""
    if shape is None or len(shape) > 3:
        return shape
    if len(shape) == 2:
        return (1, *shape)
    if len(shape) == 3 and _is_channels_last(shape):
        return (shape[2], shape[0], shape[1])
    return shape


def _resized(array: Array, size: Any) -> Array:
    shape = array.shape
    if shape is None or len(shape) < 2:
        return array
    if isinstance(size, tuple) and len(size) == 1:
        size = size[0]
    if isinstance(size, int):
        heights = shape[:2] if _is_channels_last(shape) else shape[-2:]
        square = heights[0] is not None and heights[0] == heights[1]
        extents: tuple[int | None, ...] = (size, size) if square else (None, None)
    elif isinstance(size, tuple) and len(size) == 2:
        extents = tuple(item if isinstance(item, int) else None for item in size)
    else:
        extents = (None, None)
    if _is_channels_last(shape):
        return replace(array, shape=(*extents, shape[2]))
    return replace(array, shape=(*shape[:-2], *extents))


def _with_channels(shape: Shape, channels: int | None) -> Shape:
    if shape is None or len(shape) < 2:
        return shape
    if len(shape) == 2 or _is_channels_last(shape):
        return shape[:2] if channels == 1 else (*shape[:2], channels)
    return (*shape[:-3], channels, *shape[-2:])


def _padded(name: str, array: Array) -> Shape:
    if name not in {"Pad", "pad"} or array.shape is None:
        return array.shape
    if _is_channels_last(array.shape):
        return (None, None, array.shape[2])
    return (*array.shape[:-2], None, None)


def _fill(given: Call, array: Array) -> ValueRange:
    number = given.number(None, "fill", "value", default=0.0)
    filled = REAL_LINE if number is None else Interval(number, number)
    if given.given(None, "fill"):
        return ValueRange(filled) if number is None else ValueRange.exactly(filled)
    return ValueRange(array.values.hull.hull(filled), array.values.reach)

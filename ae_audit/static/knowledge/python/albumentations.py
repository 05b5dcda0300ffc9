"""``albumentations``: pipelines that take ``image=…`` and hand back a dictionary."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import arrays
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import NONE, Array, Const, Mapping, Object, Seq, Unknown, Value, number
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch.torchvision_steps import channels_first, normalised
from ae_audit.theory.intervals import BYTE
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("albumentations")
BASE = "albumentations.BasicTransform"
TABLE.aliases["albumentations.pytorch.transforms"] = "albumentations.pytorch"
TABLE.aliases["albumentations.augmentations.transforms"] = "albumentations"
TABLE.aliases["albumentations.core.composition"] = "albumentations"

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""``A.Normalize()`` without arguments."""


@TABLE.prefix("albumentations")
def transform(run: Run, name: str, call: Call) -> Value:
    """A transform or a pipeline, by its class."""
    made = Object(BASE, call, name.rpartition(".")[2])
    return made


@TABLE.method(BASE, "__call__")
def applied(run: Run, receiver: Any, call: Call) -> Value:
    """``pipeline(image=image, mask=mask)["image"]``."""
    given = dict(call.kwargs)
    if "image" not in given:
        return Unknown("what a pipeline returns", call.where)
    array = run.as_array(given["image"])
    if array is None:
        return Unknown("what a pipeline returns", call.where)
    if array.why is not None and array.values.unknown:
        # What such a pipeline is given is an image as it was read, 8 bits a channel.
        array = replace(array, values=ValueRange.exactly(BYTE), dtype="uint8", structure=Structure.CONTINUOUS, why=None)
    given["image"] = through(run, receiver, array, call.where)
    return Mapping(given)


def through(run: Run, receiver: Value, array: Array, where: Where) -> Array:
    """An image after one transform; those that are not named here keep the range of values."""
    if not isinstance(receiver, Object) or receiver.call is None:
        return array
    given, place = receiver.call, receiver.where or where
    name = str(receiver.state)
    if name in {"Compose", "Sequential", "ReplayCompose", "SomeOf", "OneOf", "OneOrOther"}:
        items, rest = run.iterate(given.get(0, "transforms") or Seq([]), where)
        for item in items if name in {"Compose", "Sequential", "ReplayCompose"} else items[:1]:
            array = through(run, item, array, where)
        return array if rest is None else arrays.unknown_array(run, "a pipeline of unknown transforms", where)
    if name == "Normalize":
        return _normalised(run, given, array, place)
    if name == "Lambda":
        function = given.get(0, "image")
        made = None if function is None else run.as_array(run.call(function, Call(where, [array])))
        if made is None and function is not None:
            return arrays.unknown_array(run, "what a function makes of images in a pipeline", where, array.source)
        return made or array
    if name == "ToFloat":
        top = number(given.get(0, "max_value")) or 255.0
        return replace(arrays.affine(array, 1.0 / top, 0.0, f"ToFloat({top:g})", place), dtype="float32")
    if name == "FromFloat":
        top = number(given.get(1, "max_value")) or 255.0
        return arrays.affine(array, top, 0.0, f"FromFloat({top:g})", place)
    if name in {"ToTensorV2", "ToTensorV3"}:
        return replace(array, shape=channels_first(array.shape))
    if name == "ToTensor":
        scaled = arrays.affine(array, 1.0 / 255.0, 0.0, "ToTensor()", place)
        return replace(scaled, dtype="float32", shape=channels_first(array.shape))
    if name in {"Resize", "RandomCrop", "CenterCrop", "RandomResizedCrop", "PadIfNeeded", "Crop", "RandomSizedCrop"}:
        height, width = given.constant(0, "height", "min_height"), given.constant(1, "width", "min_width")
        sizes = tuple(item if isinstance(item, int) else None for item in (height, width))
        shape = None if array.shape is None or len(array.shape) < 2 else (*sizes, *array.shape[2:])
        return replace(array, shape=shape)
    return array


def _normalised(run: Run, given: Call, array: Array, where: Where) -> Array:
    """``(image / max_pixel_value - mean) / std``."""
    top = number(given.get(2, "max_pixel_value"))
    top = 255.0 if given.get(2, "max_pixel_value") is None else top
    if not top:
        return arrays.unknown_array(run, "a normalisation by unknown numbers", where)
    scaled = replace(arrays.affine(array, 1.0 / top, 0.0, f"/ {top:g}", where), dtype="float32")
    mean, std = given.get(0, "mean"), given.get(1, "std")
    first, second = (Seq([Const(n) for n in numbers], "tuple") for numbers in IMAGENET)
    return normalised(run, scaled, mean if mean is not None else first, std if std is not None else second, where)


@TABLE.method(BASE, "__init__")
def initialised(run: Run, receiver: Any, call: Call) -> Value:
    """``super().__init__()`` of a user's own transform."""
    return NONE

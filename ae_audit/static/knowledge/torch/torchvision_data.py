"""``torchvision.datasets`` (and ``medmnist``): samples with their transforms, and raw access past them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from ae_audit.schema.location import TrailStep
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    NONE,
    Array,
    Bound,
    Class,
    Const,
    Function,
    Instance,
    Library,
    Object,
    Partial,
    Seq,
    Unknown,
    Value,
    is_const,
)
from ae_audit.static.interpreter.assignment import UNPACKED
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch.data import DATASET, class_index
from ae_audit.static.knowledge.torch.torchvision_datasets import (
    DATASETS,
    EMNIST_CLASSES,
    MEDMNIST,
    RAW_IMAGES,
    RAW_LABELS,
    ImageSet,
    Target,
)
from ae_audit.theory.intervals import BYTE, UNIT
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("torchvision data")
IMAGES = "torchvision.datasets.VisionDataset"
UNKNOWN_MAKE = "torchvision.datasets.VisionDataset of unknown make"
PREFIX = "torchvision.datasets"

for _module in (
    "mnist",
    "cifar",
    "folder",
    "celeba",
    "svhn",
    "stl10",
    "usps",
    "vision",
    "fakedata",
    "omniglot",
    "lsun",
):
    TABLE.aliases[f"{PREFIX}.{_module}"] = PREFIX
TABLE.aliases["medmnist.dataset"] = "medmnist"
TABLE.aliases[f"{PREFIX}.DatasetFolder"] = f"{PREFIX}.ImageFolder"
TABLE.bases[IMAGES] = (DATASET,)


def _known(kind: str) -> tuple[str, ImageSet] | None:
    """The data set behind a qualified class name."""
    name = kind.rpartition(".")[2]
    if kind.startswith(PREFIX) and name in DATASETS:
        return name, DATASETS[name]
    if kind.startswith("medmnist.") and name in MEDMNIST:
        return name, MEDMNIST[name]
    return None


def _constructor(kind: str) -> Callable[[Run, Call], Value]:
    def construct(run: Run, call: Call) -> Value:
        made = Object(kind, call)
        initialise(run, made, call)
        return made

    return construct


for _set in DATASETS:
    TABLE.functions[f"{PREFIX}.{_set}"] = _constructor(f"{PREFIX}.{_set}")
    TABLE.bases[f"{PREFIX}.{_set}"] = (IMAGES,)
for _set in MEDMNIST:
    TABLE.functions[f"medmnist.{_set}"] = _constructor(f"medmnist.{_set}")
    TABLE.bases[f"medmnist.{_set}"] = (IMAGES,)


TABLE.functions["a data set of unknown make"] = _constructor(UNKNOWN_MAKE)
"""A class that is not known, called with ``transform=``: samples are an image and something else."""
TABLE.bases[UNKNOWN_MAKE] = (IMAGES,)


@TABLE.method(UNKNOWN_MAKE, UNPACKED)
def several(run: Run, receiver: Object, call: Call) -> Value:
    """``train, test = create_loaders(…, transform=t)``: a data set each, where the name says so."""
    count = call.constant(0)
    written = _called(receiver)
    if _LOADS_SEVERAL.search(written.casefold()) is None:
        parts: list[Value] = [Unknown(f"what `{written}` returns is not known", call.where) for _ in range(count)]
        return Seq(parts, "tuple")
    return Seq([_constructor(UNKNOWN_MAKE)(run, receiver.call or call) for _ in range(count)], "tuple")


_LOADS_SEVERAL = re.compile(r"(loaders?|data_?sets?|data)$")


def _called(receiver: Object) -> str:
    """The name of what made an object, as written."""
    node = None if receiver.call is None else receiver.call.where.node
    if not isinstance(node, ast.Call):
        return ""
    return ast.unparse(node.func)


def initialise(run: Run, made: Any, call: Call) -> None:
    """Bind the transforms that a constructor call gives, wherever among the arguments they stand."""
    transforms = [argument for argument in call.args if _is_callable(argument)]
    made.attrs["transform"] = call.get(None, "transform") or (transforms[0] if transforms else NONE)
    made.attrs["target_transform"] = call.get(None, "target_transform") or (
        transforms[1] if len(transforms) > 1 else NONE
    )
    made.attrs["transforms"] = call.get(None, "transforms") or NONE
    made.state = {"images": run.fresh(), "labels": run.fresh(), "call": call}


def _is_callable(value: Value) -> bool:
    return isinstance(value, (Object, Instance, Function, Library, Partial, Bound, Class))


@TABLE.method(IMAGES, "__init__")
def vision_init(run: Run, receiver: Any, call: Call) -> Value:
    """``super().__init__(…)`` in a user's subclass."""
    initialise(run, receiver, call)
    return NONE


def _facts(run: Run, receiver: Any) -> tuple[str, ImageSet]:
    for kind in run.registry.kinds(receiver):
        found = _known(kind)
        if found is not None:
            return found
    return "images", ImageSet(None)


def _state(run: Run, receiver: Any) -> dict[str, Any]:
    if not isinstance(receiver.state, dict):
        call = receiver.call if isinstance(receiver, Object) else None
        initialise(run, receiver, call or Call(receiver.where))
    state: dict[str, Any] = receiver.state
    return state


def image(run: Run, receiver: Any) -> Array:
    """One image of the data set before any transform, height × width (× channels), 0 to 255."""
    name, facts = _facts(run, receiver)
    size = facts.size or (None, None)
    if name == "FakeData":
        given = _state(run, receiver)["call"].constant(1, "image_size")
        size = given[1:] if isinstance(given, tuple) and len(given) == 3 else size
    shape: tuple[int | None, ...] | None = None
    if facts.channels is not None:
        shape = size if facts.channels == 1 else (*size, facts.channels)
    where = receiver.where
    return Array(
        values=ValueRange.exactly(BYTE),
        dtype="uint8",
        shape=shape,
        structure=Structure.CONTINUOUS,
        source=f"{PREFIX}.{name}" if name in DATASETS else name,
        standardised=Tri.NO,
        where=where,
        trail=(TrailStep(f"{name} holds images of values 0 to 255", None if where is None else where.location),),
        root=_state(run, receiver)["images"],
    )


def label(run: Run, receiver: Any) -> Value:
    """The second part of a sample, before ``target_transform``."""
    name, facts = _facts(run, receiver)
    state = _state(run, receiver)
    if isinstance(receiver, Object) and receiver.cls == UNKNOWN_MAKE:
        known: Value = state.setdefault("second", Unknown(f"what `{_called(receiver)}` gives besides its images"))
        return known
    classes = facts.classes
    if name == "EMNIST":
        split = state["call"].constant(1, "split")
        classes = EMNIST_CLASSES.get(split) if isinstance(split, str) else None
    if facts.target is Target.CLASS:
        return class_index(run, classes, name, receiver.where, state["labels"])
    if facts.target is Target.ATTRIBUTES:
        return Array(
            ValueRange.exactly(UNIT),
            "int64",
            (classes,),
            Structure.MULTI_HOT,
            -1,
            f"attributes of {name}",
            root=state["labels"],
            where=receiver.where,
        )
    return Unknown(f"the annotations of {name}", receiver.where)


@TABLE.method(IMAGES, "__getitem__")
def vision_item(run: Run, receiver: Any, call: Call) -> Value:
    """The image through ``transform``, the label through ``target_transform``."""
    picture: Value = image(run, receiver)
    second = label(run, receiver)
    joint = receiver.attrs.get("transforms", NONE)
    if not is_const(joint, type(None)):
        return run.call(joint, Call(call.where, [picture, second]))
    picture = _through(run, receiver, "transform", picture, call.where)
    return Seq([picture, _through(run, receiver, "target_transform", second, call.where)], "tuple")


def _through(run: Run, receiver: Any, name: str, value: Value, where: Where) -> Value:
    function = receiver.attrs.get(name, NONE)
    return value if is_const(function, type(None)) else run.call(function, Call(where, [value]))


@TABLE.attribute(IMAGES, *RAW_IMAGES)
def raw_images(run: Run, receiver: Any) -> Value:
    """``dataset.data``: all images at once, past the transform."""
    from ae_audit.base.records import replace

    name, facts = _facts(run, receiver)
    if facts.raw is None:
        return Unknown(f"the raw data of {name}", receiver.where)
    single = image(run, receiver)
    height, width = facts.size or (None, None)
    sizes = {"N": None, "H": height, "W": width, "C": facts.channels}
    return replace(single, shape=tuple(sizes[letter] for letter in facts.raw), source=f"the raw data of {name}")


@TABLE.attribute(IMAGES, *RAW_LABELS)
def raw_labels(run: Run, receiver: Any) -> Value:
    """``dataset.targets``: all labels at once."""
    from ae_audit.base.records import replace

    found = label(run, receiver)
    return replace(found, shape=(None, *(found.shape or ()))) if isinstance(found, Array) else found


@TABLE.attribute(IMAGES, "classes", "class_to_idx", "imgs", "samples", "root")
def other_parts(run: Run, receiver: Any) -> Value:
    """Parts that say nothing of the values."""
    return Unknown("the names in a data set", receiver.where)


@TABLE.method(IMAGES, "__len__")
def vision_length(run: Run, receiver: Any, call: Call) -> Value:
    """The number of training images, where it is known and ``train`` is not False."""
    _, facts = _facts(run, receiver)
    given = _state(run, receiver)["call"]
    train = given.constant(1, "train", default=True)
    if facts.train is not None and train is True and not isinstance(receiver, Instance):
        return Const(facts.train)
    return Unknown("the length of a data set", call.where)

"""MONAI: data sets of dictionaries, transforms by key, inferers, and losses that are no overlap.

Networks and overlaps stand in :mod:`ae_audit.static.knowledge.torch.model_zoo`.
"""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, LossUse, Structure
from ae_audit.static.domain import arrays, losses, operators, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.random_numbers import NORMAL
from ae_audit.static.domain.values import Array, Const, Mapping, Object, Seq, Tensor, Unknown, Value, python
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch.data import DATASET, LOADER
from ae_audit.static.knowledge.torch.functional import names
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("monai")
SAMPLES = "monai.data.Dataset"
TRANSFORM = "monai.transforms.Transform"
TABLE.bases[SAMPLES] = (DATASET,)
TABLE.aliases["monai.data.DataLoader"] = LOADER
TABLE.aliases["monai.data.ThreadDataLoader"] = LOADER
for _module in ("intensity", "spatial", "croppad", "utility", "io", "post", "compose", "transform"):
    for _form in ("array", "dictionary"):
        TABLE.aliases[f"monai.transforms.{_module}.{_form}"] = "monai.transforms"
    TABLE.aliases[f"monai.transforms.{_module}"] = "monai.transforms"
for _module in ("dataset", "dataloader", "thread_buffer", "image_dataset"):
    TABLE.aliases[f"monai.data.{_module}"] = "monai.data"
IMAGE, LABEL = "image", "label"

# -- data sets -------------------------------------------------------------------------------------------------------


@TABLE.function(*(f"monai.data.{name}" for name in (
    "Dataset", "CacheDataset", "PersistentDataset", "SmartCacheDataset", "CacheNTransDataset", "LMDBDataset",
    "ImageDataset", "ArrayDataset")), "monai.apps.DecathlonDataset", "monai.apps.MedNISTDataset")  # fmt: skip
def _data_set(run: Run, call: Call) -> Value:
    return Object(SAMPLES, call, call.name)


@TABLE.method(SAMPLES, "__init__")
def _data_set_init(run: Run, receiver: Any, call: Call) -> Value:
    """``super().__init__(data, transform)`` in a user's subclass."""
    receiver.state = call
    return Const(None)


@TABLE.method(SAMPLES, "__getitem__")
def _sample(run: Run, receiver: Any, call: Call) -> Value:
    made = receiver.call if isinstance(receiver, Object) else receiver.state
    if not isinstance(made, Call):
        return Unknown("a sample of a data set", call.where)
    name = receiver.state if isinstance(receiver, Object) else "Dataset"
    if name == "ArrayDataset":
        return _arrays(run, made, call.where)
    if name == "ImageDataset":
        image = _transformed(run, made.get(None, "transform"), _file(run, call.where), call.where)
        masks, labels = made.get(1, "seg_files"), made.get(2, "labels")
        if masks is not None:
            mask = _transformed(run, made.get(None, "seg_transform"), _file(run, call.where), call.where)
            return Seq([image, mask], "tuple")
        return image if labels is None else Seq([image, run.element(labels, call.where)], "tuple")
    if name == "DecathlonDataset":
        files: Value = Mapping({IMAGE: Unknown("a file"), LABEL: Unknown("a file")})
        return _transformed(run, made.get(None, "transform"), files, call.where)
    if name == "MedNISTDataset":
        classes = Array(root=run.fresh(), structure=Structure.CLASS_INDEX, dtype="int64", shape=(), where=call.where)
        return _transformed(run, made.get(None, "transform"), Mapping({IMAGE: Unknown("a file"), LABEL: classes}),
                            call.where)  # fmt: skip
    data = made.get(0, "data")
    found = Unknown("a sample of a data set", call.where) if data is None else run.element(data, call.where)
    return _transformed(run, made.get(1, "transform"), found, call.where)


def _arrays(run: Run, made: Call, where: Where) -> Value:
    """``ArrayDataset(images, transform, masks, their transform, labels, their transform)``: one of each."""
    names = (("img", "img_transform"), ("seg", "seg_transform"), ("labels", "label_transform"))
    found: list[Value] = []
    for place, (data, transform) in enumerate(names):
        given = made.get(2 * place, data)
        if given is not None and made.given(2 * place, data):
            element = run.element(given, where)
            found.append(_transformed(run, made.get(2 * place + 1, transform), element, where))
    return found[0] if len(found) == 1 else Seq(found, "tuple")


def _transformed(run: Run, transform: Value | None, sample: Value, where: Where) -> Value:
    if transform is None or (isinstance(transform, Const) and transform.value is None):
        return sample
    parts = transform.items if isinstance(transform, Seq) and transform.rest is None else [transform]
    for part in parts:
        sample = run.call(part, Call(where, [sample]))
    return sample


def _file(run: Run, where: Where) -> Array:
    """What a medical image holds: nobody knows in which units."""
    return arrays.unknown_array(run, "it is read from a file by `LoadImage`", where, "medical images")


# -- transforms ------------------------------------------------------------------------------------------------------


@TABLE.prefix("monai.transforms")
def _transform(run: Run, name: str, call: Call) -> Value:
    return Object(TRANSFORM, call, name.rpartition(".")[2])


@TABLE.method(TRANSFORM, "__call__")
def _apply(run: Run, receiver: Any, call: Call) -> Value:
    value, made = call.get(0, "data", "img", "input_"), receiver.call
    if value is None or not isinstance(made, Call):
        return Unknown("the input of a transform", call.where)
    name = str(receiver.state)
    if name == "Compose":
        return _transformed(run, made.get(0, "transforms"), value, call.where)
    if not name.endswith(("d", "D", "Dict")) or name in _PLAIN_IN_D:
        return _step(run, name, made, 0, value, call.where)
    plain = name.removesuffix("Dict").removesuffix("d").removesuffix("D")
    if not isinstance(value, Mapping):
        return value if isinstance(value, Unknown) else Unknown("a sample of a data set", call.where)
    return _by_key(run, plain, made, value, call.where)


_PLAIN_IN_D = frozenset({"Pad", "SpatialPad", "BorderPad", "DivisiblePad"})
"""transforms of single images whose names end as those by key do"""


def _by_key(run: Run, name: str, made: Call, sample: Mapping, where: Where) -> Value:
    """A transform of the entries that it names; which they are, may not be known."""
    given = python(made.get(0, "keys"))
    keys = (given,) if isinstance(given, str) else given
    if not isinstance(keys, tuple):
        return Mapping({key: _lost(run, name, where) for key in sample.items}, sample.rest)
    items = dict(sample.items)
    if name in {"ConcatItems", "CopyItems"}:
        return _joined_or_copied(run, name, made, keys, items, sample.rest, where)
    for place, key in enumerate(keys):
        if key in items or sample.rest is not None:
            given_value = items.get(key) or sample.rest or Unknown("an entry")
            items[key] = _step(run, name, _for_key(made, place), 1, given_value, where)
    return Mapping(items, sample.rest)


def _joined_or_copied(
    run: Run, name: str, made: Call, keys: tuple[Any, ...], items: dict[Any, Value], rest: Value | None, where: Where
) -> Value:  # fmt: skip
    if name == "CopyItems":
        names = python(made.get(2, "names"))
        names = (names,) if isinstance(names, str) else names
        for key, copied in zip(keys, names if isinstance(names, tuple) else (), strict=False):
            items[copied] = items.get(key, Unknown("an entry"))
    else:
        joined, into = [items.get(key, Unknown("an entry")) for key in keys], made.constant(1, "name")
        found = [array for array in map(run.as_array, joined) if array is not None]
        made_of = arrays.concatenated(run, found) if len(found) == len(joined) and found else None
        items[into] = made_of or Unknown("entries joined", where)
    return Mapping(items, rest)


def _for_key(made: Call, place: int) -> Call:
    """The arguments that one of the keys gets, of those that may be given key by key (``argmax=(True, False)``)."""
    kwargs = {
        name: value.items[place] if isinstance(value, Seq) and name in _EACH and place < len(value.items) else value
        for name, value in made.kwargs.items()
    }
    return Call(made.where, made.args, kwargs, made.open)


_EACH = frozenset({"argmax", "threshold", "to_onehot", "b_min", "b_max"})


def _lost(run: Run, name: str, where: Where) -> Array:
    return arrays.unknown_array(run, f"`{name}` changes values of which the keys are not known", where)


_KEEPING = names(
    """
    EnsureChannelFirst AddChannel AsChannelFirst Orientation EnsureType ToTensor ToNumpy Lambda CastToType ToDevice
    SelectItems DeleteItems Identity ToMetaTensor FromMetaTensor Squeeze Flip Rotate90 Transpose CropForeground
    SpatialCrop CenterSpatialCrop RandSpatialCrop RandCropByPosNegLabel RandCropByLabelClasses
    RandSpatialCropSamples RandFlip RandRotate90 RandAxisFlip RandWeightedCrop SplitDim RepeatChannel RandZoom Zoom
    Resize Rotate RandRotate Spacing Affine RandAffine Rand2DElastic Rand3DElastic RandGaussianSmooth GaussianSmooth
    ResizeWithPadOrCrop SpatialPad Pad BorderPad DivisiblePad RandLambda RandGridDistortion CenterScaleCrop
    RandScaleCrop SaveImage Invert MapTransform SqueezeDim SplitChannel RandCoarseDropout
    """
)
"""transforms that move values; between those of a picture lie those that it is resized to"""
_FILLING = frozenset({"SpatialPad", "Pad", "BorderPad", "DivisiblePad", "ResizeWithPadOrCrop", "RandCoarseDropout"})


def _step(run: Run, name: str, made: Call, start: int, value: Value, where: Where) -> Value:
    """One image after the transform ``name``; its own parameters begin at ``start``."""
    if name == "LoadImage":
        return _file(run, where)
    if isinstance(value, Unknown) and name in {"EnsureChannelFirst", "SelectItems", "DeleteItems", "Lambda"}:
        return value
    if isinstance(value, Tensor) and name not in _KEEPING:
        return tensors.opaque(run, value.framework, [value], f"what `{name}` makes of the output is not known")
    array = run.as_array(value)
    if array is None:
        return value
    if name in _KEEPING and name not in {"Lambda", "RandLambda"}:
        hull = array.values.hull.hull(Interval(0.0, 0.0)) if name in _FILLING else array.values.hull
        return replace(array, values=ValueRange(hull, array.values.reach), shape=None)
    how = f"{name}()"
    if name == "ScaleIntensity":
        low, high = made.number(start, "minv", default=0.0), made.number(start + 1, "maxv", default=1.0)
        return _between(run, array, low, high, how, where)
    if name == "ScaleIntensityRange":
        return _from_range(run, made, start, array, how, where)
    if name == "ScaleIntensityRangePercentiles":
        low, high = made.number(start + 2, "b_min"), made.number(start + 3, "b_max")
        if made.constant(start + 4, "clip", default=False) is True:
            return _between(run, array, low, high, how, where)
        return arrays.recast(array, ValueRange(), how, where, why=f"`{name}` without `clip` bounds no value")
    if name == "NormalizeIntensity":
        plain = made.get(start, "subtrahend") is None and made.get(start + 1, "divisor") is None
        if plain:
            return arrays.standardised(array, how, where)
        return arrays.recast(array, ValueRange(), how, where, why=f"what `{name}` takes away and divides by")
    if name in {"ThresholdIntensity", "MaskIntensity"}:
        return replace(array, shape=None)
    if name in {"AsDiscrete", "ConvertToMultiChannelBasedOnBratsClasses", "LabelToMask", "FgBgToIndices"}:
        return _discrete(run, name, made, start, array, where)
    if name == "Lambda":
        function = made.get(start, "func")
        return value if function is None else run.call(function, Call(where, [value]))
    why = f"what `{name}` makes of the values is not known"
    return arrays.recast(array, ValueRange(), how, where, why=why)


def _between(run: Run, array: Array, low: float | None, high: float | None, how: str, where: Where) -> Array:
    if low is None or high is None or low > high:
        return arrays.recast(array, ValueRange(), how, where, why=f"the ends of `{how}`")
    return arrays.recast(array, ValueRange.exactly(Interval(low, high)), how, where, why=None)


def _from_range(run: Run, made: Call, start: int, array: Array, how: str, where: Where) -> Array:
    names = ("a_min", "a_max", "b_min", "b_max")
    a_min, a_max, b_min, b_max = (made.number(start + place, name) for place, name in enumerate(names))
    if a_min is None or a_max is None or b_min is None or b_max is None or a_min >= a_max or b_min >= b_max:
        return arrays.recast(array, ValueRange(), how, where, why=f"the ends of `{how}`")
    factor = (b_max - b_min) / (a_max - a_min)
    scaled = arrays.affine(array, factor, b_min - a_min * factor, how, where)
    if made.constant(start + 4, "clip", default=False) is not True:
        return scaled
    return arrays.recast(scaled, ValueRange(Interval(b_min, b_max), scaled.values.reach and Interval(b_min, b_max)),
                         how, where, why=None)  # fmt: skip


def _discrete(run: Run, name: str, made: Call, start: int, array: Array, where: Where) -> Array:
    if name == "AsDiscrete":
        onehot, threshold = made.get(start + 1, "to_onehot"), made.get(start + 2, "threshold")
        if onehot is not None and python(onehot, ...) not in {None, False}:
            return zeros_and_ones(array, Structure.ONE_HOT, where)
        if threshold is None or python(threshold, ...) in {None, False}:
            return replace(array, structure=Structure.CLASS_INDEX)
    return zeros_and_ones(array, Structure.MULTI_HOT, where)


def zeros_and_ones(array: Array, structure: Structure, where: Where) -> Array:
    """Labels along the channels, of data whatever they were."""
    made = replace(array, values=ValueRange.exactly(UNIT), structure=structure, where=where, why=None, shape=None)
    return replace(made, structure_axis=1 if structure is Structure.ONE_HOT else None, scale=None, shift=None)


@TABLE.function("monai.networks.one_hot", "monai.networks.utils.one_hot")
def _one_hot(run: Run, call: Call) -> Value:
    """``one_hot(labels, num_classes)``, along the channels."""
    labels = run.as_array(call.args[0]) if call.args else None
    return Unknown("labels", call.where) if labels is None else zeros_and_ones(labels, Structure.ONE_HOT, call.where)


@TABLE.function(
    "monai.data.list_data_collate", "monai.data.pad_list_data_collate", "monai.data.utils.list_data_collate"
)
def _collated(run: Run, call: Call) -> Value:
    from ae_audit.static.knowledge.torch.data import stacked

    return stacked(run, run.element(call.args[0], call.where) if call.args else Unknown("samples"), call.where)


@TABLE.function("monai.data.decollate_batch")
def _taken_apart(run: Run, call: Call) -> Value:
    return Seq([], rest=call.args[0] if call.args else Unknown("a batch"))


# -- inferers and losses ---------------------------------------------------------------------------------------------


@TABLE.function(*(f"monai.inferers.{name}" for name in (
    "DiffusionInferer", "LatentDiffusionInferer", "SimpleInferer", "SlidingWindowInferer")))  # fmt: skip
def _inferer(run: Run, call: Call) -> Value:
    return Object("monai.inferers.Inferer", call, call.name)


@TABLE.method("monai.inferers.Inferer", "__call__")
def _infer(run: Run, receiver: Any, call: Call) -> Value:
    """``inferer(inputs, diffusion_model=unet, noise=noise, timesteps=t)``: what the network gives for noisy inputs."""
    inputs, network = call.get(0, "inputs"), call.get(1, "diffusion_model", "network")
    if inputs is None or network is None:
        return Unknown("what an inferer gives", call.where)
    if "Diffusion" in str(receiver.state):
        latent = "Latent" in str(receiver.state)
        noise = call.get(3 if latent else 2, "noise")
        clean = None if latent or isinstance(inputs, Tensor) else run.as_array(inputs)
        noisy = _noisy(run, clean, noise, call.where) if clean is not None else inputs
        return run.call(network, Call(call.where, [noisy], {"timesteps": Unknown("steps of a schedule")}))
    return run.call(network, Call(call.where, [inputs]))


def _noisy(run: Run, clean: Array, noise: Value | None, where: Where) -> Value:
    """Data and noise, mixed in shares that a schedule knows."""
    added = noise if isinstance(noise, Array) else Array(NORMAL, root=run.fresh(), random=True, where=where)
    shares = [Array(ValueRange(UNIT), root=run.fresh(), why="the share of a schedule", where=where) for _ in range(2)]
    parts = [operators.binary(run, "*", share, part, where) for share, part in zip(shares, (clean, added), strict=True)]
    return operators.binary(run, "+", parts[0], parts[1], where)


@TABLE.function("monai.losses.PatchAdversarialLoss", "monai.losses.adversarial_loss.PatchAdversarialLoss")
def _adversarial(run: Run, call: Call) -> Value:
    return Object("monai.losses.PatchAdversarialLoss", call)


_CRITERIA = {"bce": "bce", "least_squares": "mse"}


@TABLE.method("monai.losses.PatchAdversarialLoss", "__call__", "forward")
def _judged(run: Run, receiver: Any, call: Call) -> Value:
    """``loss(scores, target_is_real=True, for_discriminator=True)``: scores of a judge against one number."""
    made = receiver.call
    name = _CRITERIA.get(str(made.constant(1, "criterion", default="least_squares")))
    real = call.constant(1, "target_is_real")
    scores = call.get(0, "input")
    if isinstance(scores, Seq):
        scores = scores.items[-1] if scores.items else scores.rest
    activated = made.constant(None, "no_activation_leastsq", default=False) is not True
    if name is None or not isinstance(scores, Tensor) or not isinstance(real, bool):
        return Unknown("a loss of a judge", call.where)
    last = "sigmoid" if name == "bce" else "leaky_relu" if activated else None
    if last is not None:
        slope: dict[str, Any] = {"negative_slope": 0.05} if last == "leaky_relu" else {}
        scores = tensors.activated(run, scores, last, call.where, framework=Framework.TORCH, parameters=slope)
    answer = Interval(float(real), float(real))
    target = Array(ValueRange.exactly(answer), shape=(), root=run.fresh(), where=call.where,
                   synthetic=True)  # fmt: skip
    use = LossUse(name, call.where.written, location=call.where.location)
    return losses.compared(run, use, scores, target, call.where, framework=Framework.TORCH)

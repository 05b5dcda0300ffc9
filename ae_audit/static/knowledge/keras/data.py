"""Keras data: bundled data sets, image generators, folders of images, ``to_categorical`` and ``tf.data``."""

from __future__ import annotations

import math

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import array_api, arrays
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Mapping, Object, Seq, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import BYTE, NON_NEGATIVE, UNIT, Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("keras data")
_IMAGES: dict[str, tuple[tuple[int, ...], int, int]] = {
    "mnist": ((28, 28), 60000, 10), "fashion_mnist": ((28, 28), 60000, 10), "cifar10": ((32, 32, 3), 50000, 10),
    "cifar100": ((32, 32, 3), 50000, 100),
}  # fmt: skip
_TESTS = 10000
"""test images of each of these sets"""


def _labels(run: Run, source: str, count: int, classes: int, where: Where, column: bool) -> Array:
    shape: tuple[int | None, ...] = (count, 1) if column else (count,)
    return Array(ValueRange.exactly(Interval(0.0, classes - 1.0)), "uint8", shape, Structure.CLASS_INDEX,
                 root=run.fresh(), source=f"the labels of {source}", where=where)  # fmt: skip


def _pixels(run: Run, source: str, shape: tuple[int | None, ...], where: Where) -> Array:
    made = Array(
        ValueRange.exactly(BYTE), "uint8", shape, Structure.CONTINUOUS, root=run.fresh(), source=source, where=where
    )
    return replace(made, trail=arrays.step(made, f"`{source}` is uint8 [0, 255]", where))


def _files(run: Run, source: str, shape: tuple[int | None, ...], where: Where) -> Array:
    return replace(_pixels(run, source, shape, where), pictured=True)


@TABLE.function(*(f"keras.datasets.{name}.load_data" for name in _IMAGES))
def _load_images(run: Run, call: Call) -> Value:
    name = _data_set(call)
    return image_set(run, name, call)


def _data_set(call: Call) -> str:
    return call.where.written if not call.qualified else call.qualified.split(".")[-2]


def image_set(run: Run, name: str, call: Call) -> Value:
    """The four arrays of a bundled image data set."""
    shape, count, classes = _IMAGES.get(name, _IMAGES["mnist"])
    source = f"{name}.load_data()"
    halves: list[Value] = []
    for samples in (count, _TESTS):
        x = _pixels(run, source, (samples, *shape), call.where)
        y = _labels(run, source, samples, classes, call.where, column=name.startswith("cifar"))
        halves.append(Seq([x, y], "tuple"))
    return Seq(halves, "tuple")


@TABLE.function("keras.datasets.imdb.load_data", "keras.datasets.reuters.load_data")
def _load_words(run: Run, call: Call) -> Value:
    halves: list[Value] = []
    for _ in range(2):
        x = Array(ValueRange(Interval(0.0, math.inf)), "int64", (None, None), Structure.CLASS_INDEX, root=run.fresh(),
                  source="word indices", where=call.where)  # fmt: skip
        binary = "imdb" in call.qualified
        structure = Structure.BINARY_LABEL if binary else Structure.CLASS_INDEX
        y = Array(ValueRange.exactly(Interval(0.0, 1.0 if binary else 45.0)), "int64", (None,), structure,
                  root=run.fresh(), source="labels", where=call.where)  # fmt: skip
        halves.append(Seq([x, y], "tuple"))
    return Seq(halves, "tuple")


@TABLE.function("keras.datasets.boston_housing.load_data", "keras.datasets.california_housing.load_data")
def _load_prices(run: Run, call: Call) -> Value:
    halves: list[Value] = []
    for _ in range(2):
        x = Array(structure=Structure.CONTINUOUS, root=run.fresh(), where=call.where, why="measurements of many scales")
        y = Array(
            ValueRange(Interval(0.0, math.inf)), structure=Structure.CONTINUOUS, root=run.fresh(), where=call.where
        )
        halves.append(Seq([x, y], "tuple"))
    return Seq(halves, "tuple")


@TABLE.function("keras.utils.to_categorical")
def _to_categorical(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else run.as_array(call.get(None, "y", "x") or Unknown("nothing"))
    if array is None:
        return Unknown("one-hot vectors of something unknown", call.where)
    classes = call.constant(1, "num_classes", "nb_classes")
    shape = None
    if array.shape is not None and isinstance(classes, int):
        base = array.shape[:-1] if array.shape and array.shape[-1] == 1 else array.shape
        shape = (*base, classes)
    return arrays.recast(array, ValueRange.exactly(UNIT), "to_categorical()", call.where, structure=Structure.ONE_HOT,
                         structure_axis=-1, shape=shape)  # fmt: skip


@TABLE.function("keras.utils.normalize")
def _normalize(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("the result of normalize() on unknown data", call.where)
    low = 0.0 if array.values.hull.lo >= 0 else -1.0
    return arrays.recast(array, ValueRange(Interval(low, 1.0)), "keras.utils.normalize()", call.where)


@TABLE.function("keras.utils.load_img", "keras.utils.array_to_img")
def _load_image(run: Run, call: Call) -> Value:
    return _files(run, "an image file", (None, None, None), call.where)


@TABLE.function("keras.utils.img_to_array")
def _to_array(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    return Unknown("an image", call.where) if array is None else replace(array, dtype="float32")


@TABLE.function("keras.preprocessing.sequence.pad_sequences", "keras.utils.pad_sequences")
def _pad(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    return Unknown("padded sequences", call.where) if array is None else replace(array, shape=None)


# -- generators -------------------------------------------------------------------------------------------------------


@TABLE.function("keras.preprocessing.image.ImageDataGenerator")
def _generator(run: Run, call: Call) -> Value:
    return Object("keras.preprocessing.image.ImageDataGenerator", call)


@TABLE.method("keras.preprocessing.image.ImageDataGenerator", "fit")
def _generator_fit(run: Run, receiver: Object, call: Call) -> Value:
    return Const(None)


def _augmented(run: Run, receiver: Object, images: Array, where: Where) -> Array:
    """Images after the generator's own preprocessing: function first, then rescale, then centring."""
    made = receiver.call
    if made is None:
        return images
    function = made.get(None, "preprocessing_function")
    if function is not None and not (isinstance(function, Const) and function.value is None):
        result = run.as_array(run.call(function, Call(where, [images])))
        images = result if result is not None else arrays.unknown_array(run, "a preprocessing function", where)
    factor = made.number(None, "rescale")
    if factor:
        images = arrays.affine(images, factor, 0.0, f"rescale={arrays.short(factor)}", made.where)
    centred = made.constant(None, "featurewise_center") or made.constant(None, "samplewise_center")
    scaled = made.constant(None, "featurewise_std_normalization") or made.constant(None, "samplewise_std_normalization")
    if scaled:
        return arrays.standardised(images, "std_normalization", made.where)
    if centred or made.constant(None, "zca_whitening"):
        return arrays.recast(images, ValueRange(), "centring", made.where, why="images centred by their mean")
    return images


@TABLE.method("keras.preprocessing.image.ImageDataGenerator", "flow")
def _flow(run: Run, receiver: Object, call: Call) -> Value:
    given = call.get(0, "x")
    array = run.as_array(given) if given is not None else None
    if array is None:
        return Unknown("what a generator yields", call.where)
    images = _augmented(run, receiver, array, call.where)
    target = call.get(1, "y")
    if target is None or (isinstance(target, Const) and target.value is None):
        return iterator(images, call)
    return iterator(Seq([images, target], "tuple"), call)


@TABLE.method("keras.preprocessing.image.ImageDataGenerator", "flow_from_directory", "flow_from_dataframe")
def _flow_from_directory(run: Run, receiver: Object, call: Call) -> Value:
    images = _augmented(run, receiver, _files(run, "image files", (None, None, None, None), call.where), call.where)
    return iterator(_with_labels(run, images, call, _mode(call, None, "class_mode", "categorical")), call)


_LABELS: dict[str, tuple[ValueRange, Structure, int | None]] = {
    "categorical": (ValueRange.exactly(UNIT), Structure.ONE_HOT, -1),
    "binary": (ValueRange.exactly(UNIT), Structure.BINARY_LABEL, None),
    "sparse": (ValueRange(NON_NEGATIVE), Structure.CLASS_INDEX, None),
    "int": (ValueRange(NON_NEGATIVE), Structure.CLASS_INDEX, None),
}
"""what the labels hold that a reader makes of the folders' names, by its mode; of other modes they are the user's"""


def _mode(call: Call, position: int | None, name: str, default: str) -> object:
    """The mode of a reader's labels: ``default`` only where none is given."""
    return call.constant(position, name, default="unknown") if call.get(position, name) is not None else default


def _with_labels(run: Run, samples: Array, call: Call, mode: object) -> Value:
    if mode is None:
        return samples
    if mode == "input":
        return Seq([samples, samples], "tuple")
    known = _LABELS.get(str(mode))
    if known is None:
        return Seq([samples, arrays.unknown_array(run, "labels", call.where)], "tuple")
    values, structure, axis = known
    labels = Array(values, "float32", None, structure, axis, root=run.fresh(), source="the folders' names",
                   where=call.where)  # fmt: skip
    return Seq([samples, labels], "tuple")


def iterator(element: Value, call: Call) -> Object:
    """Something that yields ``element`` again and again."""
    return Object("tensorflow.data.Dataset", call, state=element)


@TABLE.function("keras.utils.image_dataset_from_directory", "keras.preprocessing.image.image_dataset_from_directory")
def _image_folder(run: Run, call: Call) -> Value:
    images = replace(_files(run, "image files", (None, None, None, None), call.where), dtype="float32")
    return _folder(run, images, call)


@TABLE.function("keras.utils.text_dataset_from_directory")
def _text_folder(run: Run, call: Call) -> Value:
    return _folder(run, arrays.unknown_array(run, "texts", call.where), call)


def _folder(run: Run, samples: Array, call: Call) -> Value:
    mode = _mode(call, 2, "label_mode", "int")
    labels = call.constant(1, "labels", default="inferred")
    return iterator(samples if labels is None else _with_labels(run, samples, call, mode), call)


@TABLE.function("keras.utils.timeseries_dataset_from_array", "keras.preprocessing.sequence.TimeseriesGenerator")
def _windows(run: Run, call: Call) -> Value:
    """Stretches of a series, each with the target of its end; what they share with it is values, not places."""
    series = array_api.data(run, call.get(0, "data"))
    target = call.get(1, "targets")
    if not isinstance(series, Array):
        series = arrays.unknown_array(run, "the values of a time series", call.where)
    length = call.constant(2, "length", "sequence_length")
    if call.given(3, "sampling_rate") and call.name == "TimeseriesGenerator":
        length = None  # of so many steps, one of each few: the other function counts those that it takes
    shape = (None, length if isinstance(length, int) else None, *series.shape[1:]) if series.shape else None
    windows = replace(series, root=run.fresh(), shape=shape)
    if target is None or (isinstance(target, Const) and target.value is None):
        return iterator(windows, call)
    return iterator(Seq([windows, target], "tuple"), call)


# -- tf.data ----------------------------------------------------------------------------------------------------------

DATASET = "tensorflow.data.Dataset"


@TABLE.function(f"{DATASET}.from_tensor_slices", f"{DATASET}.from_tensors")
def _from_slices(run: Run, call: Call) -> Value:
    value = call.get(0, "tensors")
    if isinstance(value, Seq) and value.items and all(isinstance(item, Const) for item in value.items):
        value = run.as_array(value) or value
    return iterator(value or Unknown("nothing"), call)


@TABLE.function(f"{DATASET}.from_generator")
def _from_generator(run: Run, call: Call) -> Value:
    function = call.get(0, "generator")
    return iterator(Unknown("what a generator yields") if function is None else run.element(
        run.call(function, Call(call.where)), call.where), call)  # fmt: skip


@TABLE.function(f"{DATASET}.zip")
def _zip(run: Run, call: Call) -> Value:
    parts = call.args
    if len(parts) == 1 and isinstance(parts[0], Seq):
        parts = parts[0].items
    return iterator(Seq([_element(run, part) for part in parts], "tuple"), call)


@TABLE.function(f"{DATASET}.list_files", f"{DATASET}.range", "tensorflow.data.TFRecordDataset",
                "tensorflow.data.TextLineDataset")  # fmt: skip
def _unknown_data(run: Run, call: Call) -> Value:
    return iterator(Unknown("records of files"), call)


def _element(run: Run, value: Value) -> Value:
    if isinstance(value, Object) and value.cls == DATASET and isinstance(value.state, Value):
        return value.state
    return run.element(value)


@TABLE.method(DATASET, "__iter__", "as_numpy_iterator", "make_one_shot_iterator")
def _iterate(run: Run, receiver: Object, call: Call) -> Value:
    return Seq([], "iterator", _element(run, receiver))


@TABLE.method(DATASET, "get_next", "next", "__getitem__", "__next__")
def _next(run: Run, receiver: Object, call: Call) -> Value:
    return _element(run, receiver)


@TABLE.method(DATASET, "map", "interleave", "flat_map")
def _map(run: Run, receiver: Object, call: Call) -> Value:
    function = call.get(0, "map_func")
    element = _element(run, receiver)
    if function is None:
        return receiver
    given = list(element.items) if isinstance(element, Seq) and element.kind == "tuple" else [element]
    return iterator(run.call(function, Call(call.where, given)), call)


@TABLE.method(DATASET, "batch", "shuffle", "repeat", "cache", "prefetch", "take", "skip", "filter", "padded_batch",
              "unbatch", "with_options", "shard", "concatenate", "ignore_errors", "reset")  # fmt: skip
def _same(run: Run, receiver: Object, call: Call) -> Value:
    return receiver


@TABLE.method(DATASET, "apply")
def _apply(run: Run, receiver: Object, call: Call) -> Value:
    """``dataset.apply(function)``: what the function makes of the whole data set."""
    function = call.get(0, "transformation_func")
    if isinstance(function, Object) and function.cls == "tensorflow.data.transformation" and function.call is not None:
        return _map(run, receiver, function.call) if function.call.name == "map_and_batch" else receiver
    made = receiver if function is None else run.call(function, Call(call.where, [receiver]))
    return iterator(made, call) if isinstance(made, Unknown) else made


@TABLE.function(*(f"tensorflow.data.experimental.{name}" for name in (
    "assert_cardinality", "copy_to_device", "ignore_errors", "map_and_batch", "prefetch_to_device",
    "shuffle_and_repeat", "snapshot", "unbatch")))  # fmt: skip
def _transformation(run: Run, call: Call) -> Value:
    return Object("tensorflow.data.transformation", call)


@TABLE.method(DATASET, "enumerate")
def _enumerate(run: Run, receiver: Object, call: Call) -> Value:
    counter = Unknown("the number of an element", call.where)
    return iterator(Seq([counter, _element(run, receiver)], "tuple"), call)


@TABLE.attribute(DATASET, "class_indices", "samples", "n", "batch_size", "classes", "filenames", "element_spec",
                 "image_shape", "num_classes", "labels", "class_names")  # fmt: skip
def _about(run: Run, receiver: Object) -> Value:
    return Unknown("a property of a data set")


# -- tfds and the old MNIST reader ------------------------------------------------------------------------------------


_MASKS = {"oxford_iiit_pet": Interval(1.0, 3.0)}
"""the kinds of pixels in a data set's masks"""


@TABLE.function("tensorflow_datasets.load")
def _tfds(run: Run, call: Call) -> Value:
    name = call.constant(0, "name")
    if isinstance(name, str) and name.split("/")[0].split(":")[0] in {*_IMAGES, "emnist", "kmnist", "celeb_a",
        "svhn_cropped",
                                                        "omniglot", "horses_or_humans", "cats_vs_dogs",
                                                        "oxford_flowers102",
                                                        "tf_flowers", "stl10", *_MASKS}:  # fmt: skip
        x = _pixels(run, f"tfds {name}", (None, None, None), call.where)
        y = Array(ValueRange(Interval(0.0, math.inf)), "int64", (), Structure.CLASS_INDEX, root=run.fresh(),
                  where=call.where, source=f"the labels of {name}")  # fmt: skip
    else:
        x = arrays.unknown_array(run, f"the data set `{name}`", call.where)
        y = arrays.unknown_array(run, f"the data set `{name}`", call.where)
    supervised = call.constant(None, "as_supervised") is True
    features: dict[object, Value] = {"image": x, "label": y}
    mask = _MASKS.get(name.split("/")[0].split(":")[0]) if isinstance(name, str) else None
    if mask is not None:
        kinds, shape = ValueRange.exactly(mask), (None, None, 1)
        features["segmentation_mask"] = Array(kinds, "uint8", shape, Structure.CLASS_INDEX, root=run.fresh(),
                                              where=call.where, source=f"the masks of {name}")  # fmt: skip
    element: Value = Seq([x, y], "tuple") if supervised else Mapping(features)
    made = iterator(element, call)
    split = call.get(1, "split")
    result: Value = Seq([made for _ in split.items], "list") if isinstance(split, Seq) else (
        made if split is not None and not (isinstance(split, Const) and split.value is None)
        else Mapping({"train": made, "test": made, "validation": made})
    )  # fmt: skip
    return (
        Seq([result, Unknown("information on a data set")], "tuple")
        if call.constant(None, "with_info") is True
        else result
    )


@TABLE.function("tensorflow.examples.tutorials.mnist.input_data.read_data_sets")
def _read_data_sets(run: Run, call: Call) -> Value:
    made = Object("tensorflow.examples.mnist", call)
    hot = call.constant(None, "one_hot") is True
    for part in ("train", "test", "validation"):
        x = Array(ValueRange.exactly(UNIT), "float32", (None, 784), Structure.CONTINUOUS, root=run.fresh(),
                  source="input_data.read_data_sets()", where=call.where)  # fmt: skip
        y = Array(ValueRange.exactly(UNIT if hot else Interval(0.0, 9.0)), "float32", None,
                  Structure.ONE_HOT if hot else Structure.CLASS_INDEX, -1 if hot else None, root=run.fresh(),
                  where=call.where)  # fmt: skip
        half = Object("tensorflow.examples.mnist.half", call)
        half.attrs.update({"images": x, "labels": y, "num_examples": Const(55000)})
        half.state = Seq([x, y], "tuple")
        made.attrs[part] = half
    return made


@TABLE.method("tensorflow.examples.mnist.half", "next_batch")
def _next_batch(run: Run, receiver: Object, call: Call) -> Value:
    return receiver.state if isinstance(receiver.state, Value) else Unknown("a batch", call.where)

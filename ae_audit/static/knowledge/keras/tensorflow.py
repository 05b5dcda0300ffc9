"""``tf.*``, ``K.*`` and ``keras.ops.*``: operations on tensors of the network and on data, tapes and optimizers."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Structure
from ae_audit.static.domain import array_api, arrays, losses, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.array_shapes import given_shape, moved_shape, shape_like
from ae_audit.static.domain.dtypes import dtype_name
from ae_audit.static.domain.values import (
    Array,
    Const,
    Difference,
    Function,
    Library,
    LossValue,
    Object,
    Partial,
    Seq,
    Tensor,
    Unknown,
    Value,
)
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.keras.losses import called, use_of
from ae_audit.static.knowledge.spellings import activation as canonical
from ae_audit.static.knowledge.spellings import loss as canonical_loss
from ae_audit.theory.activations import arguments as activation_arguments
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import UNKNOWN_RANGE, Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("tensorflow operations")
KERAS = Framework.KERAS
_ROOTS = ("tensorflow", "tensorflow.math", "keras.backend", "keras.ops", "tensorflow.nn", "tensorflow.image",
          "tensorflow.random", "tensorflow.linalg", "keras.random", "keras.activations", "tensorflow.keras.activations",
          "tensorflow.raw_ops")  # fmt: skip
TABLE.constants.update({f"tensorflow.{name}": name for name in ("float32", "float64", "float16", "uint8",
    "int32", "int64",
                                                                "bool", "string", "bfloat16")})  # fmt: skip
TABLE.constants["tensorflow.newaxis"] = None
_PADDING = ("resize_with_pad", "resize_with_crop_or_pad", "resize_image_with_crop_or_pad", "resize_image_with_pad",
            "pad_to_bounding_box")  # fmt: skip
"""what puts zeros round a picture"""
_MOVING = ("reshape", "transpose", "permute_dimensions", "expand_dims", "squeeze", "flatten", "batch_flatten",
           "repeat_elements", "repeat", "tile", "gather", "slice", "identity", "stop_gradient", "convert_to_tensor",
           "constant", "Variable", "ensure_shape", "resize", "resize_images", "pad", "reverse", "flip_left_right",
           "random_flip_left_right", "random_flip_up_down", "crop_to_bounding_box", *_PADDING,
           "central_crop", "random_crop", "max_pool", "avg_pool", "max_pool2d",
           "avg_pool2d", "stop_gradients", "broadcast_to", "spatial_2d_padding", "dropout", "boolean_mask",
           "roll", "variable", "gather_nd", "cast_to_floatx", "sparse_tensor_to_dense", "random_brightness", "unstack",
           "random_shuffle", "shuffle", "image_gradients", "depth_to_space", "space_to_depth", "batch_to_space",
           "space_to_batch", "space_to_batch_nd", "batch_to_space_nd", "extract_patches", "extract_image_patches",
           "copy", "strided_slice")  # fmt: skip
_STATISTICS = {"reduce_mean": "mean", "mean": "mean", "reduce_sum": "sum", "sum": "sum", "reduce_max": "max",
               "max": "max", "reduce_min": "min", "min": "min", "reduce_std": "std", "std": "std",
               "reduce_variance": "var", "var": "var", "reduce_prod": "prod", "prod": "prod"}  # fmt: skip
_BINARY = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "truediv": "/", "pow": "**", "sub": "-",
           "mul": "*", "div": "/", "matmul": "@", "dot": "@", "math_add": "+", "divide_no_nan": "/"}  # fmt: skip
_RANDOM_NORMAL = {"random_normal", "normal", "truncated_normal", "random_normal_variable", "stateless_normal"}
_RANDOM_UNIFORM = {"random_uniform", "uniform"}


@TABLE.prefix("tensorflow", "keras.backend", "keras.ops", "keras.random", "keras.activations")
def _operation(run: Run, name: str, call: Call) -> Value:
    root, _, short = name.rpartition(".")
    if root not in _ROOTS:
        return _other(run, name, call)
    first = call.args[0] if call.args else next(iter(call.kwargs.values()), None)
    if short in _MOVING:
        return _moved(run, name, first, call)
    if short in _STATISTICS and root not in {"tensorflow.random", "keras.random"}:
        axis = array_api.axis_of(call, 1)
        keep = call.constant(2, "keepdims", "keep_dims") is True
        return array_api.reduced(run, first, _STATISTICS[short], call.where, whole=axis is None, axis=axis, keep=keep)
    if short in _BINARY and len(call.args) >= 2:
        return array_api.binary(run, _BINARY[short], call)
    if short in _RANDOM_NORMAL:
        return _normal(run, call)
    if short in _RANDOM_UNIFORM:
        return _uniform(run, short, call)
    handler = _NAMED.get(short)
    if handler is not None:
        named: Value = handler(run, first, call)
        return named
    if canonical_loss("keras", name) is not None and (len(call.args) >= 2 or "logits" in call.kwargs):
        return _loss(run, name, call)
    return _activation(run, name, first, call) or _other(run, name, call)


def _moved(run: Run, name: str, first: Value | None, call: Call) -> Value:
    short = name.rpartition(".")[2]
    if short == "Variable" and _starts_weights(first, call):
        return tensors.weights(KERAS, first.shape if isinstance(first, Array) else None)
    if short in {"constant", "convert_to_tensor", "Variable", "variable", "identity", "stop_gradient", "ensure_shape",
                 "cast_to_floatx", "copy"}:  # fmt: skip
        return first if first is not None else Unknown("a tensor of nothing", call.where)
    if short == "reshape":
        return array_api.reshaped(run, first, array_api.sizes_of(call, 1), call.where)
    rest = call.without_first() if call.args else call
    shape = moved_shape(short, shape_like(first), rest)
    made = array_api.moved(run, first, short, call.where, shape)
    made = array_api.with_moved_axis(made, short, shape_like(first), rest)
    if short in _PADDING and isinstance(made, Array):
        made = replace(made, values=ValueRange(made.values.hull.hull(Interval(0.0, 0.0)), made.values.reach))
    if isinstance(made, Array) and _interpolated(name, call):
        return replace(made, dtype="float32", where=call.where)
    return made


def _interpolated(name: str, call: Call) -> bool:
    """Whether pictures are resized to floats; the nearest value, and Keras' own function, keep the type."""
    if name.rpartition(".")[0] != "tensorflow.image" or not name.rpartition(".")[2].startswith("resize"):
        return False
    if "crop" in name:
        return False
    return "nearest" not in call.where.written.lower() and call.constant(None, "method") != 1


def _starts_weights(first: Value | None, call: Call) -> bool:
    """Whether a variable is said to be trained, or begins as weights do: drawn at random or all alike."""
    said = call.constant(1, "trainable")
    if said is None and isinstance(first, Const) and isinstance(first.value, float):
        return True  # the weight of a line
    if said is None and isinstance(first, Array) and first.random:
        return True
    if said is not None or not isinstance(first, Array):
        return said is True
    blank = first.values.reach is not None and first.values.hull.width == 0 and first.why is None
    return (first.random or blank) and first.shape != ()


@TABLE.function(*(f"{root}.{name}{written}" for root in ("tensorflow.initializers", "keras.initializers") for name in (
    "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Ones", "Orthogonal",
    "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros") for written in ("", "V2")),
    "tensorflow.random_normal_initializer", "tensorflow.random_uniform_initializer", "tensorflow.zeros_initializer",
    "tensorflow.ones_initializer")  # fmt: skip
def _initializer(run: Run, call: Call) -> Value:
    return Object("keras.initializer", call)


@TABLE.method("keras.initializer", "__call__")
def _initial(run: Run, receiver: Object, call: Call) -> Value:
    return array_api.random(run, call, UNKNOWN_RANGE, _sizes(call.constant(0, "shape")), "the first weights")


@TABLE.method("keras.Layer", "add_weight")
def _weight(run: Run, receiver: Value, call: Call) -> Value:
    return tensors.weights(KERAS, _sizes(call.constant(None, "shape")))


def _sizes(shape: object) -> tuple[int | None, ...] | None:
    return tuple(s if isinstance(s, int) else None for s in shape) if isinstance(shape, tuple) else None


def _activation(run: Run, name: str, first: Value | None, call: Call) -> Value | None:
    found = canonical("keras", name)
    if found is None:
        return None
    activation, defaults = found
    parameters: dict[str, Any] = dict(defaults)
    for position, parameter in enumerate(activation_arguments("keras", name) or ()):
        value = call.constant(position, parameter)
        if parameter not in {"input", "name"} and isinstance(value, (int, float)):
            parameters[parameter] = value
    axis = parameters.pop("axis", None)
    return array_api.mapped(run, first, activation, call.where, framework=KERAS, written=call.where.written,
                      parameters=parameters, axis=axis if isinstance(axis, int) else None)  # fmt: skip


def _loss(run: Run, name: str, call: Call) -> Value:
    use = use_of(name, call, call.where)
    if use is None:
        return Unknown(f"the loss `{name}` is not known", call.where)
    first, second = (0, 1) if name.startswith("tensorflow.nn.") else (None, None)
    target = call.get(first, "labels", "y_true", "target")
    prediction = call.get(second, "logits", "y_pred", "output")
    if target is not None and prediction is not None:
        if isinstance(prediction, Tensor) and name.startswith("tensorflow.nn."):  # which looks behind no activation
            prediction = replace(prediction, head=replace(prediction.head, logits_recoverable=Tri.NO))
        return losses.compared(run, use, prediction, target, call.where, framework=KERAS)
    return called(run, use, call)


@TABLE.prefix("tensorflow.losses", "tensorflow.metrics")
def _tf_losses(run: Run, name: str, call: Call) -> Value:
    from ae_audit.static.knowledge.keras.losses import _loss as keras_loss

    short = name.rpartition(".")[2]
    if canonical_loss("keras", f"keras.losses.{short}") is not None and canonical_loss("keras", name) is None:
        return keras_loss(run, f"keras.losses.{short}", call)
    if canonical_loss("keras", name) is not None:
        return _loss(run, name, call) if len(call.args) + len(call.kwargs) >= 2 else keras_loss(run, name, call)
    return Unknown(f"what `{name}` gives", call.where)


def _normal(run: Run, call: Call) -> Value:
    mean = call.number(1, "mean", default=0.0)
    std = call.number(2, "stddev", "std", default=1.0)
    return array_api.normal(run, call, mean, std, given_shape(call.get(0, "shape")), "tf.random.normal")


def _uniform(run: Run, name: str, call: Call) -> Value:
    low, high = call.number(1, "minval", "low", default=0.0), call.number(2, "maxval", "high", default=1.0)
    shape = given_shape(call.get(0, "shape"))
    whole = (dtype_name(call.get(3, "dtype")) or "").startswith(("int", "uint"))
    if low is None or high is None or not low < high:
        return array_api.random(run, call, UNKNOWN_RANGE, shape, f"tf.{name}")
    if whole:
        made = array_api.random(run, call, ValueRange(Interval(low, high - 1)), shape, f"tf.{name}")
        return replace(made, dtype="int64")
    values = ValueRange(Interval(low, high, False, True))
    if shape != () and values.hull.bounded:
        near, far = UNREACHED, 1.0 - UNREACHED
        values = ValueRange(values.hull, Interval(far * low + near * high, near * low + far * high))
    return array_api.random(run, call, values, shape, f"tf.{name}")


UNREACHED = 0.05
"""of an interval: how near to its ends some of a few dozen numbers drawn from it surely come"""


def _clip(run: Run, first: Value | None, call: Call) -> Value:
    low = array_api.bound(call.get(1, "clip_value_min", "min_value", "x_min"))
    high = array_api.bound(call.get(2, "clip_value_max", "max_value", "x_max"))
    return array_api.clipped(run, first, low, high, call.where)


def _cast(run: Run, first: Value | None, call: Call) -> Value:
    return array_api.cast(run, first, dtype_name(call.get(1, "dtype")), call.where)


def _convert_image(run: Run, first: Value | None, call: Call) -> Value:
    array = run.as_array(first) if first is not None else None
    dtype = dtype_name(call.get(1, "dtype"))
    if array is None:
        return Unknown("an image of unknown type", call.where)
    before, after = (array.dtype or "")[:1], (dtype or "")[:1]
    if array.dtype == "uint8" and after == "f":
        return replace(arrays.affine(array, 1 / 255.0, 0.0, "convert_image_dtype", call.where), dtype=dtype)
    if before == after == "f" or array.dtype == dtype is not None:
        return replace(array, dtype=dtype)  # of floats nothing is scaled
    if before == "f" and dtype == "uint8" and UNIT.covers(array.values.hull):
        return replace(arrays.affine(array, 255.0, 0.0, "convert_image_dtype", call.where), dtype=dtype)
    if array.values.unknown or (after == "f" and not before and UNIT.covers(array.values.hull)):
        return array
    why = f"`{call.where.written}` scales whole numbers, and of which type these are is not known"
    return arrays.recast(array, UNKNOWN_RANGE, "convert_image_dtype", call.where, why=why, dtype=dtype)


def _one_hot(run: Run, first: Value | None, call: Call) -> Value:
    array = run.as_array(first) if first is not None else None
    if array is None:
        return Unknown("one-hot vectors of something unknown", call.where)
    values = ValueRange.exactly(Interval(0.0, 1.0))
    depth = call.constant(1, "depth", "num_classes")
    shape = None if array.shape is None else (*array.shape, depth if isinstance(depth, int) else None)
    if call.get(2, "axis", "on_value") is not None:
        shape = None
    return arrays.recast(
        array, values, "one_hot()", call.where, structure=Structure.ONE_HOT, structure_axis=-1, shape=shape
    )


def _joined(run: Run, first: Value | None, call: Call) -> Value:
    made = array_api.joined(run, first, call.where, KERAS)
    axis = call.constant(
        1, "axis", default=None if call.get(1, "axis") is not None else 0 if call.name == "stack" else -1
    )
    if isinstance(made, Array) and first is not None and isinstance(axis, int):
        items, rest = run.iterate(first, call.where)
        shape = shape_like(run.as_array(items[0] if items else rest or first))
        count = len(items) if rest is None else None
        return replace(made, shape=arrays.joined_shape(call.name, shape, count, axis))
    return made


def _filled(value: float) -> Any:
    def make(run: Run, first: Value | None, call: Call) -> Value:
        shape = shape_like(first) if call.name.endswith("_like") else given_shape(first)
        return Array(ValueRange.exactly(Interval(value, value)), root=run.fresh(), where=call.where, dtype="float32",
                     shape=shape, synthetic=True)  # fmt: skip

    return make


def _filled_with(run: Run, first: Value | None, call: Call) -> Value:
    value = array_api.constant_number(call.get(1, "value", "fill_value"))
    if value is None:
        return arrays.unknown_array(run, "an array filled with an unknown value", call.where)
    shape = shape_like(first) if call.name.endswith("_like") else given_shape(first)
    return Array(ValueRange.exactly(Interval(value, value)), root=run.fresh(), where=call.where, shape=shape,
                 synthetic=True)  # fmt: skip


def _as_numpy(name: str) -> Any:
    """What NumPy has under another name, or under the same."""

    def make(run: Run, first: Value | None, call: Call) -> Value:
        if any(isinstance(value, (Tensor, LossValue, Difference)) for value in call.values()):
            return _activation(run, call.qualified, first, call) or _other(run, call.qualified, call)
        return run.call(Library(f"numpy.{name}"), call)

    return make


def _extremum(upper: bool) -> Any:
    def make(run: Run, first: Value | None, call: Call) -> Value:
        second = call.get(1, "y", "x2")
        if first is None or second is None:
            return Unknown(f"what `{call.where.written}` gives", call.where)
        return array_api.extreme(run, first, second, call.where, upper=upper)

    return make


def _log(run: Run, first: Value | None, call: Call) -> Value:
    if isinstance(first, Const):
        return Unknown("a logarithm", call.where)
    return array_api.logarithm(run, first, call.where, call.name)


def _image_decoded(run: Run, first: Value | None, call: Call) -> Value:
    return Array(ValueRange.exactly(Interval(0.0, 255.0)), "uint8", None, Structure.CONTINUOUS, root=run.fresh(),
                 source="image files", where=call.where, pictured=True)  # fmt: skip


def _standardized(run: Run, first: Value | None, call: Call) -> Value:
    array = run.as_array(first) if first is not None else None
    return Unknown("a standardised image") if array is None else arrays.standardised(
        array, "per_image_standardization", call.where
    )  # fmt: skip


def _shape(run: Run, first: Value | None, call: Call) -> Value:
    shape = array_api.shape_of(first)
    if shape is None:
        return Unknown("the shape of a tensor", call.where)
    return Seq([Unknown("an extent") if extent is None else Const(extent) for extent in shape], "tuple")


def _function(run: Run, first: Value | None, call: Call) -> Value:
    return first if first is not None else Library("functools.identity")


def _chosen(run: Run, first: Value | None, call: Call) -> Value:
    """``tf.where(condition, a, b)``: of data as NumPy does it."""
    if all(isinstance(value, (Array, Const, Unknown)) for value in call.values()):
        return run.call(Library("numpy.where"), call)
    return _other(run, call.qualified, call)


def _image_format(run: Run, first: Value | None, call: Call) -> Value:
    return Const("channels_last")


def _squared_difference(run: Run, first: Value | None, call: Call) -> Value:
    return array_api.squared(run, array_api.binary(run, "-", call), call.where)


def _negated(run: Run, first: Value | None, call: Call) -> Value:
    from ae_audit.static.domain.operators import negate

    return negate(run, first, call.where) if first is not None else Unknown("nothing", call.where)


def _named_function(run: Run, first: Value | None, call: Call) -> Value:
    """``keras.activations.get("relu")``: the function of that name, or what was given."""
    if isinstance(first, Const) and (first.value is None or isinstance(first.value, str)):
        return Library(f"{call.qualified.rpartition('.')[0]}.{first.value or 'linear'}")
    return first or Unknown("a function by its name", call.where)


def _in_training(run: Run, first: Value | None, call: Call) -> Value:
    """``K.in_train_phase(x, alternative)``: what is trained on is x, or what x returns."""
    if isinstance(first, (Function, Partial)):
        return run.call(first, Call(call.where))
    return first or Unknown("a value of the training", call.where)


def _average(run: Run, first: Value | None, call: Call) -> Value:
    """``tf.nn.compute_average_loss(losses)``."""
    return array_api.reduced(run, first, "mean", call.where)


_NAMED: dict[str, Any] = {
    "get": _named_function, "in_train_phase": _in_training, "compute_average_loss": _average,
    "square": lambda run, first, call: array_api.squared(run, first, call.where),
    "abs": lambda run, first, call: array_api.absolute(run, first, call.where),
    "squared_difference": _squared_difference, "negative": _negated,
    "sqrt": lambda run, first, call: array_api.rooted(run, first, call.where),
    **dict.fromkeys(tensors.LOGARITHMS, _log), "clip": _clip, "clip_by_value": _clip, "cast": _cast,
    "to_float": lambda run, first, call: first,
    "convert_image_dtype": _convert_image, "one_hot": _one_hot, "concat": _joined, "concatenate": _joined,
    "stack": _joined, "zeros": _filled(0.0), "ones": _filled(1.0), "zeros_like": _filled(0.0),
    "ones_like": _filled(1.0), "fill": _filled_with, "full": _filled_with, "full_like": _filled_with,
    "linspace": _as_numpy("linspace"), "lin_space": _as_numpy("linspace"), "range": _as_numpy("arange"),
    "arange": _as_numpy("arange"), "eye": _as_numpy("eye"), "sin": _as_numpy("sin"), "cos": _as_numpy("cos"),
    "meshgrid": _as_numpy("meshgrid"), "round": _as_numpy("round"), "floor": _as_numpy("floor"),
    "ceil": _as_numpy("ceil"), "argmax": _as_numpy("argmax"), "argmin": _as_numpy("argmin"),
    "maximum": _extremum(False), "minimum": _extremum(True), "decode_jpeg": _image_decoded,
    "decode_png": _image_decoded, "decode_image": _image_decoded, "decode_bmp": _image_decoded,
    "per_image_standardization": _standardized, "shape": _shape, "int_shape": _shape, "function": _function,
    "where": _chosen, "image_data_format": _image_format, "image_dim_ordering": lambda run, first, call: Const("tf"),
    "backend": lambda run, first, call: Const("tensorflow"), "epsilon": lambda run, first, call: Const(1e-7),
    "floatx": lambda run, first, call: Const("float32"),
}  # fmt: skip


def _other(run: Run, name: str, call: Call) -> Value:
    found = [tensor for value in call.values() for tensor in run.find_tensors(value)]
    to_come = [value for value in call.values() if isinstance(value, Array) and value.placeholder]
    if found or to_come:
        why = f"what `{name}` does to the output is not known"
        return tensors.opaque(run, found[0].framework if found else KERAS, [*found, *to_come], why)
    if name == "tensorflow.GradientTape":
        return Object("tensorflow.GradientTape", call)
    return Unknown(f"what `{name}` returns is not known", call.where)


@TABLE.method("tensorflow.GradientTape", "gradient", "jacobian")
def _gradient(run: Run, receiver: Object, call: Call) -> Value:
    value, by = call.get(0, "target"), call.get(1, "sources")
    by = by.items[0] if isinstance(by, Seq) and len(by.items) == 1 else by
    if isinstance(by, Array) or (isinstance(by, Tensor) and by.fed):  # a penalty on them, or a map of what matters
        return _derivative(run, value, by, call.where)
    for part in value.items if isinstance(value, Seq) else [value]:
        if isinstance(part, (LossValue, Difference, Tensor, Unknown)):
            losses.trained(run, part, where=call.where)
    return Unknown("gradients", call.where)


def _derivative(run: Run, value: Value | None, by: Array | Tensor, where: Where) -> Value:
    """The derivative of an output by what was fed to the network, or by another output."""
    if not isinstance(value, Tensor):
        return Unknown("gradients", where)
    return tensors.derivative(run, value, by.shape if isinstance(by, Array) else by.head.shape, where)


@TABLE.method("tensorflow.GradientTape", "__enter__")
def _enter(run: Run, receiver: Object, call: Call) -> Value:
    return receiver


@TABLE.method("keras.optimizers.Optimizer", "minimize", "get_updates")
def _minimize(run: Run, receiver: Object, call: Call) -> Value:
    value = call.get(0, "loss")
    if value is not None and not isinstance(value, (LossValue, Difference, Tensor, Unknown)):
        value = run.call(value, Call(call.where))
    if isinstance(value, (LossValue, Difference, Tensor, Unknown)):
        losses.trained(run, value, receiver.cls.rpartition(".")[2].lower(), call.where)
    return Unknown("an operation", call.where)


for _optimizer in ("SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "AdamW", "Ftrl",
                   "GradientDescent", "RMSProp", "Momentum"):  # fmt: skip
    TABLE.bases[f"keras.optimizers.{_optimizer}"] = ("keras.optimizers.Optimizer",)


@TABLE.attribute("tensor", "shape", "_keras_shape")
def _tensor_shape(run: Run, receiver: Tensor) -> Value:
    if receiver.head.shape is None:
        return Unknown("the shape of a tensor")
    return Seq([Unknown("an extent") if e is None else Const(e) for e in receiver.head.shape], "tuple")


@TABLE.method("array", "get_shape", "set_shape")
def _get_shape(run: Run, receiver: Array, call: Call) -> Value:
    return run.attribute(receiver, "shape")

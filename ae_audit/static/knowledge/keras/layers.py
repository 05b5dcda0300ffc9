"""Keras layers: what each does to the facts of the head, one row a layer."""

from __future__ import annotations

import math
from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Structure
from ae_audit.static.domain import array_api, arrays, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    Array,
    Const,
    Difference,
    Instance,
    LossValue,
    Mapping,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
)
from ae_audit.static.interpreter.assignment import place_of
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.keras.activations import ACTIVATION, activate, with_activation
from ae_audit.static.knowledge.keras.memory import (
    ADDED_DIVERGENCES,
    ADDED_LOSSES,
    ALL_ADDED_LOSSES,
    LAYER_CALLS,
    remember,
)
from ae_audit.static.knowledge.keras.names import FIRST_KERAS
from ae_audit.static.knowledge.spellings import activation as canonical
from ae_audit.static.source.sources import Where
from ae_audit.theory.activation_names import keras_layers as activation_layers
from ae_audit.theory.activations import arguments as activation_arguments
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import UNKNOWN_RANGE, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("keras layers")
KERAS = Framework.KERAS
TABLE.bases["keras.Model"] = ("keras.Layer",)
TABLE.bases["keras.Sequential"] = ("keras.Model",)
Shape = tuple[int | None, ...] | None

DENSE = {"Dense": 1, "MaxoutDense": None, "Highway": None}
"""layers over the last axis, and the position of their activation"""
CONVOLUTIONS = {
    "Conv1D": 1, "Conv2D": 2, "Conv3D": 3, "Conv1DTranspose": 1, "Conv2DTranspose": 2, "Conv3DTranspose": 3,
    "SeparableConv1D": 1, "SeparableConv2D": 2, "LocallyConnected1D": 1, "LocallyConnected2D": 2,
    "DepthwiseConv2D": 2, "DepthwiseConv1D": 1,
}  # fmt: skip
"""layers with filters, and their spatial dimensions"""
RECURRENT = {"SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}
NORMALISING = {"BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization",
               "RMSNormalization", "InstanceNormalization"}  # fmt: skip
WEIGHTED = {"Embedding", "MultiHeadAttention", "Attention", "AdditiveAttention", "EinsumDense", "GroupQueryAttention"}
MOVING = {
    "Permute", "RepeatVector", "Cropping1D", "Cropping2D", "Cropping3D", "MaxPooling1D", "MaxPooling2D",
    "MaxPooling3D", "MaxPool1D", "MaxPool2D", "MaxPool3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D",
    "AvgPool2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalAveragePooling3D", "GlobalMaxPooling3D", "GlobalAvgPool2D", "GlobalMaxPool2D", "ZeroPadding1D",
    "ZeroPadding2D", "ZeroPadding3D", "UpSampling1D", "UpSampling2D", "UpSampling3D", "Dropout", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Masking",
    "Resizing", "CenterCrop", "RandomCrop", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
    "RandomContrast", "Unpooling", "Merge_",
}  # fmt: skip
PASSING = {"ActivityRegularization", "InputLayer", "Identity"}
MERGING = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot", "Merge"}


@TABLE.prefix("keras.layers")
def _layer(run: Run, name: str, call: Call) -> Value:
    short = name.rpartition(".")[2]
    if short in _MERGE_FUNCTIONS:
        return _merged(run, _MERGE_FUNCTIONS[short], call.get(0, "inputs"), call)
    if not short[:1].isupper():
        return Unknown(f"what `{name}` returns is not known", call.where)
    return Object(name, call)


_MERGE_FUNCTIONS = {"concatenate": "Concatenate", "add": "Add", "subtract": "Subtract", "multiply": "Multiply",
                    "average": "Average", "maximum": "Maximum", "minimum": "Minimum", "dot": "Dot",
                    "merge": "Merge"}  # fmt: skip
VECTORIZING = {"TextVectorization", "StringLookup", "IntegerLookup", "Hashing", "Discretization"}
for _row in ({*VECTORIZING, *DENSE, *CONVOLUTIONS, *RECURRENT, *NORMALISING, *WEIGHTED, *MOVING, *PASSING, *MERGING,
              "Flatten", "Reshape", "Activation", "Lambda", "Rescaling", "TimeDistributed", "Bidirectional",
              *activation_layers()}):  # fmt: skip
    TABLE.bases[f"keras.layers.{_row}"] = ("keras.Layer",)


@TABLE.method("keras.Layer", "__init__")
def _init(run: Run, receiver: Value, call: Call) -> Value:
    return Const(None)


@TABLE.method("keras.Layer", "__call__")
def _call(run: Run, receiver: Value, call: Call) -> Value:
    inputs = call.get(0, "inputs", "x") or Unknown("a missing input", call.where)
    if isinstance(receiver, Instance):
        if receiver.cls.find("build") is not None and "built" not in receiver.attrs:
            receiver.attrs["built"] = Const(True)
            run.call_method(receiver, "build", Call(call.where, [Unknown("the shape of the input", call.where)]))
        made = run.call_method(receiver, "call", call)
        if made is not None:
            return made
        return tensors.opaque(run, KERAS, [inputs], f"`{receiver.cls.name}` has no call()", receiver.cls.name)
    if not isinstance(receiver, Object):
        return Unknown("a call of a class", call.where)
    made = apply(run, receiver, inputs, call.where)
    remember(run, made, receiver, inputs)
    return made


def apply(run: Run, layer: Object, inputs: Value, where: Where) -> Value:
    """The layer's output on a tensor, an array (data that enters here) or a list of these."""
    name = layer.cls.rpartition(".")[2]
    call = layer.call or Call(where)
    if ACTIVATION in layer.attrs:
        place = place_of(run, layer, ACTIVATION)
        call = with_activation(call, layer.attrs[ACTIVATION], DENSE.get(name), place or call.where)
    if isinstance(inputs, Difference):
        inputs = tensors.as_tensor(inputs)
    if isinstance(inputs, Unknown):
        inputs = run.as_array(inputs) or inputs
    handler = _HANDLERS.get(name)
    if handler is not None:
        return handler(run, name, inputs, call)
    if name in MERGING:
        return _merged(run, name, inputs, call)
    found = canonical("keras", layer.cls)
    if found is not None:
        return _activation_layer(run, layer.cls, inputs, call)
    why = f"the layer `{layer.cls.removeprefix('keras.layers.')}` is not known"
    return tensors.opaque(run, KERAS, [inputs], why, name)


def _activation_layer(run: Run, name: str, inputs: Value, call: Call) -> Value:
    found = canonical("keras", name)
    assert found is not None
    activation, parameters = found
    parameters = dict(parameters)
    for position, parameter in enumerate(activation_arguments("keras", name) or ()):
        value = call.constant(position, parameter, *({"negative_slope": ("alpha",)}.get(parameter, ())))
        if isinstance(value, (int, float)):
            parameters[parameter] = value
    axis = parameters.pop("axis", None)
    return tensors.activated(run, inputs, activation, call.where, framework=KERAS, parameters=parameters,
                             axis=axis if isinstance(axis, int) else None, written=call.where.written)  # fmt: skip


def _dense(run: Run, name: str, inputs: Value, call: Call) -> Value:
    units = call.extent(0, "units", "output_dim")
    old = array_api.shape_of(inputs)
    shape = (*old[:-1], units) if old else None
    made = tensors.through_weights(run, KERAS, inputs, name, call.where, units=units, shape=shape)
    return activate(run, made, call.get(DENSE[name], "activation"), call, call.where)


def _convolution(run: Run, name: str, inputs: Value, call: Call) -> Value:
    filters = call.extent(0, "filters", "nb_filter")
    dimensions = CONVOLUTIONS[name]
    spatial: tuple[int | None, ...] = (None,) * dimensions
    old = array_api.shape_of(inputs)
    padding = call.constant(None, "padding", "border_mode", default="valid")
    strides = _steps(call, dimensions)
    steps = strides if isinstance(strides, tuple) else (strides,) * dimensions
    if old is not None and len(old) == dimensions + 2 and padding in {"same", "SAME"} and len(steps) == dimensions:
        spatial = tuple(_strided(e, s, "Transpose" in name) for e, s in zip(old[1:-1], steps, strict=True))
    elif old is not None and len(old) == dimensions + 2 and padding == "valid" and len(steps) == dimensions:
        window = call.constant(1, "kernel_size", "filter_length")
        windows = window if isinstance(window, tuple) else (window,) * dimensions
        if (
            len(windows) == dimensions
            and "nb_row" not in call.kwargs
            and len(call.args) < 3
            and "dilation_rate" not in call.kwargs
        ):
            spatial = tuple(
                _unpadded(e, w, s, "Transpose" in name) for e, w, s in zip(old[1:-1], windows, steps, strict=True)
            )
    if name.startswith("Depthwise"):
        filters = None
    first = call.constant(None, "data_format", "dim_ordering") in {"channels_first", "th"}
    shape = (None, filters, *spatial) if first else (None, *spatial, filters)
    made = tensors.through_weights(run, KERAS, inputs, name, call.where, units=filters, shape=shape)
    return activate(run, made, call.get(None, "activation"), call, call.where)


def _steps(call: Call, dimensions: int) -> Any:
    """The strides of a convolution; ``None`` where they cannot be told from a side of the window."""
    if dimensions == 1 or len(call.args) < 3:
        return call.constant(None if FIRST_KERAS & call.kwargs.keys() else 2, "strides", "subsample", default=1)
    if FIRST_KERAS & call.kwargs.keys():
        return call.constant(None, "subsample", "strides", default=1)
    strides = call.constant(2)
    return None if isinstance(strides, int) and strides == call.constant(1) != 1 else strides


def _unpadded(extent: int | None, window: Any, step: Any, transposed: bool) -> int | None:
    if extent is None or not isinstance(window, int) or not isinstance(step, int) or step < 1:
        return None
    return (extent - 1) * step + window if transposed else (extent - window) // step + 1


def _strided(extent: int | None, step: Any, transposed: bool) -> int | None:
    if extent is None or not isinstance(step, int) or step < 1:
        return None
    return extent * step if transposed else math.ceil(extent / step)


def _recurrent(run: Run, name: str, inputs: Value, call: Call) -> Value:
    units = call.extent(0, "units", "output_dim", "filters")
    sequences = call.constant(None, "return_sequences", default=False)
    old = array_api.shape_of(inputs)
    steps = old[1] if old is not None and len(old) > 1 else None
    shape: Shape = (None, steps, units) if sequences is True else (None, units)
    if name.startswith("Conv"):
        shape = None
    made = tensors.through_weights(run, KERAS, inputs, name, call.where, units=units, shape=shape)
    given = call.get(1 if not name.startswith("Conv") else None, "activation")
    result: Value
    if given is None:
        result = tensors.activated(run, made, "tanh", call.where, framework=KERAS,
                                   written=f"{call.where.written} (tanh by default)")  # fmt: skip
    else:
        result = activate(run, made, given, call, call.where)
    if call.constant(None, "return_state") is True:
        return Seq([result, *([result] * (2 if name == "LSTM" else 1))], "list")
    return result


def _standardising(run: Run, name: str, inputs: Value, call: Call) -> Value:
    """``Normalization``: by the statistics of the data it was adapted to, of which data outside a model are."""
    if not isinstance(inputs, Array) or inputs.placeholder:
        return _normalising(run, name, inputs, call)
    if any(call.given(None, option) for option in ("mean", "variance", "invert")):
        why = "the statistics of a Normalization layer are not followed"
        return arrays.recast(inputs, UNKNOWN_RANGE, f"{name}()", call.where, why=why)
    return arrays.standardised(inputs, f"{name}()", call.where)


def _normalising(run: Run, name: str, inputs: Value, call: Call) -> Value:
    return tensors.normalised(run, KERAS, inputs, name, call.where)


def _weighted(run: Run, name: str, inputs: Value, call: Call) -> Value:
    units = call.constant(1, "output_dim") if name == "Embedding" else None
    units = units if isinstance(units, int) else None
    old = array_api.shape_of(inputs)
    shape = (*old, units) if name == "Embedding" and old is not None else None
    return tensors.through_weights(run, KERAS, inputs, name, call.where, units=units, shape=shape)


def _moving(run: Run, name: str, inputs: Value, call: Call) -> Value:
    old = array_api.shape_of(inputs)
    shape: Shape = None
    if name.startswith("Global") and old:
        shape = (None, old[-1])
    elif old is not None and name.startswith("UpSampling"):
        size = call.constant(0, "size", default=2)
        sizes = size if isinstance(size, tuple) else (size,) * (len(old) - 2)
        if len(sizes) == len(old) - 2:
            inner = tuple(_strided(e, s, True) for e, s in zip(old[1:-1], sizes, strict=True))
            shape = (old[0], *inner, old[-1])
    elif old is not None and "ool" in name:
        shape = _pooled(old, call)
    elif old is not None and name.startswith(("Crop", "Zero", "Resiz")):
        shape = (old[0], *((None,) * (len(old) - 2)), old[-1])
    elif name in {"Permute"}:
        order = call.constant(0, "dims")
        if old is not None and isinstance(order, tuple) and len(order) == len(old) - 1:
            shape = (old[0], *(old[i] if isinstance(i, int) and i < len(old) else None for i in order))
    elif name == "RepeatVector" and old is not None and len(old) == 2:
        count = call.constant(0, "n")
        shape = (old[0], count if isinstance(count, int) else None, old[1])
    elif "Dropout" in name or "Noise" in name or name == "Masking":
        shape = old
    if isinstance(inputs, Tensor):
        untouched = name in {"Masking"}
        return tensors.kept(inputs, name, shape, untouched=untouched, permuted=name == "Permute")
    return array_api.moved(run, inputs, name, call.where, shape)


def _pooled(old: tuple[int | None, ...], call: Call) -> Shape:
    dimensions = len(old) - 2
    size = call.constant(0, "pool_size", "pool_length", default=2)
    strides = call.constant(1, "strides", "stride")
    padding = call.constant(2, "padding", "border_mode", default="valid")
    sizes = size if isinstance(size, tuple) else (size,) * dimensions
    steps = sizes if strides is None else strides if isinstance(strides, tuple) else (strides,) * dimensions
    inner: list[int | None] = []
    for extent, window, stride in zip(old[1:-1], sizes, steps):  # noqa: B905
        if extent is None or not isinstance(window, int) or not isinstance(stride, int) or stride < 1:
            inner.append(None)
        else:
            inner.append(math.ceil(extent / stride) if padding == "same" else (extent - window) // stride + 1)
    return (old[0], *inner, old[-1]) if len(inner) == dimensions else (old[0], *((None,) * dimensions), old[-1])


def _flatten(run: Run, name: str, inputs: Value, call: Call) -> Value:
    old = array_api.shape_of(inputs)
    total = math.prod(e for e in old[1:] if e is not None) if old and None not in old[1:] else None
    return array_api.moved(run, inputs, name, call.where, (None, total))


def _reshape(run: Run, name: str, inputs: Value, call: Call) -> Value:
    sizes = call.constant(0, "target_shape", "dims")
    shape: Shape = None
    if isinstance(sizes, tuple):
        shape = (None, *(s if isinstance(s, int) and s >= 0 else None for s in sizes))
    return array_api.moved(run, inputs, name, call.where, shape)


def _passing(run: Run, name: str, inputs: Value, call: Call) -> Value:
    return inputs


def _activation(run: Run, name: str, inputs: Value, call: Call) -> Value:
    given = call.get(0, "activation")
    if isinstance(given, Const) and isinstance(given.value, str):
        found = canonical("keras", given.value)
        if found is not None:
            parameters = dict(found[1])
            axis = parameters.pop("axis", None)
            return tensors.activated(run, inputs, found[0], call.where, framework=KERAS, parameters=parameters,
                                     axis=axis if isinstance(axis, int) else None,
                                     written=call.where.written)  # fmt: skip
    base = inputs if isinstance(inputs, Tensor) else tensors.through_nothing(run, KERAS, inputs)
    return activate(run, base, given, call, call.where)


def _lambda(run: Run, name: str, inputs: Value, call: Call) -> Value:
    function = call.get(0, "function")
    if function is None:
        return tensors.opaque(run, KERAS, [inputs], "an unknown Lambda", name)
    inner = Call(call.where, [inputs])
    extra = call.get(None, "arguments")
    if isinstance(extra, Mapping):
        inner.kwargs.update({key: value for key, value in extra.items.items() if isinstance(key, str)})
    made = run.call(function, inner)
    if isinstance(made, Unknown):
        return tensors.opaque(run, KERAS, [inputs], made.reason, name)
    return made


def _rescaling(run: Run, name: str, inputs: Value, call: Call) -> Value:
    scale, offset = call.number(0, "scale"), call.number(1, "offset", default=0.0)
    array = inputs if isinstance(inputs, Array) else None
    if scale is None or offset is None:
        return tensors.opaque(run, KERAS, [inputs], "the factor of a Rescaling layer is not known", name)
    if array is not None:
        made = arrays.affine(array, scale, offset, f"Rescaling({arrays.short(scale)})", call.where)
        return made
    return tensors.rescaled(inputs, scale, offset, call.where) if isinstance(inputs, Tensor) else inputs


def _wrapper(run: Run, name: str, inputs: Value, call: Call) -> Value:
    inner = call.get(0, "layer")
    if inner is None:
        return tensors.opaque(run, KERAS, [inputs], f"an empty {name}", name)
    made = run.call(inner, Call(call.where, [inputs]))
    if isinstance(made, Tensor):
        shape = made.head.shape
        old = array_api.shape_of(inputs)
        if name == "TimeDistributed":
            steps = old[1] if old is not None and len(old) > 2 else None
            shape = None if shape is None else (None, steps, *shape[1:]) if len(shape) < len(old or ()) else shape
        return replace(made, head=replace(made.head, shape=shape))
    return made if not isinstance(made, Unknown) else tensors.opaque(run, KERAS, [inputs], made.reason, name)


def _merged(run: Run, name: str, inputs: Value | None, call: Call) -> Value:
    if inputs is None:
        return Unknown("a merge of nothing", call.where)
    mode = call.constant(None, "mode")
    if name == "Merge":
        name = {"sum": "Add", "mul": "Multiply", "ave": "Average", "concat": "Concatenate"}.get(
            str(mode), "Concatenate"
        )
    items, rest = run.iterate(inputs, call.where)
    parts = [*items, *([] if rest is None else [rest])]
    if not any(isinstance(part, (Tensor, Object)) for part in parts):
        found = [array for array in (run.as_array(part) for part in parts) if array is not None]
        if not found:
            return Unknown("a merge of values of unknown kind", call.where)
        return arrays.unknown_array(run, f"`{name}` joins inputs", call.where) if len(found) > 1 else found[0]
    if name == "Concatenate":
        return tensors.concatenated(run, parts, call.where, KERAS)
    if name in {"Average", "Maximum", "Minimum"}:
        return tensors.concatenated(run, parts, call.where, KERAS)
    symbol = {"Add": "+", "Subtract": "-", "Multiply": "*"}.get(name)
    if symbol is None or len(parts) < 2:
        return tensors.opaque(run, KERAS, parts, f"the layer `{name}` is not followed", name)
    from ae_audit.static.domain.operators import binary

    total = parts[0]
    for part in parts[1:]:
        total = binary(run, symbol, total, part, call.where)
        if isinstance(total, Difference):
            total = tensors.as_tensor(total)
    return total


def _vectorized(run: Run, name: str, inputs: Value, call: Call) -> Value:
    """``TextVectorization``, ``StringLookup`` …: numbers of words, from 0 to below the size of the vocabulary."""
    array = run.as_array(inputs)
    if array is None:
        return tensors.opaque(run, KERAS, [inputs], f"what `{name}` makes of an output", name)
    most, length = call.constant(0, "max_tokens", "num_bins"), call.constant(None, "output_sequence_length")
    top = float(most - 1) if isinstance(most, int) and most > 0 else math.inf
    words = name == "TextVectorization"
    shape = (None, length if isinstance(length, int) else None) if words else array.shape
    return arrays.recast(array, ValueRange(Interval(0.0, top)), f"{name}()", call.where, dtype="int64", shape=shape,
                         structure=Structure.CLASS_INDEX)  # fmt: skip


Handler = Callable[["Run", str, Value, Call], Value]
_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(DENSE, _dense), **dict.fromkeys(CONVOLUTIONS, _convolution),
    **dict.fromkeys(RECURRENT, _recurrent), **dict.fromkeys(NORMALISING, _normalising), "Normalization": _standardising,
    **dict.fromkeys(WEIGHTED, _weighted), **dict.fromkeys(MOVING, _moving), **dict.fromkeys(PASSING, _passing),
    "Flatten": _flatten, "Reshape": _reshape, "Activation": _activation, "Lambda": _lambda, "Rescaling": _rescaling,
    **dict.fromkeys(VECTORIZING, _vectorized),
    "TimeDistributed": _wrapper, "Bidirectional": _wrapper,
}  # fmt: skip


@TABLE.method("keras.Layer", "add_loss")
def _add_loss(run: Run, receiver: Value, call: Call) -> Value:
    value = call.get(0, "losses")
    if value is not None and isinstance(receiver, (Instance, Object)):
        ADDED_LOSSES.of(run).add(receiver, (value, call.where))
        if isinstance(value, LossValue):
            ALL_ADDED_LOSSES.of(run).append((value, call.where))
        elif isinstance(value, Tensor) and value.divergence is not None:
            ADDED_DIVERGENCES.of(run).append((value, call.where))
    return Const(None)


@TABLE.method("keras.Layer", "add_metric", "build", "set_weights", "get_weights", "summary")
def _ignored(run: Run, receiver: Value, call: Call) -> Value:
    return Unknown(f"what `{call.name}` gives", call.where)


@TABLE.attribute("keras.Layer", "name")
def _name_of(run: Run, receiver: Value) -> Value:
    if isinstance(receiver, Object) and receiver.call is not None:
        return receiver.call.get(None, "name") or Unknown("the name of a layer")
    return Unknown("the name of a layer")


@TABLE.attribute("keras.Layer", "output")
def _output_of(run: Run, receiver: Value) -> Value:
    for made, known in LAYER_CALLS.of(run).items():
        if known.layer is receiver:
            return made
    return Unknown("the output of a layer")


@TABLE.attribute("keras.Layer", "input")
def _input_of(run: Run, receiver: Value) -> Value:
    for _, known in LAYER_CALLS.of(run).items():
        if known.layer is receiver:
            return known.inputs
    return Unknown("the input of a layer")

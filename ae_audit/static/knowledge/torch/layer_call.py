"""A value through a layer of ``torch.nn``: which effect, which shape, which parameters."""

from __future__ import annotations

from functools import lru_cache

from ae_audit.base.records import replace
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Mapping, Object, Seq, Tensor, Unknown, Value, is_const, python
from ae_audit.static.knowledge.torch import heads, shapes
from ae_audit.static.knowledge.torch.functional import names
from ae_audit.static.knowledge.torch.layers import FOREIGN, LAYERS, Effect, Layer
from ae_audit.theory.activations import arguments, canonical

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

ACTIVATION_MODULES = tuple(
    names(
        """
        CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish PReLU RReLU
        ReLU ReLU6 SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold
        """
    )
)


@lru_cache(maxsize=256)
def activation_of(symbol: str) -> tuple[str, dict[str, Any], tuple[str, ...]] | None:
    """Canonical name, implied parameters and argument order of an activation's torch name; not to be changed."""
    found = canonical("torch", symbol)
    if found is None:
        return None
    return found[0], dict(found[1]), arguments("torch", symbol) or ()


def library_call(run: Run, layer: Object, call: Call) -> Value:
    """A layer of ``torch.nn`` applied to its input."""
    name = layer.cls.rpartition(".")[2]
    given = call.get(0, "input", "x", "src", "query")
    value = heads.output(run, given) if given is not None and not isinstance(given, (Seq, Mapping)) else None
    if value is None:
        return Unknown(f"the input of `{name}`", call.where)
    found = activation_of(f"torch.nn.{name}") if name in ACTIVATION_MODULES else None
    if found is not None:
        parameters = merged_parameters(layer.call, found[2], found[1])
        return heads.activated(run, value, found[0], parameters, layer.where or call.where)
    spec = LAYERS.get(name) or FOREIGN.get(name)
    if spec is None:
        if name == "Identity":
            return value
        return heads.undetermined(run, value, f"`{name}` is not known", call.where)
    return through(run, spec, name, Given(layer.call, spec.signature), value, layer.where or call.where)


def merged_parameters(call: Call | None, order: tuple[str, ...], defaults: dict[str, Any]) -> dict[str, Any]:
    """The defaults of an activation with what a call gives: by position in ``order``, or by name."""
    parameters = dict(defaults)
    if call is None:
        return parameters
    for name, value in zip(order, call.args, strict=False):
        if name != "input" and is_const(value):
            parameters[name] = python(value)
    for keyword, value in call.kwargs.items():
        if is_const(value):
            parameters[_CANONICAL_PARAMETERS.get(keyword, keyword)] = python(value)
    return parameters


_CANONICAL_PARAMETERS = {
    "dim": "axis",
    "min_val": "min_value",
    "max_val": "max_value",
    "lambd": "threshold",
}


class Given:
    """A layer's constructor arguments by name, as Python constants; None where absent or unknown."""

    def __init__(self, call: Call | None, signature: tuple[str, ...]) -> None:
        self.call = call
        self.signature = signature

    def __call__(self, name: str, default: Any = None) -> Any:
        if self.call is None:
            return default
        place = self.signature.index(name) if name in self.signature else None
        value = self.call.get(place, name)
        return default if value is None else python(value)

    def extent(self, name: str) -> int | None:
        """A number of units or channels; see :meth:`Call.extent`."""
        place = self.signature.index(name) if name in self.signature else None
        return None if self.call is None else self.call.extent(place, name)


def through(run: Run, spec: Layer, name: str, given: Given, value: Array | Tensor, where: Where) -> Value:
    """A value after a layer of the kind ``spec``."""
    shape = layer_shape(name, spec, given, heads.shape_of(value))
    if spec.effect in {Effect.WEIGHTS, Effect.ATTENDS}:
        made = heads.weighed(
            run, value, name, shape, where, given.extent("out_features") or given.extent("out_channels")
        )
        if name == "MultiheadAttention":
            return Seq([made, Unknown("attention weights", where)], "tuple")
        return made
    if spec.effect is Effect.NORMALISES:
        return heads.normalised(run, value, name, where)
    if spec.effect is Effect.DROPS:
        probability = given("p", 0.5)
        return heads.dropped(run, value, name, probability if isinstance(probability, (int, float)) else None, where)
    if spec.effect is Effect.RECURRENT:
        return _recurrent(run, name, given, value, where)
    if spec.effect is Effect.INTERPOLATES and given("mode", "nearest") == "bicubic":
        made = heads.weighed(run, value, name, shape, where)
        return made
    if name == "Identity":
        return value
    made_value = heads.passed(value, name, shape)
    if spec.effect is Effect.SELECTS and given("return_indices") is True:
        return Seq([made_value, Unknown("indices of a pooling", where)], "tuple")
    return made_value


def _recurrent(run: Run, name: str, given: Given, value: Array | Tensor, where: Where) -> Value:
    """The hidden state comes out: a tanh of the state, times a gate in the LSTM."""
    hidden = given("hidden_size")
    width = hidden * (2 if given("bidirectional") is True else 1) if isinstance(hidden, int) else None
    projected = given("proj_size", 0)
    entering = heads.shape_of(value)
    if entering is None and given("batch_first") is True:
        entering = (None, None, None)  # who says where the batch is has one
    shape = shapes.linear(entering, width)
    before = heads.weighed(run, value, name, shape, where)
    activation = given("nonlinearity", "tanh") if name.startswith("RNN") else "tanh"
    if name == "LSTM" and projected not in {0, None}:
        out: Value = before
    else:
        out = heads.activated(run, before, activation if activation in {"tanh", "relu"} else "tanh", {}, where)
    if isinstance(out, Tensor):
        out = replace(out, head=replace(out.head, written=f"nn.{name}"))
    if name in {"RNNCell", "GRUCell"}:
        return out
    if name == "LSTMCell":
        return Seq([out, heads.weighed(run, before, name, shape, where)], "tuple")
    last = _last_states(given, entering)
    hidden_state = heads.moved(out, last) if isinstance(out, (Array, Tensor)) else out
    cell = heads.weighed(run, before, name, last, where)
    return Seq([out, Seq([hidden_state, cell], "tuple") if name == "LSTM" else hidden_state], "tuple")


def _last_states(given: Given, entering: shapes.Shape | None) -> shapes.Shape | None:
    """Layers (of both directions) × samples × units: the shape of the state after the last step."""
    layers, units = given("num_layers", 1), given("proj_size", 0) or given("hidden_size")
    if entering is None or not isinstance(layers, int):
        return None
    count = layers * (2 if given("bidirectional") is True else 1)
    batch = () if len(entering) < 3 else (entering[0 if given("batch_first", False) is True else 1],)
    return (count, *batch, _int(units))


def layer_shape(name: str, spec: Layer, given: Given, shape: shapes.Shape | None) -> shapes.Shape | None:
    """The shape that comes out of a layer; a convolution is taken for one over batches."""
    if shape is None and "Conv" in name:
        shape = (None,) * (spec.axes + 2)
    if name.endswith("Linear"):
        return shapes.linear(shape, given.extent("out_features"))
    if name == "EmbeddingBag":  # of each row, or of each bag that an offset begins
        return None if shape is None else (shape[0] if len(shape) == 2 else None, _int(given("embedding_dim")))
    if name == "Embedding":
        return None if shape is None else (*shape, _int(given("embedding_dim")))
    if "ConvTranspose" in name:
        return shapes.transposed_convolution(
            shape,
            spec.axes,
            given.extent("out_channels"),
            given("kernel_size"),
            given("stride", 1),
            given("padding", 0),
            given("output_padding", 0),
            given("dilation", 1),
        )
    if "Conv" in name:
        return shapes.convolution(
            shape,
            spec.axes,
            given.extent("out_channels"),
            given("kernel_size"),
            given("stride", 1),
            given("padding", 0),
            given("dilation", 1),
        )
    if name.startswith("Adaptive"):
        return shapes.with_spatial(shape, spec.axes, given("output_size"))
    if name.startswith(("MaxPool", "AvgPool")):
        return shapes.pooling(
            shape,
            spec.axes,
            given("kernel_size"),
            given("stride"),
            given("padding", 0),
            given("dilation", 1),
            given("ceil_mode", False) is not False,
        )
    if name.startswith("Upsampl"):
        size = given("size")
        if size is not None:
            return None if shape is None else shapes.with_spatial(shape, len(shape) - 2, size)
        return shapes.scaled(shape, given("scale_factor"))
    if name == "Flatten":
        return shapes.flattened(shape, given("start_dim", 1), given("end_dim", -1))
    if name == "Unflatten":
        axis, sizes = given("dim"), given("unflattened_size")
        return shapes.unflattened(shape, axis, sizes) if isinstance(axis, int) and isinstance(sizes, tuple) else None
    if name in {"PixelShuffle", "PixelUnshuffle"}:
        factor = given("upscale_factor" if name == "PixelShuffle" else "downscale_factor")
        return shapes.pixel_shuffle(shape, _int(factor), inverse=name == "PixelUnshuffle")
    if spec.effect in {Effect.NORMALISES, Effect.DROPS} or name == "Identity":
        return shape
    return None if shape is None else (*shape[: len(shape) - spec.axes], *(None,) * spec.axes) if spec.axes else None


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

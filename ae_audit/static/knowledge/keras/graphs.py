"""TensorFlow 1: graphs that are put together first, and trained by a session that is fed."""

from __future__ import annotations

import ast

from ae_audit.base.records import dataclass, replace
from ae_audit.schema.training_setup import Framework
from ae_audit.static.domain import arrays, losses, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.array_shapes import given_shape
from ae_audit.static.domain.stores import Store
from ae_audit.static.domain.values import (
    Array,
    Const,
    Difference,
    LossTerm,
    LossValue,
    Mapping,
    Meeting,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
)
from ae_audit.static.interpreter import subscripts
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable

    from ae_audit.static.interpreter.run import Run

TABLE = Table("tensorflow graphs")
KERAS = Framework.KERAS
FED = "it is fed to a graph of TensorFlow 1, and no session was seen to feed it"
OPERATION = "tensorflow.Operation"
SESSION = "tensorflow.Session"
_PLACEHOLDERS: Store[dict[int, Array]] = Store(dict)
"""by root"""


@dataclass(slots=True)
class Training:
    """What an operation of the graph minimises; ``seen``: a session has run it."""

    loss: Value
    where: Where
    optimizer: str | None
    seen: bool = False


_TRAININGS: Store[list[Training]] = Store(list)


# -- the graph -------------------------------------------------------------------------------------------------------


@TABLE.function("tensorflow.placeholder", "tensorflow.placeholder_with_default", "tensorflow.sparse_placeholder")
def _placeholder(run: Run, call: Call) -> Value:
    """Data to come: which, the session's ``feed_dict`` tells."""
    if call.name == "placeholder_with_default":
        default = call.get(0, "input")
        return default if isinstance(default, Const) else Unknown(FED, call.where)
    dtype = getattr(call.get(0, "dtype"), "value", None)
    made = Array(dtype=dtype if isinstance(dtype, str) else None, shape=given_shape(call.get(1, "shape")),
                 root=run.fresh(), placeholder=True, why=FED, where=call.where)  # fmt: skip
    if made.shape == ():
        return Unknown("a number that is fed", call.where)  # a rate, a flag
    _PLACEHOLDERS.of(run)[made.root] = made
    return made


@TABLE.function("tensorflow.get_variable")
def _variable(run: Run, call: Call) -> Value:
    return tensors.weights(KERAS, given_shape(call.get(1, "shape")))


_LAYERS = {
    "dense": "Dense", "conv1d": "Conv1D", "conv2d": "Conv2D", "conv3d": "Conv3D", "conv2d_transpose": "Conv2DTranspose",
    "conv3d_transpose": "Conv3DTranspose", "separable_conv2d": "SeparableConv2D", "max_pooling1d": "MaxPooling1D",
    "max_pooling2d": "MaxPooling2D", "average_pooling2d": "AveragePooling2D", "flatten": "Flatten",
    "dropout": "Dropout", "batch_normalization": "BatchNormalization",
}  # fmt: skip
"""functions of ``tf.layers``, and the layers of Keras that they make and call"""
_CONTRIB = {
    "fully_connected": "Dense", "linear": "Dense", "conv2d": "Conv2D", "convolution2d": "Conv2D",
    "conv2d_transpose": "Conv2DTranspose", "convolution2d_transpose": "Conv2DTranspose", "max_pool2d": "MaxPooling2D",
    "avg_pool2d": "AveragePooling2D", "flatten": "Flatten", "dropout": "Dropout", "batch_norm": "BatchNormalization",
}  # fmt: skip
"""the same of ``tf.contrib.layers`` and ``slim``, whose weighing layers end in a relu where nothing else is said"""
_WEIGHING = {"Dense", "Conv2D", "Conv2DTranspose"}
_NAMES = {"num_outputs": "units", "activation_fn": "activation", "stride": "strides"}


@TABLE.prefix("tensorflow.layers")
def _layer(run: Run, name: str, call: Call) -> Value:
    short = name.rpartition(".")[2]
    made = _LAYERS.get(short)
    if made is None:
        return Object(f"keras.layers.{short}", call) if short[:1].isupper() else _unknown(run, name, call)
    inputs = call.get(0, "inputs")
    given = {key: value for key, value in call.kwargs.items() if key != "inputs"}
    return _applied(run, made, inputs, Call(call.where, call.args[1:], given, call.open))


@TABLE.prefix("tensorflow.contrib.layers", "tensorflow.contrib.slim", "tf_slim")
def _contrib_layer(run: Run, name: str, call: Call) -> Value:
    short = name.rpartition(".")[2]
    made = _CONTRIB.get(short)
    if made is None:
        return Object("keras.initializer", call) if "initializer" in short else _unknown(run, name, call)
    given = {_NAMES.get(key, key): value for key, value in call.kwargs.items() if key != "inputs"}
    if made in {"Conv2D", "Conv2DTranspose"} and "units" in given:
        given["filters"] = given.pop("units")
        given.setdefault("padding", Const("same"))
    if made in _WEIGHING and short != "linear" and "activation" not in given:
        given["activation"] = Const("relu", call.where)
    return _applied(run, made, call.get(0, "inputs"), Call(call.where, call.args[1:], given, call.open))


def _applied(run: Run, layer: str, inputs: Value | None, call: Call) -> Value:
    if inputs is None:
        return Unknown("a layer of nothing", call.where)
    return run.call(Object(f"keras.layers.{layer}", call), Call(call.where, [inputs]))


def _unknown(run: Run, name: str, call: Call) -> Value:
    found = [tensor for value in call.values() for tensor in run.find_tensors(value)]
    why = f"what `{name}` returns is not known"
    return tensors.opaque(run, KERAS, found, why) if found else Unknown(why, call.where)


@TABLE.function("tensorflow.nn.bias_add", "tensorflow.nn.xw_plus_b", "tensorflow.nn.conv2d", "tensorflow.nn.conv3d",
                "tensorflow.nn.conv2d_transpose", "tensorflow.nn.conv1d", "tensorflow.nn.depthwise_conv2d",
                "tensorflow.nn.convolution", "tensorflow.nn.embedding_lookup", "tensorflow.nn.atrous_conv2d",
                "tensorflow.nn.separable_conv2d", "tensorflow.nn.conv3d_transpose")  # fmt: skip
def _weighed(run: Run, call: Call) -> Value:
    """Products with weights by themselves: any number comes out."""
    given = [value for value in call.values() if isinstance(value, (Tensor, Array)) and _is_data(value)]
    shape = _weighed_shape(call)
    return tensors.through_weights(run, KERAS, list(given), call.name, call.where, shape=shape,
                                   units=shape[-1] if shape else None)  # fmt: skip


def _is_data(value: Tensor | Array) -> bool:
    return isinstance(value, Tensor) or value.shape != ()


def _weighed_shape(call: Call) -> tuple[int | None, ...] | None:
    first, second = call.get(0, "value", "x", "input", "params"), call.get(1, "weights", "filter", "filters", "bias")
    before, weights = (v.head.shape if isinstance(v, Tensor) else getattr(v, "shape", None) for v in (first, second))
    if call.name == "bias_add":
        return before
    if call.name == "xw_plus_b":
        return (*before[:-1], weights[-1]) if before and weights else None
    if call.name == "conv2d_transpose":
        return given_shape(call.get(2, "output_shape"))
    strides = call.constant(2, "strides")
    same = call.constant(3, "padding") == "SAME"
    if call.name != "conv2d" or not before or not weights or len(before) != 4 or not same:
        return None
    steps = strides if isinstance(strides, tuple) and len(strides) == 4 else None
    if steps is None or not all(isinstance(step, int) and step > 0 for step in steps):
        return (before[0], None, None, weights[-1])
    spatial = (None if n is None else -(-n // step) for n, step in zip(before[1:3], steps[1:3], strict=True))
    return (before[0], *spatial, weights[-1])


# -- what trains -----------------------------------------------------------------------------------------------------


@TABLE.prefix("tensorflow.train")
def _train(run: Run, name: str, call: Call) -> Value:
    """The optimizers of TensorFlow 1; the rest of the module saves and queues."""
    if name.endswith("Optimizer"):
        return Object("tensorflow.train.Optimizer", call, state=name.rpartition(".")[2].removesuffix("Optimizer"))
    return Unknown(f"what `{name}` returns is not known", call.where)


@TABLE.method("tensorflow.train.Optimizer", "minimize", "compute_gradients")
def _minimize(run: Run, receiver: Object, call: Call) -> Value:
    """An operation that a session runs; a loss that a function gives (TensorFlow 2) is trained on at once."""
    loss = call.get(0, "loss") or Unknown("nothing is given to minimize", call.where)
    return _operation(run, loss, call, str(receiver.state or "").lower() or None)


@TABLE.method("tensorflow.train.Optimizer", "apply_gradients")
def _apply(run: Run, receiver: Object, call: Call) -> Value:
    """``apply_gradients(compute_gradients(loss))``, after whatever was done to the gradients."""
    known = _TRAININGS.of(run)
    return Object(OPERATION, call, state=known[-1]) if known else Object(OPERATION, call)


@TABLE.function("tensorflow.gradients")
def _gradients(run: Run, call: Call) -> Value:
    loss = call.get(0, "ys")
    return Unknown("gradients", call.where) if loss is None else _operation(run, loss, call, None)


def _operation(run: Run, loss: Value, call: Call, optimizer: str | None) -> Value:
    training = Training(loss, call.where, optimizer)
    known = _TRAININGS.of(run)
    known.append(training)
    if len(known) == 1:
        run.finishers.append(_report_unseen)
    return Object(OPERATION, call, state=training)


@TABLE.method(OPERATION, "__iter__")
def _pairs(run: Run, receiver: Object, call: Call) -> Value:
    """Gradients and variables, side by side."""
    pair = Seq([Unknown("a gradient", call.where), Unknown("a variable", call.where)], "tuple")
    return Seq([], "iterator", rest=pair)


@TABLE.function("tensorflow.group")
def _group(run: Run, call: Call) -> Value:
    """Several operations as one."""
    return Seq(list(call.args), "tuple")


@TABLE.function("tensorflow.Session", "tensorflow.InteractiveSession", "tensorflow.train.MonitoredTrainingSession",
                "tensorflow.train.MonitoredSession", "tensorflow.train.SingularMonitoredSession",
                "tensorflow.get_default_session")  # fmt: skip
def _session(run: Run, call: Call) -> Value:
    return Object(SESSION, call)


@TABLE.method(SESSION, "__enter__", "as_default")
def _enter(run: Run, receiver: Object, call: Call) -> Value:
    return receiver


@TABLE.method(SESSION, "run")
def _run(run: Run, receiver: Object, call: Call) -> Value:
    """``sess.run([op, loss], feed_dict={x: batch})``: what is trained there meets what is fed there."""
    fetches, fed = call.get(0, "fetches"), call.get(1, "feed_dict")
    for operation in _operations(fetches):
        _trained(run, operation, fed)
    if isinstance(fetches, Seq):
        return Seq([_computed(call) for _ in fetches.items], "list", fetches.rest)
    return _computed(call)


@TABLE.method("unknown", "run")
def _run_somewhere(run: Run, receiver: Unknown, call: Call) -> Value:
    """A session that is handed in: by what it runs it is known for one."""
    fetched = [operation for value in call.args[:1] for operation in _operations(value)]
    if fetched:
        return _run(run, Object(SESSION), call)
    return Unknown(receiver.reason, call.where)


@TABLE.method(OPERATION, "run")
def _run_operation(run: Run, receiver: Object, call: Call) -> Value:
    """``op.run(feed_dict={x: batch})``."""
    _trained(run, receiver, call.get(0, "feed_dict"))
    return Const(None)


def _computed(call: Call) -> Unknown:
    return Unknown("what a session computes", call.where)


def _operations(value: Value | None, depth: int = 0) -> list[Object]:
    if isinstance(value, Object) and value.cls == OPERATION:
        return [value]
    if isinstance(value, (Seq, Mapping)) and depth < 3:
        items = value.items if isinstance(value, Seq) else list(value.items.values())
        return [found for item in items for found in _operations(item, depth + 1)]
    return []


# -- estimators --------------------------------------------------------------------------------------------------------

ESTIMATOR = "tensorflow.estimator.Estimator"
TABLE.constants.update({
    "tensorflow.estimator.ModeKeys.TRAIN": "train", "tensorflow.estimator.ModeKeys.EVAL": "eval",
    "tensorflow.estimator.ModeKeys.PREDICT": "infer",
})  # fmt: skip


@TABLE.function(ESTIMATOR)
def _estimator(run: Run, call: Call) -> Value:
    return Object(ESTIMATOR, call)


@TABLE.function("tensorflow.estimator.inputs.numpy_input_fn")
def _numpy_input(run: Run, call: Call) -> Value:
    """A function that gives batches of these arrays."""
    given = [call.get(0, "x") or Unknown("no input", call.where), call.get(1, "y") or Const(None)]
    return Object("tensorflow.estimator.inputs", call, state=Seq(given, "tuple"))


@TABLE.method("tensorflow.estimator.inputs", "__call__")
def _input(run: Run, receiver: Object, call: Call) -> Value:
    found: Seq = receiver.state
    return found


@TABLE.method(ESTIMATOR, "train")
def _train_estimator(run: Run, receiver: Object, call: Call) -> Value:
    """``estimator.train(input_fn)`` calls the model's function on what the input's function gives."""
    made, source = receiver.call, call.get(0, "input_fn")
    function = None if made is None else made.get(0, "model_fn")
    if function is None or made is None or source is None:
        return receiver
    given = run.call(source, Call(call.where))
    pair = given if isinstance(given, Seq) and len(given.items) == 2 else run.element(given, call.where)
    first, second = pair.items[:2] if isinstance(pair, Seq) and len(pair.items) > 1 else (pair, Unknown(FED))
    arguments = Call(call.where, [first, second])
    names = [parameter.arg for parameter in getattr(getattr(function, "node", None), "args", _NO_ARGUMENTS).args]
    if "mode" in names:
        arguments.kwargs["mode"] = Const("train")
    if "params" in names:
        arguments.kwargs["params"] = made.get(None, "params") or Mapping({}, Unknown("a parameter of an estimator"))
    run.call(function, arguments)
    return receiver


_NO_ARGUMENTS = ast.arguments([], [], None, [], [], None, [])


# -- feeding -----------------------------------------------------------------------------------------------------------


def _trained(run: Run, operation: Object, fed: Value | None) -> None:
    training = operation.state
    if not isinstance(training, Training):
        return
    training.seen = True
    given = fed.items if isinstance(fed, Mapping) else {}

    def feed(array: Array) -> Array:
        placeholder = _PLACEHOLDERS.of(run).get(array.root)
        if placeholder is None:
            return array
        value = given.get(subscripts.key_of(placeholder))
        actual = None if value is None else run.as_array(value)
        if actual is None:
            return replace(array, placeholder=False)
        return arrays.rebased(array, placeholder, actual)

    _report(run, training, feed)


def _report_unseen(run: Run) -> None:
    """Trainings that no session was seen to run: head and loss are known all the same."""
    for training in _TRAININGS.of(run):
        if not training.seen:
            _report(run, training, lambda array: replace(array, placeholder=False) if array.placeholder else array)


def _report(run: Run, training: Training, feed: Callable[[Array], Array]) -> None:
    loss: Value = training.loss
    if isinstance(loss, Difference):
        loss = losses.reduced(run, loss, "none", loss.where)
    if isinstance(loss, LossValue):
        loss = replace(loss, terms=tuple(_fed_term(term, feed) for term in loss.terms))
    elif isinstance(loss, Tensor):
        loss = _fed_tensor(loss, feed)
    losses.trained(run, loss, training.optimizer, training.where)


def _fed_term(term: LossTerm, feed: Callable[[Array], Array]) -> LossTerm:
    prediction = _fed_tensor(term.prediction, feed) if isinstance(term.prediction, Tensor) else term.prediction
    target = feed(term.target) if isinstance(term.target, Array) else term.target
    return replace(term, prediction=prediction, target=target)


def _fed_tensor(tensor: Tensor, feed: Callable[[Array], Array]) -> Tensor:
    met = tensor.met
    if not any(array.placeholder for array in tensor.fed):
        return tensor
    if met is not None:
        target = feed(met.target) if isinstance(met.target, Array) else met.target
        met = Meeting(_fed_tensor(replace(met.prediction, met=None), feed), target, met.where, met.moved)
    return replace(tensor, fed=tuple(feed(array) for array in tensor.fed), met=met)

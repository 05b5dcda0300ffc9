"""A hand-written Keras training on TensorFlow as a program that trials can run: the recorded step, played again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.keras import variables
from ae_audit.runtime.keras.batches import Batches, tree
from ae_audit.runtime.keras.graph.loss_points import loss_points
from ae_audit.runtime.keras.graph.record import Kind, OpNode
from ae_audit.runtime.keras.graph.step import Player, RecordedStep
from ae_audit.runtime.keras.op_trace import LossInRun, trace_ops
from ae_audit.runtime.keras.patching import keras_activation, swapped_activation
from ae_audit.runtime.keras.program import KerasProgram, LossPoint, leaf_index, quiet, to_array
from ae_audit.runtime.keras.trace import WatchedCall
from ae_audit.schema.location import Location

Array = NDArray[Any]

FIDELITY = 2e-3
"""relative difference between a loss and the same loss played again, above which the step is not what was recorded"""
_PLAIN = ("Sigmoid", "Tanh", "Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign", "Softmax")
"""what TensorFlow calls its operations, a fact of its own; :mod:`ae_audit.theory.activation_names` has each by its name
in small letters"""
_SHAPES = ("Reshape", "Squeeze", "Cast", "Transpose")
SEEN_OPERATIONS = {
    **{name: f"keras.ops.{name.lower()}" for name in (*_PLAIN, *_SHAPES)},
    "LogSoftmax": "keras.ops.log_softmax",
    "ExpandDims": "keras.ops.expand_dims",
    "Identity": "keras.layers.Identity",
    "Mul": "keras.ops.multiply",
    "AddV2": "keras.ops.add",
    "Sub": "keras.ops.subtract",
    "RealDiv": "keras.ops.true_divide",
    "Neg": "keras.ops.negative",
}
"""TensorFlow's operations outside layers, by the names that heads are traced with"""


class TapeModel:
    """What a hand-written loop trains, with as much of a model's surface as trials need."""

    def __init__(self, step: RecordedStep) -> None:
        self.step = step
        self.built = True
        self.run_eagerly = False
        self.metrics: tuple[Any, ...] = ()
        self.exchanges: dict[int, Callable[..., Any]] = {}
        self.around: dict[int, Callable[[], AbstractContextManager[Any]]] = {}
        self.optimizer: Any = None
        self._compile_loss = None
        self._compile_metrics = None
        self._call_has_training_arg = False
        main = max(step.layers, key=lambda layer: len(layer.variables), default=None)
        self.name = "model" if main is None else str(main.name)
        self._names: dict[int, str] = {}
        for node in step.updates:
            if id(node.optimizer) not in self._names:
                name = "optimizer" if not self._names else f"optimizer_{len(self._names)}"
                self._names[id(node.optimizer)] = name
                vars(self)[name] = node.optimizer
        layered = {id(variable): variable for layer in step.layers for variable in layer.variables}
        others = [source for source in step.sources if id(source) not in layered]
        self.variables = [*layered.values(), *(item if hasattr(item, "path") else _Plain(item) for item in others)]

    @property
    def trainable_variables(self) -> list[Any]:
        return self.step.sources

    def call(self) -> None:
        """Never: a step is played as a whole."""
        raise NotImplementedError

    def reset_metrics(self) -> None:
        """There are none."""

    def trained_by(self, name: str) -> list[Any] | None:
        """The weights that the optimizer of that attribute updates."""
        mine = [node for node in self.step.updates if self._names[id(node.optimizer)] == name]
        return list(mine[0].sources) if mine else None

    def train_step(self, data: Any) -> Any:
        """The recorded step on other data."""
        player = Player(self.step, tree().flatten(data), self.exchanges, self.around)
        return {"loss": player.train(lambda node: vars(self)[self._names[id(node.optimizer)]])}

    def _flatten_layers(self) -> list[Any]:
        found = {id(inner): inner for layer in self.step.layers for inner in layer._flatten_layers()}
        return list(found.values())


class _Plain:
    """A ``tf.Variable`` outside Keras, with the surface of a weight of Keras."""

    trainable = True

    def __init__(self, variable: Any) -> None:
        self._variable = variable
        self.name = self.path = str(variable.name)
        self.shape, self.dtype = variable.shape, variable.dtype.name

    @property
    def value(self) -> Any:
        return self._variable.read_value()

    def assign(self, value: Any) -> None:
        """Write the values."""
        self._variable.assign(value)


@dataclass(slots=True, eq=False)
class TapeProgram(KerasProgram):
    """A hand-written loop, caught: see :class:`KerasProgram`."""

    losses: list[LossPoint] = field(default_factory=list)
    _refusal: str | None = None

    @classmethod
    def of(
        cls, step: RecordedStep, arrays: Sequence[Array], wholes: Mapping[int, Array] | None = None, **context: Any
    ) -> TapeProgram:
        """From a recorded loop; ``context`` as for :class:`KerasProgram`.

        Args:
            arrays: the samples of each of the step's data.
            wholes: by the identity of an array, all that it was taken from.
        """
        losses = loss_points(step)
        fed = _fed(step, losses)
        order = sorted(range(len(arrays)), key=lambda place: place not in fed)
        step.reorder(order)
        inputs = [arrays[place] for place in order if place in fed] or [arrays[order[0]]]
        rest = [arrays[place] for place in order][len(inputs) :]
        whole_x, whole_y = ([(wholes or {}).get(id(array), array) for array in part] for part in (inputs, rest))
        batches = Batches((inputs, rest) if rest else (inputs,), step.batch, whole_x, whole_y or None)
        return cls(model=TapeModel(step), batches=batches, losses=losses, **context)

    @property
    def step(self) -> RecordedStep:
        found: RecordedStep = self.model.step
        return found

    def points(self) -> list[LossPoint]:
        """The losses of the recorded step."""
        self.watch = self.step.watch
        self.watch.calls.extend(_operation_calls(self.step))
        data = tree().flatten(self.first(self.step.batch))
        inputs = len(tree().flatten(self.batches.x))
        for point in self.losses:
            assert point.call is not None
            leaf = self.step.leaf(point.call.y_true)
            point.target_leaf = leaf_index(to_array(point.call.y_true), data, inputs) if leaf is None else leaf
        self._refusal = self._why_not_played()
        return self.losses

    def prediction_at(self, point: LossPoint, data: Any) -> tuple[Array, Array]:
        """Prediction and target as they meet in the step, batch by batch; what is left over is left out."""
        assert point.call is not None
        wanted = (point.prediction, point.call.y_true)
        nodes = [node for node in self.step.record.ancestors(wanted) if node.what not in {"gradient", "update"}]
        leaves = tree().flatten(data)
        size = self.step.batch
        predictions, targets = [], []
        with quiet():
            for start in range(0, len(leaves[0]) - size + 1, size):
                part = self.tensors([leaf[start : start + size] for leaf in leaves])
                player = Player(self.step, part, self.model.exchanges, self.model.around)
                player.forward(nodes)
                predictions.append(to_array(player.value(wanted[0])))
                targets.append(to_array(player.value(wanted[1])))
        return np.concatenate(predictions), np.concatenate(targets)

    def evaluated(self, samples: int, most: int) -> int:
        size = self.step.batch
        return max(size, min(most, samples) // size * size)

    def optimizer_of(self, point: LossPoint) -> str | None:
        gradients = self._gradients_of(point)
        for update in self.step.updates:
            if gradients is not None and gradients in self.step.record.ancestors(update.inputs):
                return type(update.optimizer).__name__
        return KerasProgram.optimizer_of(self, point)

    def called_from(self, point: LossPoint) -> Location | None:
        gradients = self._gradients_of(point)
        return None if gradients is None else self.meet(point.node.callers, gradients.callers)

    def _gradients_of(self, point: LossPoint) -> OpNode | None:
        """The taking of gradients of what the loss is part of."""
        for node in self.step.record.gradients:
            if point.node in self.step.record.ancestors(node.inputs[: node.settings["targets"]]):
                return node
        return None

    def trained_by(self, name: str) -> list[Any] | None:
        return self.model.trained_by(name)  # type: ignore[no-any-return]

    def operation_at(self, point: LossPoint) -> str | None:
        if not self.step.in_function:
            return None
        import tensorflow as tf

        nodes = [n for n in self.step.record.ancestors([point.prediction]) if n.what not in {"gradient", "update"}]
        seen: list[str] = []

        def forward(data: Any) -> None:
            player = Player(self.step, data, {})
            player.forward(nodes)
            seen.append(str(player.value(point.prediction).op.type))

        with quiet(), self.unchanged():
            data = self.tensors(tree().flatten(self.first(self.step.batch)))
            tf.function(forward, autograph=False).get_concrete_function(data)
        return seen[-1] if seen else None

    def with_activation(self, call: WatchedCall | None, to: str) -> AbstractContextManager[Any]:
        if call is None or call.site == "attribute" or not call.outputs:
            return KerasProgram.with_activation(self, call, to)
        maker = self.step.record.maker(call.outputs[0])
        if maker is not None and maker.what == "operation":
            function, source = keras_activation(to), call.inputs[0]
            return self._changed("exchanges", {id(call.outputs[0]): lambda value: function(value(source))})
        if call.site == "function":
            return self._inside_a_layer(call, to)
        return KerasProgram.with_activation(self, call, to)

    def with_loss(self, point: LossPoint, loss: Any) -> AbstractContextManager[Any]:
        call, node = point.call, point.node
        assert call is not None
        output = node.outputs[0]

        def changed(value: Callable[[Any], Any]) -> Any:
            return point.sign * _in_shape(loss, value(call.y_true), value(point.prediction), tuple(output.shape))

        return self._changed("exchanges", {id(output): changed})

    def noted_run(self, point: LossPoint) -> LossInRun | None:
        """The recorded step, played again; its places are those of the recorded nodes."""
        assert point.call is not None
        step = self.step
        values = self.tensors(tree().flatten(self.first(step.batch)))
        with quiet(), self.unchanged(), trace_ops(lambda: None) as run:
            player = Player(step, values, {})
            for node in step.record.ancestors(step.targets):
                if node.what not in {"gradient", "update"}:
                    run.place = node.location
                    player.forward([node])
        run.targets.extend(player.value(item) for item in step.targets)
        return LossInRun(run, player.value(point.prediction), player.value(point.call.y_true), step.batch)

    def refusal(self) -> str | None:
        return self._refusal

    def _why_not_played(self) -> str | None:
        import tensorflow as tf

        step = self.step
        if not step.updates:
            return "the loop updates its weights without an optimizer"
        if any(not hasattr(node.optimizer, "get_config") for node in step.updates):
            return "the loop's optimizer is not one of Keras'"
        values = self.tensors(tree().flatten(self.first(step.batch)))
        nodes = [node for node in step.record.ancestors(step.targets) if node.what not in {"gradient", "update"}]
        again: list[list[float]] = []
        try:
            with quiet(), self.unchanged():
                for _ in range(2):
                    player = Player(step, values, {})
                    player.forward(nodes)
                    again.append([float(tf.reduce_mean(player.value(item))) for item in step.targets])
        except Exception as cause:  # an operation that wants what is no longer there
            return f"the step of this loop cannot be played again ({type(cause).__name__})"
        seen = [float(tf.reduce_mean(item)) for item in step.targets]
        random = not np.allclose(again[0], again[1], rtol=1e-5, equal_nan=True)
        if not random and not np.allclose(again[0], seen, rtol=FIDELITY, atol=1e-6, equal_nan=True):
            return "the step of this loop gives another loss when it is played again"
        return None

    def _prepare(self) -> None:
        self.variables = variables.variables_of(self.model)
        self.captured = variables.read(self.variables)
        for index, variable in enumerate(self.variables):
            source = getattr(variable, "_variable", variable)
            self.captured[index] = self.step.weights.get(id(source), self.captured[index])

    @contextmanager
    def _changed(self, name: str, more: dict[int, Any]) -> Iterator[None]:
        before = getattr(self.model, name)
        setattr(self.model, name, before | more)
        try:
            yield
        finally:
            setattr(self.model, name, before)

    def _inside_a_layer(self, call: WatchedCall, to: str) -> AbstractContextManager[Any]:
        """Exchange a function that a layer of the user's own applies."""
        for node in self.step.record.nodes:
            if node.what == "layer" and node.first_call <= call.finished < node.last_call:
                inside = self.watch.calls[node.first_call : node.last_call]
                same = [seen for seen in inside if seen.site == "function" and seen.symbol == call.symbol]
                here = replace(call, ordinal=same.index(call))
                return self._changed("around", {id(node): partial(swapped_activation, here, to, len(same))})
        return KerasProgram.with_activation(self, None, to)


def _fed(step: RecordedStep, losses: list[LossPoint]) -> set[int]:
    """Which of the data enter the predictions."""
    nodes = step.record.ancestors([point.prediction for point in losses])
    leaves = (step.leaf(item) for node in nodes for item in node.inputs)
    return {leaf for leaf in leaves if leaf is not None}


def _operation_calls(step: RecordedStep) -> Iterator[WatchedCall]:
    """The operations outside layers in the form in which heads are traced."""
    known = {id(output) for call in step.watch.calls for output in call.outputs}
    finished = len(step.watch.calls)
    for node in step.record.nodes:
        symbol = SEEN_OPERATIONS.get(node.name) if node.what == "operation" else None
        if step.reads_weights(node):
            symbol = "keras.activations.linear"  # a layer spelled out: x @ w + b
        if symbol is None or id(node.outputs[0]) in known or step.kind(node.outputs[0]) is not Kind.MODEL:
            continue
        inputs = tuple(item for item in node.inputs if hasattr(item, "shape"))
        if node.name in _SHAPES or node.name in {"ExpandDims", *_PLAIN}:
            inputs = inputs[:1]
        yield WatchedCall(
            "operation", node, symbol, 0, inputs, node.outputs[:1], location=node.location, finished=finished
        )
        finished += 1


def _in_shape(loss: Any, y_true: Any, y_pred: Any, shape: tuple[int, ...]) -> Any:
    """A loss object's values with the mean that it gives, in the shape of the values that they stand in for."""
    import tensorflow as tf

    y_true = tf.reshape(tf.cast(y_true, y_pred.dtype), y_pred.shape) if _is_same_size(y_true, y_pred) else y_true
    values = loss.call(y_true, y_pred)
    if not shape:
        return tf.reduce_mean(values)
    if tuple(values.shape) == shape:
        return values
    per_sample = tf.reduce_mean(tf.reshape(values, (values.shape[0], -1)), axis=1)
    if shape[0] == values.shape[0]:
        return tf.broadcast_to(tf.reshape(per_sample, (-1, *(1 for _ in shape[1:]))), shape)
    return tf.broadcast_to(tf.reduce_mean(per_sample), shape)


def _is_same_size(a: Any, b: Any) -> bool:
    return int(np.prod(a.shape)) == int(np.prod(b.shape))

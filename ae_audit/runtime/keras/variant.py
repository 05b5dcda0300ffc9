"""One arm of the experiment: a Keras program under remedies, fitted again and again from different seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import CannotApply, Evaluation
from ae_audit.runtime.keras import losses, patching
from ae_audit.runtime.keras import variables as keras_variables
from ae_audit.runtime.keras.batches import arrays_of, tree
from ae_audit.runtime.keras.fused_adam import fused_updates
from ae_audit.runtime.keras.program import KerasProgram, LossPoint, backend, quiet, to_array
from ae_audit.runtime.keras.steps import Order, Steps, steps_for
from ae_audit.runtime.keras.trace import WatchedCall
from ae_audit.schema.remedies import Advice, DropMetric, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.theory.loss import Link
from ae_audit.theory.loss_families import link_of

EVALUATED = 512
"""samples that predictions are scored on"""

Array = NDArray[Any]


class KerasVariant:
    """The program under ``remedies``.

    Args:
        point: the loss that the remedies are about.
        head: the call that applies the output activation, where one was found.
        inner: the calls of activations directly before it, which go when it is exchanged.
        loss_name: canonical, with ``from_logits`` as the program has it.

    Raises:
        CannotApply: if a remedy cannot be applied here.
    """

    def __init__(
        self,
        program: KerasProgram,
        point: LossPoint,
        remedies: Sequence[Remedy],
        *,
        head: WatchedCall | None,
        inner: Sequence[WatchedCall] = (),
        activation: str | None,
        loss_name: str | None,
        from_logits: bool,
    ) -> None:
        self.program = program
        self.point = point
        self._head = head
        self._inner = tuple(inner)
        self._activation_to: str | None = None
        self._loss: Any = None
        self._loss_name = loss_name
        refusal = program.refusal()
        if refusal is not None:
            raise CannotApply(refusal)
        activated, name, logits = activation, loss_name, from_logits
        data = list(tree().flatten(program.batches.data))
        for remedy in remedies:
            match remedy:
                case SwapActivation(to):
                    self._swapped(to)  # raises where there is nothing to exchange
                    self._activation_to = activated = to
                case SwapLoss(to, on_logits):
                    self._loss = self._changed_loss(remedy)
                    name, logits = to, on_logits
                case ExpectLogits(on_logits):
                    self._loss = self._changed_loss(remedy)
                    logits = on_logits
                case Rescale():
                    self._rescale(data, remedy)
                case DropMetric():
                    raise CannotApply("a metric changes nothing that is learned")
                case Advice():
                    raise CannotApply("the change is for the author to make")
        self.link = _link(activated, name, logits)
        self.data = tree().pack_sequence_as(program.batches.data, data)
        self.optimizers = self._fresh_optimizers()
        self._steps: Steps | None = None
        self._seed = 0
        self._predict: Any = None
        samples = len(arrays_of(self.data)[0])
        self.evaluated = np.unique(
            np.linspace(0, samples - 1, program.evaluated(samples, EVALUATED)).round().astype(int)
        )

    @property
    def variables(self) -> list[Any]:
        """All that a trial of this arm changes."""
        own = [variable for optimizer in self.optimizers.values() for variable in optimizer.variables]
        return [*self.program.variables, *own]

    def initial(self, seed: int) -> keras_variables.Values:
        """The state that a trial starts from."""
        program = self.program
        values = keras_variables.drawn(program.model, program.variables, program.captured, seed)
        for optimizer in self.optimizers.values():
            if optimizer.built:
                values.extend(_unused_state(optimizer))
        return values

    def steps(self, order: Order) -> float:
        """Train on the samples of ``order``, shape (steps, batch); the loss as printed."""
        with self.installed():
            if self._steps is None:
                self._steps = steps_for(self.program.model, self.program.tensors(self.data))
                self._steps.fresh(self._seed)
            return self._steps.run(order)

    def fresh(self, seed: int) -> None:
        """A new trial begins."""
        self._seed = seed
        if self._steps is not None:
            self._steps.fresh(seed)

    def evaluate(self) -> Evaluation:
        """Predictions on the fixed samples, with the targets that this arm was fitted to."""
        kept = tree().map_structure(lambda leaf: None if leaf is None else leaf[self.evaluated], self.data)
        leaf = self.point.target_leaf
        with self.installed(), quiet():
            if self.point.output is None or leaf is None:
                predictions, targets = self.program.prediction_at(self.point, kept)
            else:
                predictions = self._predicted(kept)
            if leaf is not None:
                targets = tree().flatten(kept)[leaf]
        return Evaluation(np.asarray(self.link(predictions), dtype=np.float32), targets)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The program changed as this arm wants it, put back afterwards."""
        model = self.program.model
        with ExitStack() as stack:
            for name, optimizer in self.optimizers.items():
                stack.enter_context(patching.attribute(model, name, optimizer))
                stack.enter_context(fused_updates(optimizer))
            stack.enter_context(self.program.metrics_off())
            if self._activation_to is not None:
                for change in self._swapped(self._activation_to):
                    stack.enter_context(change)
            if self._loss is not None:
                stack.enter_context(self.program.with_loss(self.point, self._loss))
            yield

    def _swapped(self, to: str) -> list[AbstractContextManager[Any]]:
        """The changes after which the output has this activation and no other directly before it."""
        changes = [self.program.with_activation(self._head, to)]
        chain = [*(() if self._head is None else (self._head,)), *self._inner]
        functions = [call.symbol for call in chain if call.site == "function"]
        if len(set(functions)) < len(functions):
            raise CannotApply("one function activates the output twice")
        for call in self._inner:
            if to != "linear" and call.owner is not None and self._head is not None and call.owner is self._head.owner:
                raise CannotApply("one layer activates the output twice")
            changes.append(self.program.with_activation(call, "linear"))
        return changes

    def _changed_loss(self, remedy: SwapLoss | ExpectLogits) -> Any:
        if self.point.call is None:
            raise CannotApply("the loss is computed by hand inside the training step")
        return losses.changed(self.point.call.loss, remedy, self._loss_name)

    def _rescale(self, data: list[Any], remedy: Rescale) -> None:
        target = self.point.target_leaf
        source = primary_input(self.program)
        if remedy.target and target is None:
            raise CannotApply("the target is made inside the training step")
        chosen = ((source, remedy.input), (target, remedy.target))
        wanted = [index for index, use in chosen if use and index is not None]
        if source == target and remedy.input != remedy.target:
            raise CannotApply("input and target are one array in this program")
        scaled: dict[int, Array] = {}
        for index in dict.fromkeys(wanted):
            leaf = data[index]
            if id(leaf) not in scaled:
                floating = leaf if leaf.dtype.kind == "f" else leaf.astype(np.float32)
                scaled[id(leaf)] = (floating * remedy.scale + remedy.shift).astype(floating.dtype)
            data[index] = scaled[id(leaf)]

    def _fresh_optimizers(self) -> dict[str, Any]:
        fresh = {}
        for name, optimizer in patching.optimizers_of(self.program.model).items():
            again = type(optimizer).from_config(optimizer.get_config())
            trained = self.program.trained_by(name)
            if trained is not None:
                again.build(trained)
            fresh[name] = again
        return fresh

    def _predicted(self, kept: Any) -> Array:
        model = self.program.model
        x = kept[0] if isinstance(kept, tuple) else kept
        inputs = self.program.tensors((x,))
        if self._predict is None:
            self._predict = _predictor(model)
        outputs = tree().flatten(self._predict(inputs))
        return to_array(outputs[self.point.output or 0])


def primary_input(program: KerasProgram) -> int:
    """Which array of the data the model's main input is: the largest."""
    leaves = tree().flatten(program.batches.x)
    return max(range(len(leaves)), key=lambda index: 0 if leaves[index] is None else leaves[index].size)


def _predictor(model: Any) -> Any:
    if backend() == "tensorflow" and not model.run_eagerly:
        import tensorflow as tf

        traced = tf.function(model.predict_step, autograph=False)
        known: list[Any] = []

        def predict_in_graph(data: Any) -> Any:
            if not known:  # calls of the concrete function are not counted as retracings, which TensorFlow warns of
                known.append(traced.get_concrete_function(data))
            return known[0](data)

        return predict_in_graph
    if backend() == "torch":
        import torch

        def predict(data: Any) -> Any:
            with torch.no_grad():
                return model.predict_step(data)

        return predict
    return lambda data: model(data[0])


def _link(activation: str | None, loss: str | None, from_logits: bool) -> Any:
    """What turns the prediction into the target's space: only a head without activation under a loss on logits."""
    if activation != "linear" or not from_logits:
        return lambda values: values
    return {Link.SIGMOID: _sigmoid, Link.SOFTMAX: _softmax}.get(
        link_of(loss, from_logits=True) or Link.IDENTITY, lambda values: values
    )


def _sigmoid(values: Array) -> Array:
    half = 0.5 * np.asarray(values, dtype=np.float64)
    return np.asarray(0.5 * (1.0 + np.tanh(half)))


def _softmax(values: Array) -> Array:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _unused_state(optimizer: Any) -> keras_variables.Values:
    """The values of an optimizer's variables before its first step."""
    again = type(optimizer).from_config(optimizer.get_config())
    again.build(optimizer._trainable_variables)
    return keras_variables.read(again.variables)

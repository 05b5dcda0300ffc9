"""The ideal network of a Keras program: free values before its output layer, under the loss that it was caught with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import CannotApply, FloatArray, NotJudged, Played
from ae_audit.runtime.keras import losses, variables
from ae_audit.runtime.keras.graph.program import TapeProgram
from ae_audit.runtime.keras.head_path import HeadPath, path_to
from ae_audit.runtime.keras.heads import Traced
from ae_audit.runtime.keras.patching import keras_activation
from ae_audit.runtime.keras.program import KerasProgram, LossPoint, backend, quiet, to_array
from ae_audit.runtime.keras.trace import WatchedCall
from ae_audit.schema.remedies import DropMetric, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.theory.ranges import Tri

MOST_VALUES = 1 << 14
"""free values; of a batch that has more the first samples are taken, as many as hold that many"""
MOST_WHOLE = 1 << 18
"""of a recorded step, which is played in the size that it had"""
FEWEST_SAMPLES = 4
MOST_SAMPLES = 256
BENT_COST = 1e-4
"""relative: what a loss changes by at least where the values of its target count, and not their order alone"""

Array = NDArray[Any]
Valued = Callable[[Array], tuple[float, Array, Array]]
"""of free values: the loss, its gradient, and the prediction"""


@dataclass(frozen=True, slots=True)
class Seen:
    """Prediction and target as they met in a training step, and the calls that led to the prediction."""

    prediction: Any
    target: Array
    weight: Array | None
    calls: Sequence[WatchedCall]
    of_samples: int


class FreeKeras:
    """Implements :class:`ae_audit.runtime.capture.FreeNetwork`."""

    is_slow = False

    def __init__(
        self,
        setup: TrainingSetup,
        program: KerasProgram,
        point: LossPoint,
        head: Traced,
        remedies: Sequence[Remedy],
    ) -> None:
        """Raises: CannotApply, NotJudged."""
        if point.call is None:
            raise NotJudged("the loss is computed by hand inside the training step")
        self._loss: Any = point.call.loss
        self._arguments = dict(point.call.arguments)
        self._sign = -1.0 if point.weight is not None and point.weight < 0.0 else 1.0
        activation: str | None = None
        scale, shift = 1.0, 0.0
        for remedy in remedies:
            match remedy:
                case SwapActivation(to):
                    if head.call is None:
                        raise CannotApply("what activates the output was not found")
                    activation = to
                case SwapLoss() | ExpectLogits():
                    self._loss = losses.changed(point.call.loss, remedy, setup.loss.name)
                    self._arguments, self._sign = {}, 1.0
                case Rescale(target=True):
                    scale, shift = remedy.scale, remedy.shift
                case DropMetric():
                    raise CannotApply("a metric changes nothing that is learned")
                case _:
                    pass
        seen = _seen(program, point)
        self.of_samples = seen.of_samples
        self.beside = _beside(program, point)
        path = path_to(seen.calls, seen.prediction)
        if activation is not None:
            path = _exchanged(path, seen.prediction, activation)
        self._path = path
        self.direct = not path.steps or activation == "linear"
        self.target = seen.target if (scale, shift) == (1.0, 0.0) else seen.target * scale + shift
        self._weight = seen.weight
        self._transparent = setup.head.logits_recoverable is Tri.YES
        self._shape = tuple(int(extent) for extent in path.start.shape)
        self._made = tuple(int(extent) for extent in seen.prediction.shape)
        self.own: FloatArray = to_array(path.start).astype(np.float64).ravel()
        self._play = _valued(self._of_free, self._shape)
        self._cost = _valued(self._of_prediction, self._made)
        self._wanted: Array = np.zeros(0)
        self._approach: Valued | None = None

    @property
    def by_value(self) -> bool:
        prediction = np.random.default_rng(0).uniform(0.1, 0.9, self._made)
        target = self.target
        before = self.cost(prediction).loss
        try:
            self.target = _bent(target)
            after = _valued(self._of_prediction, self._made)
            return abs(self._asked(after, prediction).loss - before) > BENT_COST * abs(before)
        finally:
            self.target = target

    def play(self, free: FloatArray) -> Played:
        return self._asked(self._play, free.reshape(self._shape))

    def cost(self, prediction: FloatArray) -> Played:
        return self._asked(self._cost, prediction.reshape(self._made))

    def approach(self, free: FloatArray, wanted: FloatArray) -> Played:
        if self._approach is None or self._wanted is not wanted:
            goal = wanted.reshape(self._made).astype(np.float32)
            self._wanted = wanted
            self._approach = _valued(lambda values: self._distance(values, goal), self._shape)
        return self._asked(self._approach, free.reshape(self._shape))

    def _asked(self, valued: Valued, values: Array) -> Played:
        with quiet():
            loss, gradient, prediction = valued(np.asarray(values, dtype=np.float32))
        return Played(loss, gradient.astype(np.float64).ravel(), prediction.astype(np.float64))

    def _of_free(self, values: Any) -> tuple[Any, Any]:
        prediction = self._path(values)
        return self._value(prediction if self._transparent else _plain(prediction)), prediction

    def _of_prediction(self, values: Any) -> tuple[Any, Any]:
        return self._value(_plain(values)), values

    def _distance(self, values: Any, goal: Array) -> tuple[Any, Any]:
        import keras

        prediction = self._path(values)
        return 0.5 * keras.ops.sum(keras.ops.square(prediction - keras.ops.cast(goal, prediction.dtype))), prediction

    def _value(self, prediction: Any) -> Any:
        import keras

        target = keras.ops.convert_to_tensor(self.target)
        if self._weight is not None and hasattr(self._loss, "reduction"):
            value = self._loss(target, prediction, sample_weight=keras.ops.convert_to_tensor(self._weight))
        else:
            value = self._loss(target, prediction, **self._arguments)
        return self._sign * keras.ops.mean(keras.ops.cast(value, "float32"))


def _seen(program: KerasProgram, point: LossPoint) -> Seen:
    """Prediction and target of as many samples as are taken, at the weights with which training starts."""
    assert point.call is not None
    if isinstance(program, TapeProgram):
        size = int(np.prod(point.prediction.shape))
        if size > MOST_WHOLE:
            raise NotJudged(f"a batch of {size} values is too large, and a recorded step has no parts")
        target = to_array(point.call.y_true)
        return Seen(point.prediction, target, None, program.watch.calls, int(point.prediction.shape[0]))
    per_sample = max(1, int(np.prod(point.prediction.shape[1:])))
    samples = min(MOST_SAMPLES, max(FEWEST_SAMPLES, MOST_VALUES // per_sample), program.batches.batch_size)
    holder = program.stage.holder
    if holder is not None:
        holder.keep()
        program.stage.holder = None
    with ExitStack() as stack:
        for context in (quiet(), program.in_place(), program.unchanged()):
            stack.enter_context(context)
        variables.write(program.variables, program.captured)
        watch = program.watched_step(samples)
    call = next((call for call in watch.losses if call.ordinal == point.ordinal), None)
    if call is None:
        raise NotJudged("the training step no longer reaches its loss")
    weight = None if call.sample_weight is None else to_array(call.sample_weight)
    whole = min(program.batches.batch_size, program.batches.samples)
    return Seen(call.y_pred, to_array(call.y_true), weight, watch.calls, whole)


def _beside(program: KerasProgram, point: LossPoint) -> bool:
    """Whether the same prediction enters another loss too."""
    if isinstance(program, TapeProgram):
        return any(other is not point and other.prediction is point.prediction for other in program.losses)
    return sum(call.y_pred is point.prediction for call in program.watch.losses) > 1


def _exchanged(path: HeadPath, prediction: Any, to: str) -> HeadPath:
    """The path with one activation for all that was done to what the last weights gave."""
    import keras

    function = keras_activation(to)
    start, shape = path.start, tuple(prediction.shape)
    if tuple(start.shape) == shape:
        return HeadPath(start, (function,))
    if int(np.prod(start.shape)) == int(np.prod(shape)):
        return HeadPath(start, (lambda values: keras.ops.reshape(values, shape), function))
    return HeadPath(prediction, (function,))


def _bent(target: Array) -> Array:
    """Other values in the same order: what is equal stays equal, and the greater stays the greater."""
    values = target.astype(np.float64)
    spread = float(values.std()) or 1.0
    bent: Array = (values + 0.5 * spread * np.tanh((values - values.mean()) / spread)).astype(target.dtype)
    return bent


def _plain(prediction: Any) -> Any:
    """The values alone: behind them Keras finds no logits."""
    if backend() != "tensorflow":
        return prediction
    import tensorflow as tf

    return tf.identity(prediction)


def _valued(function: Callable[[Any], tuple[Any, Any]], shape: tuple[int, ...]) -> Valued:
    """A function of free values with its gradient, on whatever backend Keras runs."""
    return {"tensorflow": _on_tensorflow, "torch": _on_torch, "jax": _on_jax}[backend()](function, shape)


def _on_tensorflow(function: Callable[[Any], tuple[Any, Any]], shape: tuple[int, ...]) -> Valued:
    import tensorflow as tf

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.float32)])  # type: ignore[untyped-decorator]
    def run(values: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            value, prediction = function(values)
        gradient = tape.gradient(value, values)
        return value, tf.zeros_like(values) if gradient is None else tf.convert_to_tensor(gradient), prediction

    def valued(values: Array) -> tuple[float, Array, Array]:
        value, gradient, prediction = run(tf.constant(values))
        return float(value), gradient.numpy(), prediction.numpy()

    return valued


def _on_torch(function: Callable[[Any], tuple[Any, Any]], _: tuple[int, ...]) -> Valued:
    import torch

    def valued(values: Array) -> tuple[float, Array, Array]:
        import keras

        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # so few values are done sooner than other threads are woken
        try:
            with torch.enable_grad():
                free = keras.ops.convert_to_tensor(values).detach().requires_grad_()
                value, prediction = function(free)
                found = torch.autograd.grad(value, free, allow_unused=True)[0] if value.requires_grad else None
        finally:
            torch.set_num_threads(threads)
        gradient = np.zeros_like(values) if found is None else to_array(found)
        return float(value.detach()), gradient, to_array(prediction.detach())

    return valued


def _on_jax(function: Callable[[Any], tuple[Any, Any]], _: tuple[int, ...]) -> Valued:
    import jax  # type: ignore[import-not-found, unused-ignore]

    run = jax.jit(jax.value_and_grad(function, has_aux=True))

    def valued(values: Array) -> tuple[float, Array, Array]:
        (value, prediction), gradient = run(values)
        return float(value), np.asarray(gradient), np.asarray(prediction)

    return valued

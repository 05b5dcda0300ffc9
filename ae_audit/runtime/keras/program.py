"""A Keras training as it was caught: the model, its data and initial state, and the losses of one training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.host.user_code import Caller, UserCode
from ae_audit.runtime.keras import losses as keras_losses
from ae_audit.runtime.keras import patching
from ae_audit.runtime.keras import variables as keras_variables
from ae_audit.runtime.keras.batches import Batches, arrays_of, tree
from ae_audit.runtime.keras.model_state import ModelState
from ae_audit.runtime.keras.trace import Locate, LossCall, LossReached, Watch, WatchedCall, watching
from ae_audit.schema.location import Location

if TYPE_CHECKING:
    from ae_audit.runtime.keras.op_trace import LossInRun

WATCHED_SAMPLES = 8
"""batch of the training step that is watched: enough to tell one tensor from another, cheap on any model"""
NOTED_SAMPLES = 7
"""batch of the training step that is noted: no size of a layer, so that means are told from sums"""

Array = NDArray[Any]
T = TypeVar("T")


class NotWatched(Exception):
    """A training that cannot be looked at; the text says which."""


@dataclass(slots=True, eq=False)
class LossPoint:
    """One loss of the training step, and how to reach its prediction again."""

    prediction: Any
    """the tensor seen; None where no loss was seen and the model's output stands in"""
    call: LossCall | None = None
    ordinal: int = 0
    per_step: int = 1
    """number of loss calls in one training step"""
    output: int | None = None
    """which of the model's outputs the prediction is; None where it is made inside the training step"""
    target_leaf: int | None = None
    """which array of the data the target is; None where it is made inside the training step"""
    compiled_index: int | None = None
    """place among the losses given to ``compile``"""
    name: str | None = None
    """of the output, where there are several"""
    node: Any = None
    """of a hand-written loop: the recorded node that gives the loss"""
    weight: float | None = None
    """of a hand-written loop: with which the mean of the loss enters what is minimised"""
    sign: float = 1.0
    """of a hand-written loop: -1 where ``node`` gives the negative of the loss"""


@dataclass(slots=True, eq=False)
class Stage:
    """Who acts: the trial whose state the variables hold."""

    holder: Any = None


@dataclass(slots=True, eq=False)
class KerasProgram:
    """The model under training; several losses and all trials share one."""

    model: Any
    batches: Batches
    code: UserCode | None = None
    """tells the user's frames; None where they are not looked for"""
    locate: Locate = lambda: None
    place_of: Callable[[Any], Location | None] = lambda _: None
    text_of: Callable[[Location | None], str | None] = lambda _: None
    """the source at a place"""
    meet: Callable[[Sequence[Caller], Sequence[Caller]], Location | None] = lambda then, now: None
    """where the innermost of the user's frames stood then that still runs now"""
    borrowed: bool = False
    """the model is somebody's live object: every change is taken back at once"""
    watch: Watch = field(default_factory=Watch)
    variables: list[Any] = field(default_factory=list)
    captured: keras_variables.Values = field(default_factory=list)
    stage: Stage = field(default_factory=Stage)
    """shared by all programs of one process: models share layers"""
    state: ModelState | None = None
    only: int | None = None
    """the one size of a batch that the model takes: a sampling layer may be written for it; None: any"""

    def prepare(self) -> None:
        """Build the model where it is not built, and remember its initial state."""
        self._prepare()
        self.state = ModelState.of(self.model)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model compiled as it was when it was caught."""
        if self.state is None:
            yield
            return
        with self.state.installed():
            yield

    def _prepare(self) -> None:
        if self._callable and not self._built:
            with quiet():
                self._at_some_size(lambda: self.call_model(self.first(WATCHED_SAMPLES)))
        self.variables = keras_variables.variables_of(self.model)
        self.captured = keras_variables.read(self.variables)

    def points(self) -> list[LossPoint]:
        """The losses of one training step, watched; the model's first output where no loss call is seen."""
        with self.unchanged():
            self.watch = self._at_some_size(self.watched_step)
        late = keras_variables.variables_of(self.model)
        if len(late) != len(self.variables):  # parts of the model were built by the step itself
            self.variables, self.captured = late, keras_variables.read(late)
        data = tree().flatten(self.first(WATCHED_SAMPLES))
        found: list[LossPoint] = []
        for loss in self.watch.losses:
            prediction = _numbers(loss.y_pred)
            if prediction is None or prediction.ndim == 0 or len(prediction) != _length(data):
                continue
            if not any(call.gives(loss.y_pred) for call in self.watch.calls) and _is_leaf(prediction, data):
                continue  # target and prediction given in the wrong order, or no prediction at all
            found.append(
                LossPoint(
                    prediction=loss.y_pred,
                    call=loss,
                    ordinal=loss.ordinal,
                    per_step=len(self.watch.losses),
                    output=self._output_index(loss.y_pred),
                    target_leaf=leaf_index(_numbers(loss.y_true), data, len(tree().flatten(self.batches.x))),
                    compiled_index=self._compiled_index(loss.loss),
                )
            )
        self.state = ModelState.of(self.model)
        return found or self._without_loss()

    def _at_some_size(self, act: Callable[[], T]) -> T:
        """``act`` on a few samples, or on a batch of the program's own size where the model expects no other."""
        try:
            return act()
        except Exception:
            size = self.batches.batch_size
            if self.only is not None or not WATCHED_SAMPLES < size <= self.batches.samples:
                raise
            self.only = size
            try:
                return act()
            except Exception:
                self.only = None
            raise

    def watched_step(self, samples: int = WATCHED_SAMPLES) -> Watch:
        """Run the program's training step once on a few samples, without updating weights, and watch it."""
        data = self.first(samples)
        with ExitStack() as stack:
            stack.enter_context(self._looking())
            watch = stack.enter_context(watching(self.modules, self.locate))
            try:
                if backend() == "jax":
                    self._jax_step(data)
                else:
                    self.model.train_step(self.tensors(data))
            except Exception:
                # torch's cross-entropy refuses targets outside [0, 1]: what it refused was seen, and trials raise it
                if not watch.losses:
                    raise
        return watch

    def call_model(self, data: Any, training: bool = False) -> Any:
        """The model's outputs on the inputs of ``data``, flat."""
        x = self._x(self.tensors(data))
        has_training = getattr(self.model, "_call_has_training_arg", False)
        outputs = self.model(x, training=training) if has_training else self.model(x)
        return tree().flatten(outputs)

    def prediction_at(self, point: LossPoint, data: Any) -> tuple[Array, Array]:
        """Prediction and target as they meet in the training step, for a prediction that the model does not output."""

        def stop(call: LossCall, proceed: Callable[[], Any]) -> Any:
            if call.ordinal == point.ordinal:
                raise LossReached(call)
            return proceed()

        try:
            with ExitStack() as stack:
                for context in (
                    quiet(),
                    patching.frozen_optimizers(self.model),
                    self.metrics_off(),
                    eager_functions(),
                ):
                    stack.enter_context(context)
                stack.enter_context(watching(self.modules, on_loss=stop))
                self.model.train_step(self.tensors(data))
        except LossReached as reached:
            return to_array(reached.call.y_pred), to_array(reached.call.y_true)
        raise NotWatched("what is compared in this training step is not compared when the step is taken again")

    def evaluated(self, samples: int, most: int) -> int:
        """How many of the captured samples predictions are scored on."""
        return min(most, samples) if self.only is None else self.only

    def optimizer_of(self, point: LossPoint) -> str | None:
        """The class of the optimizer that steps on a loss."""
        return None if self.model.optimizer is None else type(self.model.optimizer).__name__

    def called_from(self, point: LossPoint) -> Location | None:
        """Of a loss in a function of its own: where the code that takes its gradients calls for it."""
        return None

    def trained_by(self, name: str) -> list[Any] | None:
        """The weights that the optimizer in that attribute of the model updates, where it is known beforehand."""
        return list(self.model.trainable_variables) if name == "optimizer" else None

    def with_activation(self, call: WatchedCall | None, to: str) -> AbstractContextManager[Any]:
        """The program with another activation in place of the one that ``call`` applied.

        Raises:
            CannotApply: where there is nothing to exchange.
        """
        return patching.swapped_activation(call, to, 1 if call is None else self.function_calls(call))

    def with_loss(self, point: LossPoint, loss: Any) -> AbstractContextManager[Any]:
        """The program with another loss object in place of the one at ``point``."""
        if point.compiled_index is not None:
            return patching.swapped_compiled_loss(self.model, point.compiled_index, loss)
        called_as_object = point.call is not None and hasattr(point.call.loss, "reduction")
        function = (
            loss if called_as_object else keras_losses.per_sample(loss, None if point.call is None else point.call.rank)
        )
        found: AbstractContextManager[Any] = patching.swapped_loss_call(
            point.ordinal, point.per_step, function, self.modules
        )
        return found

    def noted_run(self, point: LossPoint) -> LossInRun | None:
        """One more training step, noted to its single operations; None where nothing can join the loss in it."""
        import keras

        own = type(self.model).train_step, type(self.model).compute_loss
        plain = own == (keras.Model.train_step, keras.Model.compute_loss) and not self.model.losses
        if backend() != "tensorflow" or point.call is None or plain:
            return None
        from ae_audit.runtime.keras.op_trace import LossInRun, trace_ops

        with ExitStack() as stack:
            for context in (self.unchanged(), self._looking()):
                stack.enter_context(context)
            run = stack.enter_context(trace_ops(self.locate))
            watch = stack.enter_context(watching(self.modules))
            self.model.train_step(self.tensors(self.first(NOTED_SAMPLES)))
        seen = next((call for call in watch.losses if call.ordinal == point.ordinal), None)
        return None if seen is None else LossInRun(run, seen.y_pred, seen.y_true, self.batches.batch_size)

    def refusal(self) -> str | None:
        """Why no trial can be made of this program; None where it can."""
        return None

    def operation_at(self, point: LossPoint) -> str | None:
        """The kind of the graph operation that makes the prediction, on TensorFlow; None where there is no graph."""
        if point.output is None or self.model.run_eagerly:
            return None
        return _graph_operation(self, point.output)

    def first(self, count: int) -> Any:
        """The first captured samples, as many as the model expects at once where that is a number of its own."""
        count = self.only or count
        return tree().map_structure(lambda leaf: None if leaf is None else leaf[:count], self.batches.data)

    def tensors(self, data: Any) -> Any:
        """The same structure as the backend's tensors, as ``fit`` passes them to the training step."""
        import keras

        known: dict[int, Any] = {}

        def convert(leaf: Array | None) -> Any:
            if leaf is None:
                return None
            if id(leaf) not in known:
                known[id(leaf)] = keras.ops.convert_to_tensor(leaf)
            return known[id(leaf)]

        return tree().map_structure(convert, data)

    @contextmanager
    def metrics_off(self) -> Iterator[None]:
        """Without the metrics given to ``compile``: they cost time and change nothing that is learned."""
        with patching.attribute(self.model, "_compile_metrics", None):
            yield

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Put the captured state back afterwards."""
        try:
            yield
        finally:
            keras_variables.write(self.variables, self.captured)

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """For a step that is only to be looked at: no update, no metrics, no warnings, real tensors."""
        with quiet(), patching.frozen_optimizers(self.model), self.metrics_off(), eager_functions():
            yield

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of the user's own classes in the model."""
        classes = [cls for layer in self.model._flatten_layers() for cls in type(layer).__mro__]
        losses = getattr(getattr(self.model, "_compile_loss", None), "_flat_losses", None) or ()
        names = [cls.__module__ for cls in classes] + [getattr(item.loss, "__module__", "") for item in losses]
        libraries = {"keras", "tensorflow", "torch", "jax", "builtins", "abc", "typing", "tf_keras"}
        return tuple(dict.fromkeys(name for name in names if name and name.partition(".")[0] not in libraries))

    def function_calls(self, call: WatchedCall) -> int:
        """How often the function of ``call`` was called in the watched step."""
        return 1 + max(
            (seen.ordinal for seen in self.watch.calls if seen.site == "function" and seen.symbol == call.symbol),
            default=0,
        )

    @property
    def _callable(self) -> bool:
        """Whether the model can be called: functional, or with a ``call`` of its own."""
        import keras

        return type(self.model).call is not keras.Model.call

    @property
    def _built(self) -> bool:
        return bool(self.model.built) and all(layer.built for layer in self.model._flatten_layers())

    def _x(self, data: Any) -> Any:
        return data[0] if isinstance(data, tuple) else data

    def _output_index(self, prediction: Any) -> int | None:
        for call in reversed(self.watch.calls):
            if call.owner is self.model and call.site == "operation":
                for index, output in enumerate(call.outputs):
                    if output is prediction:
                        return index
        return None

    def _compiled_index(self, loss: Any) -> int | None:
        flat = getattr(getattr(self.model, "_compile_loss", None), "_flat_losses", None) or ()
        return next((index for index, item in enumerate(flat) if item.loss is loss), None)

    def _without_loss(self) -> list[LossPoint]:
        """No loss function was called: the training step computes its loss by hand."""
        calls = [call for call in self.watch.calls if call.owner is self.model and call.outputs]
        if not calls:
            return []
        prediction = calls[-1].outputs[0]
        leaves = tree().flatten(self.batches.data)
        target = len(arrays_of(self.batches.x)) if self.batches.y is not None else _same_size(prediction, leaves)
        return [LossPoint(prediction=prediction, output=0, target_leaf=target)]

    def _jax_step(self, data: Any) -> None:
        """What the default step does before it takes gradients; inside those, JAX has no values to look at."""
        import keras

        if type(self.model).train_step is not keras.Model.train_step:
            raise NotWatched(
                "a training step of its own, on the JAX backend, is not watched: JAX runs it without values"
            )
        x, y, weight = keras.utils.unpack_x_y_sample_weight(self.tensors(data))
        outputs = self.model(x, training=True) if self.model._call_has_training_arg else self.model(x)
        self.model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weight, training=True)


def backend() -> str:
    """``tensorflow``, ``torch`` or ``jax``."""
    import keras

    return str(keras.config.backend())


def to_array(tensor: Any) -> Array:
    """A tensor of any backend as a NumPy array."""
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor))


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of a call that is not the program's own."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def eager_functions() -> Iterator[None]:
    """Let ``tf.function`` in the user's code run as plain Python, so that tensors can be looked at."""
    if backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _graph_operation(program: KerasProgram, output: int) -> str | None:
    import tensorflow as tf

    model = program.model
    seen: list[str] = []

    def forward(data: Any) -> Any:
        outputs = model(data[0], training=True) if model._call_has_training_arg else model(data[0])
        prediction = tree().flatten(outputs)[output]
        seen.append(str(prediction.op.type))
        return prediction

    x = program.first(2)[0] if isinstance(program.batches.data, tuple) else program.first(2)
    try:
        with quiet(), program.unchanged(), patching.frozen_optimizers(model):
            tf.function(forward, autograph=False).get_concrete_function(program.tensors((x,)))
    except Exception:  # a model that runs eagerly only
        return None
    return seen[-1] if seen else None


def _numbers(tensor: Any) -> Array | None:
    try:
        return to_array(tensor)
    except Exception:  # symbolic, ragged, or no tensor at all
        return None


def _length(data: list[Any]) -> int:
    return next(len(leaf) for leaf in data if leaf is not None)


def _is_leaf(values: Array, leaves: list[Any]) -> bool:
    return any(leaf is not None and leaf.shape == values.shape and np.array_equal(leaf, values) for leaf in leaves)


def leaf_index(values: Array | None, leaves: list[Any], inputs: int) -> int | None:
    """Which array of the data these values are: the targets are looked at before the inputs."""
    if values is None:
        return None
    order = [*range(inputs, len(leaves)), *range(inputs)]
    return next((index for index in order if leaves[index] is not None and _equal(leaves[index], values)), None)


def _equal(leaf: Array, values: Array) -> bool:
    if leaf.size != values.size:
        return False
    return bool(np.allclose(leaf.reshape(-1), values.reshape(-1), rtol=1e-6, atol=1e-6, equal_nan=True))


def _same_size(prediction: Any, leaves: list[Any]) -> int | None:
    size = int(np.prod(prediction.shape[1:]))
    for index, leaf in enumerate(leaves):
        if leaf is not None and int(np.prod(leaf.shape[1:])) == size:
            return index
    return None

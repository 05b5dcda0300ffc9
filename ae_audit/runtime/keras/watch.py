"""Watching a real Keras training: its data as ``fit`` was given them or as its first batches bring them, and a capture.

``fit`` hands a callback no data. Arrays are read where ``fit`` keeps them; of anything that is used up by reading, the
first batches are looked at as they pass.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from ae_audit.runtime.host.user_code import UserCode
from ae_audit.runtime.keras import batches as keras_data
from ae_audit.runtime.keras import variables as keras_variables
from ae_audit.runtime.keras.batches import Batches, Unreadable
from ae_audit.runtime.keras.capture import KerasCapture
from ae_audit.runtime.keras.model_state import torch_modes
from ae_audit.runtime.keras.program import KerasProgram, backend, quiet
from ae_audit.runtime.keras.setups import FitContext, captures_of
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.theory.loss import Link


@dataclass(frozen=True, slots=True)
class Fit:
    """The call of ``fit`` that a callback is running under."""

    arguments: dict[str, Any]
    location: Location

    @property
    def weighted(self) -> bool:
        """Whether some samples count more than others."""
        return self.arguments.get("sample_weight") is not None or self.arguments.get("class_weight") is not None

    @property
    def callbacks(self) -> list[Any] | None:
        """The callbacks of this training; None where they cannot be told."""
        given = self.arguments.get("callbacks")
        given = getattr(given, "callbacks", given)
        return list(given) if isinstance(given, (list, tuple)) else None

    @property
    def validation(self) -> Batches | None:
        """The validation data, where they are arrays."""
        data = self.arguments.get("validation_data")
        if not isinstance(data, (list, tuple)) or not all(map(_is_array, data[:2])):
            return None
        with contextlib.suppress(Unreadable, TypeError, ValueError):
            return keras_data.read(*data[:3])
        return None


def running_fit(model: Any, fallback: str) -> Fit | None:
    """The ``fit`` of ``model`` that runs now; None where it is called in a way that is not known here.

    Args:
        fallback: path of the program, where no user's file is found above ``fit``.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "fit" and frame.f_locals.get("self") is model and "epoch_iterator" in frame.f_locals:
            names = ("x", "y", "sample_weight", "class_weight", "validation_data", "batch_size", "callbacks")
            arguments = {name: frame.f_locals.get(name) for name in names}
            caller = _outside_keras(frame)
            path = caller.f_code.co_filename if caller is not None else fallback
            line = caller.f_lineno if caller is not None else 1
            return Fit(arguments, UserCode(path).location() or Location(path, line))
        frame = frame.f_back
    return None


def array_batches(fit: Fit) -> Batches | None:
    """What ``fit`` trains on where it was given arrays; None where reading would use it up.

    Raises:
        Unreadable: for sparse, ragged or text data.
    """
    x, y, weights, classes, size = (
        fit.arguments[name] for name in ("x", "y", "sample_weight", "class_weight", "batch_size")
    )
    if x is None or not _holds_arrays(x):
        return None
    return keras_data.read(x, y, weights, batch_size=size, class_weight=classes)


class PassingBatches:
    """Looks at the first batches of a training as they pass.

    Args:
        model: in training; its ``train_function`` is exchanged until enough has passed.
        count: of batches.
        done: called with them, before the step on the last of them.
    """

    def __init__(self, model: Any, count: int, done: Callable[[list[Any]], None]) -> None:
        self._model = model
        self._count = count
        self._done = done
        self._original = model.train_function
        self._parts: list[Any] = []
        self._function: Any = self._run
        model.train_function = self._function

    def close(self) -> None:
        """Give the model its own function back."""
        if self._model.train_function is self._function:
            self._model.train_function = self._original

    @property
    def parts(self) -> list[Any]:
        return self._parts

    def _run(self, *arguments: Any) -> Any:
        *state, stream = arguments
        stream = self._seen(stream)
        if len(self._parts) >= self._count:
            self.close()
            self._done(self._parts)
        return self._original(*state, stream)

    def _seen(self, stream: Any) -> Any:
        """The same batches for the step, after a look at them."""
        if isinstance(stream, (list, tuple)):  # the torch backend hands over the batches themselves
            self._keep(list(stream))
            return stream
        steps = max(1, int(getattr(self._model, "steps_per_execution", 1) or 1))
        if hasattr(stream, "element_spec"):
            return self._seen_by_tensorflow(stream, steps)
        if not hasattr(stream, "__next__"):
            return stream
        taken = []
        for _ in range(steps):
            with contextlib.suppress(StopIteration):
                taken.append(next(stream))
        self._keep(taken)
        return _chained(taken, stream)

    def _seen_by_tensorflow(self, stream: Any, steps: int) -> Any:
        """The batches as an iterator of the very type that the compiled step takes, so that nothing is traced anew."""
        import tensorflow as tf

        if not isinstance(stream, tf.data.Iterator):
            return stream  # of several devices
        taken: list[Any] = []
        for _ in range(steps):
            try:
                taken.append(stream.get_next())
            except tf.errors.OutOfRangeError:
                if not taken:
                    raise
                break
        self._keep(taken)
        spec = stream.element_spec
        return iter(tf.data.Dataset.from_generator(lambda: iter(taken), output_signature=spec))

    def _keep(self, batches: list[Any]) -> None:
        for batch in batches:
            with contextlib.suppress(Exception):  # of a kind that cannot be looked at: the training goes on
                self._parts.append(keras_data.copied(batch))


def capture_watched(
    model: Any, batches: Batches, fit: Fit, initial: keras_variables.Values | None = None
) -> list[KerasCapture]:
    """A capture for each loss of the running training; all state of the model and of chance is left as it was.

    Args:
        initial: the values that trials are to start from; by default the present ones.
    """
    program = KerasProgram(model=model, batches=batches, borrowed=True)
    context = FitContext(location=fit.location, validation=fit.validation)
    with untouched(model, initial), quiet():
        return captures_of(program, context)


MOST_SCORED = 256
"""samples that predictions are scored on while a training runs"""


@dataclass(frozen=True, slots=True)
class Scored:
    """The first samples of a fit of one output, on which R² is told at the end of an epoch."""

    x: Any
    targets: Any
    logits: bool
    """whether the model's output is a logit of what the target holds"""

    @classmethod
    def of(cls, batches: Batches, setup: TrainingSetup) -> Scored | None:
        """None where prediction and target are not compared value by value."""
        loss = setup.loss.theory
        known = isinstance(batches.x, np.ndarray) and (batches.y is None or isinstance(batches.y, np.ndarray))
        if loss is None or not loss.pointwise or not known:
            return None
        target = batches.x if batches.y is None else batches.y
        return cls(batches.x[:MOST_SCORED], target[:MOST_SCORED], loss.link is Link.SIGMOID)

    def r2(self, model: Any) -> float | None:
        """Of the model as it is now, called as for a prediction; None where shapes differ or the target is constant."""
        import keras

        predictions = model(keras.ops.convert_to_tensor(self.x), training=False)
        p = np.asarray(keras.ops.convert_to_numpy(predictions), dtype=np.float64)
        p = 0.5 * (1.0 + np.tanh(0.5 * p)) if self.logits else p
        y = np.asarray(self.targets, dtype=np.float64)
        if p.shape != y.shape or not np.isfinite(p).all():
            return None
        total = float(np.square(y - y.mean(axis=0, keepdims=True)).sum())
        return 1.0 - float(np.square(p - y).sum()) / total if total > 0.0 else None


@contextlib.contextmanager
def untouched(model: Any, values: keras_variables.Values | None = None) -> Iterator[None]:
    """Put back whatever a training step changes: variables, modes, gradients, and every random state.

    Args:
        values: for the model's variables while the block runs.
    """
    variables = [*keras_variables.variables_of(model), *_tracked(model)]
    before = keras_variables.read(variables)
    with torch_modes(model), _same_chance():
        if values is not None:
            keras_variables.write(keras_variables.variables_of(model), values)
        try:
            yield
        finally:
            keras_variables.write(variables, before)


def _tracked(model: Any) -> list[Any]:
    """The variables of metrics, the loss tracker's among them."""
    known = {id(variable) for variable in keras_variables.variables_of(model)}
    found = {id(variable): variable for metric in model.metrics for variable in metric.variables}
    return [variable for key, variable in found.items() if key not in known]


@contextlib.contextmanager
def _same_chance() -> Iterator[None]:
    """Put back Python's, NumPy's and the backend's random states."""
    state, numbers = random.getstate(), np.random.get_state()
    with contextlib.ExitStack() as stack:
        stack.callback(np.random.set_state, numbers)
        stack.callback(random.setstate, state)
        if backend() == "torch":
            import torch

            stack.enter_context(torch.random.fork_rng())
        elif backend() == "tensorflow":
            from tensorflow.python.eager import context

            drawn = getattr(context.context(), "_rng", None)  # there is none before a seed is set
            if drawn is not None:
                stack.callback(drawn.setstate, drawn.getstate())
        yield


def _chained(taken: list[Any], stream: Any) -> Iterator[Any]:
    yield from taken
    yield from stream


def _holds_arrays(structure: Any) -> bool:
    import keras

    leaves = [leaf for leaf in keras.tree.flatten(structure) if leaf is not None]
    return bool(leaves) and all(map(_is_array, leaves))


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and hasattr(value, "shape")


def _outside_keras(frame: FrameType) -> FrameType | None:
    outer: FrameType | None = frame
    while outer is not None:
        name = str(outer.f_globals.get("__name__", ""))
        if name.partition(".")[0] not in {"keras", "tf_keras", "tensorflow"}:
            return outer
        outer = outer.f_back
    return None

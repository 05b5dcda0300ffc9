"""Many training steps of a Keras model at once, each exactly the model's own ``train_step``.

On TensorFlow one graph runs all the steps asked for in a loop (a call into a graph for every step costs as much as the
step itself on small nets); a training step that does not allow that is run step by step, as ``fit`` would. On torch the
step runs eagerly, on JAX through ``train_on_batch``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.keras.batches import tree
from ae_audit.runtime.keras.patching import attribute

Order = NDArray[np.int32]
"""sample indices, shape (steps, batch)"""

STATEFUL_RANDOM = frozenset(
    {"RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "ParameterizedTruncatedNormal"}
    | {"RandomGamma", "RandomPoissonV2", "RandomShuffle", "Multinomial"}
)
"""operations whose stream goes on from call to call, and starts anew only with a new graph"""
JAX_STATE = ("_jax_state", "_jax_state_synced")
"""where Keras on JAX leaves a second copy of all weights on the model"""


class Steps(Protocol):
    """Runs training steps; ``fresh`` is called before the first step of every trial."""

    def fresh(self, seed: int) -> None: ...

    def run(self, order: Order) -> float:
        """One step for each row of ``order``; the loss as the program prints it after them."""


def steps_for(model: Any, data: Any) -> Steps:
    """The way of stepping that fits the backend. ``data`` holds the backend's tensors of all samples."""
    import keras

    backend = keras.config.backend()
    if backend == "tensorflow":
        return TensorFlowSteps(model, data)
    if backend == "torch":
        return TorchSteps(model, data)
    return BatchSteps(model, data)


class TensorFlowSteps:
    """``train_step`` in a graph."""

    def __init__(self, model: Any, data: Any) -> None:
        self._model = model
        self._data = data
        self._run: Callable[[Any], Any] | None = None
        self._trials = 0

    def fresh(self, seed: int) -> None:
        import tensorflow as tf

        tf.random.set_seed(seed)
        self._trials += 1
        if self._run is not None and self._trials > 1 and self._draws_from_a_stream():
            self._run = None

    def run(self, order: Order) -> float:
        import tensorflow as tf

        self._model.reset_metrics()
        order = tf.constant(order)
        if self._run is not None:
            return float(self._run(order))
        if self._model.run_eagerly:
            self._run = self._step_by_step(lambda batch: self._model.train_step(batch))
            return float(self._run(order))
        looped = self._looped()
        try:
            concrete = looped.get_concrete_function(tf.TensorSpec([None, order.shape[1]], tf.int32))
        except Exception:  # a step that a loop cannot hold; the program's own faults come up again below
            train_step = self._model.train_step
            step = tf.function(lambda batch: train_step(batch), autograph=False, reduce_retracing=True)
            self._run = self._step_by_step(step)
        else:
            self._run = concrete
        return float(self._run(order))

    def _looped(self) -> Any:
        import tensorflow as tf

        reported = LossReader(self._model)

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def run(order: Any) -> Any:
            count = tf.shape(order)[0]

            def body(index: Any, _: Any, total: Any) -> Any:
                logs = self._model.train_step(self._batch(order[index]))
                loss = tf.cast(tf.reduce_mean(reported(logs)), tf.float32)
                return index + 1, loss, total + loss

            zero = tf.constant(0.0)
            _, last, total = tf.while_loop(
                lambda index, *_: index < count, body, (tf.constant(0), zero, zero), parallel_iterations=1
            )
            return last if reported.running_mean else total / tf.cast(count, tf.float32)

        return run

    def _step_by_step(self, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        reported = LossReader(self._model)

        def run(order: Any) -> float:
            losses = [float(np.mean(reported(step(self._batch(row))))) for row in order]
            return losses[-1] if reported.running_mean else float(np.mean(losses))

        return run

    def _batch(self, rows: Any) -> Any:
        import tensorflow as tf

        return tree().map_structure(lambda leaf: None if leaf is None else tf.gather(leaf, rows), self._data)

    def _draws_from_a_stream(self) -> bool:
        graph = getattr(self._run, "graph", None)
        if graph is None:
            return True
        definition = graph.as_graph_def()
        inner = (node for function in definition.library.function for node in function.node_def)
        return any(node.op in STATEFUL_RANDOM for node in (*definition.node, *inner))


class TorchSteps:
    """``train_step``, eagerly."""

    def __init__(self, model: Any, data: Any) -> None:
        self._model = model
        self._data = data

    def fresh(self, seed: int) -> None:
        import torch

        torch.manual_seed(seed)

    def run(self, order: Order) -> float:
        import torch

        self._model.reset_metrics()
        self._model.train()
        reported = LossReader(self._model)
        losses = []
        for row in order:
            index = torch.from_numpy(row.astype(np.int64))
            batch = tree().map_structure(
                lambda leaf, index=index: None if leaf is None else leaf[index.to(leaf.device)], self._data
            )
            losses.append(reported(self._model.train_step(batch)))
        self._model.eval()
        values = [
            float(torch.as_tensor(loss).detach().mean()) for loss in (losses[-1:] if reported.running_mean else losses)
        ]
        return float(np.mean(values))


class BatchSteps:
    """``train_on_batch``, which every backend has."""

    def __init__(self, model: Any, data: Any) -> None:
        self._model = model
        self._data = tree().map_structure(lambda leaf: None if leaf is None else np.asarray(leaf), data)
        self._function: Any = None
        own_step = model.train_step

        def train_step(*args: Any, **kwargs: Any) -> Any:
            # a function for each arm: JAX would find the graph of another arm under the model's own method
            return own_step(*args, **kwargs)

        self._train_step = train_step

    def fresh(self, seed: int) -> None:
        """Nothing: seed states are variables of the model, and the compiled step takes the variables anew each time."""

    def run(self, order: Order) -> float:
        model = self._model
        model.reset_metrics()
        reported = LossReader(model)
        losses = []
        with ExitStack() as stack:
            for name, value in (("train_step", self._train_step), ("train_function", self._function)):
                stack.enter_context(attribute(model, name, value))
            for name in JAX_STATE:
                stack.enter_context(attribute(model, name, vars(model).get(name)))
            for row in order:
                batch = tree().map_structure(lambda leaf, row=row: None if leaf is None else leaf[row], self._data)
                parts = batch if isinstance(batch, tuple) else (batch,)
                losses.append(float(np.mean(reported(model.train_on_batch(*parts, return_dict=True)))))
            self._function = model.train_function
        return float(np.mean(losses))


class LossReader:
    """Picks the printed loss out of what ``train_step`` returns."""

    def __init__(self, model: Any) -> None:
        self.running_mean = bool(model.metrics)
        """whether the value is a mean over the steps since the metrics were reset"""

    def __call__(self, logs: Any) -> Any:
        if not isinstance(logs, dict):
            return logs if not isinstance(logs, (list, tuple)) else logs[0]
        for name in ("loss", "total_loss"):
            if name in logs:
                return logs[name]
        return next((value for name, value in logs.items() if "loss" in name), next(iter(logs.values())))

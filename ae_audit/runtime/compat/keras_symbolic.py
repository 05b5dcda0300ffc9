"""Symbolic tensors where Keras 3 no longer takes them: in ``add_loss``, and in functions of TensorFlow's own.

Keras 2 put such operations into the model's graph, and what is here does the same: a loss given to ``Model.add_loss``
is computed with every batch, by the operations that it was written with.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from ae_audit.runtime.compat.keras_arguments import KIN
from ae_audit.runtime.compat.keras_backend import NAMES, SYMBOLIC
from ae_audit.runtime.compat.names import Successor
from ae_audit.runtime.compat.uses import REFUSED, Uses

_LOSSES = (
    "binary_crossentropy",
    "categorical_crossentropy",
    "cosine_similarity",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
)


def install(uses: Uses) -> None:
    """Let ``add_loss`` take symbolic tensors, and keep known losses of them in one piece."""
    import keras
    from keras.src.models.functional import Functional

    for owner in (keras.layers.Layer, Functional):
        _take_added_losses(owner, uses)
    for namespace in ("keras.losses", "keras.metrics", "keras._tf_keras.keras.losses", "keras._tf_keras.keras.metrics"):
        module = sys.modules.get(namespace)
        for name in (*_LOSSES, "mse", "MSE", "mae", "MAE", "bce", "BCE", "kld", "KLD"):
            if module is not None and name in vars(module):
                setattr(module, name, _whole_loss(getattr(module, name)))


def install_tensorflow(uses: Uses) -> None:
    """Let functions of TensorFlow take symbolic tensors of Keras, as operations of the model."""
    tensorflow = sys.modules["tensorflow"]
    dispatch = tensorflow.__internal__.dispatch
    if getattr(dispatch.GlobalOpDispatcher, "_ae_audit_installed", False):
        return
    dispatch.GlobalOpDispatcher._ae_audit_installed = True

    class SymbolicTensors(dispatch.GlobalOpDispatcher):  # type: ignore[misc,name-defined]
        """Asked by every function of TensorFlow that fails on its arguments."""

        def handle(self, op: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            import keras

            if not _any_symbolic((args, kwargs)) or not uses.answers(KIN, _calling(), named=False):
                return self.NOT_SUPPORTED
            name = f"tf.{getattr(op, '__name__', 'function')}"
            uses.tell(
                f"a symbolic tensor in {name}", "keras", "the call was made an operation of the model", gone=REFUSED
            )
            return _operation(keras, op, name)(*args, **(kwargs or {}))

    SymbolicTensors().register()
    module = sys.modules.get("keras._tf_keras.keras.backend")
    for name in SYMBOLIC:
        if module is not None and name in vars(module):
            setattr(module, name, _of_symbolic(getattr(module, name), NAMES[name], uses))


def _any_symbolic(arguments: Any) -> bool:
    import keras

    return any(isinstance(item, keras.KerasTensor) for item in keras.tree.flatten(arguments))


def _calling() -> Any:
    """The innermost frame that is neither TensorFlow's nor ours."""
    frame: Any = sys._getframe(2)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(("tensorflow.", "ae_audit.")):
        frame = frame.f_back
    return frame


def _operation(keras: Any, function: Callable[..., Any], name: str) -> Any:
    """``function`` as an operation that a model's graph can hold."""

    class Old(keras.Operation):  # type: ignore[misc]
        """A function that is called with the real tensors when the model is."""

        def call(self, *args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
            return keras.src.backend.compute_output_spec(self.call, *args, **kwargs)

    Old.__name__ = Old.__qualname__ = name.replace(".", "_")
    return Old()


def _whole_loss(original: Callable[..., Any]) -> Callable[..., Any]:
    """A loss of symbolic tensors as one operation: what watches the losses of a step sees it being computed."""

    @functools.wraps(original)
    def loss(*args: Any, **kwargs: Any) -> Any:
        import keras

        if not _any_symbolic((args, kwargs)):
            return original(*args, **kwargs)
        name = original.__name__

        def later(*args: Any, **kwargs: Any) -> Any:
            return for_the_program(getattr(keras.losses, name), *args, **kwargs)

        return _operation(keras, later, name)(*args, **kwargs)

    return loss


def for_the_program(loss: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a loss that the program asked for, when Keras comes to it: what watches losses knows it by this frame."""
    return loss(*args, **kwargs)


def _of_symbolic(original: Callable[..., Any], entry: str | Successor, uses: Uses) -> Callable[..., Any]:
    successor = entry if isinstance(entry, Successor) else Successor(entry)

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not _any_symbolic((args, kwargs)) or not uses.answers(KIN, sys._getframe(1), named=False):
            return original(*args, **kwargs)
        uses.tell("a symbolic tensor in tf.keras.backend", "keras", f"{successor.text} stood in for it", gone=REFUSED)
        return successor.get()(*args, **kwargs)

    return function


def _take_added_losses(layer: Any, uses: Uses) -> None:
    original = layer.add_loss

    @functools.wraps(original)
    def add_loss(self: Any, loss: Any, inputs: Any = None, **kwargs: Any) -> Any:
        import keras

        if inputs is not None:
            uses.tell("add_loss(inputs=…)", "keras", "it was left out, as it does not change what is trained")
        made = [item() if callable(item) else item for item in (loss if isinstance(loss, list) else [loss])]
        symbolic = [item for item in made if isinstance(item, keras.KerasTensor)]
        if not symbolic or not hasattr(self, "_nodes_by_depth"):
            return original(self, loss, **kwargs)
        uses.tell(
            "Model.add_loss of a symbolic tensor",
            "keras",
            "it is computed with every batch, as Keras 2 did",
            gone=REFUSED,
        )
        for item in symbolic:
            _compute_with_model(self, item)
        return None

    layer.add_loss = add_loss


def _compute_with_model(model: Any, loss: Any) -> None:
    """Put ``loss`` into the graph of a functional model, beside its outputs."""
    import keras
    from keras.src.ops.function import map_graph

    class AddedLoss(keras.layers.Layer):  # type: ignore[misc]
        """Adds what it is given to the losses of the model."""

        def call(self, value: Any) -> Any:
            self.add_loss(value)
            return value

        def compute_output_spec(self, value: Any) -> Any:
            return keras.KerasTensor(value.shape, dtype=value.dtype)

    added = AddedLoss()(loss)
    ends = [*getattr(model, "_ae_audit_losses", ()), added]
    graph = map_graph(model._inputs, [*model._outputs, *ends])
    with keras.src.utils.tracking.DotNotTrackScope():
        object.__setattr__(model, "_ae_audit_losses", ends)
        model._nodes, model._nodes_by_depth, model._operations, model._operations_by_depth = graph
    for inner in model.layers:
        if inner not in model._layers:
            model._tracker.track(inner)

"""Methods and attributes of Keras' models, layers, optimizers and symbolic tensors that Keras 3 no longer has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ae_audit.runtime.compat.keras_arguments import KIN
from ae_audit.runtime.compat.methods import OldAttributes
from ae_audit.runtime.compat.uses import Uses

_GENERATOR = (
    *("generator", "steps_per_epoch", "epochs", "verbose", "callbacks", "validation_data", "validation_steps"),
    *("validation_freq", "class_weight", "max_queue_size", "workers", "use_multiprocessing", "shuffle"),
    "initial_epoch",
)
_READING = ("generator", "steps", "callbacks", "max_queue_size", "workers", "use_multiprocessing", "verbose")
_HOW_FAST = frozenset({"max_queue_size", "workers", "use_multiprocessing", "max_q_size", "nb_worker", "pickle_safe"})
_KERAS_1 = {"nb_epoch": "epochs"}


def install(uses: Uses) -> None:
    """Give Keras' classes the old methods, where they have none of the name."""
    import keras

    model, layer = keras.Model, keras.layers.Layer
    old = OldAttributes(uses, "keras", KIN)
    old.method(model, "fit_generator", _by_generator("fit", _GENERATOR), "Model.fit")
    old.method(model, "evaluate_generator", _by_generator("evaluate", _READING), "Model.evaluate")
    old.method(model, "predict_generator", _by_generator("predict", _READING), "Model.predict")
    old.method(model, "predict_classes", _predict_classes, "the index of the largest value of Model.predict")
    old.method(model, "predict_proba", lambda self, *args, **kwargs: self.predict(*args, **kwargs), "Model.predict")
    if not _takes_metrics(layer):
        del layer.add_metric  # it is there to say that it is gone
    old.method(layer, "add_metric", lambda *_, **__: None, "", "it only told a figure to the log")
    old.method(layer, "get_output_at", lambda self, index: self._inbound_nodes[index].outputs[0], "Layer.output")
    old.attribute(layer, "output_shape", _shape_of("output"), "Layer.output.shape")
    old.attribute(layer, "input_shape", _shape_of("input"), "Layer.input.shape")
    old.attribute(keras.optimizers.Optimizer, "lr", lambda self: self.learning_rate, "Optimizer.learning_rate")
    old.method(keras.KerasTensor, "get_shape", lambda self: self.shape, "KerasTensor.shape")
    from keras.src.legacy.preprocessing.image import Iterator

    old.method(Iterator, "next", lambda self: next(self), "next(…)")
    _shapes_as_lists(keras.KerasTensor, uses)


def _takes_metrics(layer: Any) -> bool:
    """Whether ``add_metric`` does more than to raise."""
    method = vars(layer).get("add_metric")
    return method is None or "NotImplementedError" not in method.__code__.co_names


def _by_generator(method: str, positions: tuple[str, ...]) -> Callable[..., Any]:
    def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        given = {
            _KERAS_1.get(name, name): value for name, value in (*zip(positions, args, strict=False), *kwargs.items())
        }
        generator = given.pop("generator")
        size = getattr(generator, "batch_size", None)
        for old, new in {"samples_per_epoch": "steps_per_epoch", "nb_val_samples": "validation_steps"}.items():
            if old in given and size:  # counted in samples: without the size of a batch, nobody can tell how many
                given[new] = max(1, -(-given.pop(old) // size))
        known = {name: value for name, value in given.items() if name not in _HOW_FAST}
        return getattr(model, method)(generator, **known)

    return call


def _predict_classes(model: Any, x: Any, batch_size: int | None = 32, verbose: int = 0) -> Any:
    values = model.predict(x, batch_size=batch_size, verbose=verbose)
    return values.argmax(axis=-1) if values.shape[-1] > 1 else (values > 0.5).astype("int32")


def _shape_of(side: str) -> Callable[[Any], Any]:
    def shape(layer: Any) -> Any:
        found = getattr(layer, side)
        return [item.shape for item in found] if isinstance(found, (list, tuple)) else found.shape

    return shape


def _shapes_as_lists(tensor: Any, uses: Uses) -> None:
    """Let the program, and it alone, write ``x.shape.as_list()``."""
    original = tensor.shape.fget

    def shape(self: Any) -> Any:
        found = original(self)
        frame = sys._getframe(1)
        return _Shape(found).told_to(uses) if isinstance(found, tuple) and uses.in_program(frame) else found

    tensor.shape = property(shape, tensor.shape.fset)


class _Shape(tuple):  # type: ignore[type-arg]
    """A shape as a tuple, with the method that it had as a ``TensorShape``."""

    _uses: Uses

    def told_to(self, uses: Uses) -> _Shape:
        """Have its uses reported."""
        self._uses = uses
        return self

    def as_list(self) -> list[int | None]:
        """The extents."""
        self._uses.tell("shape.as_list() of a symbolic tensor", "keras", "list(shape) stood in for it")
        return list(self)

"""Methods and attributes of Keras' models, layers, optimizers and symbolic tensors that Keras 3 no longer has."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from ae_audit.runtime.old_names.keras_arguments import KIN
from ae_audit.runtime.old_names.uses import Uses

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
    _method(model, "fit_generator", _by_generator("fit", _GENERATOR), uses, "Model.fit")
    _method(model, "evaluate_generator", _by_generator("evaluate", _READING), uses, "Model.evaluate")
    _method(model, "predict_generator", _by_generator("predict", _READING), uses, "Model.predict")
    _method(model, "predict_classes", _predict_classes, uses, "the index of the largest value of Model.predict")
    _method(model, "predict_proba", lambda self, *args, **kwargs: self.predict(*args, **kwargs), uses, "Model.predict")
    if not _takes_metrics(layer):
        del layer.add_metric  # it is there to say that it is gone
    _method(layer, "add_metric", lambda *_, **__: None, uses, "", "it only told a figure to the log")
    _method(layer, "get_output_at", lambda self, index: self._inbound_nodes[index].outputs[0], uses, "Layer.output")
    _property(layer, "output_shape", _shape_of("output"), uses, "Layer.output.shape")
    _property(layer, "input_shape", _shape_of("input"), uses, "Layer.input.shape")
    _property(keras.optimizers.Optimizer, "lr", lambda self: self.learning_rate, uses, "Optimizer.learning_rate")
    _method(keras.KerasTensor, "get_shape", lambda self: self.shape, uses, "KerasTensor.shape")
    _shapes_as_lists(keras.KerasTensor, uses)


def _takes_metrics(layer: Any) -> bool:
    """Whether ``add_metric`` does more than to raise."""
    method = vars(layer).get("add_metric")
    return method is None or "NotImplementedError" not in method.__code__.co_names


def _method(
    cls: Any, name: str, function: Callable[..., Any], uses: Uses, successor: str, done: str | None = None
) -> None:
    if hasattr(cls, name):
        return
    shown = f"{cls.__name__}.{name}"

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        uses.tell(shown, "keras", done or f"{successor} stood in for it")
        return function(self, *args, **kwargs)

    setattr(cls, name, _Asked(cls, name, lambda self: functools.partial(method, self), uses))


def _property(cls: Any, name: str, get: Callable[..., Any], uses: Uses, successor: str) -> None:
    if hasattr(cls, name):
        return

    def told(self: Any) -> Any:
        found = get(self)
        uses.tell(f"{cls.__name__}.{name}", "keras", f"{successor} stood in for it")
        return found

    setattr(cls, name, _Asked(cls, name, told, uses))


class _Asked:
    """An attribute that is there for who writes its name, and for nobody who only looks whether it is there."""

    def __init__(self, cls: Any, name: str, get: Callable[..., Any], uses: Uses) -> None:
        self._owner = cls.__name__
        self._name = name
        self._get = get
        self._uses = uses

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        if instance is None or not self._uses.answers(KIN, sys._getframe(1)):
            raise AttributeError(f"{self._owner!r} object has no attribute {self._name!r}")
        return self._get(instance)


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

"""How a Keras model stood when it was caught: compiled how, with which layers trainable. To be put back for its trials.

A program may compile a model again, or freeze layers, before the probe comes to an earlier training of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from ae_audit.runtime.keras.patching import attribute

COMPILED = (
    "optimizer",
    "loss",
    "compiled",
    "steps_per_execution",
    "stop_training",
    "train_function",
    "test_function",
    "predict_function",
    "_compile_loss",
    "_compile_metrics",
    "_compile_config",
    "_compiled_trainable_state",
    "_jit_compile",
    "_run_eagerly",
    "_loss_tracker",
)
"""the attributes that ``compile`` sets"""


@dataclass(frozen=True, slots=True)
class ModelState:
    """Compile state and trainability of one model."""

    model: Any
    compiled: dict[str, Any]
    trainable: tuple[tuple[Any, bool], ...]
    """of every layer and variable"""

    @classmethod
    def of(cls, model: Any) -> ModelState:
        """As the model stands now."""
        own = vars(model)
        items = [*model._flatten_layers(), *model.variables]
        return cls(
            model,
            {name: own[name] for name in COMPILED if name in own},
            tuple((item, bool(item._trainable)) for item in items if hasattr(item, "_trainable")),
        )

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The model as it stood, put back afterwards to how it stands."""
        with ExitStack() as stack:
            stack.enter_context(torch_modes(self.model))
            for name, value in self.compiled.items():
                stack.enter_context(attribute(self.model, name, value))
            for item, trainable in self.trainable:
                if item._trainable != trainable:
                    stack.enter_context(_trainable(item, trainable))
            yield


@contextmanager
def compiled_as(model: Any, compile_model: Callable[[], None]) -> Iterator[None]:
    """Compile a model for the time of the block only."""
    own = vars(model)
    before = {name: own[name] for name in COMPILED if name in own}
    try:
        compile_model()
        yield
    finally:
        for name in COMPILED:
            if name in before:
                own[name] = before[name]
            else:
                own.pop(name, None)


@contextmanager
def torch_modes(model: Any) -> Iterator[None]:
    """On the torch backend, put back afterwards which modules are in training mode, and the gradients."""
    import keras

    if keras.config.backend() != "torch":
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, gradient in gradients:
            parameter.grad = gradient


@contextmanager
def _trainable(item: Any, value: bool) -> Iterator[None]:
    before = item._trainable
    item._trainable = value
    try:
        yield
    finally:
        item._trainable = before

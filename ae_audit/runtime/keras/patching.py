"""Changes to a Keras program that last for the time of a ``with`` block: activation, losses, optimizers, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ae_audit.runtime.capture import CannotApply
from ae_audit.runtime.keras.trace import LossCall, WatchedCall, watching

_ABSENT = object()


@contextmanager
def attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an instance attribute past Keras' own bookkeeping, and put back what was there."""
    space = vars(owner)
    before = space.get(name, _ABSENT)
    space[name] = value
    try:
        yield
    finally:
        if before is _ABSENT:
            space.pop(name, None)
        else:
            space[name] = before


def keras_activation(name: str) -> Callable[[Any], Any]:
    """The elementwise function of a canonical name.

    Raises:
        CannotApply: if Keras has none of that name.
    """
    import keras

    try:
        function = keras.activations.get(name)
    except ValueError:
        raise CannotApply(f"Keras has no activation `{name}`") from None
    return function  # type: ignore[no-any-return]


def swapped_activation(call: WatchedCall | None, to: str, per_step: int) -> AbstractContextManager[Any]:
    """Exchange the activation that ``call`` applied.

    Args:
        call: as found by :func:`ae_audit.runtime.keras.heads.trace_head`.
        to: canonical name of an elementwise activation.
        per_step: how often the same function was called in one training step, for a bare function.

    Raises:
        CannotApply: where there is nothing to exchange.
    """
    if call is None:
        raise CannotApply("what activates the output was not found")
    function = keras_activation(to)
    if call.site == "attribute":
        return attribute(call.owner, "activation", function)
    if call.site == "operation":
        if _has_weights(call.owner):
            raise CannotApply(f"the activation is a part of {type(call.owner).__name__}")
        return attribute(call.owner, "call", lambda inputs, *_, **__: function(inputs))

    def hook(seen: WatchedCall, proceed: Callable[[], Any]) -> Any:
        if seen.symbol != call.symbol or seen.ordinal % per_step != call.ordinal or not seen.inputs:
            return proceed()
        return function(seen.inputs[0])

    return watching(call.modules, on_activation=hook)


@contextmanager
def swapped_compiled_loss(model: Any, index: int, loss: Any) -> Iterator[None]:
    """Exchange one of the losses given to ``compile``, by its place among them."""
    flat = model._compile_loss._flat_losses
    before = flat[index]
    flat[index] = before._replace(loss=loss)
    try:
        yield
    finally:
        flat[index] = before


def swapped_loss_call(ordinal: int, per_step: int, function: Callable[..., Any], modules: tuple[str, ...]) -> Any:
    """Exchange the ``ordinal``-th loss that each training step calls."""

    def hook(seen: LossCall, proceed: Callable[[], Any]) -> Any:
        if seen.ordinal % per_step != ordinal:
            return proceed()
        return function(seen.y_true, seen.y_pred)

    return watching(modules, on_loss=hook)


@contextmanager
def frozen_optimizers(model: Any) -> Iterator[None]:
    """Let training steps run without changing any weight."""
    from contextlib import ExitStack

    def nothing(*_: Any, **__: Any) -> None:
        return None

    with ExitStack() as stack:
        for optimizer in optimizers_of(model).values():
            for name in ("apply", "apply_gradients"):
                if hasattr(optimizer, name):
                    stack.enter_context(attribute(optimizer, name, nothing))
        yield


def optimizers_of(model: Any) -> dict[str, Any]:
    """The optimizers that a model holds, by attribute: the compiled one, and those of a training step of its own."""
    import keras

    return {name: value for name, value in vars(model).items() if isinstance(value, keras.optimizers.Optimizer)}


def _has_weights(owner: Any) -> bool:
    return bool(getattr(owner, "variables", ()))

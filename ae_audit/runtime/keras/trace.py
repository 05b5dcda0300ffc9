"""One eager call of a Keras program, watched: which layers, activations and losses ran, on which tensors.

The watch wraps what is on the way for the time of one call: layers and operations (Keras' own ``__call__``), each
layer's ``activation`` attribute, Keras' loss functions wherever the program keeps them, and the other activation and
loss functions in the public namespaces of Keras and TensorFlow and in the modules of the user's own classes. It works
alike on every backend.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from ae_audit.runtime.compat.keras_symbolic import for_the_program
from ae_audit.runtime.host.patching import can_be_detoured, detoured, is_detour, replaced
from ae_audit.schema.location import Location
from ae_audit.theory import activations, loss_names

Locate = Callable[[], Location | None]

ACTIVATION_NAMESPACES = (
    "keras.activations",
    "keras.ops",
    "keras.ops.nn",
    "keras._tf_keras.keras.activations",
    "keras._tf_keras.keras.ops",
    "keras._tf_keras.keras.backend",
    "tensorflow.nn",
    "tensorflow.math",
    "tensorflow",
)
"""modules through which programs reach activation functions; only those already imported are touched"""
LOSS_NAMESPACES = ("keras.losses", "keras._tf_keras.keras.losses", "keras.metrics", "keras._tf_keras.keras.metrics")
ENTROPY_NAMESPACES = ("keras.ops", "keras.ops.nn", "keras._tf_keras.keras.ops", "keras._tf_keras.keras.backend")
ENTROPIES = tuple(name for name in loss_names.backend_functions() if name.endswith("crossentropy"))
"""what ``keras.ops`` and the backend call the cross-entropies"""
TENSORFLOW_ENTROPIES = (
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_with_logits",
)
"""those of ``tensorflow.nn`` that compare with one target and nothing else, a fact of its own: weights of classes and
sampled classes are arguments that a step which is played again has not"""


@dataclass(slots=True, eq=False)
class WatchedCall:
    """One call seen: of a layer or operation, of a layer's activation attribute, or of an activation function."""

    site: str
    """``operation``, ``attribute`` or ``function``"""
    owner: Any
    """the layer or operation; None for a function"""
    symbol: str
    """dotted name, as :func:`ae_audit.theory.activations.canonical` takes it"""
    ordinal: int
    """how many calls of that symbol came before, among those not inside another"""
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    location: Location | None = None
    finished: int = -1
    """place in the order in which the calls came to an end"""
    modules: tuple[str, ...] = ()
    """the user's modules that were watched"""

    def gives(self, tensor: Any) -> bool:
        return any(output is tensor for output in self.outputs)


@dataclass(slots=True, eq=False)
class LossCall:
    """One call of a loss function or object, not counting those inside another."""

    loss: Any
    """the function or ``keras.losses.Loss`` object, unwrapped"""
    symbol: str
    y_true: Any
    y_pred: Any
    arguments: dict[str, Any]
    ordinal: int
    location: Location | None
    sample_weight: Any = None
    rank: int | None = None
    """number of axes of what it gave"""


class LossReached(BaseException):
    """Raised out of a watched call at a loss that the caller waits for."""

    def __init__(self, call: LossCall) -> None:
        super().__init__()
        self.call = call


LossHook = Callable[[LossCall, Callable[[], Any]], Any]
ActivationHook = Callable[[WatchedCall, Callable[[], Any]], Any]


@dataclass(slots=True)
class Watch:
    """What was seen, in the order in which it came to an end."""

    calls: list[WatchedCall] = field(default_factory=list)
    losses: list[LossCall] = field(default_factory=list)


@contextmanager
def watching(
    modules: tuple[str, ...] = (),
    locate: Locate = lambda: None,
    *,
    on_loss: LossHook | None = None,
    on_activation: ActivationHook | None = None,
    watch: Watch | None = None,
) -> Iterator[Watch]:
    """Watch all Keras calls of the body.

    Args:
        modules: names of the user's modules, where functions may have been imported by name.
        locate: the user's source line that is running.
        on_loss: called at each outermost loss call with the call and its continuation; its result is the loss's.
        on_activation: the same for calls of activation functions.
        watch: to be gone on with; by default a new one.
    """
    recorder = _Recorder(modules, locate, on_loss, on_activation, Watch() if watch is None else watch)
    with ExitStack() as stack:
        stack.callback(recorder.unwrap_attributes)
        for patch in _patches(recorder, modules):
            stack.enter_context(patch)
        yield recorder.watch


class _Recorder:
    def __init__(
        self,
        modules: tuple[str, ...],
        locate: Locate,
        on_loss: LossHook | None,
        on_activation: ActivationHook | None,
        watch: Watch,
    ) -> None:
        self.watch = watch
        self._modules = modules
        self._locate = locate
        self._on_loss = on_loss
        self._on_activation = on_activation
        self._ordinals: dict[str, int] = {}
        self._depth = {"function": 0, "loss": 0}
        self._wrapped: list[tuple[Any, Any]] = []

    def operation(self, original: Callable[..., Any], owner: Any, args: Any, kwargs: Any) -> Any:
        self._wrap_attribute(owner)
        call = WatchedCall("operation", owner, symbol_of(owner), 0, tensors_in((args, kwargs)))
        outputs = original(owner, *args, **kwargs)
        self._finish(call, outputs)
        return outputs

    def function(self, symbol: str, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if self._depth["function"] or self._depth["loss"]:
            return original(*args, **kwargs)
        ordinal = self._ordinals.get(symbol, 0)
        self._ordinals[symbol] = ordinal + 1
        arguments = _named(symbol, args, kwargs)
        call = WatchedCall(
            "function", None, symbol, ordinal, tensors_in(args), arguments=arguments, location=self._locate()
        )
        self._depth["function"] += 1
        try:
            if self._on_activation is None:
                outputs = original(*args, **kwargs)
            else:
                outputs = self._on_activation(call, lambda: original(*args, **kwargs))
        finally:
            self._depth["function"] -= 1
        self._finish(call, outputs)
        return outputs

    def loss(self, loss: Any, symbol: str, proceed: Callable[[], Any], args: Any, kwargs: Any) -> Any:
        bound = dict(zip(("y_true", "y_pred"), args[:2], strict=False)) | kwargs
        if self._depth["loss"] or "y_true" not in bound or "y_pred" not in bound:
            return proceed()
        ordinal = self._ordinals.get("loss", 0)
        self._ordinals["loss"] = ordinal + 1
        extra = {key: value for key, value in bound.items() if key not in {"y_true", "y_pred", "sample_weight"}}
        call = LossCall(
            loss,
            symbol,
            bound["y_true"],
            bound["y_pred"],
            extra,
            ordinal,
            self._locate(),
            bound.get("sample_weight"),
        )
        self.watch.losses.append(call)
        self._depth["loss"] += 1
        try:
            result = proceed() if self._on_loss is None else self._on_loss(call, proceed)
            call.rank = len(result.shape) if hasattr(result, "shape") else None
            return result
        finally:
            self._depth["loss"] -= 1

    def unwrap_attributes(self) -> None:
        for layer, original in reversed(self._wrapped):
            vars(layer)["activation"] = original
        self._wrapped.clear()

    def _wrap_attribute(self, layer: Any) -> None:
        original = vars(layer).get("activation")
        if original is None or not callable(original) or isinstance(original, _operation_class()):
            return
        if getattr(original, "_watched", False):
            return

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            call = WatchedCall(
                "attribute", layer, function_symbol(original), 0, tensors_in(args), arguments=dict(kwargs)
            )
            outputs = original(*args, **kwargs)
            self._finish(call, outputs)
            return outputs

        wrapper._watched = True  # type: ignore[attr-defined]
        vars(layer)["activation"] = wrapper
        self._wrapped.append((layer, original))

    def _finish(self, call: WatchedCall, outputs: Any) -> None:
        call.outputs = tensors_in(outputs)
        call.finished = len(self.watch.calls)
        call.modules = self._modules
        self.watch.calls.append(call)


# What is wrapped


def _patches(recorder: _Recorder, modules: tuple[str, ...]) -> Iterator[Any]:
    import keras

    layer, operation = keras.layers.Layer, _operation_class()

    def watched(original: Callable[..., Any], skip: type | None) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if skip is not None and isinstance(self, skip):
                return original(self, *args, **kwargs)
            return recorder.operation(original, self, args, kwargs)

        return call

    yield replaced(layer, "__call__", watched(layer.__call__, None))
    if operation is not layer:
        yield replaced(operation, "__call__", watched(operation.__call__, layer))
    loss_call = keras.losses.Loss.__call__

    @functools.wraps(loss_call)
    def watched_loss(self: Any, *args: Any, **kwargs: Any) -> Any:
        if type(self).__name__ == "CompileLoss":  # the container of the losses given to compile
            return loss_call(self, *args, **kwargs)
        symbol = f"keras.losses.{type(self).__name__}"
        return recorder.loss(self, symbol, lambda: loss_call(self, *args, **kwargs), args, kwargs)

    yield replaced(keras.losses.Loss, "__call__", watched_loss)
    wrappers: dict[int, tuple[Any, Any]] = {}
    detours: set[int] = set()
    for namespace, name, function in _functions():
        innermost = inspect.unwrap(function)
        if namespace in LOSS_NAMESPACES and can_be_detoured(innermost):
            if id(innermost) not in detours:
                detours.add(id(innermost))
                yield detoured(innermost, functools.partial(_wrapper, recorder, namespace, name, innermost))
            continue
        if id(function) not in wrappers:
            wrappers[id(function)] = (function, _wrapper(recorder, namespace, name, function, function))
        yield replaced(_module(namespace), name, wrappers[id(function)][1])
    for module_name in dict.fromkeys(modules):
        module = sys.modules.get(module_name)
        for name, value in list(vars(module).items()) if module is not None else ():
            if id(value) in wrappers and wrappers[id(value)][0] is value:
                yield replaced(module, name, wrappers[id(value)][1])


def _functions() -> Iterator[tuple[str, str, Any]]:
    for namespace in ACTIVATION_NAMESPACES:
        module = _module(namespace)
        for name, value in list(vars(module).items()) if module is not None else ():
            if _is_function(value) and activations.canonical("keras", f"{namespace}.{name}") is not None:
                yield namespace, name, value
    for namespace in LOSS_NAMESPACES:
        module = _module(namespace)
        for name, value in list(vars(module).items()) if module is not None else ():
            if _is_function(value) and name not in {"get", "serialize", "deserialize"} and "accuracy" not in name:
                yield namespace, name, value
    for namespace in ENTROPY_NAMESPACES:
        module = _module(namespace)
        for name in ENTROPIES if module is not None else ():
            if hasattr(module, name):
                yield namespace, name, getattr(module, name)
    module = _module("tensorflow.nn")
    for name in TENSORFLOW_ENTROPIES if module is not None else ():
        yield "tensorflow.nn", name, getattr(module, name)


def _module(namespace: str) -> Any:
    """A namespace that is already there; None otherwise (nothing is imported, and no lazy loader is woken)."""
    module = sys.modules.get(namespace)
    if module is None and namespace.startswith("tensorflow."):
        # TensorFlow's public namespaces are attributes, known to sys.modules by other names
        module = (
            vars(sys.modules["tensorflow"]).get(namespace.partition(".")[2]) if "tensorflow" in sys.modules else None
        )
    return module


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type) and hasattr(value, "__name__")


def _wrapper(recorder: _Recorder, namespace: str, name: str, function: Any, original: Callable[..., Any]) -> Any:
    """What is called instead of ``function``, and tells the recorder of it before it goes on to ``original``."""
    symbol = f"{namespace.replace('keras._tf_keras.keras', 'keras')}.{name}"
    if namespace in LOSS_NAMESPACES or name in (*ENTROPIES, *TENSORFLOW_ENTROPIES):

        @functools.wraps(function)
        def loss(*args: Any, **kwargs: Any) -> Any:
            if _is_a_step_of_another():
                return original(*args, **kwargs)
            return recorder.loss(function, symbol, lambda: original(*args, **kwargs), args, _renamed(kwargs))

        return loss

    @functools.wraps(function)
    def activation(*args: Any, **kwargs: Any) -> Any:
        return recorder.function(symbol, original, args, kwargs)

    return activation


def _is_a_step_of_another() -> bool:
    """Whether Keras itself, or a replay of ours, called the loss whose wrapper asks, not the program."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and (is_detour(frame) or _module_of(frame).startswith("ae_audit.runtime.compat.")):
        if frame.f_code is for_the_program.__code__:
            return False
        frame = frame.f_back
    return frame is not None and _module_of(frame).startswith(("keras.", "ae_audit."))


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _renamed(kwargs: dict[str, Any]) -> dict[str, Any]:
    """``ops.binary_crossentropy`` has target and output, TensorFlow labels and logits, losses y_true and y_pred."""
    names = {"target": "y_true", "output": "y_pred", "labels": "y_true", "logits": "y_pred"}
    return {names.get(key, key): value for key, value in kwargs.items()}


def _operation_class() -> Any:
    import keras

    return keras.Operation


# Names


def symbol_of(owner: Any) -> str:
    """``keras.layers.Softmax`` for Keras' own layers, ``keras.ops.softmax`` for its operations, else the class name."""
    cls = type(owner)
    if not cls.__module__.startswith("keras."):
        return f"{cls.__module__}.{cls.__name__}"
    if ".layers." in cls.__module__ or ".models." in cls.__module__:
        return f"keras.layers.{cls.__name__}"
    return f"keras.ops.{re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', cls.__name__).lower()}"


def function_symbol(function: Any) -> str:
    """``keras.activations.sigmoid`` for Keras' own functions, else module and name."""
    name = getattr(function, "__name__", type(function).__name__)
    module = getattr(function, "__module__", "") or ""
    return f"keras.activations.{name}" if module.startswith("keras.src.activations") else f"{module}.{name}"


def _named(symbol: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    names = activations.arguments("keras", symbol) or ()
    return dict(zip(names[1:], args[1:], strict=False)) | kwargs


def tensors_in(structure: Any) -> tuple[Any, ...]:
    """The tensors of a nested structure."""
    import keras

    return tuple(leaf for leaf in keras.tree.flatten(structure) if keras.ops.is_tensor(leaf))

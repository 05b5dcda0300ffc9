"""Catching training loops that are written by hand: steps round ``tf.GradientTape``, outside ``fit``.

While a tape is open, every TensorFlow operation outside layers is noted (TensorFlow's own operation callbacks), with
the calls of layers and known losses as wholes; so are the gradients and the updates that follow. Weights stay as they
are. A step ends where the same tape is opened again. Functions under ``tf.function`` that hold a tape run as plain
Python, so that there is something to see.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from ae_audit.runtime.host.patching import replaced
from ae_audit.runtime.host.user_code import UserCode
from ae_audit.runtime.keras.graph.loops import Loop, OpenStep
from ae_audit.runtime.keras.graph.record import (
    ASSIGN,
    OpNode,
    added_losses,
    hiding_losses,
    layer_again,
    outputs_of,
    play_again,
)
from ae_audit.runtime.keras.graph.step import NotAStep, RecordedStep, StepData
from ae_audit.runtime.keras.trace import LossCall
from ae_audit.schema.location import Location

MOST_NODES = 20_000
"""operations after which a step is no longer followed"""
OnStep = Callable[[RecordedStep, StepData, Location], None]


class TapeInGraph(BaseException):
    """A tape was opened while a function was being traced: that function is to run as plain Python."""


class TapeRecorder:
    """Watches hand-written training loops on TensorFlow.

    Args:
        code: tells the user's frames.
        on_step: told of each loop with all its recorded steps, as soon as enough of them were seen.
        on_problem: told of a loop that cannot be captured.
        is_busy: whether what runs is our own.
        on_idle: told from time to time, once every loop seen was recorded, the seconds since; may raise.
    """

    def __init__(
        self,
        code: UserCode,
        on_step: OnStep,
        on_problem: Callable[[str, Location | None], None],
        is_busy: Callable[[], bool],
        on_idle: Callable[[float], None],
    ) -> None:
        self._code = code
        self._on_step = on_step
        self._on_problem = on_problem
        self._is_busy = is_busy
        self._on_idle = on_idle
        self._open: OpenStep | None = None
        self._tapes = 0
        self._listening = False
        self._muted = 0
        self._in_layer = 0
        self._tracing = 0
        self._eager: dict[int, Any] = {}
        self._opened: dict[int, Any] = {}
        """layers that compute losses themselves, by identity: what happens in them is noted operation by operation"""
        self._training: bool | None = None
        self._hidden: OpenStep | None = None
        self._loops: dict[tuple[Location, ...], Loop] = {}
        self._done: set[Location] = set()
        self._modules: dict[str, bool] = {}
        self._news = time.monotonic()
        self._replaced = ExitStack()

    def attach(self) -> None:
        """Stand in for TensorFlow's tape, functions and loaders, and for Keras' layers and optimizers."""
        import keras
        import tensorflow as tf
        from tensorflow.python.data.ops import iterator_ops
        from tensorflow.python.eager.polymorphic_function import polymorphic_function
        from tensorflow.python.ops.resource_variable_ops import ResourceVariable

        tape = tf.GradientTape
        self._replace(tape, "__enter__", self._enter(tape.__enter__))
        self._replace(tape, "__exit__", self._exit(tape.__exit__))
        self._replace(tape, "gradient", self._gradient(tape.gradient))
        self._replace(keras.layers.Layer, "__call__", self._layer(keras.layers.Layer.__call__))
        self._replace(keras.optimizers.Optimizer, "apply", self._apply(keras.optimizers.Optimizer.apply))
        function = polymorphic_function.Function
        self._replace(function, "__call__", self._function(function.__call__))
        iterator = iterator_ops.OwnedIterator
        self._replace(iterator, "__next__", self._next(iterator.__next__))
        self._replace(ResourceVariable, "__init__", self._making(ResourceVariable.__init__))

    def detach(self) -> None:
        """Give everything back."""
        self._close()
        self._replaced.close()

    def finish(self) -> None:
        """The program has come to its end: hand on what was being collected."""
        self._end_step()
        if self._hidden is not None and not self._loops:
            self._take(self._hidden)
        for loop in list(self._loops.values()):
            self._hand_on(loop)

    @property
    def is_collecting(self) -> bool:
        """Whether there is something that :meth:`finish` would hand on, and nothing is being recorded right now."""
        seen = any(loop.step is not None for loop in self._loops.values()) or self._hidden is not None
        return self._open is None and seen

    # What stands in

    def _enter(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def enter(tape: Any) -> Any:
            import tensorflow as tf

            if self._is_busy() or self._in_layer:
                return original(tape)
            if not tf.executing_eagerly():
                if self._tracing:
                    raise TapeInGraph
                return original(tape)
            place = self._code.location()
            if place is not None:
                self._begin(place)
            return original(tape)

        return enter

    def _exit(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def leave(tape: Any, *args: Any) -> Any:
            if self._open is not None and not self._is_busy() and not self._in_layer:
                self._tapes = max(0, self._tapes - 1)
            return original(tape, *args)

        return leave

    def _gradient(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def gradient(tape: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
            import tensorflow as tf

            step = self._open
            if step is None or self._is_busy() or self._in_layer:
                return original(tape, target, sources, *args, **kwargs)
            with self._mute():
                known = self._loops.get(tuple(step.sites))
                if known is not None and known.takes_zeros:
                    result = tf.nest.map_structure(tf.zeros_like, sources)
                else:
                    result = original(tape, target, sources, *args, **kwargs)
            names = ("output_gradients", "unconnected_gradients")
            settings = dict(zip(names, args, strict=False)) | kwargs
            flat = tuple(tf.nest.flatten(sources))
            tensors = tuple(item for item in flat if not hasattr(item, "assign"))
            targets = tuple(tf.nest.flatten(target))
            node = OpNode("gradient", "gradient", (*targets, *tensors), tuple(tf.nest.flatten(result)), sources=flat)
            node.settings = {"targets": len(targets), **settings}
            node.callers = self._code.callers()
            step.record.add(node)
            step.remember_weights(flat)
            self._listen()
            return result

        return gradient

    def _apply(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def apply(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
            step = self._open
            if step is None or self._is_busy():
                return original(optimizer, grads, trainable_variables)
            variables = trainable_variables if trainable_variables is not None else optimizer._trainable_variables
            pairs = [pair for pair in zip(grads, variables, strict=False) if pair[0] is not None]
            node = OpNode("update", type(optimizer).__name__, tuple(pair[0] for pair in pairs), ())
            node.sources, node.optimizer = tuple(pair[1] for pair in pairs), optimizer
            step.record.add(node)
            if not self._tapes:
                self._silence()
            return None

        return apply

    def _layer(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            step = self._open
            if step is None or not self._listening or self._muted or self._in_layer or self._is_busy():
                return original(layer, *args, **kwargs)
            if self._training is not None and getattr(layer, "_call_has_training_arg", False):
                kwargs.setdefault("training", self._training)  # else played again it would not know
            if id(layer) in self._opened:
                with self._inside(kwargs.get("training")):
                    return original(layer, *args, **kwargs)
            first = len(step.watch.calls)
            self._in_layer += 1
            try:
                with self._mute():
                    result = original(layer, *args, **kwargs)
                    added = added_losses(layer)
            finally:
                self._in_layer -= 1
            hiding = hiding_losses(layer) if added else {}
            step.hides_losses = step.hides_losses or bool(hiding)
            self._opened.update(hiding)
            inputs, play = layer_again(layer, args, kwargs)
            node = OpNode("layer", type(layer).__name__, inputs, (*outputs_of(result), *added), play, layer=layer)
            node.first_call, node.last_call = first, len(step.watch.calls) + 1
            node.location = self._code.location()
            step.record.add(node)
            return result

        return call

    def _function(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(function: Any, *args: Any, **kwargs: Any) -> Any:
            import tensorflow as tf

            if self._is_busy() or self._muted or not tf.executing_eagerly():
                return original(function, *args, **kwargs)
            python = _as_written(function._python_function)
            if self._listening or id(function) in self._eager:
                return python(*args, **kwargs)
            self._tracing += 1
            try:
                return original(function, *args, **kwargs)
            except TapeInGraph:
                self._eager[id(function)] = function
                python = _as_written(python)
            finally:
                self._tracing -= 1
            if self._open is not None:
                self._open.in_function = True
            return python(*args, **kwargs)

        return call

    def _next(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Once every loop seen was recorded, loaders that the program itself goes through yield one batch."""

        @functools.wraps(original)
        def following(iterator: Any) -> Any:
            if self._is_busy() or not self._all_done():
                return original(iterator)
            self._on_idle(time.monotonic() - self._news)
            if self._code.place(_caller().f_code.co_filename) is not None:
                if getattr(iterator, "_ae_audit_seen", False):
                    raise StopIteration
                iterator._ae_audit_seen = True
            return original(iterator)

        return following

    def _making(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A variable that the first step makes is there in the later ones, and in every step that is played again."""

        @functools.wraps(original)
        def make(variable: Any, *args: Any, **kwargs: Any) -> None:
            with self._mute():
                original(variable, *args, **kwargs)

        return make

    # Steps

    def _begin(self, place: Location) -> None:
        if not self._tapes:
            if self._open is not None and place in self._open.sites:
                self._end_step()
            if place in self._done:
                self._on_idle(time.monotonic() - self._news)
                self._close()
                return
            if self._open is None:
                self._open = OpenStep(self._code, self._user_modules())
            if place not in self._open.sites:
                self._open.sites.append(place)
        elif self._open is not None and place not in self._open.sites:
            self._open.sites.append(place)
        self._tapes += 1
        self._listen()

    def _end_step(self) -> None:
        step = self._open
        self._close()
        if step is None or step.overflown:
            return
        if step.hides_losses and self._hidden is None:
            self._hidden = step  # the next one shows more
            return
        self._take(step)

    def _take(self, step: OpenStep) -> None:
        key = tuple(step.sites)
        loop = self._loops.setdefault(key, Loop(key))
        if loop.done or loop.hopeless:
            return
        try:
            with self._mute():
                loop.take(step)
        except NotAStep as cause:
            loop.hopeless = True
            if str(cause):
                self._on_problem(str(cause), key[0])
            return
        self._news = time.monotonic()
        if loop.enough:
            self._hand_on(loop)

    def _hand_on(self, loop: Loop) -> None:
        if loop.done or loop.step is None:
            return
        loop.done = True
        wider = [other for other in self._loops.values() if other is not loop and set(loop.key) < set(other.key)]
        if any(other.step is not None for other in wider):
            return  # the same tape, in a step that holds more
        self._done.update(loop.key)
        self._news = time.monotonic()
        data = loop.data
        assert data is not None
        self._on_step(loop.step, data, loop.key[0])
        self._news = time.monotonic()

    def _all_done(self) -> bool:
        return bool(self._done) and all(loop.done or loop.hopeless for loop in self._loops.values())

    # Listening

    def _listen(self) -> None:
        from tensorflow.python.framework import op_callbacks

        if not self._listening and self._open is not None:
            self._listening = True
            op_callbacks.add_op_callback(self._operation)
            self._open.watch_losses(self._loss)

    def _silence(self) -> None:
        from tensorflow.python.framework import op_callbacks

        if self._listening:
            self._listening = False
            op_callbacks.remove_op_callback(self._operation)
            if self._open is not None:
                self._open.look_away()

    def _close(self) -> None:
        self._silence()
        self._open = None
        self._tapes = 0

    @contextmanager
    def _mute(self) -> Iterator[None]:
        self._muted += 1
        try:
            yield
        finally:
            self._muted -= 1

    @contextmanager
    def _inside(self, training: bool | None) -> Iterator[None]:
        """An opened layer is called."""
        before, self._training = self._training, training
        try:
            yield
        finally:
            self._training = before

    def _operation(
        self, op_type: Any, inputs: Any, attributes: Any, outputs: Any, op_name: Any = None, graph: Any = None
    ) -> None:
        step = self._open
        if step is None or self._muted or graph is not None or (not outputs and not _is_assign(op_type)):
            return
        name = op_type.decode() if isinstance(op_type, bytes) else str(op_type)
        node = OpNode("operation", name, tuple(inputs), tuple(outputs))
        node.settings = {"attributes": tuple(attributes or ())}
        node.play = functools.partial(play_again, name, tuple(attributes or ()), len(inputs))
        if step.first:
            node.location, node.callers = self._code.location(), self._code.callers()
        node.first_call = node.last_call = len(step.watch.calls)
        step.record.add(node)
        if len(step.record.nodes) > MOST_NODES:
            step.overflown = True
            self._silence()

    def _loss(self, call: LossCall, proceed: Callable[[], Any]) -> Any:
        step = self._open
        if step is None or self._in_layer or self._muted or not self._listening:
            return proceed()
        with self._mute():
            result = proceed()
        node = OpNode("loss", call.symbol, (call.y_true, call.y_pred), outputs_of(result), loss=call)
        if call.sample_weight is not None:
            node.inputs = (*node.inputs, call.sample_weight)
        node.play = functools.partial(_play_loss, call)
        node.location, node.callers = call.location, self._code.callers()
        node.first_call = node.last_call = len(step.watch.calls)
        step.record.add(node)
        return result

    def _user_modules(self) -> tuple[str, ...]:
        """The names of the program's own modules."""
        for name, module in list(sys.modules.items()):
            if name not in self._modules:
                file = getattr(module, "__file__", None)
                own = isinstance(file, str) and self._code.place(file) is not None
                self._modules[name] = own or name == "__main__"
        return tuple(name for name, own in self._modules.items() if own)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._replaced.enter_context(replaced(owner, name, value))


def _play_loss(call: LossCall, inputs: Any) -> Any:
    weights = {"sample_weight": inputs[2]} if len(inputs) > 2 else {}
    return outputs_of(call.loss(inputs[0], inputs[1], **weights, **call.arguments))


def _as_written(python: Any) -> Any:
    """A method under ``tf.function`` without what AutoGraph made of it when it was first traced."""
    original = getattr(python, "__original_wrapped__", None)
    if original is not None:
        python.__wrapped__ = original
    return python


def _is_assign(op_type: Any) -> bool:
    return (op_type.decode() if isinstance(op_type, bytes) else str(op_type)) in ASSIGN


def _caller() -> FrameType:
    """The frame that called the function that stands in."""
    return sys._getframe(2)

"""One eager run on TensorFlow, noted down to single operations: what layers of the program's own compute is seen too.

Only layers that hold weights and no further layers are noted as wholes; models and whatever else is built of layers are
looked into. The notes serve to follow values, not to train.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from ae_audit.runtime.host.patching import replaced
from ae_audit.runtime.keras.graph.record import ASSIGN, READ, OpNode, Record, outputs_of, play_again
from ae_audit.runtime.keras.trace import Locate
from ae_audit.schema.location import Location

MOST_NODES = 50_000
"""operations after which nothing more is noted"""


@dataclass(slots=True, eq=False)
class OpTrace:
    """What ran.

    Attributes:
        targets: what gradients were taken of.
        place: of what is running, where the stack does not tell it.
    """

    record: Record = field(default_factory=Record)
    targets: list[Any] = field(default_factory=list)
    place: Location | None = None

    def starts(self, node: OpNode) -> bool:
        """Whether what a node gives depends on weights of its own."""
        makers = (self.record.maker(item) for item in node.inputs)
        return node.what == "layer" or any(maker is not None and maker.name in READ for maker in makers)

    def dependent(self, total: Any) -> tuple[list[OpNode], set[int]]:
        """The operations without weights of their own that lead from weights to ``total``, as they ran.

        Also the identities of all tensors that depend on weights.
        """
        depends: set[int] = set()
        found: list[OpNode] = []
        for node in self.record.ancestors([total]):
            begins = self.starts(node)
            if begins or any(id(item) in depends for item in node.inputs):
                depends.update(id(output) for output in node.outputs if output is not None)
                if not begins:
                    found.append(node)
        return found, depends


@dataclass(frozen=True, slots=True)
class LossInRun:
    """A loss, by its tensors in a run of the training step."""

    run: OpTrace
    prediction: Any
    target: Any
    batch: int
    """samples of the program's own batches"""


@contextmanager
def trace_ops(locate: Locate) -> Iterator[OpTrace]:
    """Note what the body runs.

    Args:
        locate: the user's source line that is running.
    """
    import keras
    import tensorflow as tf
    from tensorflow.python.framework import op_callbacks

    run = OpTrace()
    muted = 0

    def note(op_type: Any, inputs: Any, attributes: Any, outputs: Any, op_name: Any = None, graph: Any = None) -> None:
        name = op_type.decode() if isinstance(op_type, bytes) else str(op_type)
        if muted or graph is not None or name in ASSIGN or not outputs or len(run.record.nodes) > MOST_NODES:
            return
        node = OpNode("operation", name, tuple(inputs), tuple(outputs))
        node.play = functools.partial(play_again, name, tuple(attributes or ()), len(inputs))
        node.location = run.place or locate()
        run.record.add(node)

    def layer(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal muted
            if muted or self._layers or not self.weights:
                return original(self, *args, **kwargs)
            muted += 1
            try:
                result = original(self, *args, **kwargs)
            finally:
                muted -= 1
            inputs = tuple(item for item in tf.nest.flatten((args, kwargs)) if isinstance(item, tf.Tensor))
            outputs = outputs_of(result)
            logits = tuple(item._keras_logits for item in outputs if hasattr(item, "_keras_logits"))
            run.record.add(OpNode("layer", type(self).__name__, inputs, (*outputs, *logits), layer=self))
            return result

        return call

    def gradient(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def taken(tape: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal muted
            run.targets.extend(tf.nest.flatten(target))
            muted += 1
            try:
                return original(tape, target, *args, **kwargs)
            finally:
                muted -= 1

        return taken

    with ExitStack() as stack:
        stack.enter_context(replaced(keras.layers.Layer, "__call__", layer(keras.layers.Layer.__call__)))
        stack.enter_context(replaced(tf.GradientTape, "gradient", gradient(tf.GradientTape.gradient)))
        op_callbacks.add_op_callback(note)
        stack.callback(op_callbacks.remove_op_callback, note)
        yield run

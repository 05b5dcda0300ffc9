"""One hand-written training step, ready to be played again on other batches: its data, its weights, its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.keras.graph.record import READ, Kind, OpNode, Record, outputs_of, shape_of
from ae_audit.runtime.keras.trace import Watch

Array = NDArray[Any]

LONGEST_SHAPE = 8
"""A vector of whole numbers up to here that never changes is a shape, or a list of axes."""


class NotAStep(Exception):
    """What was recorded trains nothing, or cannot be played again; the text says why, and may be empty."""


class RecordedStep:
    """The first recorded step of a loop.

    ``data`` are the arrays that are new with each batch, each once though several nodes may take it; their first extent
    is ``batch``.
    """

    def __init__(self, record: Record, watch: Watch, in_function: bool, weights: dict[int, Array]) -> None:
        self.record = record
        self.watch = watch
        self.in_function = in_function
        """whether the program runs it as a graph"""
        self.weights = weights
        """the initial values of the trained weights, by identity"""
        self.kinds = record.kinds()
        self.signature = record.signature()
        self.batch, self.data = _data_leaves(record)
        self._leaf_of = {id(item): place for place, (_, items) in enumerate(self.data) for item in items}

    @classmethod
    def of(cls, record: Record, watch: Watch, in_function: bool, weights: dict[int, Array]) -> RecordedStep:
        """From everything that was recorded.

        Raises:
            NotAStep: if it trains nothing.
        """
        pruned = record.pruned()
        sources = [source for node in pruned.gradients for source in node.sources if hasattr(source, "assign")]
        updates = [node for node in pruned.nodes if node.what == "update" or node.name.startswith("Assign")]
        if not sources or not updates:
            raise NotAStep("")
        return cls(pruned, watch, in_function, weights)

    @property
    def sources(self) -> list[Any]:
        """The trained weights, each once."""
        found = {
            id(source): source for node in self.record.gradients for source in node.sources if hasattr(source, "assign")
        }
        return list(found.values())

    @property
    def layers(self) -> list[Any]:
        """The outermost layers that were called, each once."""
        return list({id(node.layer): node.layer for node in self.record.nodes if node.layer is not None}.values())

    @property
    def updates(self) -> list[OpNode]:
        return [node for node in self.record.nodes if node.what == "update"]

    @property
    def targets(self) -> list[Any]:
        """The values that are minimised."""
        return [item for node in self.record.gradients for item in node.inputs[: node.settings["targets"]]]

    def reorder(self, order: Sequence[int]) -> None:
        """Take the data in another order."""
        self.data = [self.data[place] for place in order]
        self._leaf_of = {id(item): place for place, (_, items) in enumerate(self.data) for item in items}

    def reads_weights(self, node: OpNode) -> bool:
        """Whether an operation outside layers takes weights themselves."""
        makers = (self.record.maker(item) for item in node.inputs)
        return node.what == "operation" and any(maker is not None and maker.name in READ for maker in makers)

    def kind(self, tensor: Any) -> Kind:
        return self.kinds.get(id(tensor), Kind.DATA)

    def leaf(self, tensor: Any) -> int | None:
        """Which of the data it is."""
        return self._leaf_of.get(id(tensor))


class StepData:
    """The batches of the steps of one loop."""

    def __init__(self, step: RecordedStep) -> None:
        self._step = step
        self._parts: list[list[Array]] = [[] for _ in step.data]
        self.steps = 0
        self.bytes = 0
        self.came_round = False
        """whether the first batch came again"""

    def take(self, record: Record) -> None:
        """Add a step's batch, if it is a step like the first one with as many samples."""
        pruned = record.pruned()
        if pruned.signature() != self._step.signature:
            return
        arrays = [np.asarray(pruned.nodes[place].inputs[index]) for (place, index), _ in self._step.data]
        if self.steps and all(
            np.array_equal(parts[0], array) for parts, array in zip(self._parts, arrays, strict=True)
        ):
            self.came_round = True
            return
        for parts, array in zip(self._parts, arrays, strict=True):
            parts.append(array)
            self.bytes += array.nbytes
        self.steps += 1

    @property
    def samples(self) -> int:
        return self.steps * self._step.batch

    def arrays(self) -> list[Array]:
        """All batches of each of the data, one after the other."""
        return [np.concatenate(parts) for parts in self._parts]


class Player:
    """Plays a step again.

    Args:
        values: of the step's data, in their order, with the recorded number of samples.
        exchanges: by the identity of a recorded tensor: what is computed in its place, told how to look up others.
        around: by the identity of a node: a context in which it is played.
    """

    def __init__(
        self,
        step: RecordedStep,
        values: Sequence[Any],
        exchanges: dict[int, Callable[..., Any]],
        around: dict[int, Callable[[], AbstractContextManager[Any]]] | None = None,
    ) -> None:
        self._step = step
        self._around = around or {}
        self._values: dict[int, Any] = {
            id(item): value for (_, items), value in zip(step.data, values, strict=True) for item in items
        }
        self._exchanges = exchanges

    def value(self, tensor: Any) -> Any:
        """What a recorded tensor is this time; what no node made stays itself."""
        return self._values.get(id(tensor), tensor)

    def preset(self, tensor: Any, value: Any) -> None:
        self._values[id(tensor)] = value

    def forward(self, nodes: Iterable[OpNode]) -> None:
        """Play nodes that are no gradients and no updates."""
        for node in nodes:
            if all(id(output) in self._values for output in node.outputs) and node.outputs:
                continue
            self._play(node)

    def train(self, optimizer_of: Callable[[OpNode], Any]) -> Any:
        """The whole step, with its updates; the last value that was minimised."""
        import tensorflow as tf

        gradients = self._step.record.gradients
        several = len(gradients) > 1
        loss: Any = None
        with tf.GradientTape(persistent=several) as tape:
            tape.watch([getattr(source, "_value", source) for source in self._step.sources])
            for node in self._step.record.nodes:
                if node.what == "gradient":
                    with ExitStack() as stack:
                        if several and not self._again_minimised(node):
                            stack.enter_context(tape.stop_recording())
                        loss = self._take_gradients(tape, node)
                elif node.what == "update":
                    pairs = [
                        (gradient, variable)
                        for item, variable in zip(node.inputs, node.sources, strict=True)
                        if (gradient := self.value(item)) is not None
                    ]
                    if pairs:
                        optimizer_of(node).apply_gradients(pairs)
                else:
                    self._play(node)
        return loss

    def _take_gradients(self, tape: Any, node: OpNode) -> Any:
        count = node.settings["targets"]
        targets = [self.value(item) for item in node.inputs[:count]]
        sources = [item if hasattr(item, "assign") else self.value(item) for item in node.sources]
        options = {key: value for key, value in node.settings.items() if key == "unconnected_gradients"}
        found = tape.gradient(targets if count > 1 else targets[0], sources, **options)
        for recorded, gradient in zip(node.outputs, found, strict=True):
            if recorded is not None:
                self._values[id(recorded)] = gradient
        return targets[-1]

    def _again_minimised(self, node: OpNode) -> bool:
        """Whether something that is minimised depends on these gradients."""
        later = [target for target in self._step.targets if id(target) not in {id(item) for item in node.inputs}]
        return any(ancestor is node for ancestor in self._step.record.ancestors(later))

    def _play(self, node: OpNode) -> None:
        swapped = [output for output in node.outputs if id(output) in self._exchanges]
        if swapped and len(swapped) == len(node.outputs):
            results: Sequence[Any] = [self._exchanges[id(output)](self.value) for output in node.outputs]
        else:
            assert node.play is not None
            with self._around.get(id(node), nullcontext)():
                results = outputs_of(node.play(self._inputs(node)))
        for output, result in zip(node.outputs, results, strict=True):
            self._values[id(output)] = result

    def _inputs(self, node: OpNode) -> list[Any]:
        inputs = [self.value(item) for item in node.inputs]
        call = node.loss
        if call is not None and not self._step.in_function and not hasattr(call.y_pred, "_keras_logits"):
            import tensorflow as tf

            inputs[1] = tf.identity(inputs[1])  # in a graph Keras would look for the logits behind it
        return inputs


def _data_leaves(record: Record) -> tuple[int, list[tuple[tuple[int, int], list[Any]]]]:
    """The number of samples in a batch, and the leaves that hold them: place of the first use, and all equal tensors.

    Raises:
        NotAStep: if no data enter.
    """
    leaves = [leaf for leaf in record.leaves() if _is_numeric(leaf[2])]
    batched = [leaf for leaf in leaves if not _is_shape(leaf[2])]
    if not batched:
        raise NotAStep("no data enter this training step")
    batch = int(max(batched, key=lambda leaf: int(np.prod(leaf[2].shape)))[2].shape[0])
    found: dict[tuple[Any, ...], tuple[tuple[int, int], list[Any]]] = {}
    for place, index, item in batched:
        if item.shape[0] == batch:
            values = np.asarray(item)
            key = (values.shape, values.dtype.str, values.tobytes())
            found.setdefault(key, ((place, index), []))[1].append(item)
    return batch, list(found.values())


def _is_numeric(item: Any) -> bool:
    shape = shape_of(item)
    if not shape or not hasattr(item, "dtype"):
        return False
    name = getattr(item.dtype, "name", str(item.dtype))
    return str(name).startswith(("float", "int", "uint", "bfloat", "bool"))


def _is_shape(item: Any) -> bool:
    values = np.asarray(item)
    return values.ndim == 1 and values.dtype.kind in "iu" and len(values) <= LONGEST_SHAPE

"""The two terms of a variational loss of a Keras program on TensorFlow, measured in one run of its training step."""

from __future__ import annotations

from typing import Any

import numpy as np

from ae_audit.runtime.keras.graph.record import OpNode
from ae_audit.runtime.keras.op_trace import LossInRun, OpTrace
from ae_audit.runtime.keras.program import KerasProgram, LossPoint
from ae_audit.runtime.measure import variational
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import LossUse, VariationalTerms
from ae_audit.theory.ranges import Tri

SCALING = frozenset(
    {"Mul", "RealDiv", "DivNoNan", "Neg", "Mean", "Sum", "Identity", "Reshape", "Squeeze", "Cast", "AddV2", "Sub"}
)
"""what may follow the sum of the two terms, with constants: it changes both alike"""


def variational_terms(program: KerasProgram, point: LossPoint, use: LossUse) -> VariationalTerms | None:
    """What the divergence of a normal code counts beside a loss; None where there is none to be seen."""
    if use.name is None:
        return None
    try:
        loss = program.noted_run(point)
    except Exception:  # the step ran before; of a few samples, one operation after the other, it may not
        return None
    return None if loss is None else _found(loss, use.name, use.from_logits is Tri.YES)


def _found(loss: LossInRun, name: str, from_logits: bool) -> VariationalTerms | None:
    for root in loss.run.targets:
        nodes, depends = loss.run.dependent(root)
        entering = {id(item) for node in nodes for item in node.inputs}
        if id(loss.prediction) in entering:
            return _terms(_Region(loss.run, nodes, depends, root, loss.prediction), loss, name, from_logits)
        logits = getattr(loss.prediction, "_keras_logits", None)  # what Keras takes in place of a sigmoid's output
        if name == "bce" and logits is not None and id(logits) in entering:
            return _terms(_Region(loss.run, nodes, depends, root, logits), loss, name, True)
    return None


def _terms(region: _Region, loss: LossInRun, name: str, from_logits: bool) -> VariationalTerms | None:
    drawn = []
    for bounds in variational.DRAWS:
        try:
            drawn.append(region.played(*bounds))
        except Exception:  # an operation that cannot be played again, or not on these values
            return None
    tensors = list(region.tensors)
    own = next(place for place, item in enumerate(tensors) if item is region.prediction)
    found = variational.measured(drawn, own, np.asarray(loss.target).astype(np.float64), name, from_logits)
    if found is None:
        return None
    code, factor = found
    place = region.place_of_divergence(tensors[code.mean])
    return variational.terms(code, factor, tuple(region.prediction.shape), place, loss.batch)


class _Region:
    """The operations between weights and what is minimised."""

    def __init__(self, run: OpTrace, nodes: list[OpNode], depends: set[int], root: Any, prediction: Any) -> None:
        self.prediction = prediction
        self._nodes = nodes
        self._makers = {id(output): node for node in nodes for output in node.outputs}
        self._depends = depends
        self._total = self._behind_scaling(root)
        entering = [item for node in nodes for item in node.inputs if id(item) in depends and _is_float(item)]
        order = sorted(entering, key=lambda item: id(item) in self._makers)  # what none of them made goes first
        self.tensors = list({id(item): item for item in (*order, prediction)}.values())

    def played(self, low: float, high: float) -> list[variational.Sample | None]:
        """Each tensor with its gradient, where those that the operations begin with are drawn between the bounds."""
        import tensorflow as tf

        random = np.random.default_rng(0)
        values: dict[int, Any] = {}
        with tf.GradientTape(persistent=True) as tape:
            for item in self.tensors:
                if id(item) not in self._makers or item is self.prediction:
                    values[id(item)] = tf.constant(random.uniform(low, high, item.shape), item.dtype)
                    tape.watch(values[id(item)])
            for node in self._needed():
                assert node.play is not None
                results = node.play([values.get(id(item), item) for item in node.inputs])
                for output, result in zip(node.outputs, results, strict=True):
                    values.setdefault(id(output), result)
            total = tf.reduce_sum(values[id(self._total)])
        found: list[variational.Sample | None] = []
        for item in self.tensors:
            value = values.get(id(item))
            slope = None if value is None or len(item.shape) < 2 else tape.gradient(total, value)
            found.append(None if slope is None else variational.Sample(_numbers(value), _numbers(slope)))
        return found

    def place_of_divergence(self, mean: Any) -> Location | None:
        """Where its elements are first summed up."""
        of_code = {id(mean)}
        for node in self._needed():
            if any(id(item) in of_code for item in node.inputs):
                of_code.update(id(output) for output in node.outputs)
                if all(_size(output) < _size(mean) for output in node.outputs):
                    return node.location
        return None

    def _behind_scaling(self, root: Any) -> Any:
        """The sum of the terms, behind what is done to it."""
        while (node := self._makers.get(id(root))) is not None and node.name in SCALING:
            parts = {id(item): item for item in node.inputs if id(item) in self._depends}
            if len(parts) != 1:
                break
            behind = next(iter(parts.values()))
            if _size(behind) != 1:
                break
            root = behind
        return root

    def _needed(self) -> list[OpNode]:
        """The operations that lead from what is given to the sum."""
        wanted: set[int] = set()
        stack = [self._total]
        while stack:
            item = stack.pop()
            node = self._makers.get(id(item))
            if node is not None and item is not self.prediction and id(node) not in wanted:
                wanted.add(id(node))
                stack.extend(node.inputs)
        return [node for node in self._nodes if id(node) in wanted]


def _size(tensor: Any) -> int:
    return int(np.prod(tensor.shape))


def _is_float(item: Any) -> bool:
    return bool(getattr(getattr(item, "dtype", None), "is_floating", False))


def _numbers(tensor: Any) -> variational.Array:
    import tensorflow as tf

    return np.asarray(tf.convert_to_tensor(tensor), dtype=np.float64)

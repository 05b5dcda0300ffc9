"""Losses spelled out by hand in a TensorFlow step: where prediction and target meet, and the function between them.

``tf.reduce_mean(tf.square(x - decoded))`` has no loss function. Behind the value that is minimised, the operations
without weights of their own form the loss; where one of them takes a tensor of the model's and one of the data's,
prediction meets target. What the loss is shows when those operations are played on other values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ae_audit.runtime.keras.graph.record import READ, Kind, OpNode
from ae_audit.runtime.keras.graph.step import Player, RecordedStep
from ae_audit.runtime.measure.named_losses import GUARD

LINEAR = frozenset(
    {"AddV2", "Add", "AddN", "Sub", "Neg", "Mul", "RealDiv", "Mean", "Sum", "Identity", "Cast", "Reshape", "Squeeze"}
    | {"ExpandDims", "DivNoNan", "Pack", "StopGradient"}
)
SUMS = frozenset({"AddV2", "Add", "AddN", "Sub", "Pack"})
DIFFERENCES = frozenset({"Sub", "SquaredDifference"})
JOINS = DIFFERENCES | {"Mul", "RealDiv", "DivNoNan", "Xdivy", "Xlogy", "Pow", "Minimum", "Maximum", "SelectV2"}
LOGARITHMS = frozenset({"Log", "Log1p", "LogSoftmax", "Xlogy"})
GUARDS = frozenset({"Maximum", "Minimum", "ClipByValue", "AddV2", "Add"})
FUSED = {
    "SoftmaxCrossEntropyWithLogits": (0, 1),
    "SparseSoftmaxCrossEntropyWithLogits": (0, 1),
}
"""operations that are a loss by themselves: places of prediction and target"""

Function = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class HandWritten:
    """One loss without a name of its own."""

    value: OpNode
    """the operation that computes it"""
    prediction: Any
    target: Any
    function: Function
    """``f(y_true, y_pred)`` on tensors of the recorded shapes; the loss's values before they are weighted"""


def hand_written(step: RecordedStep, root: Any, known: Sequence[OpNode]) -> list[HandWritten]:
    """The hand-written losses among the terms of ``root`` that hold none of the ``known`` losses."""
    return _Search(step, known).losses(root)


class _Search:
    def __init__(self, step: RecordedStep, known: Sequence[OpNode]) -> None:
        self._step = step
        self._record = step.record
        self._known = {id(node) for node in known}

    def losses(self, tensor: Any) -> list[HandWritten]:
        """Of a summand: its summands' own, each."""
        node = self._record.maker(tensor)
        if node is None or node.what != "operation" or self._step.kind(tensor) is not Kind.MODEL:
            return []
        if node.name in FUSED:
            return self._fused(node)
        parts = self._model_parts(node)
        if node.name in LINEAR and parts and not self._joins(node):
            if len(parts) == 1:
                return self.losses(parts[0])
            if node.name in SUMS:
                found = [self.losses(part) for part in parts]
                flat = [loss for losses in found for loss in losses]
                silent = [part for part, losses in zip(parts, found, strict=True) if not losses]
                if flat and not self._one_loss(flat) and not any(self._speaks_of(part, flat) for part in silent):
                    return flat
        if any(id(ancestor) in self._known for ancestor in self._record.ancestors([tensor])):
            return []
        loss = self._loss_of(node, tensor)
        return [] if loss is None else [loss]

    def _speaks_of(self, part: Any, losses: Sequence[HandWritten]) -> bool:
        """Whether another summand is a function of the same prediction."""
        predictions = {id(loss.prediction) for loss in losses}
        nodes = self._record.ancestors([part])
        return id(part) in predictions or any(id(item) in predictions for node in nodes for item in node.inputs)

    def _one_loss(self, losses: Sequence[HandWritten]) -> bool:
        """Whether the summands speak of one prediction and one target: the two halves of a cross-entropy."""
        if len(losses) < 2:
            return False
        chains = [{id(item) for item in self._chain(loss.prediction)} for loss in losses]
        origins = [self._origins(loss.target) for loss in losses]
        return bool(set.intersection(*chains)) and all(origin == origins[0] for origin in origins)

    def _origins(self, target: Any) -> set[int]:
        """Which of the data a target was computed from."""
        items = [item for node in self._record.ancestors([target]) for item in node.inputs]
        return {leaf for item in (target, *items) if (leaf := self._step.leaf(item)) is not None}

    def _fused(self, node: OpNode) -> list[HandWritten]:
        places = FUSED[node.name]
        prediction, target = (node.inputs[place] for place in places)
        if self._step.kind(target) is Kind.MODEL or node.play is None:
            return []
        play = node.play

        def function(y_true: Any, y_pred: Any) -> Any:
            return play([y_pred, y_true])[0]

        return [HandWritten(node, self._behind_shapes(prediction), self._behind_shapes(target), function)]

    def _loss_of(self, node: OpNode, value: Any) -> HandWritten | None:
        region = self._region(node)
        joins = [join for member in region for join in self._joins(member)]
        if not joins:
            return None
        differences = [join for join in joins if join[0].name in DIFFERENCES]
        chosen = (differences or joins)[-1 if differences else 0]
        target = self._base(chosen[2], [join[2] for join in joins])
        mine = [join for join in joins if self._equal(self._base(join[2], [other[2] for other in joins]), target)]
        prediction = self._common([join[1] for join in mine], region)
        if not differences and not self._logarithmic(region):
            return None
        function = self._function(value, prediction, target)
        return HandWritten(node, prediction, target, function)

    def _function(self, value: Any, prediction: Any, target: Any) -> Function:
        step, record = self._step, self._record
        before = {id(node) for node in record.ancestors([prediction])}
        between = [node for node in record.ancestors([value]) if id(node) not in before]
        moving = {id(prediction), id(target)}
        equals = [item for _, items in step.data for item in items if self._equal(item, target)]
        moving.update(id(item) for item in equals)
        nodes: list[OpNode] = []
        for node in between:  # what depends on neither keeps its value
            if any(id(item) in moving for item in node.inputs):
                nodes.append(node)
                moving.update(id(output) for output in node.outputs)

        def function(y_true: Any, y_pred: Any) -> Any:
            import tensorflow as tf

            player = Player(step, [item for _, items in step.data for item in items[:1]], {})
            y_true = tf.cast(tf.reshape(tf.convert_to_tensor(y_true), target.shape), target.dtype)
            y_pred = tf.cast(tf.reshape(tf.convert_to_tensor(y_pred), prediction.shape), prediction.dtype)
            for item in (target, *equals):
                player.preset(item, y_true)
            player.preset(prediction, y_pred)
            for made in nodes:
                player.forward([made])
            return player.value(value)

        return function

    # The region between prediction and loss

    def _region(self, node: OpNode) -> list[OpNode]:
        """The operations without weights of their own that lead to the value, in the order in which they ran."""
        found: dict[int, OpNode] = {}
        stack: list[OpNode | None] = [node]
        while stack:
            member = stack.pop()
            if member is None or id(member) in found or member.what != "operation" or not self._is_plain(member):
                continue
            found[id(member)] = member
            stack.extend(self._record.maker(item) for item in member.inputs)
        return [member for member in self._record.nodes if id(member) in found]

    def _is_plain(self, node: OpNode) -> bool:
        """Whether it depends on the model, but reads no weights itself."""
        if node.name in READ or not any(self._step.kind(output) is Kind.MODEL for output in node.outputs):
            return False
        makers = (self._record.maker(item) for item in node.inputs)
        return not any(maker is not None and maker.name in READ for maker in makers)

    def _joins(self, node: OpNode) -> list[tuple[OpNode, Any, Any]]:
        """Where a tensor of the model's meets data that could be a target: the operation, the one and the other."""
        if node.name not in JOINS:
            return []
        ours = [item for item in node.inputs if self._step.kind(item) is Kind.MODEL]
        theirs = [item for item in node.inputs if self._step.kind(item) is Kind.DATA]
        return [
            (node, ours[0], item) for item in theirs if ours and _size(item) == _size(ours[0]) > 1 and _varies(item)
        ]

    def _base(self, tensor: Any, joined: Sequence[Any]) -> Any:
        """What this was computed from, if that meets the prediction itself: ``y`` for ``1 - y``; else behind casts."""
        found = tensor
        while (node := self._record.maker(tensor)) is not None:
            if node.what != "operation":
                break
            parts = [item for item in node.inputs if _size(item) == _size(tensor) and _size(item) > 1]
            if len(parts) != 1:
                break
            tensor = parts[0]
            if any(self._equal(tensor, other) for other in joined):
                found = tensor
        return self._behind_shapes(found)

    def _behind_shapes(self, tensor: Any) -> Any:
        """The tensor before it was reshaped or cast."""
        while (node := self._record.maker(tensor)) is not None and node.what == "operation":
            if node.name not in {"Reshape", "Cast", "Identity", "Squeeze", "ExpandDims", "StopGradient"}:
                break
            if node.name in {"Squeeze", "ExpandDims", "Reshape"} and self._step.kind(tensor) is Kind.MODEL:
                break
            tensor = node.inputs[0]
        return tensor

    def _equal(self, a: Any, b: Any) -> bool:
        leaf = self._step.leaf(a)
        return a is b or (leaf is not None and leaf == self._step.leaf(b))

    def _common(self, partners: Sequence[Any], region: Sequence[OpNode]) -> Any:
        """The prediction: the nearest tensor behind all the partners, without logarithms and what guards them."""
        inside = {id(node) for node in region}
        chains = [self._chain(item, inside) for item in partners]
        others = [{id(item) for item in chain} for chain in chains[1:]]
        nearest = next((item for item in chains[0] if all(id(item) in other for other in others)), chains[0][-1])
        maker = self._record.maker(nearest)
        if maker is not None and maker.name in LOGARITHMS and id(maker) in inside:
            nearest = maker.inputs[-1]
            maker = self._record.maker(nearest)
        while maker is not None and id(maker) in inside and self._guards(maker):
            nearest = next(item for item in maker.inputs if self._step.kind(item) is Kind.MODEL)
            maker = self._record.maker(nearest)
        return nearest

    def _guards(self, node: OpNode) -> bool:
        if node.name not in GUARDS:
            return False
        constants = [np.asarray(item) for item in node.inputs if self._step.kind(item) is not Kind.MODEL]
        if node.name in {"AddV2", "Add"}:
            return any(value.ndim == 0 and abs(float(value)) <= GUARD for value in constants)
        return bool(constants)

    def _chain(self, tensor: Any, region: set[int] | None = None) -> list[Any]:
        """The tensors behind this one as far as each has one tensor of the model's behind it, the nearest first."""
        chain = [tensor]
        while (node := self._record.maker(tensor)) is not None and node.what == "operation":
            if region is not None and id(node) not in region:
                break
            behind = self._model_parts(node)
            if len(behind) != 1:
                break
            tensor = behind[0]
            chain.append(tensor)
        return chain

    def _logarithmic(self, region: Sequence[OpNode]) -> bool:
        """A product of prediction and target is a loss only beside a logarithm."""
        return any(node.name in LOGARITHMS or node.name in {"Softplus", "RealDiv"} for node in region)

    def _model_parts(self, node: OpNode) -> list[Any]:
        parts = [item for item in node.inputs if self._step.kind(item) is Kind.MODEL]
        return list({id(item): item for item in parts}.values())


def _size(tensor: Any) -> int:
    try:
        return int(np.prod(tensor.shape))
    except (AttributeError, TypeError, ValueError):
        return 0


def _varies(tensor: Any) -> bool:
    values = np.asarray(tensor)
    return values.size > 1 and bool((values != values.reshape(-1)[0]).any())

"""The losses of a hand-written training step, as points that captures are made of."""

from __future__ import annotations

from typing import Any

from ae_audit.runtime.keras.graph.handwritten_losses import HandWritten, hand_written
from ae_audit.runtime.keras.graph.record import Kind, OpNode
from ae_audit.runtime.keras.graph.step import Player, RecordedStep
from ae_audit.runtime.keras.losses import canonical_name
from ae_audit.runtime.keras.program import LossPoint
from ae_audit.runtime.keras.trace import LossCall
from ae_audit.theory.loss_names import SYMMETRIC


def loss_points(step: RecordedStep) -> list[LossPoint]:
    """The losses in what the step minimises: those with a name, and those spelled out by hand."""
    points: list[LossPoint] = []
    for root in step.targets:
        known = [node for node in step.record.ancestors([root]) if node.what == "loss"]
        for node in known:
            point = _named(step, node)
            if point is not None and all(other.node is not node for other in points):
                points.append(point)
        for loss in hand_written(step, root, known):
            if all(other.node is not loss.value for other in points):
                points.append(_spelled_out(loss))
    for ordinal, point in enumerate(points):
        point.ordinal, point.per_step = ordinal, len(points)
        point.weight = _weight(step, point.node)
        if point.weight is not None and point.weight < 0 and point.node.what == "operation":
            _turn_round(point)
    return points


def _named(step: RecordedStep, node: OpNode) -> LossPoint | None:
    call = node.loss
    assert call is not None
    if step.kind(call.y_pred) is not Kind.MODEL:
        if step.kind(call.y_true) is not Kind.MODEL or canonical_name(call.loss, call.symbol) not in SYMMETRIC:
            return None  # target and prediction given in the wrong order, or no prediction at all
        call.y_true, call.y_pred = call.y_pred, call.y_true
    return LossPoint(prediction=call.y_pred, call=call, node=node)


def _spelled_out(loss: HandWritten) -> LossPoint:
    call = LossCall(loss.function, "", loss.target, loss.prediction, {}, 0, loss.value.location)
    return LossPoint(prediction=loss.prediction, call=call, node=loss.value)


def _turn_round(point: LossPoint) -> None:
    """``-tf.reduce_mean(y * tf.math.log(p) + …)``: the loss is the negative of what the last operation gives."""
    assert point.call is not None
    assert point.weight is not None
    function = point.call.loss
    point.call.loss = lambda y_true, y_pred: -function(y_true, y_pred)
    point.sign, point.weight = -1.0, -point.weight


def _weight(step: RecordedStep, node: OpNode) -> float | None:
    """With which the mean of a loss's values enters what is minimised."""
    import tensorflow as tf

    value: Any = node.outputs[0]
    root = next((item for item in step.targets if node in step.record.ancestors([item])), None)
    if root is None:
        return None
    before = {id(earlier) for earlier in step.record.ancestors([value])}
    after = [later for later in step.record.ancestors([root]) if id(later) not in before and later.what != "gradient"]
    try:
        with tf.GradientTape() as tape:
            tape.watch(value)
            player = Player(step, [items[0] for _, items in step.data], {})
            player.preset(value, value)
            player.forward(after)
            result = player.value(root) if root is not value else tf.identity(value)
        gradient = tape.gradient(result, value)
    except Exception:  # what followed cannot be played by itself
        return None
    return None if gradient is None else float(f"{float(tf.reduce_sum(gradient)):.5g}")

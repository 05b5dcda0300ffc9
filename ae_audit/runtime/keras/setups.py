"""From a caught Keras program to its captures: one for each loss of the training step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.keras import losses
from ae_audit.runtime.keras.batches import Batches, tree
from ae_audit.runtime.keras.capture import KerasCapture
from ae_audit.runtime.keras.graph.fit_step import recorded_step, validation_for
from ae_audit.runtime.keras.heads import trace_head
from ae_audit.runtime.keras.logits import logits_recoverable
from ae_audit.runtime.keras.model_facts import metric_uses, model_facts, trainable_parameters
from ae_audit.runtime.keras.pace import pace_of
from ae_audit.runtime.keras.program import KerasProgram, LossPoint, backend, to_array
from ae_audit.runtime.keras.variant import primary_input
from ae_audit.runtime.keras.variational import variational_terms
from ae_audit.runtime.measure.large_arrays import facts_of_whole
from ae_audit.runtime.measure.relations import relation_of
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.training_setup import DataFacts, Framework, LossUse, Relation, Structure, TrainingSetup
from ae_audit.theory.loss_families import TAKES_CLASS_INDEX
from ae_audit.theory.ranges import Tri

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class FitContext:
    """Where and on what a model is trained."""

    location: Location
    """the ``fit`` call"""
    compiled_at: Location | None = None
    validation: Batches | None = None
    steps: int | None = None
    """optimizer steps of the whole training, where they are known"""
    source: str | None = None
    stand_in: bool = False
    trail: tuple[TrailStep, ...] = ()


def captures_of(program: KerasProgram, context: FitContext) -> list[KerasCapture]:
    """A capture for each loss of the program's training step."""
    program.prepare()
    points = program.points()
    recorded = recorded_step(program, points)
    if recorded is not None:
        validation = validation_for(recorded, program, context.validation)
        return captures_of(recorded, replace(context, validation=validation))
    facts = _Facts(program, context)
    places = [_location(point, context) for point in points]
    return [
        _capture(program, point, context, facts, shared=places.count(place) > 1)
        for point, place in zip(points, places, strict=True)
    ]


def _capture(
    program: KerasProgram, point: LossPoint, context: FitContext, facts: _Facts, *, shared: bool
) -> KerasCapture:
    loss = _loss_use(program, point, context)
    via = program.called_from(point) if shared else None
    if via is not None and via != _location(point, context):
        loss = replace(loss, trail=(*loss.trail, TrailStep("for what this call asks of it", via)))
    traced = trace_head(
        program.watch,
        point.prediction,
        place_of=program.place_of,
        logits_recoverable=logits_recoverable(program, point, loss.name),
    )
    source = primary_input(program)
    targets, inputs = facts.targets(point), tree().flatten(program.batches.data)[source]
    role = "class index" if loss.name in TAKES_CLASS_INDEX else None
    target = facts.of(point.target_leaf, targets, role)
    relation, scale = relation_of(inputs, targets, target.structure)
    related = relation not in {Relation.LABELS, Relation.OTHER, Relation.UNKNOWN}
    if related and role is None and target.structure in {Structure.CLASS_INDEX, Structure.MULTI_HOT}:
        role = "reconstruction"
        target = facts.of(point.target_leaf, targets, role)
    setup = TrainingSetup(
        framework=Framework.KERAS,
        location=_location(point, context),
        backend=backend(),
        head=traced.head,
        loss=loss,
        target=target,
        input=facts.of(source, inputs, role if relation is Relation.SAME else None),
        relation=relation,
        relation_scale=scale,
        model=model_facts(program.model, program.watch),
        metrics=metric_uses(program.model, point.compiled_index),
        validation_target=facts.validation(point.target_leaf),
        validation_input=facts.validation(source),
        optimizer=program.optimizer_of(point),
        pace=pace_of(getattr(program.model, "optimizer", None), context.steps),
        variational=variational_terms(program, point, loss),
        seen_by=("runtime",),
    )
    return KerasCapture(setup, program, point, traced, targets, inputs, trainable_parameters(program.model))


def _location(point: LossPoint, context: FitContext) -> Location:
    """Where the loss is computed: its own call in the user's training step, else ``fit``."""
    if point.call is None or point.compiled_index is not None or point.call.location is None:
        return context.location
    return point.call.location


def _loss_use(program: KerasProgram, point: LossPoint, context: FitContext) -> LossUse:
    if point.call is None:
        step = TrailStep("the loss is computed inside the training step, without a loss function", context.location)
        return LossUse(custom=True, from_logits=Tri.UNKNOWN, location=context.compiled_at, trail=(step,))
    written, weight = None, None
    if point.compiled_index is not None:
        compiled = program.model._compile_loss
        item = compiled._flat_losses[point.compiled_index]
        weight = None if item.loss_weights is None else float(item.loss_weights)
        user = compiled._user_loss
        written = f'"{user}"' if isinstance(user, str) else None
        location = context.compiled_at or context.location
    else:
        weight = point.weight
        location = point.call.location or context.location
        written = program.text_of(point.call.location) if point.node is not None and not point.call.symbol else None
    return losses.describe(
        point.call.loss,
        written,
        arguments=point.call.arguments,
        weight=weight,
        location=location,
        symbol=point.call.symbol,
        shapes=_shapes(point),
        seen=(to_array(point.call.y_true), to_array(point.call.y_pred)) if _shapes(point) is not None else None,
        fixed=point.node is not None,
    )


def _shapes(point: LossPoint) -> losses.Shapes | None:
    """Of target and prediction, where both are known in full."""
    assert point.call is not None
    try:
        target, prediction = (tuple(map(int, item.shape)) for item in (point.call.y_true, point.call.y_pred))
    except (AttributeError, TypeError, ValueError):
        return None
    return (target, prediction) if np.prod(target) == np.prod(prediction) else None


class _Facts:
    """The facts of each array, computed once."""

    def __init__(self, program: KerasProgram, context: FitContext) -> None:
        self._program = program
        self._context = context
        self._known: dict[tuple[int, str | None], DataFacts] = {}
        self._whole = tree().flatten((program.batches.whole_x, program.batches.whole_y))

    def of(self, leaf: int | None, sample: Array, role: str | None) -> DataFacts:
        whole = self._whole[leaf] if leaf is not None and leaf < len(self._whole) else None
        whole = sample if whole is None else whole
        key = (id(whole), role)
        if key not in self._known:
            self._known[key] = facts_of_whole(
                whole,
                sample,
                source=self._context.source,
                stand_in=self._context.stand_in,
                trail=self._context.trail,
                role=role,
            )
        return self._known[key]

    def targets(self, point: LossPoint) -> Array:
        """The captured targets; those made inside the training step are looked at there."""
        if point.target_leaf is not None:
            return np.asarray(tree().flatten(self._program.batches.data)[point.target_leaf])
        with self._program.unchanged():
            return self._program.prediction_at(point, self._program.first(512))[1]

    def validation(self, leaf: int | None) -> DataFacts | None:
        if self._context.validation is None or leaf is None:
            return None
        leaves = tree().flatten((self._context.validation.whole_x, self._context.validation.whole_y))
        if leaf >= len(leaves) or leaves[leaf] is None:
            return None
        return self.of(None, leaves[leaf], None)

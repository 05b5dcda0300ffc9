"""One setup from two stages: what running saw, and where in the source it stands.

Runtime facts are real and win. The source knows places, spellings and reasons, and is believed where running saw
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import (
    DataFacts,
    Head,
    LossUse,
    MetricUse,
    ModelFacts,
    Relation,
    Structure,
    TrainingSetup,
    VariationalTerms,
)
from ae_audit.theory.ranges import Tri


def match(seen: TrainingSetup, static: Sequence[TrainingSetup], taken: Collection[int] = ()) -> int | None:
    """Which static setup is the one that was seen running: same place, and the alternative that agrees best.

    Of equals one that is not ``taken``: a loop over models trains each at the same line.
    """
    same_place = [index for index, setup in enumerate(static) if _same_place(seen.location, setup.location)]
    if not same_place:
        return None
    return max(same_place, key=lambda index: (_agreement(seen, static[index]), index not in taken, -index))


def match_all(seen: Sequence[TrainingSetup], static: Sequence[TrainingSetup]) -> list[int | None]:
    """:func:`match` for each of ``seen``, in order."""
    found: list[int | None] = []
    for setup in seen:
        found.append(match(setup, static, {index for index in found if index is not None}))
    return found


def to_be_seen(static: Sequence[TrainingSetup]) -> Counter[Location]:
    """How many trainings reading expects at each place; of alternatives under conditions, only one will run."""
    sure = Counter(setup.location for setup in static if setup.condition is None)
    return Counter({setup.location: max(1, sure[setup.location]) for setup in static})


def merge(seen: TrainingSetup, static: TrainingSetup) -> TrainingSetup:
    """``seen`` with the places, spellings and trails of ``static``."""
    return replace(
        seen,
        location=static.location,
        backend=seen.backend or static.backend,
        head=_merge_head(seen.head, static.head),
        loss=_merge_loss(seen.loss, static.loss),
        target=_merge_data(seen.target, static.target),
        input=_merge_data(seen.input, static.input),
        relation=_merge_relation(seen, static),
        relation_scale=seen.relation_scale or static.relation_scale,
        model=_merge_model(seen.model, static.model),
        metrics=_merge_metrics(seen.metrics, static.metrics),
        validation_target=_merge_optional(seen.validation_target, static.validation_target),
        validation_input=_merge_optional(seen.validation_input, static.validation_input),
        optimizer=seen.optimizer or static.optimizer,
        gradients_reset=_known(seen.gradients_reset, static.gradients_reset),
        backward_location=seen.backward_location or static.backward_location,
        variational=_merge_terms(seen.variational, static.variational),
        certificate=seen.certificate or static.certificate,
        condition=None,
        seen_by=tuple(dict.fromkeys((*static.seen_by, *seen.seen_by))),
    )


def without_values(seen: TrainingSetup, *, ranks: bool) -> TrainingSetup:
    """``seen`` without what it says of the values and extents of data that were made up.

    ``ranks``: their numbers of axes are the program's own.
    """

    def bare(data: DataFacts) -> DataFacts:
        shape = (None,) * len(data.shape) if ranks and data.shape is not None else None
        return DataFacts(dtype=data.dtype, shape=shape, source=data.source, location=data.location)

    same = seen.relation is Relation.SAME
    return replace(
        seen,
        target=bare(seen.target),
        input=bare(seen.input),
        validation_target=None,
        validation_input=None,
        relation=seen.relation if same else Relation.UNKNOWN,
        relation_scale=None,
    )


def relocated(setup: TrainingSetup, shown: Callable[[Location], Location]) -> TrainingSetup:
    """``setup`` with ``shown`` applied to every place in it: running frames know absolute paths, reports do not."""
    moved: TrainingSetup = _relocated(setup, shown)
    return moved


def _relocated(value: Any, shown: Callable[[Location], Location]) -> Any:
    if isinstance(value, Location):
        return shown(value)
    if isinstance(value, tuple):
        return tuple(_relocated(item, shown) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: _relocated(getattr(value, item.name), shown) for item in fields(value)})
    return value


def _same_place(a: Location, b: Location) -> bool:
    if (a.path, a.cell) != (b.path, b.cell):
        return False
    first, second = sorted((a, b), key=lambda place: place.line)
    return first.line <= second.line <= (first.end_line or first.line)


def _agreement(seen: TrainingSetup, static: TrainingSetup) -> int:
    """How many of the facts that both know are the same, less those that differ."""
    score = 0
    pairs: tuple[tuple[object, object], ...] = (
        (seen.head.activation, static.head.activation),
        (seen.loss.name, static.loss.name),
        (seen.relation, static.relation),
        (seen.head.units, static.head.units),
    )
    for ours, theirs in pairs:
        if None not in (ours, theirs):
            score += 1 if ours == theirs else -1
    if static.target.values.reach is not None and seen.target.values.reach is not None:
        score += 1 if static.target.values.hull.covers(seen.target.values.hull, tolerance=1e-3) else -1
    if static.condition is not None and not static.condition.default:
        score -= 1
    return score


def _merge_head(seen: Head, static: Head) -> Head:
    if seen.activation is None and (seen.range.values.unknown or _explains(static, seen)):
        return replace(static, units=seen.units or static.units, shape=seen.shape or static.shape)
    if seen.activation is not None and static.activation not in (None, seen.activation):
        return seen
    others = seen.others
    if static.location is not None:  # with which only the source's own places go together
        others = static.others if len(static.others) >= len(seen.others) else (None,)
    return replace(
        seen,
        written=static.written or seen.written,
        location=static.location or seen.location,
        others=others,
        trail=seen.trail if seen.sampled else static.trail or seen.trail,
    )


def _explains(static: Head, seen: Head) -> bool:
    """Whether reading knows a range, where running only saw some values, and all of those lie in it."""
    if static.range.values.unknown or not (seen.sampled or seen.range.values.hull.is_real_line):
        return False
    reach = seen.range.values.reach
    return reach is None or static.range.values.hull.covers(reach, tolerance=1e-6)


def _merge_loss(seen: LossUse, static: LossUse) -> LossUse:
    if seen.name is None and not seen.custom:
        return static
    if static.name not in (None, seen.name) and static.location is None:
        return seen
    return replace(
        seen,
        name=seen.name or static.name,
        parameters=static.parameters if seen.name is None else seen.parameters,
        written=static.written or seen.written,
        location=static.location or seen.location,
        trail=static.trail or seen.trail,
        weight=seen.weight if seen.weight is not None else static.weight,
        reduction=seen.reduction or static.reduction,
        custom=seen.custom and (static.custom or static.name != seen.name),
        alone=_known(seen.alone, static.alone),
    )


def _merge_data(seen: DataFacts, static: DataFacts) -> DataFacts:
    if seen.measured is None and seen.values.unknown:
        return replace(static, shape=static.shape or seen.shape)
    structure_known = seen.structure is not Structure.UNKNOWN
    return replace(
        seen,
        structure=seen.structure if structure_known else static.structure,
        structure_axis=seen.structure_axis if structure_known else static.structure_axis,
        source=static.source or seen.source,
        standardised=_known(seen.standardised, static.standardised),
        noised=_known(seen.noised, static.noised),
        normalised_channels=seen.normalised_channels or static.normalised_channels,
        wrapped=seen.wrapped or (None if _stayed_low(seen, static) else static.wrapped),
        stand_in=seen.stand_in or static.stand_in,
        location=static.location or seen.location,
        trail=(*static.trail, *seen.trail),
    )


def _stayed_low(seen: DataFacts, static: DataFacts) -> bool:
    """Whether the data that were measured do not come near the top, where values that wrap round end or come from."""
    hull, reach = static.values.hull, seen.values.reach
    if seen.measured is None or seen.stand_in or reach is None or not hull.bounded:
        return False
    return reach.hi < (hull.lo + hull.hi) / 2


def _merge_optional(seen: DataFacts | None, static: DataFacts | None) -> DataFacts | None:
    if seen is None or static is None:
        return seen or static
    return _merge_data(seen, static)


def _merge_relation(seen: TrainingSetup, static: TrainingSetup) -> Relation:
    """What ran, except that numbers do not say whether they are labels or other whole numbers, and the source may."""
    unsaid = seen.relation is Relation.OTHER and seen.target.structure is Structure.UNKNOWN
    if seen.relation is Relation.UNKNOWN or (unsaid and static.relation is Relation.LABELS):
        return static.relation
    return seen.relation


def _merge_model(seen: ModelFacts, static: ModelFacts) -> ModelFacts:
    return ModelFacts(
        name=static.name or seen.name,
        first_layers=seen.first_layers or static.first_layers,
        normalises_input=_known(seen.normalises_input, static.normalises_input),
        variational=_known(seen.variational, static.variational),
        latent_activation=seen.latent_activation or static.latent_activation,
        latent_location=static.latent_location or seen.latent_location,
    )


def _known(seen: Tri, static: Tri) -> Tri:
    return static if seen is Tri.UNKNOWN else seen


def _merge_metrics(seen: tuple[MetricUse, ...], static: tuple[MetricUse, ...]) -> tuple[MetricUse, ...]:
    places = {metric.name: metric for metric in static}
    found = tuple(places.get(metric.name, metric) for metric in seen)
    called = tuple(metric for metric in static if metric.span is not None and metric not in found)
    return (*found, *called) if found else static


def _merge_terms(seen: VariationalTerms | None, static: VariationalTerms | None) -> VariationalTerms | None:
    if seen is None or static is None:
        return seen or static
    return replace(
        seen,
        latents=seen.latents or static.latents,
        batch=seen.batch or static.batch,
        location=static.location or seen.location,
    )

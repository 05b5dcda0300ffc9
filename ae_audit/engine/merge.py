"""One setup from two stages: what running saw, and where in the source it stands.

Runtime facts are real and win. The source knows places, spellings and reasons, and is believed where running saw
nothing. What that means for a field is declared beside it (:mod:`ae_audit.schema.merging`); here it is carried out, and
decided which stage's account of a whole record is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any

from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.training_setup import (
    DataFacts,
    Head,
    LossUse,
    MetricUse,
    Relation,
    Structure,
    TrainingSetup,
)
from ae_audit.theory.ranges import Tri, ValueRange

ROUNDING = 1e-3
"""by which measured values may leave the range that was read, as a share of the largest"""
OTHER_SCALE = 10.0
"""times that the values read must exceed all that were measured to contradict them: [0, 255] against [0, 1]"""


def match(seen: TrainingSetup, static: Sequence[TrainingSetup], taken: Collection[int] = ()) -> int | None:
    """Which static setup is the one that was seen running: same place, and the alternative that agrees best.

    A loss that a layer adds is seen running where it is computed, and read where the model is fitted.
    Of equals one that is not ``taken``: a loop over models trains each at the same line.
    """
    same_place = [index for index, setup in enumerate(static) if _same_place(seen.location, setup.location)]
    if not same_place:
        computed = [(index, setup.loss.location) for index, setup in enumerate(static)]
        same_place = [index for index, place in computed if place is not None and _same_place(seen.location, place)]
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
    """``seen`` with the places, spellings and trails of ``static``, and with what only ``static`` knows."""
    merged: TrainingSetup = _merged(seen, static if _of_one_tensor(seen, static) else _without_loss_name(static))
    return merged


def _of_one_tensor(seen: TrainingSetup, static: TrainingSetup) -> bool:
    """Whether a loss written out, which reading alone could name, was named of the prediction that the run took.

    What one calls the prediction, the other may call what is made of it: of a cross-entropy the softmax, or its scores.
    """
    if seen.loss.name is not None or not (seen.loss.custom and static.loss.custom):
        return True
    return None in (seen.head.activation, static.head.activation) or seen.head.activation == static.head.activation


def _without_loss_name(static: TrainingSetup) -> TrainingSetup:
    return replace(static, loss=replace(static.loss, name=None, from_logits=Tri.UNKNOWN, parameters=()))


def contradictions(static: TrainingSetup, merged: TrainingSetup) -> Iterator[str]:
    """What reading took for known and the run showed to be otherwise: a sentence each.

    Of an alternative under a condition nothing is told: that another one ran contradicts nobody.
    """
    if static.condition is None:
        for words, read, ran in _clashes(static, merged):
            yield f"line {static.location.line}: the {words} is {_told(read)} by reading, and {_told(ran)} in the run"


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
        mixed=None,
        entering=None,
        asked=None,
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


def _merged(seen: Any, read: Any) -> Any:
    """One record of the two, field by field, as each field declares it."""
    if _is_contradicted(seen, read):
        return seen
    owner, other = _OWNER[type(seen)](seen, read) if type(seen) in _OWNER else (seen, read)
    values: dict[str, Any] = {}
    for item in fields(seen):
        name, how = item.name, item.metadata.get("merge")
        ours, theirs = getattr(seen, name), getattr(read, name)
        if how == "judged":
            values[name] = _judgement(type(seen), name)(seen, read)
        elif how == "owned":
            values[name] = getattr(owner, name)
        elif how == "both":
            values[name] = tuple(dict.fromkeys((*theirs, *ours)))
        elif how == "inside":
            values[name] = _merged(ours, theirs) if None not in (ours, theirs) else ours or theirs
        elif how == "read":
            values[name] = theirs if _is_known(item, theirs) else ours
        elif how == "run":
            values[name] = ours if _is_known(item, ours) else theirs
        elif how is None:
            first, second = getattr(owner, name), getattr(other, name)
            values[name] = first if _is_known(item, first) else second
    for item in fields(seen):
        if item.metadata.get("merge") == "goes with":
            leader = item.metadata["with"]
            givers = [stage for stage in (seen, read) if getattr(stage, leader) == values[leader]]
            followers = [getattr(stage, item.name) for stage in givers]
            values[item.name] = next((one for one in followers if _is_known(item, one)), followers[0])
    return replace(seen, **values)


def _is_known(item: Field[Any], value: object) -> bool:
    """Whether a field holds more than it does where nobody knows anything."""
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    return value is not None and value != default


def _is_contradicted(seen: Any, read: Any) -> bool:
    """Whether what was read of the record is of something else, so that no part of it can be kept."""
    if isinstance(seen, Head):
        return seen.activation is not None and read.activation not in (None, seen.activation)
    if isinstance(seen, LossUse):
        return seen.name is not None and read.name not in (None, seen.name) and read.location is None
    return False


def _owner_of_head(seen: Head, read: Head) -> tuple[Head, Head]:
    explained = seen.activation is None and (seen.range.values.unknown or _explains(read, seen))
    return (read, seen) if explained else (seen, read)


def _owner_of_loss(seen: LossUse, read: LossUse) -> tuple[LossUse, LossUse]:
    """The stage that knows the loss by name; a function that running could not name, reading may have followed."""
    unnamed = seen.name is None and (read.name is not None or not seen.custom)
    return (read, seen) if unnamed else (seen, read)


def _owner_of_data(seen: DataFacts, read: DataFacts) -> tuple[DataFacts, DataFacts]:
    return (read, seen) if seen.measured is None and seen.values.unknown else (seen, read)


_OWNER: dict[type, Callable[[Any, Any], tuple[Any, Any]]] = {
    Head: _owner_of_head,
    LossUse: _owner_of_loss,
    DataFacts: _owner_of_data,
}
"""whose account of a record is taken, and whose fills what that leaves open; of other records: what ran"""


def _explains(static: Head, seen: Head) -> bool:
    """Whether reading knows a range, where running only saw some values, and all of those lie in it."""
    if static.range.values.unknown or not (seen.sampled or seen.range.values.hull.is_real_line):
        return False
    reach = seen.range.values.reach
    return reach is None or static.range.values.hull.covers(reach, tolerance=1e-6)


def _others(seen: Head, read: Head) -> tuple[Location | None, ...]:
    """Of one stage, as the place of the activation is: only places of one kind go together."""
    if read.location is None or _owner_of_head(seen, read)[0] is read:
        return read.others or seen.others
    return read.others if len(read.others) >= len(seen.others) else (None,)


def _trail_of_head(seen: Head, read: Head) -> tuple[TrailStep, ...]:
    tried = seen.sampled and _owner_of_head(seen, read)[0] is seen
    return seen.trail if tried else read.trail or seen.trail


def _custom(seen: LossUse, read: LossUse) -> bool:
    """A loss that reading knows by name was not written out, whatever it looked like while it ran."""
    if _owner_of_loss(seen, read)[0] is read:
        return read.custom
    return seen.custom and (read.custom or read.name != seen.name)


def _wrapped(seen: DataFacts, read: DataFacts) -> TrailStep | None:
    return seen.wrapped or (None if _stayed_low(seen, read) else read.wrapped)


def _stayed_low(seen: DataFacts, static: DataFacts) -> bool:
    """Whether the data that were measured do not come near the top, where values that wrap round end or come from."""
    hull, reach = static.values.hull, seen.values.reach
    if seen.measured is None or seen.stand_in or reach is None or not hull.bounded:
        return False
    return reach.hi < (hull.lo + hull.hi) / 2


def _relation(seen: TrainingSetup, read: TrainingSetup) -> Relation:
    """What ran, except that numbers do not say whether they are labels or other whole numbers, and the source may."""
    unsaid = seen.relation is Relation.OTHER and seen.target.structure is Structure.UNKNOWN
    if seen.relation is Relation.UNKNOWN or (unsaid and read.relation is Relation.LABELS):
        return read.relation
    return seen.relation


def _metrics(seen: TrainingSetup, read: TrainingSetup) -> tuple[MetricUse, ...]:
    places = {metric.name: metric for metric in read.metrics}
    found = tuple(places.get(metric.name, metric) for metric in seen.metrics)
    called = tuple(metric for metric in read.metrics if metric.span is not None and metric not in found)
    return (*found, *called) if found else read.metrics


_JUDGEMENTS: dict[tuple[type, str], Callable[[Any, Any], Any]] = {
    (Head, "others"): _others,
    (Head, "trail"): _trail_of_head,
    (LossUse, "custom"): _custom,
    (DataFacts, "wrapped"): _wrapped,
    (TrainingSetup, "relation"): _relation,
    (TrainingSetup, "metrics"): _metrics,
}
"""of each field that is declared JUDGED"""


def _judgement(kind: type, name: str) -> Callable[[Any, Any], Any]:
    return next(_JUDGEMENTS[base, name] for base in kind.__mro__ if (base, name) in _JUDGEMENTS)


def _clashes(read: Any, ran: Any, of: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each fact that both records know, and differently: its words, and the two values."""
    if isinstance(read, Head) and (read.activation in ran.after or ran.activation in read.after):
        return  # two activations behind each other, of which each stage names another one
    for item in fields(read):
        ours, theirs = getattr(read, item.name), getattr(ran, item.name)
        words = " ".join(filter(None, (of, item.metadata.get("fact"))))
        if item.metadata.get("merge") == "inside":
            made_up = getattr(theirs, "stand_in", False)
            if None not in (ours, theirs) and not made_up:
                yield from _clashes(ours, theirs, words)
        elif "fact" in item.metadata and _is_known(item, ours) and _is_known(item, theirs) and _differ(ours, theirs):
            yield words, ours, theirs


def _differ(read: Any, ran: Any) -> bool:
    """Whether two known values cannot both be true."""
    if isinstance(read, ValueRange):
        return _ranges_differ(read, ran)
    if isinstance(read, tuple):  # a shape
        return len(read) != len(ran) or any(
            None not in pair and pair[0] != pair[1] for pair in zip(read, ran, strict=True)
        )
    return bool(read != ran)


def _ranges_differ(read: ValueRange, ran: ValueRange) -> bool:
    """Whether values occurred that cannot, or all of them are much smaller than what surely occurs.

    The run measured some of the data, so that their ends need not be those of all of them.
    """
    if ran.reach is None:
        return False
    if not read.hull.covers(ran.reach, tolerance=ROUNDING * max(1.0, abs(ran.reach.lo), abs(ran.reach.hi))):
        return True
    largest = max(abs(ran.reach.lo), abs(ran.reach.hi))
    return read.reach is not None and max(abs(read.reach.lo), abs(read.reach.hi)) > OTHER_SCALE * largest


def _told(value: Any) -> str:
    if isinstance(value, ValueRange):
        return str(value.hull if value.hull.bounded or value.reach is None else value.reach)
    if isinstance(value, tuple):
        return f"({', '.join('?' if extent is None else str(extent) for extent in value)})"
    return f"`{value}`"

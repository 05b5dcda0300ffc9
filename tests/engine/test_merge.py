"""What running saw and what reading knows become one setup, and nothing that only one of them knows is lost."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, make_dataclass, replace
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from ae_audit.engine.merge import _JUDGEMENTS, _OWNER, contradictions, match, match_all, merge, to_be_seen
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.training_setup import (
    Certificate,
    Condition,
    DataFacts,
    Framework,
    Head,
    LossUse,
    Measurement,
    MetricUse,
    ModelFacts,
    Reduction,
    Relation,
    Structure,
    TrainingSetup,
    VariationalTerms,
)
from ae_audit.theory.activations import ActivationRange
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import Tri, ValueRange


def some(kind: Any) -> Any:
    """A value of a declared type that is not what a field holds where nothing is known."""
    if get_origin(kind) in {Union, UnionType}:
        return some(next(one for one in get_args(kind) if one is not type(None)))
    if get_origin(kind) is tuple:
        return tuple(some(one) for one in get_args(kind) if one is not Ellipsis)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(one for one in kind if one.name != "UNKNOWN")
    if is_dataclass(kind):
        return kind(**{item.name: some(get_type_hints(kind)[item.name]) for item in fields(kind)})
    return {bool: True, int: 7, float: 0.5, str: "some"}[kind]


def filled(record: Any) -> Any:
    """``record`` with some value in every field that it leaves at its default, those added later among them."""
    hints = get_type_hints(type(record))
    bare = {item.name: item.default for item in fields(record) if getattr(record, item.name) == item.default}
    return replace(record, **{name: some(hints[name]) for name in bare})


FIT, ELSEWHERE = Location("model.py", 20, 1), Location("model.py", 8, 5)
SEEN = TrainingSetup(Framework.TORCH, FIT, seen_by=("runtime",))
MEASURED = Measurement(10, 5, 0.5, 0.1, (0.0, 0.0, 0.2, 0.5, 0.7, 1.0, 1.0), 0.0, 0.0, 0.0, 0.5, 0.1, 0)

MODEL = filled(ModelFacts("AE", ("Linear",), Tri.YES, Tri.YES, "relu", ELSEWHERE))
DATA = filled(
    DataFacts(
        values=ValueRange.exactly(UNIT),
        dtype="float32",
        shape=(None, 784),
        structure=Structure.DISTRIBUTION,
        structure_axis=1,
        source="mnist.load_data()",
        standardised=Tri.NO,
        noised=Tri.YES,
        normalised_channels=(3, 1),
        wrapped=TrailStep("x - 128", ELSEWHERE),
        stand_in=True,
        measured=MEASURED,
        location=ELSEWHERE,
        trail=(TrailStep("/ 255", ELSEWHERE),),
    )
)
READ = filled(
    TrainingSetup(
        Framework.TORCH,
        FIT,
        backend="torch",
        head=Head("sigmoid", "nn.Sigmoid()", location=ELSEWHERE),
        loss=LossUse("bce", "nn.BCELoss()", location=ELSEWHERE),
        target=DATA,
        input=DATA,
        relation=Relation.RESCALED,
        relation_scale=(2.0, -1.0),
        model=MODEL,
        metrics=(MetricUse("mse", "mse"),),
        validation_target=DATA,
        validation_input=DATA,
        optimizer="Adam",
        gradients_reset=Tri.NO,
        backward_location=ELSEWHERE,
        variational=VariationalTerms(Reduction("mean", "mean"), Reduction("sum", "mean"), 20, 128, ELSEWHERE),
        certificate=Certificate(5, 0.0),
        condition=Condition("fast", default=True),
    )
)


@pytest.mark.parametrize("name", [item.name for item in fields(TrainingSetup)])
def test_what_only_reading_knows_is_kept(name: str) -> None:
    merged = merge(SEEN, READ)
    if name == "condition":
        assert merged.condition is None, "it ran, so it holds"
    elif name == "seen_by":
        assert merge(SEEN, replace(READ, seen_by=("static",))).seen_by == ("static", "runtime")
    else:
        assert getattr(merged, name) == getattr(READ, name) != getattr(TrainingSetup(Framework.KERAS, ELSEWHERE), name)


@pytest.mark.parametrize("name", [item.name for item in fields(ModelFacts)])
def test_what_only_reading_knows_of_the_model_is_kept(name: str) -> None:
    merged = merge(replace(SEEN, model=ModelFacts(first_layers=("Linear",))), READ).model
    assert getattr(merged, name) == getattr(MODEL, name) != getattr(ModelFacts(), name)


@pytest.mark.parametrize("name", [item.name for item in fields(DataFacts)])
def test_what_only_reading_knows_of_the_data_is_kept(name: str) -> None:
    ours = DataFacts(ValueRange.exactly(Interval(0.1, 0.9)), "float32", (10, 784), measured=MEASURED)
    merged = merge(replace(SEEN, target=ours), READ).target
    if name in {"values", "shape", "dtype", "measured"}:
        assert getattr(merged, name) == getattr(ours, name), "real arrays win"
    else:
        assert getattr(merged, name) == getattr(DATA, name) != getattr(DataFacts(), name)


def test_what_ran_wins_over_what_was_read() -> None:
    seen = replace(SEEN, head=Head("tanh"), loss=LossUse("mse"), relation=Relation.SAME, optimizer="SGD")
    merged = merge(seen, READ)
    assert merged.head.activation == "tanh"
    assert merged.loss.name == "mse"
    assert merged.relation is Relation.SAME
    assert merged.optimizer == "SGD"


def test_a_range_that_was_tried_gives_way_to_one_that_was_read() -> None:
    tried = Head(range=ActivationRange.exactly(Interval(0.1, 0.2)), units=10, sampled=True)
    bounded = Head(range=ActivationRange.exactly(Interval(0.0, 1.0)))
    merged = merge(replace(SEEN, head=tried), replace(READ, head=bounded)).head
    assert (merged.range, merged.units, merged.sampled) == (bounded.range, 10, False)
    kept = merge(replace(SEEN, head=tried), replace(READ, head=Head(written="f(x)"))).head
    assert (kept.range, kept.written, kept.sampled) == (tried.range, "f(x)", True)


@pytest.mark.parametrize(("reach", "activation"), [((0.4, 0.6), "sigmoid"), ((0.4, 1.5), None)])
def test_an_activation_that_only_reading_knows_is_kept_where_it_explains_what_was_seen(
    reach: tuple[float, float], activation: str | None
) -> None:
    some = Head(range=ActivationRange(ValueRange(Interval(-math.inf, math.inf), Interval(*reach))), units=10)
    read = Head("sigmoid", range=ActivationRange.exactly(Interval(0.0, 1.0)))
    merged = merge(replace(SEEN, head=some), replace(READ, head=read)).head
    assert (merged.activation, merged.units) == (activation, 10)


def test_a_loss_that_reading_knows_by_name_was_not_written_out() -> None:
    by_values = LossUse("bce", custom=True)
    assert not merge(replace(SEEN, loss=by_values), READ).loss.custom
    assert merge(replace(SEEN, loss=by_values), replace(READ, loss=LossUse(written="own"))).loss.custom


def test_the_source_tells_labels_from_other_whole_numbers() -> None:
    read = replace(READ, relation=Relation.LABELS)
    unsaid = replace(SEEN, relation=Relation.OTHER, target=DataFacts(structure=Structure.UNKNOWN))
    assert merge(unsaid, read).relation is Relation.LABELS
    said = replace(unsaid, target=DataFacts(structure=Structure.CONTINUOUS))
    assert merge(said, read).relation is Relation.OTHER


def test_of_several_alternatives_at_a_place_the_one_that_ran_is_found() -> None:
    tanh, sigmoid = (replace(READ, head=Head(name), condition=Condition(name)) for name in ("tanh", "sigmoid"))
    assert match(replace(SEEN, head=Head("sigmoid")), [tanh, sigmoid]) == 1
    assert match(replace(SEEN, location=Location("model.py", 99)), [tanh, sigmoid]) is None


def test_trainings_of_a_loop_are_matched_one_by_one():
    read = [replace(READ, condition=None), replace(READ, condition=None), replace(READ, location=ELSEWHERE)]
    assert match_all([SEEN, SEEN, SEEN], read) == [0, 1, 0]
    assert to_be_seen(read) == {FIT: 2, ELSEWHERE: 1}


def test_of_alternatives_under_conditions_one_is_waited_for():
    other = replace(READ, condition=Condition("not fast", default=False))
    assert to_be_seen([READ, other]) == {FIT: 1}


def test_bytes_that_were_feared_to_wrap_round_are_let_go_where_the_data_stay_low() -> None:
    feared = replace(READ.target, values=ValueRange(Interval(0.0, 255.0)), stand_in=False)
    read = replace(READ, target=feared)
    labels = DataFacts(ValueRange.exactly(Interval(0.0, 2.0)), "uint8", (10, 1), measured=MEASURED)
    assert merge(replace(SEEN, target=labels), read).target.wrapped is None
    high = replace(labels, values=ValueRange.exactly(Interval(0.0, 255.0)))
    assert merge(replace(SEEN, target=high), read).target.wrapped is not None
    assert merge(replace(SEEN, target=replace(labels, stand_in=True)), read).target.wrapped is not None


# --- every field of every record ------------------------------------------------------------------------------------

WAYS = {None, "read", "run", "owned", "inside", "both", "judged", "goes with"}
RECORDS = (TrainingSetup, Head, LossUse, DataFacts, ModelFacts, VariationalTerms)
"""the records that are merged field by field"""
FIELDS = [(record, item) for record in RECORDS for item in fields(record)]


def named(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else value.name


@pytest.mark.parametrize(("record", "item"), FIELDS, ids=named)
def test_what_a_field_declares_can_be_done(record: type, item: Any) -> None:
    how = item.metadata.get("merge")
    assert how in WAYS
    kinds = [kind for kind in (get_type_hints(record)[item.name],) for kind in (get_args(kind) or (kind,))]
    assert (how == "inside") == any(kind in RECORDS for kind in kinds), "records are merged inside, and nothing else is"
    assert (how == "judged") == ((record, item.name) in _JUDGEMENTS)
    if how == "goes with":
        assert item.metadata["with"] in {other.name for other in fields(record)}


def test_each_judgement_is_of_a_field() -> None:
    assert set(_JUDGEMENTS) <= {(record, item.name) for record, item in FIELDS}
    assert set(_OWNER) <= set(RECORDS)


KNOWN: dict[type, Any] = {
    Head: Head(
        activation="leaky_relu",
        written="nn.LeakyReLU(.2)",
        parameters=(("slope", 0.2),),
        range=ActivationRange.exactly(UNIT),
        axis=1,
        units=784,
        shape=(None, 784),
        after=("Reshape",),
        sampled=True,
        logits_recoverable=Tri.YES,
        location=ELSEWHERE,
        others=(ELSEWHERE,),
        trail=(TrailStep("leaky", ELSEWHERE),),
    ),
    LossUse: LossUse(
        name="huber",
        written="nn.HuberLoss()",
        from_logits=Tri.UNKNOWN,
        parameters=(("delta", 2.0),),
        reduction="sum",
        weight=0.5,
        custom=True,
        alone=Tri.YES,
        raises="the sizes differ",
        location=ELSEWHERE,
        trail=(TrailStep("loss", ELSEWHERE),),
    ),
    DataFacts: DATA,
    ModelFacts: MODEL,
    VariationalTerms: READ.variational,
}


def within(record: type, value: Any) -> TrainingSetup:
    """A set-up of which nothing but one record is known."""
    name = next(
        item.name
        for item in fields(TrainingSetup)
        if record in (get_args(get_type_hints(TrainingSetup)[item.name]) or (get_type_hints(TrainingSetup)[item.name],))
    )
    return replace(TrainingSetup(Framework.TORCH, FIT), **{name: value})


def inside(record: type, setup: TrainingSetup) -> Any:
    return next(value for item in fields(setup) if isinstance(value := getattr(setup, item.name), record))


@pytest.mark.parametrize("record", KNOWN, ids=named)
def test_a_record_that_only_one_stage_knows_is_kept_whole(record: type) -> None:
    known = filled(KNOWN[record])
    for seen, read in ((SEEN, within(record, known)), (within(record, known), SEEN)):
        assert inside(record, merge(seen, read)) == known


@pytest.mark.parametrize(("record", "item"), [one for one in FIELDS if one[0] in KNOWN], ids=named)
def test_a_field_that_both_know_alike_is_kept(record: type, item: Any) -> None:
    known = filled(KNOWN[record])
    both = within(record, known)
    assert getattr(inside(record, merge(both, both)), item.name) == getattr(known, item.name)


def test_a_new_field_needs_no_word_in_merge() -> None:
    wider: Any = make_dataclass("Wider", [("novel", "str | None", None)], bases=(TrainingSetup,), frozen=True)
    assert is_dataclass(wider)
    plain, told, other = (wider(Framework.TORCH, FIT, novel=novel) for novel in (None, "a", "b"))
    assert merge(plain, told).novel == "a"  # type: ignore[attr-defined]
    assert merge(told, plain).novel == "a"  # type: ignore[attr-defined]
    assert merge(told, other).novel == "a"  # type: ignore[attr-defined]


# --- contradictions -------------------------------------------------------------------------------------------------


def told(seen: TrainingSetup, read: TrainingSetup) -> list[str]:
    return list(contradictions(read, merge(seen, read)))


PLAIN = TrainingSetup(Framework.TORCH, FIT, loss=LossUse("bce", "nn.BCELoss()", location=ELSEWHERE))


def data(lo: float, hi: float, **more: Any) -> DataFacts:
    return DataFacts(ValueRange.exactly(Interval(lo, hi)), **more)


def test_a_loss_that_only_reading_could_name_is_kept() -> None:
    unnamed = LossUse(custom=True, from_logits=Tri.UNKNOWN)
    read = replace(PLAIN, loss=LossUse("bce", "K.binary_crossentropy(x, y)", Tri.NO, custom=True, location=ELSEWHERE))
    assert merge(replace(SEEN, loss=unnamed), read).loss == read.loss
    nameless = replace(PLAIN, loss=LossUse(written="own(x, y)", custom=True, location=ELSEWHERE))
    assert merge(replace(SEEN, loss=unnamed), nameless).loss.from_logits is Tri.UNKNOWN


def test_what_the_run_contradicts_is_told() -> None:
    seen = replace(SEEN, loss=LossUse("mse"))
    assert told(seen, PLAIN) == ["line 20: the loss is `bce` by reading, and `mse` in the run"]
    assert merge(seen, PLAIN).loss.name == "mse"


@pytest.mark.parametrize(
    ("read", "ran", "differ"),
    [
        ((0, 1), (0, 255), True),
        ((0, 255), (0, 1), True),
        ((0, 255), (0, 200), False),
        ((0, 1), (0.1, 0.6), False),
        ((0, 1), (0, 1.0001), False),
        ((0, 1), (-1, 1), True),
        ((-1, 1), (0, 0.5), False),
    ],
)
def test_a_range_is_contradicted_by_what_lies_outside_or_on_another_scale(
    read: tuple[float, float], ran: tuple[float, float], differ: bool
) -> None:
    seen = replace(SEEN, target=data(*ran, measured=MEASURED))
    assert bool(told(seen, replace(PLAIN, target=data(*read)))) is differ
    made_up = replace(SEEN, target=data(*ran, measured=MEASURED, stand_in=True))
    assert not told(made_up, replace(PLAIN, target=data(*read)))


@pytest.mark.parametrize(
    ("read", "ran", "differ"),
    [((None, 784), (64, 784), False), ((None, 784), (64, 28), True), ((None, 784), (64, 28, 28), True)],
)
def test_unknown_extents_contradict_nothing(
    read: tuple[int | None, ...], ran: tuple[int | None, ...], differ: bool
) -> None:
    seen = replace(SEEN, target=data(0, 1, measured=MEASURED, shape=ran))
    assert bool(told(seen, replace(PLAIN, target=DataFacts(shape=read)))) is differ


def test_two_activations_behind_each_other_are_no_contradiction() -> None:
    ran, read = Head("softmax", after=("log_softmax",)), Head("log_softmax")
    assert not told(replace(SEEN, head=ran), replace(PLAIN, head=read))
    assert not told(replace(SEEN, head=read), replace(PLAIN, head=ran))
    assert told(replace(SEEN, head=Head("softmax")), replace(PLAIN, head=read))


def test_an_alternative_that_did_not_run_contradicts_nothing() -> None:
    under = replace(PLAIN, condition=Condition("loss == 'bce'"))
    assert not told(replace(SEEN, loss=LossUse("mse")), under)


def test_a_loss_that_a_layer_adds_is_seen_where_it_is_computed_and_read_where_the_model_is_fitted() -> None:
    added = replace(SEEN, location=ELSEWHERE, framework=Framework.KERAS)
    fitted = replace(SEEN, framework=Framework.KERAS, loss=LossUse(name="bce", location=ELSEWHERE), seen_by=("static",))
    other = replace(fitted, loss=LossUse(name="mse"))
    assert match(added, [other, fitted]) == 1
    assert match(added, [other]) is None
    assert match(replace(added, location=FIT), [other, fitted]) == 0

"""Hand-built training setups for the tests of the rules."""

from __future__ import annotations

from dataclasses import replace

from ae_audit.rules.registry import find_rule
from ae_audit.schema.findings import UnknownFact, Violation
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import (
    DataFacts,
    Framework,
    Head,
    LossUse,
    Measurement,
    ModelFacts,
    Relation,
    Structure,
    TrainingSetup,
)
from ae_audit.theory.activations import find_activation
from ae_audit.theory.intervals import BYTE, REAL_LINE, UNIT, Interval
from ae_audit.theory.ranges import Tri, ValueRange

KERAS, TORCH = Framework.KERAS, Framework.TORCH
FIT, HEAD, LOSS, DATA = (Location("m.py", line, 5, line, 25) for line in (30, 20, 25, 10))


def data(values: ValueRange | Interval, structure: Structure = Structure.CONTINUOUS, **facts: object) -> DataFacts:
    known = ValueRange.exactly(values) if isinstance(values, Interval) else values
    return DataFacts(known, structure=structure, location=DATA, **facts)  # type: ignore[arg-type]


RAW = data(BYTE, source="mnist.load_data()")
GREY = data(UNIT)
SIGNED = data(Interval(-1.0, 1.0))
STANDARDISED = data(ValueRange(REAL_LINE, Interval(-0.1, 0.1)), standardised=Tri.YES)
UNKNOWN = DataFacts()
BLACK_AND_WHITE = data(UNIT, Structure.MULTI_HOT)
CLASSES = data(Interval(0.0, 9.0), Structure.CLASS_INDEX)
ONE_HOT = data(UNIT, Structure.ONE_HOT, structure_axis=-1)
YES_OR_NO = data(UNIT, Structure.BINARY_LABEL)


def measured(low: float, high: float, *, zeros: float = 0.0, ones: float = 0.0, **facts: object) -> DataFacts:
    """Data as the runtime stage has seen it: uniform between its ends."""
    quantiles = tuple(low + share * (high - low) for share in (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0))
    seen = Measurement(7840, 10, (low + high) / 2, (high - low) / 3.46, quantiles, 0.0, zeros, ones, low, zeros, 0)
    return data(Interval(low, high), measured=replace(seen, **facts))  # type: ignore[arg-type]


def setup(
    activation: str | None,
    loss: str | None,
    target: DataFacts,
    *,
    framework: Framework = KERAS,
    logits: Tri = Tri.NO,
    given: DataFacts | None = None,
    relation: Relation | None = None,
    units: int | None = 784,
    axis: int | None = -1,
    recoverable: Tri = Tri.UNKNOWN,
    **facts: object,
) -> TrainingSetup:
    """A reconstruction (unless ``given`` is another input) of one head, one loss and one target."""
    head = Head(units=units)
    if activation is not None:
        known = find_activation(activation, **({"axis": axis} if "softmax" in activation else {}))
        assert known is not None
        head = Head(
            activation,
            written=repr(activation),
            range=known.range,
            axis=axis if "softmax" in activation else None,
            units=units,
            logits_recoverable=recoverable,
            location=HEAD,
        )
    facts.setdefault("model", ModelFacts(normalises_input=Tri.NO))
    return TrainingSetup(
        framework,
        FIT,
        head=head,
        loss=LossUse(loss, written=repr(loss), from_logits=logits, location=LOSS),
        target=target,
        input=target if given is None else given,
        relation=relation or (Relation.SAME if given is None else Relation.OTHER),
        **facts,  # type: ignore[arg-type]
    )


def violations(code: str, subject: TrainingSetup) -> list[Violation]:
    return [outcome for outcome in find_rule(code).check(subject) if isinstance(outcome, Violation)]


def undecided_by(code: str, subject: TrainingSetup) -> list[str]:
    return [outcome.what for outcome in find_rule(code).check(subject) if isinstance(outcome, UnknownFact)]


def remedies(code: str, subject: TrainingSetup) -> list[str]:
    (violation,) = violations(code, subject)
    return [str(remedy) for remedy in violation.remedies]

"""``ae-audit explain``: the way of the data to the loss, in plain words, whether or not anything is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ae_audit.report.phrases import figure, head_in_words, loss_in_words
from ae_audit.report.text_layout import DEFAULT_WIDTH, Line, Page, Segment, in_code
from ae_audit.rules.predicates import loss_words, values_words
from ae_audit.schema.findings import Severity
from ae_audit.schema.location import Location, TrailStep, address
from ae_audit.schema.report import Report
from ae_audit.schema.training_setup import DataFacts, Relation, Structure, TrainingSetup
from ae_audit.source.text import Sources
from ae_audit.theory.activations import Constraint
from ae_audit.theory.loss import Link
from ae_audit.theory.ranges import Tri

_LABEL = len("prediction") + 2
_RELATIONS = {
    Relation.SAME: "the input itself: a reconstruction",
    Relation.RESCALED: "the input on another scale",
    Relation.NOISED_INPUT: "the clean form of the input, which is corrupted: a denoiser",
    Relation.NOISED_TARGET: "a corrupted form of the input",
    Relation.LABELS: "labels of the input",
    Relation.OTHER: "other data than the input",
}
_LINKS = {
    Link.SIGMOID: "the sigmoid is the target",
    Link.SOFTMAX: "the softmax is the target",
    Link.EXP: "the exponential is the target",
    Link.SIGN: "the sign is the target",
}


def explanation(report: Report, sources: Sources, *, width: int | None = None, ascii_only: bool = False) -> list[Line]:
    """For each training: source of the data, each step with its line, head, loss, floor and what is wrong."""
    page = Page(width or DEFAULT_WIDTH, ascii_only)
    for number, setup in enumerate(report.setups):
        page.blank()
        _add_setup(page, report, number, setup, sources)
    if not report.setups:
        page.line(Segment("No training was found.", "bold"))
    if report.undecided:
        page.blank()
        page.line(Segment("Unknown:", "bold"))
        for item in report.undecided:
            place = Segment(f"{address(item.path, item.cell, item.line)}: ", "place")
            page.segments([place, Segment(f"{item.what}: ", "bold"), *in_code(item.why)], indent=2, hang=4)
    for error in report.errors:
        page.blank()
        place = Segment(f"{address(error.path, error.cell, error.line)}: ", "place")
        page.segments([place, *in_code(error.message)], hang=2)
    return page.lines


def _add_setup(page: Page, report: Report, number: int, setup: TrainingSetup, sources: Sources) -> None:
    place = setup.location
    page.segments(
        [Segment(f"{address(place.path, place.cell, place.line)}:", "place"), *_written(place, sources)], hang=2
    )
    if setup.condition is not None:
        page.paragraph(f"when `{setup.condition.text}`", indent=2, hang=2)
    for label, rows in parts(setup):
        for index, (text, where) in enumerate(rows):
            lead = Segment(f"{label if not index else '':<{_LABEL}}", "bold")
            near = [Segment(f" [{_near(where, place)}]", "dim")] if where is not None else []
            page.segments([lead, *in_code(text), *near], indent=2, lead=1)
    for finding in report.standing:
        if finding.setup == number and finding.severity is not Severity.INFO:
            lead = Segment(f"{finding.code:<{_LABEL}}", finding.severity.value)
            page.segments([lead, *in_code(finding.message)], indent=2, lead=1)


def _written(place: Location, sources: Sources) -> list[Segment]:
    lines = sources.lines(place.path, place.cell) or []
    text = lines[place.line - 1].strip() if place.line <= len(lines) else ""
    return [Segment(f" {text}")] if text else []


Row = tuple[str, Location | None]
"""a sentence, and the place that it speaks of, where it has one"""


def parts(setup: TrainingSetup) -> Iterator[tuple[str, Sequence[Row]]]:
    """Input, target, prediction and loss of a training, each with what is known of it, step by step."""
    yield "input", list(_data(setup.input))
    yield "target", list(_target(setup))
    yield "prediction", list(_head(setup))
    yield "loss", list(_loss(setup))


def _data(data: DataFacts) -> Iterator[Row]:
    yield from _steps(data.trail)
    kind = " ".join(word for word in (data.dtype or "", _shape(data.shape)) if word)
    if data.values.unknown and data.standardised is not Tri.YES:
        where = f" of {data.source}" if data.source else ""
        yield f"{kind + ': ' if kind else ''}values{where} of unknown range", None
    else:
        yield f"{kind + ': ' if kind else ''}{values_words(data)}", None


def _target(setup: TrainingSetup) -> Iterator[Row]:
    relation = _RELATIONS.get(setup.relation)
    if relation is not None:
        yield relation, None
    if setup.relation is Relation.SAME and setup.target.trail == setup.input.trail:
        return
    if setup.target.structure not in {Structure.UNKNOWN, Structure.CONTINUOUS}:
        yield f"holds {setup.target.structure.value} values", None
    yield from _data(setup.target)


def _head(setup: TrainingSetup) -> Iterator[Row]:
    head = setup.head
    shape = _shape(head.shape)
    what = head_in_words(head) if head.activation is not None else "of an unknown output activation"
    yield f"{what}{', shape ' + shape if shape else ''}", head.location
    produced = head.range
    if not produced.values.unknown:
        summing = ", which sum to 1" if produced.constraint is Constraint.SIMPLEX else ""
        yield f"values in {produced.values.hull}{summing}", None


def _loss(setup: TrainingSetup) -> Iterator[Row]:
    loss = setup.loss
    known = loss.theory
    if known is None:
        yield loss_in_words(loss), loss.location
        return
    yield loss_words(setup), loss.location
    if loss.custom:
        yield "written out in the program, and recognised", None
    yield f"expects as prediction: {known.prediction_kind.value}; as target: {known.target_kind.value}", None
    if known.link in _LINKS:
        yield f"of the prediction that minimises it, {_LINKS[known.link]}", None
    elif known.suits:
        yield "the prediction that minimises it is the target itself", None
    certificate = setup.certificate
    if certificate is not None and certificate.floor is not None:
        yield _floor(certificate.floor, certificate.mean_prediction_loss), None
    elif known.floor_unknown is not None:
        yield f"the least it can reach is unknown: {known.floor_unknown}", None


def _floor(floor: float, mean: float | None) -> str:
    if math.isinf(floor):
        return "on this data it has no least value: it runs to −∞"
    compared = f"; predicting the mean target costs {figure(mean)}" if mean is not None else ""
    return f"a perfect prediction would print {figure(floor)}{compared}"


def _steps(trail: Sequence[TrailStep]) -> Iterator[Row]:
    for step in trail:
        yield step.text, step.location


def _shape(shape: Sequence[int | None] | None) -> str:
    if shape is None:
        return ""
    extents = ["?" if extent is None else str(extent) for extent in shape]
    if shape and shape[0] is None:
        extents[0] = "N"
    return f"({', '.join(extents)}{',' if len(shape) == 1 else ''})"


def _near(where: Location, place: Location) -> str:
    if (where.path, where.cell) == (place.path, place.cell):
        return f"line {where.line}"
    return address(where.path, where.cell, where.line)

"""Run the rules over training setups, and make findings of what they yield."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ae_audit.base.records import dataclass, replace
from ae_audit.rules.base import Rule
from ae_audit.rules.registry import select_rules
from ae_audit.schema.findings import Finding, Severity, Undecided, UnknownFact, Verdict, Violation
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Condition, TrainingSetup


@dataclass(frozen=True, slots=True)
class _Accusation:
    """A violation with what it belongs to."""

    rule: Rule
    violation: Violation
    setup: int
    condition: Condition | None


def check(
    setups: Sequence[TrainingSetup],
    select: Collection[str] | None = None,
    ignore: Collection[str] = (),
    modules: tuple[str, ...] = (),
) -> tuple[tuple[Finding, ...], tuple[Undecided, ...]]:
    """Findings, the worst first and then by place, and what could not be decided.

    Selectors are codes, prefixes of codes and names; ``select=None`` is every rule. ``modules`` hold other rules.

    Alternatives of one place (setups with a condition) are judged together: what all of them break is a plain finding;
    what only some break is a finding under the default condition, and a note under any other.

    Raises:
        UsageError: for a selector that stands for no rule.
    """
    rules = select_rules(select, ignore, modules)
    accusations: list[_Accusation] = []
    unknown: dict[tuple[int, str], tuple[UnknownFact, list[str]]] = {}
    for index, setup in enumerate(setups):
        for rule in rules:
            for outcome in rule.check(setup):
                if isinstance(outcome, Violation):
                    accusations.append(_Accusation(rule, outcome, index, setup.condition))
                else:
                    unknown.setdefault((index, outcome.what), (outcome, []))[1].append(rule.code)
    findings = _merged(_findings(accusations, setups))
    undecided = [_undecided(setups[index], outcome, codes) for (index, _), (outcome, codes) in unknown.items()]
    return tuple(sorted(findings, key=_order)), tuple(dict.fromkeys(undecided))


def explained(undecided: Iterable[Undecided], reasons: Iterable[Undecided]) -> tuple[Undecided, ...]:
    """``reasons`` (what a stage could not find out, and why) joined with what the rules could not decide for it.

    Of two that speak of the same fact at the same place one is kept: with the stage's reason and the rules' codes.
    """
    known = {(one.path, one.cell, one.line, one.what): one for one in reasons}
    for one in undecided:
        key = (one.path, one.cell, one.line, one.what)
        before = known.get(key)
        if before is None:
            known[key] = one
        else:
            known[key] = replace(before, rules=tuple(sorted({*before.rules, *one.rules})))
    return tuple(known.values())


def _findings(accusations: Iterable[_Accusation], setups: Sequence[TrainingSetup]) -> Iterable[Finding]:
    accusations = list(accusations)
    alternatives: dict[Location, int] = {}
    for setup in setups:
        if setup.condition is not None:
            alternatives[setup.location] = alternatives.get(setup.location, 0) + 1
    guilty: dict[tuple[Location, str], set[int]] = {}
    for accusation in accusations:
        if accusation.condition is not None:
            key = (setups[accusation.setup].location, accusation.rule.code)
            guilty.setdefault(key, set()).add(accusation.setup)
    for accusation in accusations:
        place = setups[accusation.setup].location
        all_alternatives = 0 if accusation.condition is None else alternatives.get(place, 0)
        always = all_alternatives > 1 and len(guilty[place, accusation.rule.code]) == all_alternatives
        yield _finding(accusation, None if always else accusation.condition)


def _finding(accusation: _Accusation, condition: Condition | None) -> Finding:
    rule, violation = accusation.rule, accusation.violation
    severity = violation.severity or rule.severity
    if condition is not None and not condition.default:
        severity = Severity.INFO
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=severity,
        message=violation.message,
        location=violation.location,
        verdict=Verdict.PROVED if violation.proved else Verdict.STATIC,
        evidence=violation.evidence,
        spans=violation.spans,
        remedies=violation.remedies,
        condition=None if condition is None else condition.text,
        setup=accusation.setup,
    )


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each rule and place: the gravest, with what the others add to its evidence."""
    kept: dict[tuple[str, Location], Finding] = {}
    for finding in sorted(findings, key=lambda finding: (finding.severity.rank, finding.condition is not None)):
        key = (finding.code, finding.location)
        first = kept.setdefault(key, finding)
        if first is not finding:
            told = {item.text for item in first.evidence}
            more = tuple(item for item in finding.evidence if item.text not in told)
            if any(item.kind == "certificate" for item in first.evidence):  # what only a run can tell, one has told
                more = tuple(item for item in more if item.kind != "static" or item.location is not None)
            verdict = Verdict.PROVED if finding.verdict is Verdict.PROVED else first.verdict
            kept[key] = replace(first, evidence=first.evidence + more, verdict=verdict)
    return list(kept.values())


def _undecided(setup: TrainingSetup, outcome: UnknownFact, codes: Sequence[str]) -> Undecided:
    place = setup.location
    return Undecided(place.path, outcome.what, outcome.why, place.line, place.cell, tuple(sorted(set(codes))))


def _order(finding: Finding) -> tuple[int, str, int, int, int, str]:
    place = finding.location
    cell = -1 if place.cell is None else place.cell
    return (finding.severity.rank, place.path, cell, place.line, place.column, finding.code)

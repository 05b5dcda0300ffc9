"""Run the rules over training setups, and make findings of what they yield.

Three pure steps: :func:`judge` looks at one set-up; :func:`under_conditions` compares the alternatives of one place;
:func:`told_once` makes one finding of what several set-ups say of the same code. :func:`audit` is all three.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ae_audit.base.records import replace
from ae_audit.rules.base import Rule
from ae_audit.rules.registry import all_rules, select_rules
from ae_audit.schema.audited import AuditedSetup, numbered
from ae_audit.schema.findings import Finding, Severity, Undecided, UnknownFact, Verdict, Violation
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import TrainingSetup

MOST_CONDITIONS = 3
"""conditions that a finding names; of more it says how many"""
_STRENGTH = (Verdict.STATIC, Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.CONFIRMED, Verdict.PROVED)
"""what decides where set-ups disagree: an experiment over reading alone, and the one that accuses over the others"""


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
    audited = numbered(audit(setups, select_rules(select, ignore, modules)))
    undecided = dict.fromkeys(one for item in audited for one in item.undecided)
    return worst_first(audited), tuple(undecided)


def audit(setups: Iterable[TrainingSetup], rules: Sequence[Rule]) -> tuple[AuditedSetup, ...]:
    """What ``rules`` say of the set-ups of one program, alternatives judged together and each thing told once."""
    return told_once(under_conditions([judge(setup, rules) for setup in setups]))


def judge(setup: TrainingSetup, rules: Iterable[Rule]) -> AuditedSetup:
    """What ``rules`` say of one set-up, the worst first; its condition is left to :func:`under_conditions`."""
    findings: list[Finding] = []
    unknown: dict[str, tuple[UnknownFact, list[str]]] = {}
    for rule in rules:
        for outcome in rule.check(setup):
            if _is_explained(rule, setup):
                break
            if isinstance(outcome, Violation):
                findings.append(_finding(rule, outcome))
            else:
                unknown.setdefault(outcome.what, (outcome, []))[1].append(rule.code)
    undecided = dict.fromkeys(_undecided(setup, fact, codes) for fact, codes in unknown.values())
    return AuditedSetup(setup, tuple(sorted(findings, key=_order)), tuple(undecided))


def _is_explained(rule: Rule, setup: TrainingSetup) -> bool:
    """Whether a rule that gives the reason, selected or not, finds an error or a warning in the set-up."""
    if not rule.silenced_by:
        return False
    reasons = (other for other in all_rules() if other is not rule and other.code.startswith(rule.silenced_by))
    return any(
        isinstance(outcome, Violation) and (outcome.severity or reason.severity) is not Severity.INFO
        for reason in reasons
        for outcome in reason.check(setup)
    )


def under_conditions(audited: Sequence[AuditedSetup]) -> tuple[AuditedSetup, ...]:
    """``audited`` with each finding under the condition of its set-up, unless all alternatives of the place have it.

    A finding under a condition that is not the default one is a note.
    """
    alternatives: dict[Location, int] = {}
    guilty: dict[tuple[Location, str], int] = {}
    for item in audited:
        if item.setup.condition is not None:
            place = item.setup.location
            alternatives[place] = alternatives.get(place, 0) + 1
            for code in {finding.code for finding in item.findings}:
                guilty[place, code] = guilty.get((place, code), 0) + 1

    def placed(item: AuditedSetup, finding: Finding) -> Finding:
        condition, place = item.setup.condition, item.setup.location
        if condition is None or guilty[place, finding.code] == alternatives[place] > 1:
            return finding
        severity = finding.severity if condition.default else Severity.INFO
        return replace(finding, severity=severity, condition=condition.text)

    return tuple(replace(item, findings=tuple(placed(item, one) for one in item.findings)) for item in audited)


def told_once(audited: Sequence[AuditedSetup]) -> tuple[AuditedSetup, ...]:
    """``audited`` with one finding for each rule and place: the gravest, with what the others add to it.

    It stays with its own set-up. Programs that share a module, and alternatives under several conditions, all speak of
    the same code, which is mended once.
    """
    spoken = [(owner, finding) for owner, item in enumerate(audited) for finding in item.findings]
    spoken.sort(key=lambda one: (one[1].severity.rank, one[1].condition is not None))
    together: dict[tuple[str, Location], list[tuple[int, Finding]]] = {}
    for owner, finding in spoken:
        together.setdefault((finding.code, finding.location), []).append((owner, finding))
    if len(together) == len(spoken):
        return tuple(audited)
    kept: dict[int, list[Finding]] = {}
    for group in together.values():
        owner = group[0][0]
        kept.setdefault(owner, []).append(_joined([finding for _, finding in group]))
    return tuple(
        replace(item, findings=tuple(sorted(kept.get(owner, ()), key=_order))) for owner, item in enumerate(audited)
    )


def worst_first(audited: Iterable[AuditedSetup]) -> tuple[Finding, ...]:
    """The findings of all set-ups, the worst first and then by place."""
    return tuple(sorted((finding for item in audited for finding in item.findings), key=_order))


def _finding(rule: Rule, violation: Violation) -> Finding:
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=violation.severity or rule.severity,
        message=violation.message,
        location=violation.location,
        verdict=Verdict.PROVED if violation.proved else Verdict.STATIC,
        evidence=violation.evidence,
        spans=violation.spans,
        remedies=violation.remedies,
        awaits=violation.awaits,
    )


def _joined(findings: Sequence[Finding]) -> Finding:
    """One finding of several of one rule at one place, the gravest first."""
    first = findings[0]
    evidence = list(first.evidence)
    for finding in findings[1:]:
        told = {item.text for item in evidence}
        more = [item for item in finding.evidence if item.text not in told]
        if any(item.kind == "certificate" for item in evidence):  # what only a run can tell, one has told
            more = [item for item in more if item.kind != "static" or item.location is not None]
        evidence += more
    evidence.sort(key=lambda item: item.kind == "probe")  # experiments speak last
    grave = [one for one in findings if one.severity is first.severity]
    proved = any(one.verdict is Verdict.PROVED for one in findings)
    verdict = Verdict.PROVED if proved else max((one.verdict for one in grave), key=_STRENGTH.index)
    same = [one for one in grave if one.message == first.message]
    return replace(first, evidence=tuple(evidence), verdict=verdict, condition=_either(one.condition for one in same))


def _either(conditions: Iterable[str | None]) -> str | None:
    """One condition for a finding that holds under each of several; None where one of them is none."""
    texts = tuple(dict.fromkeys(conditions))
    if None in texts:
        return None
    named = [f"({text})" if len(texts) > 1 and " " in text else text for text in texts if text is not None]
    if len(named) <= MOST_CONDITIONS:
        return " or ".join(named)
    return f"{' or '.join(named[:MOST_CONDITIONS])} or {len(named) - MOST_CONDITIONS} more"


def _undecided(setup: TrainingSetup, fact: UnknownFact, codes: Sequence[str]) -> Undecided:
    place = setup.location
    return Undecided(place.path, fact.what, fact.why, place.line, place.cell, tuple(sorted(set(codes))))


def _order(finding: Finding) -> tuple[int, str, int, int, int, str]:
    place = finding.location
    cell = -1 if place.cell is None else place.cell
    return (finding.severity.rank, place.path, cell, place.line, place.column, finding.code)

"""A training set-up together with what was said of it: it travels whole through the stages."""

from __future__ import annotations

from collections.abc import Iterable

from ae_audit.base.records import dataclass, replace
from ae_audit.schema.findings import Finding, Undecided, Verdict
from ae_audit.schema.report import Suppressed
from ae_audit.schema.sights import Sight
from ae_audit.schema.training_setup import TrainingSetup


@dataclass(frozen=True, slots=True)
class AuditedSetup:
    """One set-up that rules have judged. Its findings carry no number; only a report counts its set-ups."""

    setup: TrainingSetup
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    """what the rules could not decide of it"""
    suppressed: tuple[Suppressed, ...] = ()
    """findings that a comment in the source excuses"""
    sight: Sight | None = None
    """what there is to look at, where it ran"""


def without_candidates(item: AuditedSetup) -> AuditedSetup:
    """``item`` with the candidates that an experiment confirmed as findings, and without the others."""
    if all(finding.awaits is None for finding in item.findings):
        return item
    told = (one for one in item.findings if one.awaits is None or one.verdict is Verdict.CONFIRMED)
    return replace(item, findings=tuple(replace(one, awaits=None) for one in told))


def numbered(audited: Iterable[AuditedSetup]) -> tuple[AuditedSetup, ...]:
    """``audited`` as a report holds it: each finding with the number of its set-up, counted from 0."""

    def with_number(finding: Finding, number: int) -> Finding:
        return replace(finding, setup=number)

    return tuple(
        replace(
            item,
            findings=tuple(with_number(finding, number) for finding in item.findings),
            suppressed=tuple(replace(one, finding=with_number(one.finding, number)) for one in item.suppressed),
        )
        for number, item in enumerate(audited)
    )


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

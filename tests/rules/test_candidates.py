"""AE311, and findings that are reported only where an experiment confirms them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.probe.plan import plan
from ae_audit.rules.registry import find_rule
from ae_audit.rules.runner import judge
from ae_audit.schema.audited import AuditedSetup, without_candidates
from ae_audit.schema.findings import Finding, Severity, Verdict
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import Rescale, SwapActivation
from ae_audit.schema.training_setup import Pace, Relation, TrainingSetup
from tests.rules.setups import GREY, measured, setup, violations

PRICES = measured(100000.0, 350000.0)


def priced(**facts: object) -> TrainingSetup:
    return setup("linear", "mse", PRICES, given=GREY, relation=Relation.OTHER, pace=Pace(100, 1e-3), **facts)


@pytest.mark.parametrize(
    ("pace", "told"),
    [(Pace(100, 1e-3), True), (Pace(100, 1e4), False), (Pace(10**9, 1e-3), False), (None, False)],
)
def test_a_target_beyond_the_pace_is_a_candidate(pace: Pace | None, *, told: bool) -> None:
    found = violations("AE311", replace(priced(), pace=pace))
    assert [violation.awaits for violation in found] == [100] * told


@pytest.mark.parametrize(("mean", "std", "told"), [(0.0, 2.0, False), (-2.9, 1.0, False), (10.0, 0.5, True)])
def test_a_target_on_a_usual_scale_is_none(mean: float, std: float, *, told: bool) -> None:
    """A training too short even for that is too short, and a scale does not mend it."""
    assert PRICES.measured is not None
    usual = replace(PRICES, measured=replace(PRICES.measured, mean=mean, std=std))
    assert bool(violations("AE311", replace(priced(), target=usual))) is told


@pytest.mark.parametrize(
    "changed",
    [
        replace(priced(), relation=Relation.SAME),
        replace(priced(), target=replace(PRICES, stand_in=True)),
        replace(priced(), target=replace(PRICES, measured=None)),
        setup("sigmoid", "mse", PRICES, given=GREY, relation=Relation.OTHER, pace=Pace(100, 1e-3)),
        setup("linear", "bce", PRICES, given=GREY, relation=Relation.OTHER, pace=Pace(100, 1e-3)),
    ],
)
def test_what_is_no_regression_of_measured_data_is_none(changed: TrainingSetup) -> None:
    assert not violations("AE311", changed)


def test_a_candidate_is_a_finding_once_it_is_confirmed() -> None:
    audited = judge(priced(), [find_rule("AE311")])
    assert [finding.awaits for finding in audited.findings] == [100]
    assert not without_candidates(audited).findings
    for verdict in Verdict:
        settled = replace(audited, findings=tuple(replace(one, verdict=verdict) for one in audited.findings))
        told = without_candidates(settled).findings
        assert [finding.awaits for finding in told] == ([None] if verdict is Verdict.CONFIRMED else [])


def test_candidates_stand_apart_from_the_trials_of_others() -> None:
    place = Location("a.py", 1)
    sure = Finding("AE102", "a", Severity.ERROR, "", place, remedies=(SwapActivation("linear"),))
    candidate = Finding("AE311", "b", Severity.WARNING, "", place, remedies=(Rescale(0.5, input=False),), awaits=100)
    outline = plan([sure, candidate])
    assert outline is not None
    assert outline.all_fixes.remedies == sure.remedies
    (comparison,) = outline.comparisons[1]
    assert comparison.without_fix == outline.all_fixes
    assert comparison.with_fix.remedies == (*sure.remedies, *candidate.remedies)
    alone = plan([candidate])
    assert alone is not None
    assert alone.comparisons[0][0].without_fix == alone.as_written
    assert (
        AuditedSetup(priced(), (sure, candidate)).findings[0]
        in without_candidates(AuditedSetup(priced(), (sure, candidate))).findings
    )

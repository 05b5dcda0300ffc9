"""Forged runs of a program that is not trusted: none withdraws what reading found."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from ae_audit.engine.gate import fails
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.codec import from_json
from ae_audit.schema.findings import Evidence, Finding, Severity, Verdict
from ae_audit.schema.messages import Finished, HowItEnded, Message, ProgramEnded, SetupSeen, SetupSettled
from ae_audit.schema.training_setup import DataFacts, Head, LossUse, TrainingSetup
from ae_audit.settings.options import Settings
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import ValueRange

from .test_stages import audited

FORGED_SETUPS = {
    "as read": lambda setup: setup,
    "another loss": lambda setup: replace(setup, loss=LossUse("mse")),
    "another head": lambda setup: replace(setup, head=Head("linear")),
    "scaled data": lambda setup: replace(setup, target=DataFacts(values=ValueRange.exactly(UNIT))),
    "nothing known": lambda setup: TrainingSetup(setup.framework, setup.location),
}
FORGED_FINDINGS = ("none", "as read", "an info", "another message")


def forged(finding: Finding, how: str) -> tuple[Finding, ...]:
    if how == "none":
        return ()
    if how == "an info":
        return (replace(finding, severity=Severity.INFO),)
    if how == "another message":
        return (replace(finding, message="all is well"),)
    return (finding,)


@pytest.mark.parametrize(("facts", "claim", "settled"), [*product(FORGED_SETUPS, FORGED_FINDINGS, (False, True))])
def test_no_forgery_turns_an_error_into_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: str, claim: str, settled: bool
) -> None:
    honest = audited(tmp_path, monkeypatch, lambda _: [Finished()])

    def forge(request: dict[str, Any]) -> list[Message]:
        setup = FORGED_SETUPS[facts](from_json(TrainingSetup, request["setups"][0]))
        findings = tuple(
            one for finding in honest.findings for one in forged(replace(finding, setup=None, fix=None), claim)
        )
        seen = SetupSeen(0, 0, AuditedSetup(setup, findings))
        verdicts = (
            [SetupSettled(0, tuple(replace(one, verdict=Verdict.REFUTED) for one in findings))] if settled else []
        )
        return [seen, *verdicts, ProgramEnded(HowItEnded.COMPLETED, ""), Finished()]

    trusted = audited(tmp_path, monkeypatch, forge)
    if claim in {"none", "an info"} or settled:  # the forgery works where nobody doubts it
        assert not {f.code for f in honest.findings} <= {
            f.code for f in trusted.standing if f.severity is Severity.ERROR
        }
    report = audited(tmp_path, monkeypatch, forge, untrusted=True)
    told = {(finding.code, finding.message): finding for finding in report.standing}
    assert all((finding.code, finding.message) in told for finding in honest.findings)
    assert fails(report, Settings())


def test_a_run_may_uphold_a_finding_and_add_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = audited(tmp_path, monkeypatch, lambda _: [Finished()])
    proof = Evidence("certificate", "no weights can do it")

    def child(request: dict[str, Any]) -> list[Message]:
        setup = from_json(TrainingSetup, request["setups"][0])
        first = replace(honest.findings[0], setup=None, fix=None)
        upheld = replace(first, verdict=Verdict.PROVED, evidence=(*first.evidence, proof))
        other = replace(first, code="AE305", name="non-finite-data")
        return [SetupSeen(0, 0, AuditedSetup(setup, (upheld, other))), Finished()]

    report = audited(tmp_path, monkeypatch, child, untrusted=True)
    by_code = {finding.code: finding for finding in report.findings}
    assert by_code[honest.findings[0].code].verdict is Verdict.PROVED
    assert proof in by_code[honest.findings[0].code].evidence
    assert "AE305" in by_code

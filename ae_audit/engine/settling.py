"""From a live capture to settled findings: certify, judge, probe. The child and the Python interface share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ae_audit.engine.merge import merge
from ae_audit.probe import ProbeOptions, settle
from ae_audit.rules.runner import check
from ae_audit.runtime.capture import Array, Capture
from ae_audit.runtime.measure.facts import certify
from ae_audit.schema.codec import to_json
from ae_audit.schema.findings import Finding
from ae_audit.schema.training_setup import TrainingSetup

PROBE_SHARE = 0.9
"""share of the time that is left which the probes may take, in equal parts; what remains is for judging and telling"""

Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class SettlingOptions:
    """``rules`` are codes, prefixes or names; empty means every rule. ``probe`` None: no experiment."""

    rules: tuple[str, ...] = ()
    probe: ProbeOptions | None = field(default_factory=ProbeOptions)


def certified(seen: TrainingSetup, targets: Array, static: TrainingSetup | None = None) -> TrainingSetup:
    """The captured setup, with the places that ``static`` knows and the certificate of its data."""
    setup = seen if static is None else merge(seen, static)
    return replace(setup, certificate=certify(setup, targets))


def settled(
    capture: Capture, setup: TrainingSetup, options: SettlingOptions, progress: Callable[[str], None]
) -> tuple[Finding, ...]:
    """The findings of one setup, the worst first, each with the verdict that the probe reached."""
    findings, _ = check([setup], select=options.rules or None)
    if options.probe is None or not findings:
        return findings
    return settle(capture, findings, options.probe, progress)


def with_verdicts(findings: Sequence[Finding], settled_findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """``findings``, where one of ``settled_findings`` says the same of the same place with that one's verdict."""
    verdicts = {(finding.code, finding.location): finding for finding in settled_findings}
    merged = []
    for finding in findings:
        twin = verdicts.get((finding.code, finding.location))
        if twin is not None:
            told = {item.text for item in finding.evidence}
            more = tuple(item for item in twin.evidence if item.text not in told)
            finding = replace(finding, verdict=twin.verdict, evidence=(*finding.evidence, *more))
        merged.append(finding)
    return tuple(merged)


def settle_and_tell(
    number: int,
    capture: Capture,
    setup: TrainingSetup,
    request: dict[str, Any],
    time: float,
    emit: Emit,
    processes: int = 1,
) -> None:
    """Settle the setup that was told as ``number``, and tell its findings.

    Args:
        number: of the event ``setup`` that came before.
        capture: to be fitted again.
        setup: certified.
        request: of the parent, with ``rules``, ``probe`` and ``seed``.
        time: seconds that are this setup's.
        emit: sends an event to the parent.
        processes: that may fit seeds side by side.
    """
    probe = ProbeOptions(seed=request["seed"], time=max(1.0, PROBE_SHARE * time), processes=processes)
    options = SettlingOptions(tuple(request["rules"]), probe if request["probe"] else None)
    findings = settled(capture, setup, options, lambda text: emit({"event": "step", "text": text}))
    emit({"event": "settled", "number": number, "findings": [to_json(finding) for finding in findings]})

"""From a live capture to settled findings: certify, judge, settle. The child and the Python interface share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ae_audit.engine.merge import merge
from ae_audit.probe import ProbeOptions, settle
from ae_audit.probe.plan import ALL_FIXES, AS_WRITTEN
from ae_audit.probe.sights import Sketchbook, sight_of
from ae_audit.rules.base import Rule
from ae_audit.rules.runner import judge, told_once
from ae_audit.runtime.capture import Array, Capture
from ae_audit.runtime.measure.facts import certify
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.findings import Finding
from ae_audit.schema.messages import Progressed
from ae_audit.schema.training_setup import TrainingSetup

PROBE_SHARE = 0.9
"""share of the time that is left which the probes may take, in equal parts; what remains is for judging and telling"""


def certified(seen: TrainingSetup, targets: Array, static: TrainingSetup | None = None) -> TrainingSetup:
    """The captured setup, with the places that ``static`` knows and the certificate of its data."""
    setup = seen if static is None else merge(seen, static)
    return replace(setup, certificate=certify(setup, targets))


def judged(setup: TrainingSetup, rules: Iterable[Rule]) -> AuditedSetup:
    """What ``rules`` say of one setup that ran, each thing once, the worst first."""
    (audited,) = told_once((judge(setup, rules),))
    return audited


def settled(
    capture: Capture,
    audited: AuditedSetup,
    probe: ProbeOptions | None,
    progress: Callable[[Progressed], None] = lambda _: None,
    before_fits: Callable[[tuple[Finding, ...]], None] = lambda _: None,
) -> AuditedSetup:
    """``audited`` with the verdicts that the probe of its capture reaches, and with what there is to look at.

    Without a probe (None) its findings are as they were. ``before_fits`` is told what needed no fits.
    """
    sketches = Sketchbook(audited.setup)
    findings = audited.findings
    if probe is not None and findings:
        findings = settle(capture, findings, probe, progress, audited.setup, sketches, before_fits)
    arms = {arm.name: arm for finding in findings for item in finding.evidence for arm in item.arms if arm.r2}
    names = sorted(arms, key=lambda name: (name != AS_WRITTEN, name != ALL_FIXES, -max(arms[name].r2)))
    return replace(audited, findings=tuple(findings), sight=sight_of(capture, audited.setup, sketches, names))

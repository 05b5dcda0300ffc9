"""From a live capture to settled findings: certify, judge, settle. The child and the Python interface share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ae_audit.engine.merge import merge
from ae_audit.probe import ProbeOptions, settle
from ae_audit.rules.base import Rule
from ae_audit.rules.runner import judge, told_once
from ae_audit.runtime.capture import Array, Capture
from ae_audit.runtime.measure.facts import certify
from ae_audit.schema.audited import AuditedSetup
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
    progress: Callable[[str], None] = lambda _: None,
) -> AuditedSetup:
    """``audited`` with the verdicts that the probe of its capture reaches; without one (None) as it is."""
    if probe is None or not audited.findings:
        return audited
    return replace(audited, findings=settle(capture, audited.findings, probe, progress, audited.setup))

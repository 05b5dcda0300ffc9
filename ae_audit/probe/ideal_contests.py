"""What the ideal network says of a contest: the program with and without a fix, on outputs that are free.

It costs a second where a step of the real network is too dear, or time ran out. It says nothing of what only training
shows: the scale of the input, how fast weights learn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ae_audit.probe.ideal import ALIKE, ideal_of
from ae_audit.probe.plan import FixComparison, ProbePlan
from ae_audit.runtime.capture import Capture
from ae_audit.schema.findings import Evidence, Finding, Verdict
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.messages import Progressed
from ae_audit.schema.remedies import Remedy, Rescale
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.theory.intervals import format_number

LOST = 0.8
"""R² and correlation below which an end that nothing beats is not the target either: gradients that are dead for a part
of the values lead there"""

Remedies = tuple[Remedy, ...]


class IdealContests:
    """Holds contests between ideal networks, each set of remedies fitted once.

    Args:
        capture: gives the free networks.
        setup: the capture's, with what an ideal network makes of the program as written, where that is known.
        progress: told of each fit.
    """

    def __init__(self, capture: Capture, setup: TrainingSetup, progress: Callable[[Progressed], None]) -> None:
        self._capture = capture
        self._setup = setup
        self._progress = progress
        self._known: dict[Remedies, Ideal] = {} if setup.ideal is None else {(): setup.ideal}

    def evidence(self, findings: Sequence[Finding], outline: ProbePlan) -> dict[int, Evidence]:
        """For each finding that an ideal network confirms: what it shows."""
        found: dict[int, Evidence] = {}
        for index, contests in outline.comparisons.items():
            if findings[index].verdict is Verdict.PROVED:
                continue
            for contest in contests:
                shown = self._held(contest)
                if shown is not None:
                    found[index] = shown
                    break
        return found

    def _held(self, contest: FixComparison) -> Evidence | None:
        fixed, faulty = (_telling(arm.remedies) for arm in (contest.with_fix, contest.without_fix))
        if fixed == faulty:
            return None
        before = self._ideal(faulty)
        if not _fails(before):
            return None
        after = self._ideal(fixed)
        if after.outcome is not Outcome.ARRIVES:
            return None
        text = (
            f"even a network that could output anything ends at R² {_figure(before.r2)} (correlation "
            f"{_figure(before.correlation)}) as `{contest.without_fix.name}`, with `{contest.with_fix.name}` at R² "
            f"{_figure(after.r2)} (correlation {_figure(after.correlation)}; {after.samples} samples)"
        )
        figures = (
            ("outcome", before.outcome.value),
            ("r2", before.r2),
            ("correlation", before.correlation),
            ("r2_with_fix", after.r2),
            ("correlation_with_fix", after.correlation),
            ("samples", after.samples),
        )
        return Evidence("ideal", text, figures=figures)

    def _ideal(self, remedies: Remedies) -> Ideal:
        if remedies not in self._known:
            self._progress(Progressed("probe: the ideal network"))
            self._known[remedies] = ideal_of(self._capture, self._setup, remedies)
        return self._known[remedies]


def with_ideal(finding: Finding, evidence: Evidence | None) -> Finding:
    """``finding`` as the probe left it, with what the ideal network showed of it, if anything.

    Where as written the network did as well in training, an end that gradients alone miss is no reason to think
    otherwise; one that no network can reach is.
    """
    if evidence is None:
        return finding
    missed = dict(evidence.figures).get("outcome") != Outcome.ELSEWHERE.value
    overruled = finding.verdict is Verdict.REFUTED and not missed
    verdict = finding.verdict if finding.verdict is Verdict.PROVED or overruled else Verdict.CONFIRMED
    return replace(finding, verdict=verdict, evidence=(*finding.evidence, evidence))


def _telling(remedies: Remedies) -> Remedies:
    """Those that an ideal network can tell: what is done to the input alone it never sees."""
    return tuple(remedy for remedy in remedies if not (isinstance(remedy, Rescale) and not remedy.target))


def _fails(ideal: Ideal) -> bool:
    r2, correlation = (-math.inf if value is None else value for value in (ideal.r2, ideal.correlation))
    if ideal.outcome is Outcome.ELSEWHERE:
        return max(r2, correlation) < LOST
    return ideal.misses and r2 < ALIKE


def _figure(value: float | None) -> str:
    return "unknown" if value is None else format_number(float(f"{value:.3g}")).replace("-", "−")

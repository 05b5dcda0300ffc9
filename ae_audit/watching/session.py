"""Judging a training that runs in the user's own process: findings told once, as warnings, and a report in the end."""

from __future__ import annotations

import contextlib
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

from ae_audit.base.errors import AuditWarning, FindingsError, own_failure
from ae_audit.engine.settling import certified, judged, settled
from ae_audit.probe import ProbeOptions
from ae_audit.report.display import PresentedReport
from ae_audit.report.live_cells import cell_name
from ae_audit.report.phrases import counts
from ae_audit.rules.registry import select_rules
from ae_audit.runtime.capture import Capture
from ae_audit.schema.audited import AuditedSetup, numbered, without_candidates
from ae_audit.schema.findings import Finding, Severity, Verdict
from ae_audit.schema.report import Note, Report, StageError
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.watching.loggers import Loggers

Log = Callable[[str], object]

MOST_DECIMALS = 4
"""of a loss in the log: what lies beyond differs from batch to batch"""


class LiveAudit:
    """The audit of one training.

    Args:
        path: of the program, for what has no place of its own.
        select: codes, code prefixes or names of rules; empty for all.
        ignore: rules to leave out.
        probe: whether findings are settled by short fits in the end; they are not told before that.
        seed: of the fits.
        strict: raise where an error is found.

    Raises:
        UsageError: if a rule is unknown.
    """

    def __init__(
        self, path: str, *, select: Sequence[str], ignore: Sequence[str], probe: bool, seed: int, strict: bool
    ) -> None:
        self._rules = select_rules(tuple(select) or None, ignore)
        self.path = path
        self.probe = probe
        self.strict = strict
        self._options = ProbeOptions(seed=seed) if probe else None
        self._judged: list[AuditedSetup] = []
        self._told: set[tuple[str, object]] = set()
        self._errors: list[StageError] = []
        self._notes: list[Note] = []

    @property
    def empty(self) -> bool:
        """Whether no training was seen so far."""
        return not self._judged

    @property
    def has_failed(self) -> bool:
        """Whether it failed itself, and said so."""
        return bool(self._errors)

    def first_look(self, captures: Sequence[Capture]) -> None:
        """Judge the first batch, where an error is to stop the training.

        Raises:
            FindingsError: with the report.
        """
        if self.strict and not self.probe:
            self._raise_for([self._judge(capture) for capture in captures])

    def look(self, captures: Sequence[Capture], settle: bool = False) -> list[TrainingSetup]:
        """Judge captures for good, and tell what was found; what was judged, certified.

        Args:
            settle: settle findings by short fits now.

        Raises:
            FindingsError: where an error was found and the audit is strict.
        """
        audited = [self._judge(capture, self._options if settle else None) for capture in captures]
        self._judged += audited
        for item in audited:
            for finding in item.findings:
                self._tell(finding)
        if self.strict:
            self._raise_for(audited)
        return [item.setup for item in audited]

    def certified(self, captures: Sequence[Capture]) -> list[TrainingSetup]:
        """What is known of captures that are judged later."""
        return [certified(capture.setup, capture.targets) for capture in captures]

    def note(self, text: str, *, warn: bool = True) -> None:
        """Something that the reader must know."""
        if all(note.text != text for note in self._notes):
            self._notes.append(Note(self.path, text))
            if warn:
                warnings.warn_explicit(f"ae-audit: {text}", AuditWarning, self.path, 1)

    def failed(self, error: Exception) -> None:
        """A failure of our own: the training goes on unwatched."""
        message = own_failure(error)
        self._errors.append(StageError(self.path, "runtime", message, internal=True))
        warnings.warn_explicit(f"{message} The training goes on, and is no longer watched.", AuditWarning, self.path, 1)

    @contextlib.contextmanager
    def ours(self) -> Iterator[None]:
        """What fails in the block is our failure, and not the training's.

        Raises:
            FindingsError: what the block raises of them.
            Warning: where the user's filters make errors of warnings.
        """
        try:
            yield
        except (FindingsError, Warning):
            raise
        except Exception as error:
            self.failed(error)

    def log_findings(self, loggers: Loggers, step: int | None) -> None:
        """Tell loggers what was found, where there are any."""
        if not loggers:
            return
        with self.ours():
            report = self.report()
            found = counts(report)
            text = "\n".join(
                f"{finding.code} {finding.name} [{finding.severity.value}, {finding.verdict.value}] "
                f"{finding.location}: {finding.message}"
                for finding in report.standing
            )
            loggers.findings({severity.value: number for severity, number in found.items()}, text or "none", step)

    def report(self) -> PresentedReport:
        """What was found out so far."""
        audited = numbered(self._judged)
        findings = [finding for item in audited for finding in item.findings]
        findings.sort(key=lambda finding: finding.severity.rank)
        setups = tuple(item.setup for item in audited)
        undecided = tuple(dict.fromkeys(one for item in audited for one in item.undecided))
        return PresentedReport.of(
            Report(
                tuple(findings),
                setups,
                undecided,
                tuple(self._errors),
                tuple(self._notes),
                files=(self.path,),
                sights=tuple(item.sight for item in audited),
            )
        )

    def _judge(self, capture: Capture, probe: ProbeOptions | None = None) -> AuditedSetup:
        found = settled(capture, judged(certified(capture.setup, capture.targets), self._rules), probe)
        return without_candidates(found)

    def _tell(self, finding: Finding) -> None:
        key = finding.code, finding.location
        if key in self._told or finding.severity is Severity.INFO or finding.verdict is Verdict.REFUTED:
            return
        self._told.add(key)
        text = (
            f"{finding.code} {finding.name} [{finding.severity.value}, {finding.verdict.value}]: {finding.message} "
            f"(`ae-audit rule {finding.code}` explains it)"
        )
        path = cell_name(finding.location.path) or finding.location.path
        warnings.warn_explicit(text, AuditWarning, path, finding.location.line)

    def _raise_for(self, audited: Sequence[AuditedSetup]) -> None:
        shown = numbered(audited)
        findings = tuple(finding for item in shown for finding in item.findings)
        setups = tuple(item.setup for item in shown)
        report = PresentedReport.of(Report(findings, setups, files=(self.path,)))
        if not report.ok:
            self._judged = list(audited)
            raise FindingsError(f"\n{report}")


class WatchedReport(PresentedReport):
    """A report that is empty while the training runs, and filled when it ends.

    ``floor`` is there as soon as the first batches were looked at, for a log of your own.
    """

    __slots__ = ()

    def fill(self, report: PresentedReport) -> None:
        """Take over everything that ``report`` says."""
        for part in fields(PresentedReport):
            object.__setattr__(self, part.name, getattr(report, part.name))

    @property
    def floor(self) -> float | None:
        """The least that the loss can be on the targets seen; None as long as it is unknown, or for several losses.

        Of a loss that sums over a batch, the share of one sample.
        """
        floors = [None if setup.certificate is None else setup.certificate.floor for setup in self.setups]
        return floors[0] if len(floors) == 1 and floors[0] is not None and math.isfinite(floors[0]) else None

    def excess(self, loss: float) -> float:
        """How far ``loss`` is above the best possible; NaN as long as the floor is unknown."""
        return math.nan if self.floor is None else float(loss) - self.floor


def exact_floor(setup: TrainingSetup) -> float | None:
    """The floor of the setup's loss where it is known and not below 0; 0 for a mean squared error."""
    least = None if setup.certificate is None else setup.certificate.floor
    return least if least is not None and math.isfinite(least) and least >= 0.0 else None


def loss_line(name: str, value: float, least: float) -> str:
    """``loss 0.0931, floor 0.0590: 0.0341 above the best possible``."""
    decimals = min(MOST_DECIMALS, max(0, 3 - math.floor(math.log10(max(abs(value), 1e-9)))))
    value, least = round(value, decimals), round(least, decimals)
    gap = max(0.0, value - least)
    return f"{name} {value:.{decimals}f}, floor {least:.{decimals}f}: {gap:.{decimals}f} above the best possible"


def to_standard_error(line: str) -> None:
    """Where the log goes unless it is asked to go elsewhere."""
    print(line, file=sys.stderr, flush=True)

"""``Report``: everything that an audit found out, before any format gives it a shape."""

from __future__ import annotations

from ae_audit.base.records import dataclass
from ae_audit.schema.findings import Finding, Severity, Undecided, Verdict
from ae_audit.schema.sights import Sight
from ae_audit.schema.training_setup import TrainingSetup

__all__ = ["Note", "Report", "StageError", "Suppressed", "Undecided"]


@dataclass(frozen=True, slots=True)
class StageError:
    """One stage that could not do its work on one file. ``stage`` is ``static``, ``runtime`` or ``probe``."""

    path: str
    stage: str
    message: str
    """one sentence: the cause, the line of the script where there is one, and what to do next"""
    line: int | None = None
    cell: int | None = None
    internal: bool = False
    """whether ae-audit itself failed: what it did not look at for that reason is not known to be right"""


@dataclass(frozen=True, slots=True)
class Note:
    """Something the reader must know to read the rest aright: a stand-in data set, a blocked write, the device."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that a comment in the source or the baseline excuses, and the reason given."""

    finding: Finding
    reason: str = ""
    baseline: bool = False
    """whether the baseline excuses it"""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit."""

    findings: tuple[Finding, ...] = ()
    setups: tuple[TrainingSetup, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    errors: tuple[StageError, ...] = ()
    notes: tuple[Note, ...] = ()
    files: tuple[str, ...] = ()
    """paths that could hold a training setup and were read"""
    suppressed: tuple[Suppressed, ...] = ()
    sights: tuple[Sight | None, ...] = ()
    """what there is to look at of each of ``setups``, in their order; empty where nothing ran"""

    @property
    def standing(self) -> tuple[Finding, ...]:
        """The findings that no experiment refuted."""
        return tuple(finding for finding in self.findings if finding.verdict is not Verdict.REFUTED)

    def sight(self, setup: int | None) -> Sight | None:
        """What there is to look at of the set-up with that number."""
        return self.sights[setup] if setup is not None and setup < len(self.sights) else None

    def at_or_above(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.standing if finding.severity.rank <= severity.rank)

    @property
    def ok(self) -> bool:
        """Whether no finding of severity error stands, and ae-audit itself did not fail."""
        return not self.at_or_above(Severity.ERROR) and not self.broken

    @property
    def broken(self) -> bool:
        """Whether ae-audit itself failed somewhere."""
        return any(error.internal for error in self.errors)

"""The last stage: one report of what was found in many files, each thing once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ae_audit.base.records import dataclass, replace
from ae_audit.engine.discovery import AuditTarget
from ae_audit.schema.audited import AuditedSetup, explained, numbered
from ae_audit.schema.findings import Finding
from ae_audit.schema.location import Location
from ae_audit.schema.report import Note, Report, StageError, Suppressed, Undecided
from ae_audit.schema.shards import FileRecord
from ae_audit.schema.training_setup import Structure, TrainingSetup


@dataclass(frozen=True, slots=True)
class FileAudit:
    """What is known of one file: its set-ups, judged, and what could not be read or run of it."""

    target: AuditTarget
    relevant: bool = False
    """whether it could hold a training setup"""
    audited: tuple[AuditedSetup, ...] = ()
    reasons: tuple[Undecided, ...] = ()
    """facts that reading could not find out, and why"""
    errors: tuple[StageError, ...] = ()
    notes: tuple[Note, ...] = ()
    judged_by: frozenset[str] = frozenset()
    """codes and names of the rules that took part and could see what they look for"""

    @property
    def undecided(self) -> tuple[Undecided, ...]:
        """Each fact that is not known, with its reason and the rules that could not decide for want of it."""
        return explained((one for item in self.audited for one in item.undecided), self.reasons)

    def judges(self, selector: str) -> bool:
        """Whether a rule that ``selector`` stands for took part."""
        return any(word == selector.lower() or word.startswith(selector.upper()) for word in self.judged_by)


def record_of(audit: FileAudit) -> FileRecord:
    """An audit in the form in which it outlives the process."""
    return FileRecord(
        audit.target.path,
        audit.relevant,
        audit.audited,
        audit.reasons,
        audit.errors,
        audit.notes,
        tuple(sorted(audit.judged_by)),
    )


def audit_of(record: FileRecord, target: AuditTarget | None = None) -> FileAudit:
    """The audit that ``record`` was made of; ``target`` where more is known of it than its path."""
    return FileAudit(
        target or AuditTarget(record.path),
        record.relevant,
        record.audited,
        record.reasons,
        record.errors,
        record.notes,
        frozenset(record.judged_by),
    )


def assemble(audits: Iterable[FileAudit]) -> Report:
    """One report of many files; what two files report alike (of a module that both import) is told once."""
    audits = _without_known_elsewhere(list(audits))
    errors: dict[StageError, None] = {}
    notes: dict[Note, None] = {}
    files: list[str] = []
    for audit in audits:
        errors.update(dict.fromkeys(audit.errors))
        notes.update(dict.fromkeys(audit.notes))
        if audit.relevant and _was_read(audit):
            files.append(audit.target.path)
    audited = numbered(_told_once([item for audit in audits for item in audit.audited]))
    findings = [finding for item in audited for finding in item.findings]
    return Report(
        findings=tuple(sorted(findings, key=lambda finding: _place(finding, files))),
        setups=tuple(item.setup for item in audited),
        undecided=explained((one for audit in audits for one in audit.undecided), ()),
        errors=tuple(errors),
        notes=tuple(notes),
        files=tuple(files),
        suppressed=_suppressed(audited),
        sights=tuple(item.sight for item in audited) if any(item.sight for item in audited) else (),
    )


def _told_once(audited: Sequence[AuditedSetup]) -> Sequence[AuditedSetup]:
    if not any(item.findings for item in audited):
        return audited
    from ae_audit.rules.runner import told_once  # loaded by now, where anything was found

    return told_once(audited)


def _suppressed(audited: Iterable[AuditedSetup]) -> tuple[Suppressed, ...]:
    kept: dict[object, Suppressed] = {}
    for item in audited:
        for excused in item.suppressed:
            kept.setdefault((excused.finding.code, excused.finding.location), excused)
    return tuple(kept.values())


def _without_known_elsewhere(audits: Sequence[FileAudit]) -> list[FileAudit]:
    """The audits without the losses of which one file leaves something open that another one supplies.

    A model that ``model.py`` compiles and ``train.py`` fits is told of in the name of ``train.py``, which knows more,
    and so is ``def train(model, loader)`` where another file calls it.
    """
    supplied: dict[Location, list[tuple[str, TrainingSetup]]] = {}
    told: dict[tuple[str, Location], set[str]] = {}
    for audit in audits:
        for item in audit.audited:
            place = item.setup.loss.location
            if place is not None:
                supplied.setdefault(place, []).append((audit.target.path, item.setup))
            for finding in item.findings:
                told.setdefault((finding.code, finding.location), set()).add(audit.target.path)

    def is_known_elsewhere(item: AuditedSetup, here: str) -> bool:
        place = item.setup.loss.location
        return (
            place is not None
            and item.setup.location.path == place.path == here  # in no other program's name
            and any(path != here and _supplies(setup, item.setup) for path, setup in supplied[place])
            and all(told[one.code, one.location] - {here} for one in item.findings)
        )

    return [
        _without(audit, [item for item in audit.audited if is_known_elsewhere(item, audit.target.path)])
        for audit in audits
    ]


def _supplies(better: TrainingSetup, worse: TrainingSetup) -> bool:
    """Whether one set-up of a loss knows what another one leaves open, and all else that that one knows."""
    if worse.target.values.unknown and not better.target.values.unknown:
        return True
    known, open_ = _known(better), _known(worse)
    return known > open_ and (worse.head.activation, worse.loss.name) in {
        (head, loss) for head in (better.head.activation, None) for loss in (better.loss.name, None)
    }


def _known(setup: TrainingSetup) -> frozenset[str]:
    """Which of the facts of a set-up are known."""
    facts = {
        "head": setup.head.activation is not None,
        "loss": setup.loss.name is not None,
        "values": not setup.target.values.unknown,
        "structure": setup.target.structure is not Structure.UNKNOWN,
    }
    return frozenset(fact for fact, known in facts.items() if known)


def _without(audit: FileAudit, lost: Sequence[AuditedSetup]) -> FileAudit:
    if not lost:
        return audit
    kept = tuple(item for item in audit.audited if not any(item is one for one in lost))
    gone = {_line_of(item) for item in lost} - {_line_of(item) for item in kept}
    return replace(
        audit,
        audited=kept,
        reasons=tuple(one for one in audit.reasons if (one.path, one.cell, one.line) not in gone),
    )


def _line_of(item: AuditedSetup) -> tuple[str, int | None, int | None]:
    place = item.setup.location
    return place.path, place.cell, place.line


def _was_read(audit: FileAudit) -> bool:
    """Whether reading yielded anything; of a notebook one broken cell does not spoil the others."""
    failed = any(error.stage == "static" and error.path == audit.target.path for error in audit.errors)
    return not failed or bool(audit.audited or audit.reasons)


def _place(finding: Finding, files: Sequence[str]) -> tuple[object, ...]:
    where = finding.location
    order = files.index(where.path) if where.path in files else len(files)
    return order, where.path, -1 if where.cell is None else where.cell, where.line, where.column, finding.code

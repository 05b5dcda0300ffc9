"""The static part of an audit: read, analyse, judge, excuse, propose fixes; nothing is run.

The steps are separate functions over :class:`FileAudit`, so that the stages that run programs can come in between:
``read_file`` → (runtime fills in the setups) → ``judge`` → (the probe settles findings) → ``finish`` → ``assemble``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from ae_audit.base.errors import AuditError, own_failure
from ae_audit.base.progress import Progress
from ae_audit.base.records import dataclass, replace
from ae_audit.engine.discovery import AuditTarget, path_matches
from ae_audit.engine.severity_overrides import overridden
from ae_audit.schema.findings import Finding
from ae_audit.schema.location import Location
from ae_audit.schema.report import Note, Report, StageError, Suppressed, Undecided
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static import Modules

MANY_FILES = 50
"""more files than this are spread over processes, whose start costs about as much as reading so many"""
_PROBED_BYTES = 8192
"""within which a binary file shows a zero byte, as git judges it"""


@dataclass(frozen=True, slots=True)
class FileAudit:
    """What is known of one target so far. ``Finding.setup`` counts within ``setups`` here, in a report over all."""

    target: AuditTarget
    relevant: bool = False
    """whether it could hold a training setup"""
    setups: tuple[TrainingSetup, ...] = ()
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    errors: tuple[StageError, ...] = ()
    notes: tuple[Note, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    judged_by: frozenset[str] = frozenset()
    """codes and names of the rules that took part and could see what they look for"""

    def judges(self, selector: str) -> bool:
        """Whether a rule that ``selector`` stands for took part."""
        return any(word == selector.lower() or word.startswith(selector.upper()) for word in self.judged_by)


def audit_statically(
    targets: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources | None = None
) -> Iterator[FileAudit]:
    """Audit every target by reading alone; results come one by one, in the order of ``targets``."""
    kept = sources or Sources()
    progress.begin(len(targets))
    jobs = settings.jobs or _cores()
    if len(targets) > MANY_FILES and jobs > 1:
        yield from _in_processes(targets, settings, progress, kept, jobs)
        return
    from ae_audit.static import Modules

    modules = Modules()
    for target in targets:
        progress.step(target.path, "reading")
        yield audit_file(target, settings, kept, modules)
        progress.done(target.path)


def audit_file(target: AuditTarget, settings: Settings, sources: Sources, modules: Modules | None = None) -> FileAudit:
    """One file, by reading alone; a failure of ours is told and costs no other file its audit."""
    audit = FileAudit(target)
    try:
        audit = read_file(target, sources, modules)
        return finish(judge(audit, settings), sources)
    except AuditError:
        raise
    except Exception as error:  # a bug of ours on this one file
        return replace(audit, errors=(*audit.errors, internal_error(target.path, "static", error)))


def read_file(target: AuditTarget, sources: Sources, modules: Modules | None = None) -> FileAudit:
    """Read one file and let the static stage look for setups in it; ``modules`` keeps what several files import."""
    path = target.path
    if target.model is not None:
        from ae_audit.static.model_files.models import read_model

        read = read_model(path, target.model.loss, data=target.run).result
        return FileAudit(target, read.relevant, read.setups, (), read.undecided, read.errors)
    try:
        source = sources.read(path)
    except OSError as error:
        return _unreadable(target, f"it cannot be read: {error.strerror or error}.")
    if b"\0" in source[:_PROBED_BYTES]:
        return _unreadable(target, "it is not text, so it is neither Python source nor a notebook.")
    from ae_audit.static import analyse_file

    result = analyse_file(path, source, project_root=target.project_root, modules=modules, named=target.named)
    return FileAudit(target, result.relevant, result.setups, (), result.undecided, result.errors)


def judge(audit: FileAudit, settings: Settings) -> FileAudit:
    """Apply the selected rules to the setups of one file."""
    if not audit.setups:
        return audit
    from ae_audit.rules.registry import select_rules
    from ae_audit.rules.runner import check, explained

    rules = select_rules(rules_for(audit.target.path, settings), modules=settings.rules)
    judging = (rule for rule in rules if audit.target.run or not rule.needs_data)
    words = frozenset(word for rule in judging for word in (rule.code, rule.name))
    findings, undecided = check(audit.setups, select=rules_for(audit.target.path, settings), modules=settings.rules)
    return replace(
        audit,
        findings=tuple(overridden(findings, settings)),
        undecided=explained(undecided, audit.undecided),
        judged_by=words,
    )


def finish(audit: FileAudit, sources: Sources) -> FileAudit:
    """Take out what the source excuses, and propose a fix for what stands."""
    if not audit.findings:
        return replace(audit, notes=(*audit.notes, *_idle_excuses(audit, sources)))
    from ae_audit.engine.suppressions import without_excused
    from ae_audit.fix import propose

    standing, suppressed = without_excused(audit.findings, sources.text)
    mended = tuple(
        replace(
            finding, fix=propose(finding, None if finding.setup is None else audit.setups[finding.setup], sources.text)
        )
        for finding in standing
    )
    audit = replace(audit, findings=mended, suppressed=(*audit.suppressed, *suppressed))
    return replace(audit, notes=(*audit.notes, *_idle_excuses(audit, sources)))


def _idle_excuses(audit: FileAudit, sources: Sources) -> Iterator[Note]:
    """A note for each comment that excuses nothing, of a file of which all was decided."""
    if not audit.setups or audit.undecided or audit.errors:
        return
    path = audit.target.path
    source = sources.read(path)
    if b"ae-audit" not in source and b"noqa" not in source:
        return
    from ae_audit.engine.suppressions import unused

    texts: list[tuple[int | None, str]] = [(None, sources.text(path) or "")]
    if path.endswith(".ipynb"):
        from ae_audit.source.notebook_cells import code_cells

        texts = [(cell.index, cell.source) for cell in code_cells(texts[0][1])]
    for cell, text in texts:
        here = [
            item
            for item in audit.suppressed
            if not item.baseline and (item.finding.location.path, item.finding.location.cell) == (path, cell)
        ]
        for excuse, rules in unused(text, here, audit.judges):
            place = f"line {excuse.line}" if cell is None else f"cell {cell}, line {excuse.line}"
            named = f" of {', '.join(rules)}" if rules else ""
            yield Note(path, f"{place}: the suppression{named} excuses nothing")


def assemble(audits: Iterable[FileAudit]) -> Report:
    """One report of many files; what two files report alike (of a module that both import) is told once."""
    audits = _without_known_elsewhere(list(audits))
    setups: list[TrainingSetup] = []
    findings: dict[object, Finding] = {}
    suppressed: dict[object, Suppressed] = {}
    undecided: dict[Undecided, None] = {}
    errors: dict[StageError, None] = {}
    notes: dict[Note, None] = {}
    files: list[str] = []
    for audit in audits:
        offset = len(setups)
        setups += audit.setups
        for finding in audit.findings:
            findings.setdefault(_identity(finding), _shifted(finding, offset))
        for excused in audit.suppressed:
            moved = replace(excused, finding=_shifted(excused.finding, offset))
            suppressed.setdefault(_identity(excused.finding), moved)
        undecided.update(dict.fromkeys(audit.undecided))
        errors.update(dict.fromkeys(audit.errors))
        notes.update(dict.fromkeys(audit.notes))
        if audit.relevant and _was_read(audit):
            files.append(audit.target.path)
    return Report(
        findings=tuple(sorted(findings.values(), key=lambda finding: _place(finding, files))),
        setups=tuple(setups),
        undecided=tuple(undecided),
        errors=tuple(errors),
        notes=tuple(notes),
        files=tuple(files),
        suppressed=tuple(suppressed.values()),
    )


def _without_known_elsewhere(audits: Sequence[FileAudit]) -> list[FileAudit]:
    """The audits without the losses of which one file leaves the target open, and another one supplies it.

    A model that ``model.py`` compiles and ``train.py`` fits is told of in the name of ``train.py``, which knows more.
    """
    fitted: dict[Location, set[int]] = {}
    told: dict[tuple[str, Location], set[int]] = {}
    for number, audit in enumerate(audits):
        for setup in audit.setups:
            if setup.loss.location is not None and not setup.target.values.unknown:
                fitted.setdefault(setup.loss.location, set()).add(number)
        for finding in audit.findings:
            told.setdefault((finding.code, finding.location), set()).add(number)
    kept = []
    for number, audit in enumerate(audits):
        lost = {
            index
            for index, setup in enumerate(audit.setups)
            if setup.target.values.unknown and setup.loss.location is not None
            if setup.location.path == setup.loss.location.path == audit.target.path  # in no other program's name
            if fitted.get(setup.loss.location, set()) - {number}
            if all(told[one.code, one.location] - {number} for one in audit.findings if one.setup == index)
        }
        kept.append(_without(audit, lost) if lost else audit)
    return kept


def _without(audit: FileAudit, lost: set[int]) -> FileAudit:
    places = {(place.path, place.cell, place.line) for place in (audit.setups[index].location for index in lost)}
    places -= {
        (setup.location.path, setup.location.cell, setup.location.line)
        for index, setup in enumerate(audit.setups)
        if index not in lost
    }
    moved = {old: new for new, old in enumerate(index for index in range(len(audit.setups)) if index not in lost)}

    def in_place(finding: Finding) -> Finding:
        return finding if finding.setup is None else replace(finding, setup=moved[finding.setup])

    return replace(
        audit,
        setups=tuple(audit.setups[index] for index in moved),
        findings=tuple(in_place(one) for one in audit.findings if one.setup not in lost),
        undecided=tuple(one for one in audit.undecided if (one.path, one.cell, one.line) not in places),
        suppressed=tuple(
            replace(one, finding=in_place(one.finding)) for one in audit.suppressed if one.finding.setup not in lost
        ),
    )


def rules_for(path: str, settings: Settings) -> frozenset[str] | None:
    """Codes of the rules that take part in the file at ``path``; None where every rule does."""
    ignore = list(settings.ignore)
    base = os.path.dirname(settings.config_file) if settings.config_file else None
    for pattern, selectors in settings.per_file_ignores:
        if path_matches(path, pattern, base):
            ignore += selectors
    if not (settings.select or ignore):
        return None
    from ae_audit.rules.registry import all_rules
    from ae_audit.settings.selection import selected

    return selected(all_rules(settings.rules), settings.select, ignore, settings.extend_select)


def _was_read(audit: FileAudit) -> bool:
    """Whether reading yielded anything; of a notebook one broken cell does not spoil the others."""
    failed = any(error.stage == "static" and error.path == audit.target.path for error in audit.errors)
    return not failed or bool(audit.setups or audit.undecided)


def _identity(finding: Finding) -> object:
    return finding.code, finding.location, finding.message, finding.condition


def _place(finding: Finding, files: Sequence[str]) -> tuple[object, ...]:
    where = finding.location
    order = files.index(where.path) if where.path in files else len(files)
    return order, where.path, -1 if where.cell is None else where.cell, where.line, where.column, finding.code


def _shifted(finding: Finding, offset: int) -> Finding:
    return finding if finding.setup is None or not offset else replace(finding, setup=finding.setup + offset)


def _unreadable(target: AuditTarget, why: str) -> FileAudit:
    return FileAudit(target, errors=(StageError(target.path, "static", why),))


def internal_error(path: str, stage: str, error: Exception) -> StageError:
    """A bug of ours that cost one stage of one file."""
    return StageError(path, stage, own_failure(error), internal=True)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_processes(
    targets: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources, jobs: int
) -> Iterator[FileAudit]:
    from concurrent.futures import ProcessPoolExecutor

    chunk = max(1, min(32, len(targets) // (jobs * 4)))
    chunks = [targets[start : start + chunk] for start in range(0, len(targets), chunk)]
    pool = ProcessPoolExecutor(jobs, initializer=_ignore_interrupts)
    try:
        for audits in pool.map(_audit_chunk, chunks, [settings] * len(chunks), [sources] * len(chunks)):
            for audit in audits:
                progress.step(audit.target.path, "reading")
                yield audit
                progress.done(audit.target.path)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _audit_chunk(targets: Sequence[AuditTarget], settings: Settings, sources: Sources) -> list[FileAudit]:
    from ae_audit.static import Modules

    modules = Modules()
    return [audit_file(target, settings, sources, modules) for target in targets]


def _ignore_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends the pool

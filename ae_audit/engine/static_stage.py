"""The part of an audit that runs nothing: read, judge, finish.

Each stage is a function from the value of the one before it to its own::

    read_file → Reading → (run_file → Run) → judge → FileAudit → finish → FileAudit → assemble → Report

What is run is read once and judged once: its :class:`Run` holds set-ups that the child has judged and settled beside
those that it never saw, and only these are judged here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ae_audit.base.errors import AuditError, own_failure
from ae_audit.base.progress import Progress
from ae_audit.base.records import dataclass, replace
from ae_audit.engine.assembly import FileAudit
from ae_audit.engine.discovery import AuditTarget, path_matches
from ae_audit.engine.doubt import Doubted, only_adding
from ae_audit.engine.severity_overrides import overridden
from ae_audit.schema.audited import AuditedSetup, without_candidates
from ae_audit.schema.report import Note, StageError, Undecided
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.engine.cache import Cache
    from ae_audit.rules.base import Rule
    from ae_audit.static import Modules

MANY_FILES = 50
"""more files than this are spread over processes, whose start costs about as much as reading so many"""
_PROBED_BYTES = 8192
"""within which a binary file shows a zero byte, as git judges it"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading one file found; nothing of it is judged yet."""

    target: AuditTarget
    relevant: bool = False
    """whether it could hold a training setup"""
    setups: tuple[TrainingSetup, ...] = ()
    reasons: tuple[Undecided, ...] = ()
    """facts that could not be found out, and why"""
    errors: tuple[StageError, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of one file after its program ran: what the child judged, and what only reading knows."""

    target: AuditTarget
    relevant: bool
    setups: tuple[TrainingSetup | AuditedSetup | Doubted, ...]
    """those that ran are judged by our own rules and settled"""
    reasons: tuple[Undecided, ...]
    """facts that neither stage found out"""
    errors: tuple[StageError, ...]
    notes: tuple[Note, ...]


def audit_statically(
    targets: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources | None = None
) -> Iterator[FileAudit]:
    """Audit every target by reading alone; results come one by one, in the order of ``targets``."""
    kept = sources or Sources()
    progress.begin(len(targets))
    jobs = settings.jobs or _cores()
    folder = _cache_folder(targets, settings, progress)
    if len(targets) > MANY_FILES and jobs > 1:
        yield from _in_processes(targets, settings, progress, kept, jobs, folder)
        return
    from ae_audit.static import Modules

    modules = Modules(digests=folder is not None)
    with _opened(folder, settings) as cache:
        for target in targets:
            progress.step(target.path, "reading")
            yield audit_file(target, settings, kept, modules, cache)
            progress.done(target.path)


def audit_file(
    target: AuditTarget,
    settings: Settings,
    sources: Sources,
    modules: Modules,
    cache: Cache | None = None,
    *,
    fixes: bool = True,
) -> FileAudit:
    """One file, by reading alone; a failure of ours is told and costs no other file its audit.

    ``fixes`` are proposed unless they are not wanted; a program is read again with each edit, which takes longest.
    """
    settings = target.governed(settings)
    if cache is None:
        return judged_and_finished(read_safely(target, sources, modules), settings, sources, fixes=fixes)
    known = cache.get(target, sources, modules)
    if known is None:
        modules.project = None
        known = judged_and_finished(read_safely(target, sources, modules), settings, sources)
        cache.put(known, sources, modules.asked())
    return known


def _cache_folder(targets: Sequence[AuditTarget], settings: Settings, progress: Progress) -> str | None:
    """Where the cache of an audit is; None where there is none, which is said to those who ask for much."""
    if len(targets) <= 1 or not settings.cache:  # before anything is imported
        return None
    from ae_audit.engine.cache import Cache, CacheError, cache_folder

    folder = cache_folder(targets, settings)
    if folder is not None:
        try:
            Cache(folder, settings).close()
        except CacheError as error:
            progress.step(folder, f"no cache ({error})")
            return None
    return folder


@contextmanager
def _opened(folder: str | None, settings: Settings) -> Iterator[Cache | None]:
    """The cache in ``folder``, for as long as one process reads."""
    if folder is None:
        yield None
        return
    from ae_audit.engine.cache import Cache, CacheError

    try:
        cache = Cache(folder, settings)
    except CacheError:
        yield None
        return
    try:
        yield cache
    finally:
        cache.close()


def read_safely(target: AuditTarget, sources: Sources, modules: Modules | None = None) -> Reading:
    """:func:`read_file`, where a failure of ours is an error of the file."""
    try:
        return read_file(target, sources, modules)
    except AuditError:
        raise
    except Exception as error:  # a bug of ours on this one file
        return Reading(target, errors=(internal_error(target.path, "static", error),))


def judged_and_finished(
    found: Reading | Run,
    settings: Settings,
    sources: Sources,
    reading: Reading | None = None,
    *,
    fixes: bool = True,
) -> FileAudit:
    """The stages after reading or running one file, where a failure of ours is an error of the file.

    ``reading`` is what was known of a file before it ran.
    """
    try:
        audit = finish(judge(found, settings), sources, fixes=fixes)
        if not any(finding.fix is not None and finding.fix.edits for one in audit.audited for finding in one.findings):
            return audit
        from ae_audit.engine.fix_check import with_sound_edits

        before = audit if reading is None else judge(reading, settings)
        return with_sound_edits(audit, before, sources, lambda texts: judge(read_safely(found.target, texts), settings))
    except AuditError:
        raise
    except Exception as error:  # a bug of ours on this one file
        setups = tuple(
            item if isinstance(item, AuditedSetup) else AuditedSetup(item.setup if isinstance(item, Doubted) else item)
            for item in found.setups
        )
        errors = (*found.errors, internal_error(found.target.path, "static", error))
        return FileAudit(found.target, found.relevant, setups, found.reasons, errors, found.notes)


def read_file(target: AuditTarget, sources: Sources, modules: Modules | None = None) -> Reading:
    """Read one file and let the static stage look for setups in it; ``modules`` keeps what several files import."""
    path = target.path
    if target.model is not None:
        from ae_audit.static.model_files.models import read_model

        read = read_model(path, target.model.loss, data=target.run).result
        return Reading(target, read.relevant, read.setups, read.undecided, read.errors)
    try:
        source = sources.read(path)
    except OSError as error:
        return _unreadable(target, f"it cannot be read: {error.strerror or error}.")
    if b"\0" in source[:_PROBED_BYTES]:
        return _unreadable(target, "it is not text, so it is neither Python source nor a notebook.")
    from ae_audit.static import analyse_file

    result = analyse_file(path, source, project_root=target.project_root, modules=modules, named=target.named)
    return Reading(target, result.relevant, result.setups, result.undecided, result.errors)


def judge(found: Reading | Run, settings: Settings) -> FileAudit:
    """Apply the selected rules to the setups of one file, each rule once to each.

    Raises:
        UsageError: for a selector that stands for no rule.
    """
    target = found.target
    audit = FileAudit(target, found.relevant, (), found.reasons, found.errors, found.notes)
    if not found.setups:
        return audit
    from ae_audit.rules.runner import judge as judge_setup
    from ae_audit.rules.runner import told_once, under_conditions

    rules = selected_rules(target.path, settings)
    own = [rule for rule in rules if not is_shipped(rule)]  # the child knows ours alone
    judging = (rule for rule in rules if target.run or not rule.needs_data)

    def judged(setup: TrainingSetup | AuditedSetup | Doubted) -> AuditedSetup:
        if isinstance(setup, Doubted):
            return only_adding(judge_setup(setup.setup, rules), judged(setup.claimed))
        if not isinstance(setup, AuditedSetup):
            return judge_setup(setup, rules)
        more = judge_setup(setup.setup, own)
        return replace(setup, findings=(*setup.findings, *more.findings), undecided=(*setup.undecided, *more.undecided))

    audited = told_once(under_conditions([judged(setup) for setup in found.setups]))
    return replace(
        audit,
        audited=tuple(replace(item, findings=overridden(item.findings, settings)) for item in audited),
        judged_by=frozenset(word for rule in judging for word in (rule.code, rule.name)),
    )


def finish(audit: FileAudit, sources: Sources, *, fixes: bool = True) -> FileAudit:
    """Take out what the source excuses, and propose a fix for what stands, where ``fixes`` are wanted."""
    if any(item.findings for item in audit.audited):
        audit = replace(audit, audited=tuple(_finished(item, sources, fixes) for item in audit.audited))
    return replace(audit, notes=(*audit.notes, *_idle_excuses(audit, sources)))


def _finished(item: AuditedSetup, sources: Sources, fixes: bool) -> AuditedSetup:
    item = without_candidates(item)
    if not item.findings:
        return item
    from ae_audit.engine.suppressions import without_excused

    standing, suppressed = without_excused(item.findings, sources.text)
    if not fixes:
        return replace(item, findings=standing, suppressed=suppressed)
    from ae_audit.fix import propose

    proposed = tuple(replace(finding, fix=propose(finding, item.setup, sources.text)) for finding in standing)
    return replace(item, findings=proposed, suppressed=suppressed)


def _idle_excuses(audit: FileAudit, sources: Sources) -> Iterator[Note]:
    """A note for each comment that suppresses nothing, of a file of which all was decided."""
    if not audit.audited or audit.errors or audit.undecided:
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
            for owner in audit.audited
            for item in owner.suppressed
            if (item.finding.location.path, item.finding.location.cell) == (path, cell)
        ]
        for excuse, rules in unused(text, here, audit.judges):
            place = f"line {excuse.line}" if cell is None else f"cell {cell}, line {excuse.line}"
            named = f" of {', '.join(rules)}" if rules else ""
            yield Note(path, f"{place}: the suppression{named} suppresses nothing")


def selected_rules(path: str, settings: Settings) -> tuple[Rule, ...]:
    """The rules that take part in the file at ``path``, the project's own among them."""
    from ae_audit.rules.registry import select_rules

    return select_rules(rules_for(path, settings), modules=settings.rules)


def is_shipped(rule: Rule) -> bool:
    """Whether it is one of ours, and none of the project's own."""
    from ae_audit.rules.registry import all_rules

    return any(rule is one for one in all_rules())


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


def _unreadable(target: AuditTarget, why: str) -> Reading:
    return Reading(target, errors=(StageError(target.path, "static", why),))


def internal_error(path: str, stage: str, error: Exception) -> StageError:
    """A bug of ours that cost one stage of one file."""
    return StageError(path, stage, own_failure(error), internal=True)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_processes(
    targets: Sequence[AuditTarget],
    settings: Settings,
    progress: Progress,
    sources: Sources,
    jobs: int,
    folder: str | None,
) -> Iterator[FileAudit]:
    chunk = max(1, min(32, len(targets) // (jobs * 4)))
    chunks = [targets[start : start + chunk] for start in range(0, len(targets), chunk)]
    while chunks:
        for audits in _as_far_as_workers_live(chunks, (settings, sources, folder), jobs):
            for audit in audits:
                progress.step(audit.target.path, "reading")
                yield audit
                progress.done(audit.target.path)
            del chunks[0]
        if chunks:  # a worker died, which ends them all: find out over which file, and go on
            for target in chunks.pop(0):
                progress.step(target.path, "reading")
                alone = [*_as_far_as_workers_live([[target]], (settings, sources, folder), 1)]
                unread = _unreadable(target, _DIED)
                yield alone[0][0] if alone else judged_and_finished(unread, target.governed(settings), sources)
                progress.done(target.path)


_DIED = "the process that read it died (it may have run out of memory); the other files were audited."


def _as_far_as_workers_live(
    chunks: Sequence[Sequence[AuditTarget]], how: tuple[Settings, Sources, str | None], jobs: int
) -> Iterator[list[FileAudit]]:
    """The audits of one chunk after the other; ends before the first that a dying worker left unread."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(jobs, initializer=_begin_work, initargs=(os.getpid(),))
    try:
        yield from pool.map(_audit_chunk, list(chunks), [how] * len(chunks))
    except BrokenProcessPool:
        return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _audit_chunk(targets: Sequence[AuditTarget], how: tuple[Settings, Sources, str | None]) -> list[FileAudit]:
    from ae_audit.static import Modules

    settings, sources, folder = how
    modules = Modules(digests=folder is not None)
    with _opened(folder, settings) as cache:
        return [audit_file(target, settings, sources, modules, cache) for target in targets]


def _begin_work(parent: int) -> None:
    """What a worker does first: leave Ctrl-C to the parent, which ends the pool, and end when the parent is killed."""
    import signal

    from ae_audit.base.orphans import once_orphaned

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # a worker waits for work from a pipe of which it holds both ends, so that it would wait for ever
    once_orphaned(parent, lambda: os._exit(1))

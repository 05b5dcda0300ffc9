"""The engine: takes files through the stages and makes one report of what they find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing

from ae_audit.base.errors import AuditError
from ae_audit.base.progress import Progress
from ae_audit.base.records import replace
from ae_audit.engine.assembly import FileAudit, assemble
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.static_stage import (
    Reading,
    audit_statically,
    internal_error,
    judged_and_finished,
    read_safely,
)
from ae_audit.schema.report import Report
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.engine.nursery import Nursery

__all__ = ["Interrupted", "assemble", "audit_each", "audit_files"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of an audit; ``audits`` holds what was found until then."""

    def __init__(self, audits: Sequence[FileAudit]) -> None:
        super().__init__()
        self.audits = tuple(audits)

    @property
    def report(self) -> Report:
        """What was found until then, as a report."""
        return assemble(self.audits)


def audit_files(
    paths: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources | None = None
) -> Report:
    """Audit files; ``sources`` gives the text of those that are not on disk.

    Raises:
        Interrupted: on Ctrl-C, with the report so far.
    """
    return assemble(audit_each(paths, settings, progress, sources))


def audit_each(
    paths: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources | None = None
) -> tuple[FileAudit, ...]:
    """What is known of each file by itself, in the order of ``paths``; :func:`assemble` makes one report of them.

    Raises:
        Interrupted: on Ctrl-C, with the audits so far.
    """
    texts = sources or Sources()
    audits: list[FileAudit] = []
    stages = _through_all_stages if any(target.run for target in paths) else audit_statically
    try:
        for audit in stages(paths, settings, progress, texts):
            audits.append(audit)
    except KeyboardInterrupt:
        raise Interrupted(audits) from None
    finally:
        progress.close()
    return tuple(audits)


def _through_all_stages(
    targets: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources
) -> Iterator[FileAudit]:
    """Every target read once, and run where it may be; the reading of an interrupted one is kept."""
    progress.begin(len(targets))
    with _nursery(settings) as nursery:
        yield from _one_by_one(targets, settings, progress, sources, nursery)


def _nursery(settings: Settings) -> AbstractContextManager[Nursery]:
    from ae_audit.engine.nursery import Nursery

    return closing(Nursery(settings.reuse))


def _one_by_one(
    targets: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources, nursery: Nursery
) -> Iterator[FileAudit]:
    for target in targets:
        own = target.governed(settings)
        progress.step(target.path, "reading")
        reading = read_safely(target, sources)
        try:
            audit = _run(reading, own, progress, sources, nursery) if _is_worth_running(reading) else None
        except KeyboardInterrupt:
            yield judged_and_finished(reading, own, sources)
            raise
        except AuditError:  # the user's to mend
            raise
        except Exception as error:  # a bug of ours in the later stages of this one file
            failed = (*reading.errors, internal_error(target.path, "runtime", error))
            reading, audit = replace(reading, errors=failed), None
        yield audit or judged_and_finished(reading, own, sources)
        progress.done(target.path)


def _is_worth_running(reading: Reading) -> bool:
    """Whether running shows more: not where nothing was found that could train, or Python cannot parse it.

    But the cells of a notebook before a broken one run.
    """
    unread = any(error.stage == "static" and error.cell is None for error in reading.errors)
    return reading.target.run and reading.relevant and not unread


def _run(reading: Reading, settings: Settings, progress: Progress, sources: Sources, nursery: Nursery) -> FileAudit:
    from ae_audit.engine.runtime_stage import run_file

    return judged_and_finished(run_file(reading, settings, progress, nursery), settings, sources, reading)

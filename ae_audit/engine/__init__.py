"""The engine: takes files through the stages and makes one report of what they find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ae_audit.base.errors import AuditError
from ae_audit.base.progress import Progress
from ae_audit.base.records import replace
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.static_stage import (
    FileAudit,
    assemble,
    audit_file,
    audit_statically,
    finish,
    internal_error,
    read_file,
)
from ae_audit.schema.report import Report
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

__all__ = ["Interrupted", "audit_files"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of an audit; ``report`` holds what was found until then."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


def audit_files(
    paths: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources | None = None
) -> Report:
    """Audit files; ``sources`` gives the text of those that are not on disk.

    Raises:
        Interrupted: on Ctrl-C, with the report so far.
    """
    texts = sources or Sources()
    audits: list[FileAudit] = []
    stages = _through_all_stages if any(target.run for target in paths) else audit_statically
    try:
        for audit in stages(paths, settings, progress, texts):
            audits.append(audit)
    except KeyboardInterrupt:
        raise Interrupted(assemble(audits)) from None
    finally:
        progress.close()
    return assemble(audits)


def _through_all_stages(
    targets: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources
) -> Iterator[FileAudit]:
    """Every target by reading, and those that may be run by running; the reading of an interrupted one is kept."""
    progress.begin(len(targets))
    for target in targets:
        progress.step(target.path, "reading")
        static = audit_file(target, settings, sources)
        # where nothing was found that could train, or Python cannot parse it, running shows no more; but the cells of a
        # notebook before a broken one run
        unread = any(error.stage == "static" and error.cell is None for error in static.errors)
        if not target.run or not static.relevant or unread:
            yield static
        else:
            try:
                yield _run(target, settings, progress, sources)
            except KeyboardInterrupt:
                yield static
                raise
            except AuditError:  # the user's to mend
                raise
            except Exception as error:  # a bug of ours in the later stages of this one file
                yield replace(static, errors=(*static.errors, internal_error(target.path, "runtime", error)))
        progress.done(target.path)


def _run(target: AuditTarget, settings: Settings, progress: Progress, sources: Sources) -> FileAudit:
    from ae_audit.engine.runtime_stage import run_file

    return finish(run_file(read_file(target, sources), settings, progress), sources)

"""The engine: takes files through the stages and makes one report of what they find."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.discovery import AuditTarget
from ae_audit.engine.static_run import FileAudit, assemble, audit_statically
from ae_audit.progress import Progress
from ae_audit.results import Report
from ae_audit.settings import Settings
from ae_audit.source_text import Sources

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
    audits: list[FileAudit] = []
    try:
        for audit in audit_statically(paths, settings, progress, sources or Sources()):
            audits.append(audit)
    except KeyboardInterrupt:
        raise Interrupted(assemble(audits)) from None
    finally:
        progress.close()
    return assemble(audits)

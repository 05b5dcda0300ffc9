"""``--fix``: audit, write the fixes into the files, and audit again until nothing is left that a fix could mend."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.base.progress import Progress
from ae_audit.base.records import dataclass
from ae_audit.engine import audit_files
from ae_audit.engine.discovery import AuditTarget
from ae_audit.fix.files import plan, rewritten, write
from ae_audit.schema.report import Report
from ae_audit.settings.options import Settings
from ae_audit.source.text import STDIN, Sources

MOST_ROUNDS = 4
"""a fix can make room for another, which overlapped it; more rounds than this hint at fixes that undo each other"""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What is left after the fixes, and what they did."""

    report: Report
    sources: Sources
    findings: int = 0
    """how many findings were mended"""
    files: int = 0
    unsafe: int = 0
    """how many fixes were left out because they change what the program computes"""
    problems: tuple[str, ...] = ()
    """a sentence for each file that could not be mended"""


def mend(
    report: Report, targets: Sequence[AuditTarget], settings: Settings, progress: Progress, sources: Sources
) -> Fixed:
    """Mend the files among ``targets``; only those, never the modules that they import.

    Raises:
        Interrupted: on Ctrl-C while a mended file is audited again.
    """
    paths = {target.path for target in targets} - {STDIN}
    findings = 0
    changed: set[str] = set()
    problems: dict[str, str] = {}
    for _ in range(MOST_ROUNDS):
        planned = plan(report.standing, paths - problems.keys(), unsafe=settings.unsafe_fixes)
        written = set()
        for path, edits in planned.edits.items():
            try:
                before = sources.read(path)
                write(path, before, rewritten(path, before, edits))
                written.add(path)
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or str(error)
                problems[path] = f"{path} was not fixed: {why}."
        if not written:
            return Fixed(report, sources, findings, len(changed), planned.unsafe, tuple(problems.values()))
        findings += sum(finding.location.path in written for finding in planned.mended)
        changed |= written
        sources = Sources()
        report = audit_files(targets, settings, progress, sources)
    return Fixed(report, sources, findings, len(changed), 0, tuple(problems.values()))

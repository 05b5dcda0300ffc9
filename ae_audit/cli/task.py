"""The process of one task (:mod:`ae_audit.engine.tasks`): ``python -m ae_audit.cli.task PARENT``.

The order comes through standard input, the result goes to standard output. It ends with the process ``PARENT``, whose
children end with it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from ae_audit.base.orphans import once_orphaned
from ae_audit.base.progress import Progress
from ae_audit.cli.common import cleaned_up
from ae_audit.engine import audit_each
from ae_audit.engine.assembly import FileAudit
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.tasks import perform
from ae_audit.schema.comparison import ComparisonReport, GridOptions
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources


def main(arguments: Sequence[str]) -> int:
    """Perform the order on standard input."""
    once_orphaned(int(arguments[0]), lambda: os.kill(os.getpid(), signal.SIGTERM))  # which also ends our children
    sys.stdout.write(perform(sys.stdin.read(), _audit, _compare))
    return 0


def _audit(targets: Sequence[AuditTarget], settings: Settings) -> tuple[FileAudit, ...]:
    with cleaned_up(targets):
        return audit_each(targets, settings, Progress())


def _compare(targets: Sequence[AuditTarget], settings: Settings, grid: GridOptions) -> ComparisonReport:
    from ae_audit.engine.comparing import compare_here

    with cleaned_up(targets):
        return compare_here(targets, settings, grid, Progress(), Sources())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

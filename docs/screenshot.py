"""Draw docs/screenshot.svg, the image in README.md: what ``ae-audit --static`` says of one program, in colour.

usage: python docs/screenshot.py
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from rich.console import Console

from ae_audit.base.progress import Progress
from ae_audit.engine import audit_files
from ae_audit.engine.discovery import discover
from ae_audit.report.display import PresentedReport
from ae_audit.settings.options import Settings

DOCS = Path(__file__).resolve().parent
PROGRAM = "fixtures/keras/dense_softmax_scaled.py"


def main() -> None:
    """Audit the program and draw the report."""
    os.chdir(DOCS.parent)  # the report shows paths as they were given
    settings = Settings(static=True)
    report = audit_files(discover((PROGRAM,), settings), settings, Progress())
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(PresentedReport.of(report))
    # A fixed id, so that the file changes only where the report does.
    title = f"ae-audit --static {PROGRAM}"
    svg = console.export_svg(title=title, unique_id="ae-audit")
    (DOCS / "screenshot.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()

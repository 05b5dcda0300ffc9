"""Counts in place of findings: how often each rule was broken, the worst and most frequent first."""

from __future__ import annotations

from collections import Counter

from ae_audit.report.phrases import summary
from ae_audit.report.text_layout import DEFAULT_WIDTH, Line, Page, Segment
from ae_audit.schema.report import Report


def statistics(report: Report, *, width: int = DEFAULT_WIDTH, ascii_only: bool = False) -> list[Line]:
    """A row for each rule: number, files, code, name, severity; then the summary."""
    page = Page(width, ascii_only)
    number = Counter((finding.severity, finding.code, finding.name) for finding in report.standing)
    rows = []
    for (severity, code, name), times in sorted(number.items(), key=lambda item: (item[0][0].rank, -item[1])):
        files = {f.location.path for f in report.standing if (f.severity, f.code) == (severity, code)}
        where = f"in {len(files)} file{'s' if len(files) > 1 else ''}"
        row = [Segment(str(times), "bold"), Segment(severity.value, severity.value), Segment(code, "code")]
        rows.append([*row, Segment(name), Segment(where, "dim")])
    page.table(rows, right=frozenset({0}))
    page.segments(summary(report))
    return page.lines

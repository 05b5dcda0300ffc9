"""The concise report: one line a finding, for grep, editors and small terminals."""

from __future__ import annotations

from ae_audit.report.phrases import summary
from ae_audit.report.text_layout import DEFAULT_WIDTH, Line, Page, Segment, in_code, plain
from ae_audit.schema.findings import Finding, Verdict
from ae_audit.schema.location import address
from ae_audit.schema.report import Report


def concise(report: Report, *, ascii_only: bool = False, interrupted: bool = False) -> list[Line]:
    """``path:line:column: CODE name [severity, verdict] message``, then what was not decided, errors, the summary."""
    page = Page(DEFAULT_WIDTH, ascii_only)
    for finding in report.findings:
        page.line(*_line(finding))
    for item in report.undecided:
        place = f"{address(item.path, item.cell, item.line)}:"
        page.line(Segment(place, "place"), Segment(" not decided", "bold"), Segment(f" [{item.what}] {item.why}"))
    for error in report.errors:
        place = f"{address(error.path, error.cell, error.line)}:"
        page.line(Segment(place, "place"), Segment(" failed", "bold"), Segment(f" [{error.stage}] {error.message}"))
    if interrupted:
        page.line("Interrupted: this is what was found until then.")
    page.line(*summary(report))
    return page.lines


def _line(finding: Finding) -> list[Segment]:
    refuted = finding.verdict is Verdict.REFUTED
    style = "withdrawn" if refuted else finding.severity.value
    condition = f" (when `{finding.condition}`)" if finding.condition is not None else ""
    return [
        Segment(f"{finding.location}:", "place"),
        Segment(f" {finding.code}", style),
        Segment(f" {finding.name} "),
        Segment(f"[{finding.severity.value}, {finding.verdict.value}] ", style),
        *in_code(f"{finding.message}{condition}", "withdrawn" if refuted else ""),
    ]


def render(report: Report) -> str:
    """The concise report as plain text."""
    return plain(concise(report))

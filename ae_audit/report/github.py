"""GitHub: annotations as workflow commands, and a step summary in Markdown.

GitHub shows the first ten annotations of each kind in a step and silently drops the others, so the worst come first and
the summary lists all.
"""

from __future__ import annotations

from ae_audit.report.phrases import summary
from ae_audit.report.regions import Places, worst_first
from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.location import address
from ae_audit.schema.report import Report
from ae_audit.source.fingerprints import relative
from ae_audit.source.text import Sources

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
MOST_ROWS = 500
"""rows of the summary's table, which GitHub limits to 1 MiB"""


def to_github(report: Report, sources: Sources, *, interrupted: bool = False) -> str:
    """A workflow command for each finding and for each file that could not be read, then the summary as plain text."""
    places = Places(sources)
    lines = [_annotation(finding, places) for finding in worst_first(report.standing)]
    for error in report.errors:
        command = "error" if error.stage == "static" else "warning"
        line = places.line(error.path, error.cell, error.line)
        properties = {"file": relative(error.path)} | ({} if line is None else {"line": str(line)})
        lines.append(_command(command, properties | {"title": f"ae-audit: {error.stage} stage failed"}, error.message))
    if interrupted:
        lines.append("Interrupted: this is what was found until then.")
    lines.append("".join(segment.text for segment in summary(report)))
    return "".join(f"{line}\n" for line in lines)


def step_summary(report: Report) -> str:
    """The report in Markdown: a table of all findings, the worst first, and what was not decided."""
    findings = worst_first(report.standing)
    parts = ["## ae-audit", "", _escaped("".join(segment.text for segment in summary(report))), ""]
    if findings:
        parts += ["| severity | rule | place | finding |", "|---|---|---|---|"]
        parts += [
            f"| {finding.severity.value}, {finding.verdict.value} | {finding.code} {finding.name} "
            f"| {_code(str(finding.location))} | {_escaped(finding.message)} |"
            for finding in findings[:MOST_ROWS]
        ]
        if len(findings) > MOST_ROWS:
            parts += ["", f"… and {len(findings) - MOST_ROWS} more."]
        parts.append("")
    for heading, items in (
        ("Not decided", [(address(i.path, i.cell, i.line), f"{i.what}: {i.why}") for i in report.undecided]),
        ("Could not be done", [(address(e.path, e.cell, e.line), f"{e.stage}: {e.message}") for e in report.errors]),
    ):
        if items:
            parts += [f"<details><summary>{heading} ({len(items)})</summary>", ""]
            parts += [f"- {_code(place)} {_escaped(text)}" for place, text in items[:MOST_ROWS]]
            parts += ["", "</details>", ""]
    return "\n".join(parts) + "\n"


def write_step_summary(report: Report) -> None:
    """Append the summary to the file that GitHub names in ``GITHUB_STEP_SUMMARY``; without one do nothing."""
    import os

    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with open(path, "a", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(step_summary(report))


def _annotation(finding: Finding, places: Places) -> str:
    region = places.region(finding.location)
    properties = {"file": relative(finding.location.path), "line": str(region.line)}
    if region.end_line is not None:
        properties["endLine"] = str(region.end_line)
    if region.column is not None and region.end_line in {None, region.line}:  # GitHub knows columns of one line only
        properties["col"] = str(region.column)
        if region.end_column is not None:
            properties["endColumn"] = str(region.end_column)
    properties["title"] = f"{finding.code} {finding.name}"
    cell = "" if finding.location.cell is None else f" (cell {finding.location.cell}, line {finding.location.line})"
    condition = f" (when `{finding.condition}`)" if finding.condition is not None else ""
    text = f"{finding.message}{condition}{cell} [{finding.verdict.value}]"
    if finding.fix is not None:
        text += f"\nFix: {finding.fix.description}"
    return _command(_COMMANDS[finding.severity], properties, text)


def _command(name: str, properties: dict[str, str], message: str) -> str:
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {given}::{_data(message)}"


def _data(text: str) -> str:
    return _printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _printable(text: str) -> str:
    """Without control characters and the like, which the user's program may have put into its messages."""
    return "".join(char if char.isprintable() or char in "\r\n" else "\ufffd" for char in text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _escaped(text: str) -> str:
    """``text`` for a cell of a Markdown table, with no HTML of its own."""
    plain = " ".join(_printable(text).split())
    for sign, spelt in (("\\", "\\\\"), ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("](", "]\\(")):
        plain = plain.replace(sign, spelt)
    return plain


def _code(text: str) -> str:
    return "`" + " ".join(_printable(text).replace("`", "'").split()).replace("|", "\\|") + "`"

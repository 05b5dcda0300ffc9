"""SARIF 2.1.0, for code scanning: results with related places, fixes, suppressions and stable fingerprints.

What could not be done or decided are notifications of the invocation. Regions of notebooks are those of the file; the
cell stands in the properties. Findings that an experiment refuted are no results.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ae_audit.base.errors import UsageError
from ae_audit.base.version import __version__
from ae_audit.report.links import published
from ae_audit.report.regions import Places, worst_first
from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report
from ae_audit.source.fingerprints import fingerprints, relative
from ae_audit.source.text import STDIN, Sources

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "%SRCROOT%"

Json = dict[str, Any]


def to_sarif(report: Report, sources: Sources, *, interrupted: bool = False) -> str:
    """The report as SARIF text, indented, ASCII alone, with a line break at the end."""
    return json.dumps(as_sarif(report, sources, interrupted=interrupted), indent=2, allow_nan=False) + "\n"


def as_sarif(report: Report, sources: Sources, *, interrupted: bool = False) -> Json:
    """The report as a SARIF log of one run."""
    places = Places(sources)
    standing = worst_first(report.standing)
    found = [*standing, *(excused.finding for excused in report.suppressed)]
    codes = sorted({finding.code for finding in found})
    results = [
        _result(finding, codes, mark, places, sources)
        for finding, mark in zip(found, fingerprints(found, sources), strict=True)
    ]
    for result, excused in zip(results[len(standing) :], report.suppressed, strict=True):
        suppression = {"kind": "external" if excused.baseline else "inSource"}
        if excused.reason:
            suppression["justification"] = excused.reason
        result["suppressions"] = [suppression]
    for result in results[: len(standing)]:
        if report.suppressed:
            result["suppressions"] = []  # the standard asks for all or none
    run: Json = {
        "tool": {
            "driver": {
                "name": "ae-audit",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(code, found) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not interrupted and not any(e.stage == "static" for e in report.errors),
                "toolExecutionNotifications": _notifications(report, places, interrupted),
            }
        ],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, found: list[Finding]) -> Json:
    from ae_audit.rules.registry import find_rule

    name = next(finding.name for finding in found if finding.code == code)
    try:
        rule = find_rule(code)
    except UsageError:
        return {"id": code, "name": name}
    page = published(code)
    return {
        "id": code,
        "name": name,
        **({} if page is None else {"helpUri": page}),
        "shortDescription": {"text": f"{rule.summary}."},
        "fullDescription": {"text": rule.page.partition("\n")[0]},
        "help": {"text": rule.page, "markdown": f"# {code} {name}\n\n{rule.page}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["correctness", "machine-learning"], "problem.severity": _problem(rule.severity)},
    }


def _problem(severity: Severity) -> str:
    return "recommendation" if severity is Severity.INFO else severity.value


def _result(finding: Finding, codes: list[str], mark: str, places: Places, sources: Sources) -> Json:
    condition = f" This holds when `{finding.condition}`." if finding.condition is not None else ""
    related = [span for span in finding.spans if span.location != finding.location]
    result: Json = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.severity],
        "message": {"text": _sentence(finding.message) + condition},
        "locations": [{"physicalLocation": _physical(finding.location, places, sources)}],
        "partialFingerprints": {"aeAudit/v1": mark},
        "properties": {
            "verdict": finding.verdict.value,
            "evidence": [f"{item.kind}: {item.text}" for item in finding.evidence],
        },
    }
    if finding.location.cell is not None:
        result["properties"] |= {"cell": finding.location.cell, "lineInCell": finding.location.line}
    if related:
        result["relatedLocations"] = [
            {
                "id": number,
                "message": {"text": span.label or "see here"},
                "physicalLocation": _physical(span.location, places, sources),
            }
            for number, span in enumerate(related, 1)
        ]
    if finding.fix is not None and finding.fix.edits:
        result["fixes"] = [_fix(finding, places)]
    return result


def _fix(finding: Finding, places: Places) -> Json:
    assert finding.fix is not None
    changes: dict[str, list[Json]] = {}
    for edit in finding.fix.edits:
        change = {
            "deletedRegion": _region(edit.location, places),
            "insertedContent": {"text": places.spelt(edit.location, edit.text)},
        }
        changes.setdefault(edit.location.path, []).append(change)
    return {
        "description": {"text": _sentence(finding.fix.description)},
        "artifactChanges": [
            {"artifactLocation": _artifact(path), "replacements": replacements}
            for path, replacements in changes.items()
        ],
        "properties": {"safe": finding.fix.safe},
    }


def _physical(place: Location, places: Places, sources: Sources) -> Json:
    region = _region(place, places)
    lines = sources.lines(place.path, place.cell)
    if lines is not None and 1 <= place.line <= len(lines):
        region["snippet"] = {"text": lines[place.line - 1]}
    return {"artifactLocation": _artifact(place.path), "region": region}


def _region(place: Location, places: Places) -> Json:
    region = places.region(place)
    document: Json = {"startLine": region.line}
    if region.column is not None:
        document["startColumn"] = region.column
    if region.end_line is not None:
        document["endLine"] = region.end_line
    if region.end_column is not None:
        document["endColumn"] = region.end_column
    return document


def _artifact(path: str) -> Json:
    from urllib.parse import quote

    if path == STDIN:
        return {"uri": "stdin"}
    shown = _with_bytes(relative(path))
    if os.path.isabs(shown):
        from pathlib import Path

        return {"uri": Path(shown).as_uri()}
    return {"uri": quote(os.fsencode(shown)), "uriBaseId": _ROOT}  # names need not be text


def _with_bytes(path: str) -> str:
    """``path`` without halves of characters that stand for no byte, which no file has in its name but a message may."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "replace").decode("utf-8")
    return path


def _notifications(report: Report, places: Places, interrupted: bool) -> list[Json]:
    told = [
        _notification(
            f"{error.stage} stage: {error.message}",
            "error" if error.stage == "static" else "warning",
            error.path,
            places.line(error.path, error.cell, error.line),
            f"{error.stage}-failed",
        )
        for error in report.errors
    ]
    told += [
        _notification(
            f"Not decided: {item.what}: {item.why}",
            "note",
            item.path,
            places.line(item.path, item.cell, item.line),
            "not-decided",
        )
        for item in report.undecided
    ]
    told += [_notification(note.text, "note", note.path, None, "note") for note in report.notes]
    if interrupted:
        told.append({"message": {"text": "Interrupted: this is what was found until then."}, "level": "error"})
    return told


def _notification(text: str, level: str, path: str, line: int | None, name: str) -> Json:
    place: Json = {"artifactLocation": _artifact(path)}
    if line is not None:
        place["region"] = {"startLine": line}
    return {
        "descriptor": {"id": name},
        "message": {"text": text},
        "level": level,
        "locations": [{"physicalLocation": place}],
    }


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."

"""GitLab's code quality report: a list of issues, each with a fingerprint that outlives moved lines."""

from __future__ import annotations

import json
from typing import Any

from ae_audit.report.regions import Places, worst_first
from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.report import Report
from ae_audit.source.fingerprints import digest, fingerprints, relative
from ae_audit.source.text import Sources

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def to_gitlab(report: Report, sources: Sources) -> str:
    """The findings that stand, and the files that could not be read, as JSON text."""
    places = Places(sources)
    findings = worst_first(report.standing)
    marks = fingerprints(findings, sources)
    issues = [_issue(finding, mark, places) for finding, mark in zip(findings, marks, strict=True)]
    issues += [
        {
            "description": f"{error.stage} stage failed: {error.message}",
            "check_name": f"ae-audit-{error.stage}",
            "fingerprint": digest(relative(error.path), error.stage, error.message),
            "severity": "minor",
            "location": {
                "path": relative(error.path),
                "lines": {"begin": places.line(error.path, error.cell, error.line) or 1},
            },
        }
        for error in report.errors
    ]
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, mark: str, places: Places) -> dict[str, Any]:
    region = places.region(finding.location)
    cell = "" if finding.location.cell is None else f" (cell {finding.location.cell}, line {finding.location.line})"
    return {
        "description": f"{finding.code} {finding.name}: {finding.message}{cell}",
        "check_name": finding.code,
        "fingerprint": mark,
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": relative(finding.location.path),
            "lines": {"begin": region.line, "end": region.end_line or region.line},
        },
    }

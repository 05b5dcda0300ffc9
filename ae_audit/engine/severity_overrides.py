"""Severities that the configuration sets in place of the rules' own."""

from __future__ import annotations

from collections.abc import Iterable

from ae_audit.base.records import replace
from ae_audit.schema.findings import Finding, Severity
from ae_audit.settings.options import Settings
from ae_audit.settings.selection import matching, specificity


def overridden(findings: Iterable[Finding], settings: Settings) -> tuple[Finding, ...]:
    """``findings`` with the severity that the most specific entry of ``settings.severity`` gives them.

    What holds only under a condition that is not the default one stays a note.
    """
    if not settings.severity:
        return tuple(findings)
    changed: list[Finding] = []
    for finding in findings:
        entries = [entry for entry in settings.severity if matching(entry[0], (finding,))]
        note = finding.condition is not None and finding.severity is Severity.INFO
        if entries and not note:
            _, severity = max(entries, key=lambda entry: specificity(entry[0]))
            finding = replace(finding, severity=severity)
        changed.append(finding)
    return tuple(changed)

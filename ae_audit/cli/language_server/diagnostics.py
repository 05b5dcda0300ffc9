"""Findings as an editor shows them: diagnostics with related places, and fixes as code actions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from lsprotocol import types
from pygls import uris

from ae_audit.base.records import dataclass
from ae_audit.cli.language_server.positions import Encoding, to_range
from ae_audit.cli.language_server.reading import Audit
from ae_audit.report.links import address_of
from ae_audit.schema.findings import Edit, Finding, Severity, Verdict
from ae_audit.schema.location import Location
from ae_audit.source.text import split_lines

SOURCE = "ae-audit"
_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding where the editor shows it."""

    finding: Finding
    document: str
    diagnostic: types.Diagnostic


def diagnostics(audit: Audit, encoding: Encoding) -> dict[str, list[types.Diagnostic]]:
    """The diagnostics of each document of a snapshot, in their order; empty lists where there are none."""
    found: dict[str, list[types.Diagnostic]] = {uri: [] for uri in audit.snapshot.documents}
    for shown in shown_findings(audit, encoding):
        found[shown.document].append(shown.diagnostic)
    for error in audit.report.errors:
        place = Location(audit.snapshot.path, error.line or 1, 1, error.line or 1, 1, error.cell)
        number = audit.snapshot.document_of(place)
        if error.path == audit.snapshot.path and number is not None:
            found[audit.snapshot.documents[number]].append(
                types.Diagnostic(
                    to_range(place, audit.snapshot.lines[number], encoding),
                    error.message,
                    severity=types.DiagnosticSeverity.Information,
                    source=SOURCE,
                )
            )
    return found


def shown_findings(audit: Audit, encoding: Encoding) -> Iterator[Shown]:
    """The findings that stand in the snapshot itself, each with its diagnostic."""
    for finding in audit.report.standing:
        number = audit.snapshot.document_of(finding.location)
        if number is None:
            continue
        page = address_of(finding.code)
        diagnostic = types.Diagnostic(
            to_range(finding.location, audit.snapshot.lines[number], encoding),
            _message(finding),
            severity=_SEVERITIES[finding.severity],
            code=finding.code,
            code_description=None if page is None else types.CodeDescription(page),
            source=SOURCE,
            related_information=list(_related(finding, audit, encoding)),
        )
        yield Shown(finding, audit.snapshot.documents[number], diagnostic)


def _message(finding: Finding) -> str:
    verdict = "" if finding.verdict is Verdict.STATIC else f" [{finding.verdict.value}]"
    cure = "; ".join(str(remedy) for remedy in finding.remedies)
    return f"{finding.message}{verdict}" + (f"\nCure: {cure}" if cure else "")


def _related(finding: Finding, audit: Audit, encoding: Encoding) -> Iterator[types.DiagnosticRelatedInformation]:
    told = {finding.location}
    places = [(span.location, span.label) for span in finding.spans]
    places += [(one.location, one.text) for one in finding.evidence if one.location is not None]
    for location, label in places:
        if location in told:
            continue
        told.add(location)
        where = _place(location, audit, encoding)
        if where is not None:
            yield types.DiagnosticRelatedInformation(types.Location(*where), label)


def _place(location: Location, audit: Audit, encoding: Encoding) -> tuple[str, types.Range] | None:
    """The URI and range of a place in the snapshot or in another file; None where there is none to show."""
    number = audit.snapshot.document_of(location)
    if number is not None:
        return audit.snapshot.documents[number], to_range(location, audit.snapshot.lines[number], encoding)
    path = os.path.abspath(location.path)
    if path == audit.snapshot.path or location.cell is not None:
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = split_lines(file.read())
    except OSError:
        return None
    uri = uris.from_fs_path(path)
    return None if uri is None else (uri, to_range(location, lines, encoding))


def code_actions(
    audit: Audit, document: str, asked: types.Range, kinds: Sequence[str] | None, encoding: Encoding
) -> list[types.CodeAction]:
    """The fixes of the findings whose places touch a range of a document."""
    if kinds is not None and not any(types.CodeActionKind.QuickFix.startswith(kind) for kind in kinds):
        return []
    actions = []
    for shown in shown_findings(audit, encoding):
        fix = shown.finding.fix
        if fix is None or not fix.edits or shown.document != document or not _touch(shown.diagnostic.range, asked):
            continue
        changes = _changes(fix.edits, audit, encoding)
        if changes is not None:
            note = "" if fix.safe else " (changes what the program computes)"
            actions.append(
                types.CodeAction(
                    f"{shown.finding.code}: {fix.description}{note}",
                    kind=types.CodeActionKind.QuickFix,
                    diagnostics=[shown.diagnostic],
                    is_preferred=fix.safe,
                    edit=types.WorkspaceEdit(changes=changes),
                )
            )
    return actions


def _changes(edits: Iterable[Edit], audit: Audit, encoding: Encoding) -> dict[str, Sequence[types.TextEdit]] | None:
    """The edits by document; None where one of them lies where no edit can be made."""
    changes: dict[str, list[types.TextEdit]] = {}
    for edit in edits:
        where = _place(edit.location, audit, encoding)
        if where is None:
            return None
        changes.setdefault(where[0], []).append(types.TextEdit(where[1], edit.text))
    return {uri: list(ones) for uri, ones in changes.items()}


def _touch(one: types.Range, other: types.Range) -> bool:
    def key(position: types.Position) -> tuple[int, int]:
        return position.line, position.character

    return key(one.start) <= key(other.end) and key(other.start) <= key(one.end)

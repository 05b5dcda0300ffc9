"""The baseline: findings of the past, which are put up with so that only new ones count.

A finding is known again by path, rule and line text, never by line number; paths are relative to the baseline's folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from ae_audit.base.bounded import read_bounded
from ae_audit.base.errors import UsageError
from ae_audit.base.records import replace
from ae_audit.base.version import __version__
from ae_audit.schema.report import Note, Report, Suppressed
from ae_audit.source.fingerprints import fingerprints, relative
from ae_audit.source.text import Sources

_LARGEST = 64 << 20
"""bytes of a baseline, some 200,000 findings"""
SCHEMA_VERSION = 1


def write_baseline(path: str, report: Report, sources: Sources) -> int:
    """Record every finding that stands; returns how many. Entries are sorted, so that diffs of the file are small.

    Raises:
        UsageError: if the file cannot be written.
    """
    base = os.path.dirname(os.path.abspath(path))
    found = [finding for finding in report.standing if not finding.location.path.startswith("<")]
    entries = [
        {
            "fingerprint": mark,
            "path": relative(finding.location.path, base),
            "code": finding.code,
            "name": finding.name,
            "text": _line(finding.location.path, finding.location.cell, finding.location.line, sources),
        }
        for finding, mark in zip(found, fingerprints(found, sources, base), strict=True)
    ]
    entries.sort(key=lambda entry: (entry["path"], entry["code"], entry["text"], entry["fingerprint"]))
    document = {"schema_version": SCHEMA_VERSION, "tool": f"ae-audit {__version__}", "findings": entries}
    try:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"The baseline {path} cannot be written: {error.strerror}.") from None
    return len(entries)


def read_baseline(path: str) -> list[dict[str, str]]:
    """The entries of the baseline at ``path``.

    Raises:
        UsageError: if it cannot be read or is none.
    """
    try:
        document = json.loads(read_bounded(path, _LARGEST))
        entries = [{key: str(entry[key]) for key in ("fingerprint", "path", "code")} for entry in document["findings"]]
        version = document["schema_version"]
    except OSError as error:
        raise UsageError(f"The baseline {path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{path} is no baseline; --write-baseline {path} writes one.") from None
    if version != SCHEMA_VERSION:
        raise UsageError(f"The baseline {path} was written by another version of ae-audit; --write-baseline renews it.")
    return entries


def without_known(
    report: Report, path: str, entries: Iterable[dict[str, str]], sources: Sources, audited: Iterable[str]
) -> Report:
    """``report`` with the findings of the baseline among the suppressed, and a note for each entry that is fixed.

    An entry counts as fixed where its file was ``audited``, or is gone.
    """
    base = os.path.dirname(os.path.abspath(path))
    left = {entry["fingerprint"]: entry for entry in entries}
    suppressed = list(report.suppressed)
    known: set[int] = set()
    for finding, mark in zip(report.standing, fingerprints(report.standing, sources, base), strict=True):
        if left.pop(mark, None) is not None:
            known.add(id(finding))
            suppressed.append(Suppressed(finding, f"in the baseline {relative(path)}", baseline=True))
    read = {relative(file, base) for file in audited}
    fixed = [e for e in left.values() if e["path"] in read or not os.path.exists(os.path.join(base, e["path"]))]
    notes = [Note(relative(path), f"{entry['code']} in {entry['path']} is fixed") for entry in fixed]
    if notes:
        notes.append(Note(relative(path), f"--write-baseline {relative(path)} removes what is fixed"))
    return replace(
        report,
        findings=tuple(finding for finding in report.findings if id(finding) not in known),
        suppressed=tuple(suppressed),
        notes=(*report.notes, *notes),
    )


def _line(path: str, cell: int | None, line: int, sources: Sources) -> str:
    lines = sources.lines(path, cell) or []
    return lines[line - 1].strip() if line <= len(lines) else ""

"""Fingerprints of findings that outlive moved lines."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from ae_audit.schema.findings import Finding
from ae_audit.source.text import Sources


def fingerprints(findings: Iterable[Finding], sources: Sources, base: str | None = None) -> list[str]:
    """A fingerprint for each finding: of its path relative to ``base``, its rule and the text of its line.

    Line numbers play no part, so that code may move. Of equal ones the second ends in ``-2``, and so on.
    """
    seen: Counter[str] = Counter()
    marks: list[str] = []
    for finding in findings:
        place = finding.location
        lines = sources.lines(place.path, place.cell) or []
        text = lines[place.line - 1].strip() if place.line <= len(lines) else finding.message
        mark = digest(relative(place.path, base), finding.code, text)
        seen[mark] += 1
        marks.append(mark if seen[mark] == 1 else f"{mark}-{seen[mark]}")
    return marks


def digest(*parts: str) -> str:
    """32 hexadecimal digits of the parts."""
    from hashlib import sha256

    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def relative(path: str, base: str | None = None) -> str:
    """``path`` with forward slashes, relative to ``base`` (by default the working folder) where it lies below it."""
    if path.startswith("<"):
        return path
    try:
        below = os.path.relpath(path, base or os.curdir)
    except ValueError:  # another drive
        below = os.pardir
    return (path if below.startswith(os.pardir) else below).replace(os.sep, "/")

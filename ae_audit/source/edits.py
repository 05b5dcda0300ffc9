"""Edits made in a text: the one place where lines and columns become positions in the source."""

from __future__ import annotations

from collections.abc import Iterable

from ae_audit.schema.findings import Edit
from ae_audit.source.text import line_starts


def apply(source: str, edits: Iterable[Edit], cell: int | None = None) -> str:
    """``source`` (a file, or the cell with that index) after those of ``edits`` that lie in it.

    Raises:
        ValueError: if two edits overlap, or one lies outside the source.
    """
    starts = line_starts(source)

    def offset(line: int, column: int) -> int:
        if not 1 <= line <= len(starts):
            raise ValueError(f"there is no line {line}")
        return starts[line - 1] + column - 1

    spans = []
    for edit in edits:
        place = edit.location
        if place.cell == cell:
            end = offset(place.end_line or place.line, place.end_column or place.column)
            spans.append((offset(place.line, place.column), end, edit.text))
    result, position = [], 0
    for start, end, new in sorted(spans):
        if start < position or end < start or end > len(source):
            raise ValueError("the edits overlap, or one lies outside the source")
        result += [source[position:start], new]
        position = end
    return "".join((*result, source[position:]))

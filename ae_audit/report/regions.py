"""Places as formats need them that know files and no cells."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from ae_audit.base.records import dataclass
from ae_audit.schema.findings import Finding
from ae_audit.schema.location import Location
from ae_audit.source.notebook_offsets import CellText, cell_texts
from ae_audit.source.text import Sources, decode, split_lines


@dataclass(frozen=True, slots=True)
class Region:
    """1-based lines and columns in a file, columns in characters, the end column one past the last."""

    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None


class Places:
    """Finds the place in the file for places in cells; other places are what they are."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._notebooks: dict[str, tuple[str, list[int], list[CellText]]] = {}

    def region(self, place: Location) -> Region:
        """Where ``place`` is in its file."""
        if place.cell is None:
            return Region(place.line, place.column, place.end_line, place.end_column)
        raw, line_starts, cells = self._notebook(place.path)
        if not raw or place.cell >= len(cells):
            return Region(1)
        cell = cells[place.cell]
        first = _offset(cell.text, place.line, place.column)
        start = cell.start(first)
        line, column = _line_and_column(line_starts, start)
        if place.end_line is None or place.end_column is None:
            return Region(line, column)
        last = _offset(cell.text, place.end_line, place.end_column)
        return Region(line, column, *_line_and_column(line_starts, max(cell.end(last), start)))

    def line(self, path: str, cell: int | None, line: int | None) -> int | None:
        """The line of the file, where only a line is known."""
        return line if line is None or cell is None else self.region(Location(path, line, cell=cell)).line

    def spelt(self, place: Location, text: str) -> str:
        """``text`` as it is written in the file at ``place``: in a notebook, as a part of a JSON string."""
        if place.cell is None:
            return text
        raw, _, cells = self._notebook(place.path)
        if place.cell >= len(cells):
            return text
        cell = cells[place.cell]
        return cell.spelt(text, _offset(cell.text, place.line, place.column), raw)

    def _notebook(self, path: str) -> tuple[str, list[int], list[CellText]]:
        if path not in self._notebooks:
            try:
                raw = decode(self._sources.read(path))
            except OSError:
                raw = ""
            starts = [0]
            for text in raw.split("\n")[:-1]:
                starts.append(starts[-1] + len(text) + 1)
            self._notebooks[path] = (raw, starts, cell_texts(raw))
        return self._notebooks[path]


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first; of equals, in the order that they had."""
    return sorted(findings, key=lambda finding: finding.severity.rank)


def _offset(text: str, line: int, column: int) -> int:
    before = split_lines(text)[: line - 1]
    start = 0
    for piece in before:
        start += len(piece)
        start += 2 if text[start : start + 2] == "\r\n" else 1
    return min(start + column - 1, len(text))


def _line_and_column(line_starts: list[int], offset: int) -> tuple[int, int]:
    line = bisect_right(line_starts, offset)
    return line, offset - line_starts[line - 1] + 1

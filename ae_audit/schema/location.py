"""Places in source, counted as users count them."""

from __future__ import annotations

from ae_audit.base.records import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A span of source text.

    Lines and columns are 1-based; columns count characters, and ``end_column`` is one past the last character. In a
    notebook ``cell`` is the 0-based index over all cells (Markdown cells included) and lines count within the cell.
    """

    path: str
    line: int
    column: int = 1
    end_line: int | None = None
    end_column: int | None = None
    cell: int | None = None

    def __str__(self) -> str:
        return f"{address(self.path, self.cell, self.line)}:{self.column}"


def address(path: str, cell: int | None = None, line: int | None = None) -> str:
    """``path:line``, in a notebook ``path:cell N:line``, as far as they are known."""
    return ":".join([path, *([] if cell is None else [f"cell {cell}"]), *([] if line is None else [str(line)])])


@dataclass(frozen=True, slots=True)
class TrailStep:
    """One reason why a fact is known: ```/ 255.0`` maps [0, 255] to [0, 1]`, with its place where it has one."""

    text: str
    location: Location | None = None

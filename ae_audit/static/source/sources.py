"""Source text, and places in it: the one spot where byte offsets of ``ast`` become character columns."""

from __future__ import annotations

import ast

from ae_audit.base.records import dataclass
from ae_audit.schema.location import Location
from ae_audit.source.text import split_lines

LOST = "a_line_that_does_not_parse"
"""the name of what a broken line would have assigned: nothing defines it, so nothing is known of it"""
SEGMENT = 120
"""characters of an expression that a report quotes"""


class Text:
    """One unit of source that was parsed as a whole: a file, or one cell of a notebook."""

    __slots__ = ("cell", "lines", "path", "source")

    def __init__(self, path: str, source: str, cell: int | None = None) -> None:
        self.path = path
        self.source = source
        self.cell = cell
        self.lines: list[str] = split_lines(source)

    def column(self, line: int, byte_offset: int) -> int:
        """The 0-based character column of a UTF-8 byte offset in a 1-based line."""
        if not 1 <= line <= len(self.lines):
            return byte_offset
        text = self.lines[line - 1]
        if text.isascii():
            return byte_offset
        return len(text.encode("utf-8", "surrogatepass")[:byte_offset].decode("utf-8", "ignore"))

    def location(self, node: ast.AST) -> Location:
        # Kept on the node itself: loops and further runs ask for the same places over and over.
        kept = getattr(node, "ae_location", None)
        if isinstance(kept, Location) and kept.path == self.path:
            return kept
        line = getattr(node, "lineno", 1)
        end_line = getattr(node, "end_lineno", None) or line
        made = Location(
            self.path,
            line,
            self.column(line, getattr(node, "col_offset", 0)) + 1,
            end_line,
            self.column(end_line, getattr(node, "end_col_offset", None) or 0) + 1,
            self.cell,
        )
        node.ae_location = made  # type: ignore[attr-defined]
        return made

    def segment(self, node: ast.AST, limit: int = SEGMENT) -> str:
        """The source of ``node`` on one line, cut at ``limit`` characters."""
        kept = getattr(node, "ae_segment", None)
        if isinstance(kept, str) and limit == SEGMENT:
            return kept
        made = self._segment(node, limit)
        if limit == SEGMENT:
            node.ae_segment = made  # type: ignore[attr-defined]
        return made

    def _segment(self, node: ast.AST, limit: int) -> str:
        line = getattr(node, "lineno", None)
        end_line = getattr(node, "end_lineno", None)
        if line is None or end_line is None or end_line > len(self.lines):
            return ""
        start = self.column(line, getattr(node, "col_offset", 0))
        end = self.column(end_line, getattr(node, "end_col_offset", 0))
        text: str
        if line == end_line:
            text = self.lines[line - 1][start:end]
        else:
            inner = self.lines[line : min(end_line - 1, line + 8)]
            text = " ".join(
                part.strip() for part in [self.lines[line - 1][start:], *inner, self.lines[end_line - 1][:end]]
            )
        return text if len(text) <= limit else text[: limit - 1] + "…"


@dataclass(frozen=True, slots=True)
class Where:
    """A node of the syntax tree with the text it stands in; turned into a :class:`Location` only when reported."""

    text: Text
    node: ast.AST

    @property
    def location(self) -> Location:
        return self.text.location(self.node)

    @property
    def written(self) -> str:
        return self.text.segment(self.node)

"""Source text and the expressions in it: from places to syntax nodes, from edits to new text."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cached_property

from ae_audit.schema.findings import Edit
from ae_audit.schema.location import Location
from ae_audit.source.text import line_starts

SourceOf = Callable[[str, int | None], str | None]
"""The text of a file, or of one cell of a notebook; None where there is none to be had."""

_MAGIC = re.compile(r"^([ \t]*)[%!?]", re.MULTILINE)


class Text:
    """One piece of source (a file or a cell) with its syntax tree, and places in it as users count them."""

    def __init__(self, path: str, cell: int | None, source: str) -> None:
        self.path, self.cell, self.source = path, cell, source
        self.line_starts = line_starts(source)

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree; None where the source does not parse."""
        return parse(self.source, notebook=self.cell is not None)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The parent of every node but the root."""
        tree = self.tree
        if tree is None:
            return {}
        return {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}

    def offset(self, line: int, column: int) -> int:
        """The index into the source of a 1-based line and column, columns counted in characters.

        Raises:
            ValueError: if there is no such line.
        """
        if not 1 <= line <= len(self.line_starts):
            raise ValueError(f"{self.path} has no line {line}")
        return self.line_starts[line - 1] + column - 1

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Start and end of ``node`` in the source."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._index(node.lineno, node.col_offset), self._index(node.end_lineno, node.end_col_offset)

    def _index(self, line: int, byte_column: int) -> int:
        start = self.line_starts[line - 1]
        end = self.line_starts[line] if line < len(self.line_starts) else len(self.source)
        return start + len(self.source[start:end].encode()[:byte_column].decode(errors="ignore"))

    def text(self, node: ast.expr | ast.stmt) -> str:
        """The source of ``node``."""
        start, end = self.span(node)
        return self.source[start:end]

    def node_at(self, place: Location) -> ast.expr | None:
        """The expression that covers exactly ``place``, the outermost of several."""
        if self.tree is None or place.end_line is None or place.end_column is None:
            return None
        try:
            wanted = self.offset(place.line, place.column), self.offset(place.end_line, place.end_column)
        except ValueError:
            return None
        for node in ast.walk(self.tree):
            if isinstance(node, ast.expr) and node.lineno == place.line and self.span(node) == wanted:
                return node
        return None

    def edit(self, start: int, end: int, text: str) -> Edit:
        """The edit that puts ``text`` in place of ``source[start:end]``."""
        first, last = self._line_of(start), self._line_of(end)
        return Edit(
            Location(
                self.path,
                first + 1,
                start - self.line_starts[first] + 1,
                last + 1,
                end - self.line_starts[last] + 1,
                self.cell,
            ),
            text,
        )

    def replace(self, node: ast.expr, text: str) -> Edit:
        """The edit that puts ``text`` in the place of ``node``."""
        return self.edit(*self.span(node), text)

    def _line_of(self, offset: int) -> int:
        return next(line for line in reversed(range(len(self.line_starts))) if self.line_starts[line] <= offset)


class Texts:
    """The pieces of source that one fix touches, read when they are asked for."""

    def __init__(self, source_of: SourceOf) -> None:
        self._source_of = source_of
        self._texts: dict[tuple[str, int | None], Text | None] = {}

    def at(self, place: Location) -> Text | None:
        """The text that ``place`` lies in."""
        return self.get(place.path, place.cell)

    def get(self, path: str, cell: int | None) -> Text | None:
        """The text of a file or of one cell."""
        key = (path, cell)
        if key not in self._texts:
            source = self._source_of(path, cell)
            self._texts[key] = None if source is None else Text(path, cell, source)
        return self._texts[key]

    def binds(self, text: Text, name: str) -> bool:
        """Whether ``name`` is imported in ``text`` (in a notebook: in its cell or an earlier one)."""
        cells = [None] if text.cell is None else range(text.cell + 1)
        pieces = (self.get(text.path, cell) for cell in cells)
        return any(name in _imported(piece.tree) for piece in pieces if piece is not None and piece.tree is not None)

    def uses(self, text: Text, name: str) -> int:
        """How often ``name`` (``act``, ``self.act``) is read in ``text``, in a notebook in any of its cells."""
        pieces = [text] if text.cell is None else list(self._cells(text.path))
        trees = [piece.tree for piece in pieces if piece.tree is not None]
        return sum(
            isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load) and dotted(node) == name
            for tree in trees
            for node in ast.walk(tree)
        )

    def pieces(self, place: Location) -> Iterator[Text]:
        """The file that ``place`` lies in, or all cells of the notebook."""
        if place.cell is not None:
            yield from self._cells(place.path)
        elif (text := self.at(place)) is not None:
            yield text

    def _cells(self, path: str) -> Iterator[Text]:
        cell = 0
        while (piece := self.get(path, cell)) is not None:
            yield piece
            cell += 1


def parse(source: str, *, notebook: bool = False) -> ast.Module | None:
    """The syntax tree of ``source``, None where it has none; in a notebook's cell, magics count as comments."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in the user's strings
        try:
            return ast.parse(_MAGIC.sub(r"\1#", source) if notebook else source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def dotted(node: ast.expr) -> str | None:
    """``a.b.c`` of a chain of attributes, None of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def without_element(node: ast.expr, text: Text) -> Edit | None:
    """Take ``node`` out of the arguments of a call or the elements of a list, with a comma beside it."""
    parent = text.parents.get(node)
    elements = parent.args if isinstance(parent, ast.Call) else parent.elts if isinstance(parent, ast.List) else []
    if node not in elements or len(elements) == 1:
        return None
    index = elements.index(node)
    if index == 0:
        return text.edit(text.span(node)[0], text.span(elements[1])[0], "")
    return text.edit(text.span(elements[index - 1])[1], text.span(node)[1], "")


def diff(path: str, before: str, after: str) -> str:
    """The unified diff from ``before`` to ``after``; empty where they are equal."""
    from difflib import unified_diff

    lines = unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), path, path)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return names

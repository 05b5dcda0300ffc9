"""What is known of the array, output or loss under the pointer: the rows of ``ae-audit explain`` that speak of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lsprotocol import types

from ae_audit.cli.language_server.positions import Encoding, column_of, covers, to_range
from ae_audit.cli.language_server.reading import Audit
from ae_audit.report.explanation import Row, parts
from ae_audit.schema.location import Location, address


def hover(audit: Audit, document: str, position: types.Position, encoding: Encoding) -> types.Hover | None:
    """The way of the data that leads through ``position``; None where none does."""
    if document not in audit.snapshot.documents:
        return None
    number = audit.snapshot.documents.index(document)
    line, column = column_of(position, audit.snapshot.lines[number], encoding)
    texts: dict[str, None] = {}
    smallest: Location | None = None
    for setup in audit.report.setups:
        for label, rows in parts(setup):
            under = [
                where
                for _, where in rows
                if where is not None and audit.snapshot.document_of(where) == number and covers(where, line, column)
            ]
            if under:
                texts["\n".join(_markdown(label, rows, audit))] = None
                smallest = min([*under, *([] if smallest is None else [smallest])], key=_size)
    if smallest is None:
        return None
    shown = to_range(smallest, audit.snapshot.lines[number], encoding)
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, "\n\n".join(texts)), shown)


def _markdown(label: str, rows: Sequence[Row], audit: Audit) -> Iterator[str]:
    yield f"**{label}**"
    yield ""
    for text, where in rows:
        yield f"- {text}{'' if where is None else f' *({_near(where, audit)})*'}"


def _near(where: Location, audit: Audit) -> str:
    if where.path != audit.snapshot.path:
        return address(where.path, where.cell, where.line)
    cell = "" if where.cell is None else f"cell {where.cell}, "
    return f"{cell}line {where.line}"


def _size(location: Location) -> tuple[int, int]:
    end = location.end_line or location.line
    return end - location.line, (location.end_column or 1_000_000) - location.column

"""Places as the protocol counts them: lines from 0, columns in units of the encoding that was agreed on."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from ae_audit.schema.location import Location

Encoding = types.PositionEncodingKind | str


def units(text: str, encoding: Encoding) -> int:
    """How many units of ``encoding`` (``utf-8``, ``utf-16`` or ``utf-32``) ``text`` takes."""
    if encoding == types.PositionEncodingKind.Utf32:
        return len(text)
    if encoding == types.PositionEncodingKind.Utf8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def to_range(location: Location, lines: Sequence[str], encoding: Encoding) -> types.Range:
    """The range of a place in a document with these lines."""
    start = _position(location.line, location.column, lines, encoding)
    if location.end_line is None or location.end_column is None:  # to the end of the line
        text = lines[location.line - 1] if 0 < location.line <= len(lines) else ""
        return types.Range(start, _position(location.line, len(text.rstrip()) + 1, lines, encoding))
    return types.Range(start, _position(location.end_line, location.end_column, lines, encoding))


def covers(location: Location, line: int, column: int) -> bool:
    """Whether a place (the whole line, where it has no end) holds the character at ``line`` and ``column``."""
    end_line = location.end_line or location.line
    end = (end_line, location.end_column if location.end_column is not None else column)
    return (location.line, location.column) <= (line, column) <= end


def column_of(position: types.Position, lines: Sequence[str], encoding: Encoding) -> tuple[int, int]:
    """Line and column of ``position``, both from 1 and in characters, as :class:`Location` counts them."""
    text = lines[position.line] if position.line < len(lines) else ""
    left, column = position.character, 1
    for char in text:
        left -= units(char, encoding)
        if left < 0:
            break
        column += 1
    return position.line + 1, column


def _position(line: int, column: int, lines: Sequence[str], encoding: Encoding) -> types.Position:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return types.Position(line - 1, units(text[: column - 1], encoding))

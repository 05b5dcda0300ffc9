"""Places in the three encodings of the protocol, with characters beyond the basic plane."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pygls")

from lsprotocol import types
from pygls.workspace import PositionCodec

from ae_audit.cli.language_server.positions import column_of, covers, to_range, units
from ae_audit.schema.location import Location

ENCODINGS = list(types.PositionEncodingKind)
LINES = st.text(st.characters(exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", 4 + 2 + 1), ("utf-16", 2 + 1 + 1), ("utf-32", 1 + 1 + 1)],
)
def test_units_of_a_face_an_umlaut_and_a_letter(encoding: str, expected: int) -> None:
    assert units("😀äx", types.PositionEncodingKind(encoding)) == expected


@given(LINES, st.data(), st.sampled_from(ENCODINGS))
def test_there_and_back(line: str, data: st.DataObject, encoding: types.PositionEncodingKind) -> None:
    column = data.draw(st.integers(1, len(line) + 1))
    shown = to_range(Location("a.py", 1, column, 1, column), [line], encoding)
    assert column_of(shown.start, [line], encoding) == (1, column)


@given(LINES, st.data(), st.sampled_from(ENCODINGS))
def test_columns_are_those_of_pygls(line: str, data: st.DataObject, encoding: types.PositionEncodingKind) -> None:
    column = data.draw(st.integers(0, len(line)))
    ours = to_range(Location("a.py", 1, column + 1, 1, column + 1), [line], encoding).start
    theirs = PositionCodec(encoding).position_to_client_units([line], types.Position(0, column))
    assert ours == theirs


def test_a_place_without_an_end_reaches_to_the_end_of_its_line() -> None:
    shown = to_range(Location("a.py", 2, 3), ["", "  x = 1  "], types.PositionEncodingKind.Utf16)
    assert shown == types.Range(types.Position(1, 2), types.Position(1, 7))


@pytest.mark.parametrize(
    ("line", "column", "inside"), [(1, 5, True), (1, 4, False), (1, 9, True), (1, 10, False), (2, 6, False)]
)
def test_what_a_place_covers(line: int, column: int, inside: bool) -> None:
    assert covers(Location("a.py", 1, 5, 1, 9), line, column) is inside

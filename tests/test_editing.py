from __future__ import annotations

import pytest

from ae_audit.schema.findings import Edit
from ae_audit.schema.location import Location
from ae_audit.source.edits import apply


def edit(line: int, start: int, end: int, text: str, end_line: int | None = None) -> Edit:
    return Edit(Location("m.py", line, start, end_line or line, end), text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_edits_land_whatever_ends_the_lines(end: str) -> None:
    before = end.join(["aé = 1", "bb = 2", ""])
    assert apply(before, [edit(2, 6, 7, "3"), edit(1, 1, 3, "x")]) == end.join(["x = 1", "bb = 3", ""])


def test_insertion_deletion_and_many_lines() -> None:
    assert apply("ab", [edit(1, 2, 2, "X")]) == "aXb"
    assert apply("a\nb\nc", [edit(1, 2, 1, "", end_line=3)]) == "ac"


@pytest.mark.parametrize(
    "edits", [[edit(1, 1, 4, "X"), edit(1, 3, 6, "Y")], [edit(5, 1, 1, "z")], [edit(1, 5, 9, "z")]]
)
def test_edits_that_overlap_or_lie_outside_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match=r"overlap|outside|no line"):
        apply("abcdef", edits)

from __future__ import annotations

import pytest

from ae_audit.engine.suppressions import excuses_in, without_excused
from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.location import Location


def finding(line: int, end_line: int | None = None, cell: int | None = None) -> Finding:
    place = Location("m.py", line, 1, end_line, None, cell)
    return Finding("AE101", "softmax-on-per-pixel-target", Severity.ERROR, "m", place)


def reason(comment: str) -> str | None:
    """The reason that the comment gives for excusing the finding; None where it does not excuse it."""
    _, excused = without_excused([finding(1)], lambda *_: f"x = 1  {comment}\n")
    return excused[0].reason if excused else None


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# ae-audit: ignore[AE101] the target is a distribution", "the target is a distribution"),
        ("# ae-audit: ignore[AE102, AE101]: both", "both"),
        ("# ae-audit: ignore[softmax-on-per-pixel-target]", ""),
        ("# ae-audit: ignore[AE1]", ""),
        ("# ae-audit: ignore", ""),
        ("#ae-audit:ignore[ae101]", ""),
        ("# type: ignore  # ae-audit: ignore[AE101] why", "why"),
        ("# noqa: AE101", ""),
        ("# noqa: E501, AE101 long", "long"),
        ("# NOQA:AE101", ""),
        ("# noqa", None),
        ("# noqa: E501", None),
        ("# ae-audit: ignore[AE102]", None),
        ("# ae-audit: ignore[]", None),
        ("# ae-audit ignores nothing", None),
        ("# AE101", None),
    ],
)
def test_comments(comment: str, expected: str | None) -> None:
    assert reason(comment) == expected


def test_text_in_strings_is_no_comment() -> None:
    assert excuses_in('x = "# ae-audit: ignore[AE101]"\n') == ()


def test_first_or_last_line_of_the_place() -> None:
    source = "a = f(\n  1,\n)  # ae-audit: ignore[AE101]\nb = 2\n"
    standing, excused = without_excused([finding(1, 3), finding(2, 2), finding(4)], lambda *_: source)
    assert [f.location.line for f in standing] == [2, 4]
    assert [s.finding.location.line for s in excused] == [1]


def test_each_cell_has_its_own_comments() -> None:
    texts = {1: "x  # ae-audit: ignore\n", 2: "x\n"}
    standing, excused = without_excused([finding(1, cell=1), finding(1, cell=2)], lambda _, cell: texts[cell or 0])
    assert (len(standing), len(excused)) == (1, 1)


def test_source_that_is_no_python_keeps_what_was_read() -> None:
    assert len(excuses_in("x  # ae-audit: ignore\n!ls (\n'''")) == 1
    assert without_excused([finding(1)], lambda *_: None)[1] == ()

from __future__ import annotations

import pytest

from ae_audit.report.text_layout import Page, Segment, ansi, display_width, in_code, plain


def text_of(page: Page) -> list[str]:
    return plain(page.lines).splitlines()


def test_wraps_at_the_width_and_hangs() -> None:
    page = Page(40)
    page.paragraph("one two three four five six seven eight nine ten", lead=[Segment("lead  ", "bold")], indent=2)
    assert text_of(page) == ["  lead  one two three four five six", "        seven eight nine ten"]


def test_an_interval_is_not_broken() -> None:
    page = Page(40)
    page.paragraph("the target holds values that lie in [0, 255] (not (0, 1), as it should)")
    assert text_of(page) == ["the target holds values that lie in", "[0, 255] (not (0, 1), as it should)"]


def test_breaks_a_word_that_is_wider_than_the_page() -> None:
    page = Page(40)
    page.paragraph("x" * 100, indent=2)
    assert all(len(line) <= 40 for line in text_of(page))
    assert "".join(line.strip() for line in text_of(page)) == "x" * 100


def test_wide_characters_count_two_columns() -> None:
    assert display_width("日本") == 4
    assert display_width("e\u0301") == 1
    page = Page(40)
    page.paragraph("日本語 " * 12)
    assert max(map(display_width, text_of(page))) <= 40


@pytest.mark.parametrize("hostile", ["\x1b[31m", "\x9b31m", "\u202e", "\r", "\x07", "\u2028", "\x00", "\udc80"])
def test_control_characters_never_reach_the_terminal(hostile: str) -> None:
    page = Page()
    page.paragraph(f"a{hostile}b")
    page.line(f"a{hostile}b")
    assert hostile not in plain(page.lines).replace("\n", "")
    assert len(page.lines) == 2


def test_code_keeps_its_backticks_and_punctuation_stays_with_it() -> None:
    assert [s.text for s in in_code("use (`x / 255.`), not ``y``.")] == ["use (", "`x / 255.`", "), not ", "`y`", "."]
    page = Page(40)
    page.paragraph("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (`xyz`)")
    assert text_of(page)[1] == "(`xyz`)"


def test_colours_change_no_text() -> None:
    page = Page()
    page.paragraph("a `b` c", style="error")
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", ansi(page.lines)) == plain(page.lines)


def test_ascii_spells_signs() -> None:
    page = Page(ascii_only=True)
    page.line("R² ≤ −0.6 → ▁█ «ö»")
    assert text_of(page) == ['R^2 <= -0.6 -> _# "?"']


def test_table_aligns() -> None:
    page = Page()
    page.table([[Segment("a"), Segment("10")], [Segment("long"), Segment("1")]], indent=1, right=frozenset({1}))
    assert text_of(page) == [" a     10", " long   1"]

from __future__ import annotations

from ae_audit.report.excerpt import Mark, add_excerpts
from ae_audit.report.text_layout import Page, plain
from ae_audit.schema.location import Location
from ae_audit.source.text import Sources


def excerpt(source: str, *marks: Mark, width: int = 60) -> list[str]:
    page = Page(width)
    add_excerpts(page, marks, Sources({"m.py": source.encode()}), indent=0)
    return plain(page.lines).splitlines()


def mark(line: int, start: int, end: int, label: str = "", primary: bool = True) -> Mark:
    return Mark(Location("m.py", line, start, line, end), label, primary)


def test_tabs_and_wide_characters_keep_carets_in_place() -> None:
    shown = excerpt("\tx = '日本' + bad", mark(1, 13, 16))
    assert shown[0].index("bad") + 2 == shown[1].index("^^^")  # two wide characters stand before it


def test_several_labels_on_one_line() -> None:
    assert excerpt("fit(x, y)", mark(1, 5, 6, "input"), mark(1, 8, 9, "target", False)) == [
        "1 │ fit(x, y)",
        "  │     ^  - target",
        "  │     └ input",
    ]


def test_far_lines_are_skipped_and_near_ones_shown() -> None:
    source = "\n".join(f"line{n}" for n in range(1, 21))
    shown = excerpt(source, mark(10, 1, 5), mark(2, 1, 5, "far", False), mark(13, 1, 5, "near", False))
    assert [row.split()[0] for row in shown if row[0] != " " or "…" in row or row.strip()[0].isdigit()] == [
        "2",
        "…",
        "9",
        "10",
        "11",
        "12",
        "13",
    ]


def test_long_line_is_cut_round_the_place() -> None:
    source = "x = [" + "0, " * 100 + "bad, " + "1, " * 100 + "]"
    start = source.index("bad") + 1
    shown = excerpt(source, mark(1, start, start + 3, "this"))
    assert "bad" in shown[0]
    assert shown[0].index("bad") == shown[1].index("^^^")
    assert all(len(row) <= 60 for row in shown)
    assert shown[0].endswith("…")


def test_place_outside_the_text_is_told_without_excerpt() -> None:
    assert excerpt("x", mark(9, 1, 2, "gone")) == ["m.py:9:1: gone"]
    page = Page()
    add_excerpts(page, [Mark(Location("absent.py", 1), "label", True)], Sources())
    assert plain(page.lines) == "  absent.py:1:1: label\n"


def test_column_beyond_the_line_does_no_harm() -> None:
    assert excerpt("ab", mark(1, 40, 50)) == ["1 │ ab", "  │   ^"]


def test_span_over_lines_is_underlined_on_its_first() -> None:
    place = Location("m.py", 1, 5, 3, 2)
    shown = excerpt("x = f(\n  1,\n)", Mark(place, "call", True))
    assert shown[1] == "  │     ^^ call (to line 3)"


def test_a_label_without_room_behind_its_mark_ends_under_it() -> None:
    line = "model = Sequential([Dense(20), Dense(3, activation='softmax')])"
    start = line.index("'softmax'") + 1
    shown = excerpt(line, mark(1, start, start + 9, "the output: 'softmax'"), width=68)
    assert shown[1].index("^") == shown[2].index("┘")
    assert shown[2].endswith("the output: 'softmax' ┘")

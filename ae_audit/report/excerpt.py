"""Source excerpts: the lines that a finding speaks of, with what it says of them written underneath."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.base.records import dataclass
from ae_audit.report.narration import add_place
from ae_audit.report.text_layout import Page, Segment, display_width
from ae_audit.schema.location import Location
from ae_audit.source.text import Sources

CONTEXT = 1
"""lines shown before and after the finding's own line"""
_TAB = 4
_GAP = 2
"""a gap of at most so many lines is shown rather than skipped"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to underline, what to write there, and whether it is the finding's own."""

    location: Location
    label: str
    primary: bool = False


@dataclass(frozen=True, slots=True)
class _Underline:
    start: int
    end: int
    label: str
    primary: bool


def add_excerpts(page: Page, marks: Sequence[Mark], sources: Sources, *, indent: int = 2) -> None:
    """An excerpt for each text (file or cell) that ``marks`` lie in, the primary mark's text first.

    What cannot be read (any more) gets no excerpt, only its labels with their places.
    """
    if page.narrated:
        for mark in marks:
            add_place(page, mark.location, mark.label, sources, indent)
        return
    texts = dict.fromkeys((mark.location.path, mark.location.cell) for mark in marks)
    first = next((mark.location for mark in marks if mark.primary), marks[0].location)
    for path, cell in texts:
        here = [mark for mark in marks if (mark.location.path, mark.location.cell) == (path, cell)]
        lines = sources.lines(path, cell)
        if lines is None or all(mark.location.line > len(lines) for mark in here):
            for mark in here:
                if mark.label:
                    page.paragraph(f"{mark.location}: {mark.label}", indent=indent)
            continue
        if (path, cell) != (first.path, first.cell):
            page.line(Segment(" " * indent), Segment(f"in {path}" + ("" if cell is None else f", cell {cell}"), "dim"))
        _add_excerpt(page, here, lines, indent)


def _add_excerpt(page: Page, marks: Sequence[Mark], lines: Sequence[str], indent: int) -> None:
    shown = lines_to_show(marks, lines)
    gutter = len(str(shown[-1]))
    room = page.width - indent - gutter - 3
    previous = shown[0] - 1
    for number in shown:
        if number > previous + 1:
            page.line(Segment(f"{' ' * indent}{'…':>{gutter}}", "dim"))
        previous = number
        here = [mark for mark in marks if mark.location.line == number]
        text, columns = _expanded(page, lines[number - 1])
        underlines = sorted(
            (_underline(mark, lines[number - 1], columns) for mark in here),
            key=lambda one: (one.start, one.end, one.label),
        )
        start = _window(display_width(text), underlines, room)
        shown_text = _cut(text, start, room)
        numbered = f"{' ' * indent}{number:>{gutter}} │{' ' if shown_text else ''}"
        page.line(Segment(numbered, "dim"), Segment(shown_text, "bold" if here else ""))
        bar = Segment(f"{' ' * indent}{' ' * gutter} │ ", "dim")
        moved = [_moved(one, start, room) for one in underlines]
        _add_underlines(page, moved, bar, room)


def lines_to_show(marks: Sequence[Mark], lines: Sequence[str]) -> list[int]:
    """The numbers of the lines that an excerpt with ``marks`` holds: those marked, and what is next to them."""
    last = len(lines)
    wanted: set[int] = set()
    for mark in marks:
        context = CONTEXT if mark.primary else 0
        wanted.update(range(max(mark.location.line - context, 1), min(mark.location.line + context, last) + 1))
    marked = {mark.location.line for mark in marks}
    shown = sorted(wanted)
    while len(shown) > 1 and shown[0] not in marked and not lines[shown[0] - 1].strip():
        shown.pop(0)
    while len(shown) > 1 and shown[-1] not in marked and not lines[shown[-1] - 1].strip():
        shown.pop()
    filled: list[int] = []
    for number in shown:
        if filled and 1 < number - filled[-1] <= _GAP + 1:
            filled += range(filled[-1] + 1, number)
        filled.append(number)
    return filled


def _expanded(page: Page, line: str) -> tuple[str, list[int]]:
    """A source line as it is shown, and the display column at which each of its characters begins (and the end)."""
    shown: list[str] = []
    columns: list[int] = []
    column = 0
    for char in line:
        columns.append(column)
        piece = " " * (_TAB - column % _TAB) if char == "\t" else page.clean(char)
        shown.append(piece)
        column += display_width(piece)
    columns.append(column)
    return "".join(shown), columns


def _underline(mark: Mark, line: str, columns: Sequence[int]) -> _Underline:
    place = mark.location
    start = min(max(place.column - 1, 0), len(line))
    one_line = place.end_line is None or place.end_line == place.line
    end = place.end_column - 1 if one_line and place.end_column is not None else len(line.rstrip())
    if one_line and place.end_column is None:
        end = start + 1
    end = min(max(end, start + 1), max(len(line), start + 1))
    label = mark.label if one_line else f"{mark.label} (to line {place.end_line})".strip()
    begin = columns[start]
    return _Underline(begin, max(columns[min(end, len(line))], begin + 1), label, mark.primary)


def _window(width: int, underlines: Sequence[_Underline], room: int) -> int:
    """First column to show of a line of ``width`` columns, so that what is underlined is seen."""
    if width <= room or not underlines:
        return 0
    focus = next((u for u in underlines if u.primary), underlines[0])
    return 0 if focus.end <= room - 2 else max(min(focus.start - room // 4, width - room), 0)


def _moved(one: _Underline, start: int, room: int) -> _Underline:
    """The underline in a line that is shown from column ``start`` on; what lies beyond it at its edge."""
    begin = min(max(one.start - start, 0), room - 1)
    return _Underline(begin, min(max(one.end - start, begin + 1), room), one.label, one.primary)


def _cut(text: str, start: int, room: int) -> str:
    if start == 0 and display_width(text) <= room:
        return text.rstrip()
    piece, column = "", 0
    for char in text:
        if start <= column < start + room:
            piece += char
        column += display_width(char)
    if start:
        piece = f"…{piece[1:]}"
    return f"{piece[:-1]}…" if column > start + room else piece.rstrip()


def _add_underlines(page: Page, underlines: Sequence[_Underline], bar: Segment, room: int) -> None:
    if not underlines:
        return
    pieces = [bar]
    column = 0
    for one in underlines:
        if one.end <= column:
            continue
        begin = max(one.start, column)
        line = ("^" if one.primary else "-") * (one.end - begin)
        pieces += [Segment(" " * (begin - column)), Segment(line, _style(one.primary))]
        column = one.end
    waiting = [u for u in underlines if u.label]
    last = underlines[-1]
    if last.label and column + 1 + display_width(page.clean(last.label)) <= room:
        pieces.append(Segment(f" {last.label}", _style(last.primary)))
        waiting.remove(last)
    page.line(*pieces)
    for one in reversed(waiting):
        style = _style(one.primary)
        size = display_width(page.clean(one.label))
        fits = one.start + 2 + size <= room
        if not fits and size < one.start:  # to the left of its mark there is room
            page.line(bar, Segment(" " * (one.start - size - 1)), Segment(f"{one.label} ┘", style))
            continue
        offset = one.start if fits else min(one.start, max(room - 40, 0))
        lead = [bar, Segment(f"{' ' * offset}└ ", style)]
        before = len(page.lines)
        page.paragraph(one.label, lead=lead, style=style)
        for index in range(before + 1, len(page.lines)):  # the bar goes on beside wrapped labels
            words = page.lines[index][1:]
            page.lines[index] = (Segment(page.clean(bar.text), bar.style), Segment(" " * (offset + 2)), *words)


def _style(primary: bool) -> str:
    return "mark" if primary else "note"

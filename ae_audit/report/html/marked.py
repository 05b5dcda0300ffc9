"""Text with markup: words with code, styled lines, excerpts of source with what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ae_audit.report.excerpt import Mark, lines_to_show
from ae_audit.report.html.svg import safe
from ae_audit.report.text_layout import Line, in_code
from ae_audit.source.text import Sources

_CLASSES = frozenset({"good", "bad", "dim", "added", "removed", "withdrawn"})


def coded(text: str) -> str:
    """``text`` escaped, with what stands between backticks as ``<code>``."""
    return "".join(
        f"<code>{safe(piece.strip('`'))}</code>" if style == "code" else safe(piece) for piece, style in in_code(text)
    )


def preformatted(lines: Sequence[Line], name: str) -> str:
    """Styled lines in a ``<pre>`` of the class ``name``, without the margin that they share."""
    margin = min((len(text) - len(text.lstrip()) for text in map(_text, lines) if text.strip()), default=0)
    return f'<pre class="{name}">{"".join(_line(one, margin) for one in lines)}</pre>' if lines else ""


def _text(line: Line) -> str:
    return "".join(text for text, _ in line)


def _line(line: Line, margin: int) -> str:
    pieces = []
    for text, style in line:
        text, margin = text[margin:], max(0, margin - len(text))
        pieces.append(f'<span class="{style}">{safe(text)}</span>' if style in _CLASSES and text else safe(text))
    return "".join(pieces) + "\n"


def excerpts(marks: Sequence[Mark], sources: Sources) -> str:
    """An excerpt for each text that ``marks`` lie in; what cannot be read gets its labels with their places."""
    parts = []
    for path, cell in dict.fromkeys((mark.location.path, mark.location.cell) for mark in marks):
        here = [mark for mark in marks if (mark.location.path, mark.location.cell) == (path, cell)]
        lines = sources.lines(path, cell)
        if lines is None or all(mark.location.line > len(lines) for mark in here):
            said = "".join(f"<li>{safe(str(mark.location))}: {safe(mark.label)}</li>" for mark in here if mark.label)
            parts.append(f"<ul>{said}</ul>" if said else "")
            continue
        name = path if cell is None else f"{path}, cell {cell}"
        parts.append(f'<p class="words">{safe(name)}</p>{_excerpt(here, lines)}')
    return "".join(parts)


def _excerpt(marks: Sequence[Mark], lines: Sequence[str]) -> str:
    rows = []
    previous = 0
    for number in lines_to_show(marks, lines):
        if previous and number > previous + 1:
            rows.append('<div><span class="n">…</span></div>')
        previous = number
        here = [mark for mark in marks if mark.location.line == number]
        text = lines[number - 1]
        rows.append(f'<div><span class="n">{number}</span><code>{_marked(text, here)}</code></div>\n')
        labels = dict.fromkeys(mark.label for mark in here if mark.label)
        rows += [f'<div class="label">{"↑ " + safe(label)}</div>\n' for label in labels]
    return f'<div class="excerpt">{"".join(rows)}</div>'


def _marked(line: str, marks: Iterable[Mark]) -> str:
    """A source line with the places of ``marks`` in ``<mark>``; of places that overlap the first."""
    pieces, at = [], 0
    for mark in sorted(marks, key=lambda one: (one.location.column, not one.primary)):
        place = mark.location
        start = min(max(place.column - 1, 0), len(line))
        one_line = place.end_line in {None, place.line}
        end = min(place.end_column - 1, len(line)) if one_line and place.end_column else len(line.rstrip())
        if start < at or end <= start:
            continue
        name = ' class="own"' if mark.primary else ""
        pieces += [safe(line[at:start]), f"<mark{name}>{safe(line[start:end])}</mark>"]
        at = end
    return "".join([*pieces, safe(line[at:].rstrip())]) or " "

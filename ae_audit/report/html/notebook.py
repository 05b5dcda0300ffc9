"""What a notebook shows of a report: the tiles as the page has them, and the text below.

Notebooks drop style sheets, and some drop drawings: everything is readable without the one, and the text says all.
"""

from __future__ import annotations

from collections.abc import Iterable

from ae_audit.report.answers import answers
from ae_audit.report.html.svg import safe
from ae_audit.report.html.training import Shown, fitted, severity_rank, tiles
from ae_audit.report.text_layout import Line
from ae_audit.schema.report import Report
from ae_audit.source.text import Sources

INLINE = {
    "error": "color:#d9483b;font-weight:bold",
    "warning": "color:#b9770e;font-weight:bold",
    "info": "color:#1a8a94;font-weight:bold",
    "withdrawn": "opacity:.7",
    "good": "color:#2b9655",
    "bad": "color:#d9483b",
    "bold": "font-weight:bold",
    "dim": "opacity:.7",
    "code": "color:#1a8a94",
    "place": "font-weight:bold",
    "mark": "color:#d9483b;font-weight:bold",
    "note": "color:#3b82d6;font-weight:bold",
    "added": "color:#2b9655",
    "removed": "color:#d9483b",
}
_PRE = "white-space:pre-wrap;line-height:1.25;font-family:ui-monospace,Menlo,Consolas,monospace"
_STYLED = {
    "<figure>": '<figure style="display:inline-block;vertical-align:top;width:300px;max-width:100%;margin:0 1em 0 0">',
    "<svg ": '<svg style="max-width:100%;height:auto" ',
    '<table class="pictures">': '<table style="width:100%;table-layout:fixed;border-collapse:collapse;font-size:11px">',
    '<th scope="row">': '<th scope="row" style="font-weight:normal;text-align:left;width:56px">',
    '<th scope="col">': '<th scope="col" style="font-weight:normal">',
}
"""what the page's style sheet does elsewhere"""
MOST_TRAININGS = 3
"""whose tiles a notebook shows; the text tells of all"""


def fragment(report: Report, sources: Sources, lines: Iterable[Line]) -> str:
    """The tiles of the trainings, the worst first, and ``lines`` in one ``<pre>`` with its colours within."""
    first = sorted(answers(report), key=severity_rank)
    shown = [(one.setup, report.sight(one.worst.setup), fitted(one.findings)) for one in first]
    if not first:
        shown = [(setup, report.sight(number), ((), None)) for number, setup in enumerate(report.setups)]
    drawn = "".join(
        tiles(setup, sight, tried, Shown(sources), number)
        for number, (setup, sight, tried) in enumerate(shown[:MOST_TRAININGS], start=1)
    )
    for bare, styled in _STYLED.items():
        drawn = drawn.replace(bare, styled)
    return f'{drawn}<pre style="{_PRE}">{_painted(lines)}</pre>'


def _painted(lines: Iterable[Line]) -> str:
    painted = []
    for line in lines:
        for text, style in line:
            css = INLINE.get(style)
            painted.append(f'<span style="{css}">{safe(text)}</span>' if css else safe(text))
        painted.append("\n")
    return "".join(painted)

"""The report as HTML: a fragment for notebooks, and a page of its own with the curves of the probe drawn.

The page loads nothing from anywhere, so that it can be kept as an artefact of a CI job and read years later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise

from ae_audit.report.full import sections
from ae_audit.report.phrases import r2, summary
from ae_audit.report.text_layout import Line, Page
from ae_audit.schema.findings import Arm, Finding
from ae_audit.schema.report import Report
from ae_audit.source.text import Sources

_INLINE = {
    "error": "color:#c62828;font-weight:bold",
    "warning": "color:#b26a00;font-weight:bold",
    "info": "color:#00838f;font-weight:bold",
    "withdrawn": "opacity:.6",
    "good": "color:#2e7d32",
    "bad": "color:#c62828",
    "bold": "font-weight:bold",
    "dim": "opacity:.6",
    "code": "color:#00838f",
    "place": "font-weight:bold",
    "mark": "color:#c62828;font-weight:bold",
    "note": "color:#1565c0;font-weight:bold",
    "added": "color:#2e7d32",
    "removed": "color:#c62828",
}
_PRE = "white-space:pre-wrap;line-height:1.25;font-family:ui-monospace,Menlo,Consolas,monospace"
_SHEET = """
:root{color-scheme:light dark;--ink:#1f2328;--paper:#fff;--rule:#d0d7de;--red:#b3261e;--amber:#8a5300;--teal:#00707a;
--green:#216e39;--blue:#1557b0}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#16181c;--rule:#3a3f46;--red:#ff8a80;--amber:#f2b84b;
--teal:#5fd0da;--green:#7ccf8a;--blue:#8ab4f8}}
body{margin:2rem auto;max-width:72rem;padding:0 1rem;color:var(--ink);background:var(--paper);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2.5rem;border-top:1px solid var(--rule);padding-top:1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top;
border-bottom:1px solid var(--rule)}
a{color:var(--blue)}td:last-child{min-width:20rem}pre{overflow-x:auto;
font:13px/1.35 ui-monospace,Menlo,Consolas,monospace}
.error,.mark{color:var(--red);font-weight:bold}.warning{color:var(--amber);font-weight:bold}
.info{color:var(--teal);font-weight:bold}.code{color:var(--teal)}.note{color:var(--blue);font-weight:bold}
.good,.added{color:var(--green)}.bad,.removed{color:var(--red)}.bold,.place{font-weight:bold}.dim,.withdrawn{opacity:.65}
svg{max-width:100%;height:auto}
"""
_FAULTY_COLOURS, _FIXED_COLOUR = ("var(--red)", "var(--amber)", "var(--blue)", "var(--teal)"), "var(--green)"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _EDGE = 760, 200, 40, 320, 12
_LOW, _HIGH = -1.0, 1.0


def fragment(lines: Iterable[Line]) -> str:
    """``lines`` in one ``<pre>`` with its colours within, as notebooks want it, which drop style sheets."""
    styles = {name: f'style="{css}"' for name, css in _INLINE.items()}
    return f'<pre style="{_PRE}">{_painted(lines, styles)}</pre>'


def to_html(report: Report, sources: Sources, *, interrupted: bool = False) -> str:
    """A whole page: the summary, a table of the findings, each as in the full report, and the curves of the probe."""
    told = "".join(text for text, _ in summary(report))
    parts = ["<h1>ae-audit</h1>", f"<p>{escape(told)}</p>"]
    if interrupted:
        parts.append("<p><strong>Interrupted: this is what was found until then.</strong></p>")
    chapters = list(sections(report, sources))
    main = [finding for finding, _ in chapters if finding is not None]
    if main:
        parts.append(_contents(main))
    drawn: set[tuple[Arm, ...]] = set()
    for number, (finding, lines) in enumerate(chapters, start=1):
        if finding is None:
            if lines:
                parts.append(f"<section><h2>Besides</h2>{_pre(lines)}</section>")
            continue
        heading = f"{_safe(finding.code)} {_safe(finding.name)}"
        parts.append(f'<section id="finding-{number}"><h2>{heading}</h2>{_pre(lines)}')
        for evidence in finding.evidence:
            if evidence.arms not in drawn and any(len(arm.curve) > 1 for arm in evidence.arms):
                drawn.add(evidence.arms)
                parts.append(_chart(evidence.arms, dict(evidence.figures).get("steps")))
        parts.append("</section>")
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>ae-audit: {escape(told)}</title><style>{_SHEET}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _safe(text: str) -> str:
    """Text that no line of the full report has cleaned yet."""
    return escape(Page().clean(text))


def _painted(lines: Iterable[Line], attributes: Mapping[str, str]) -> str:
    """The text of ``lines``, each style a ``<span>`` with its attribute."""
    painted = []
    for line in lines:
        for text, style in line:
            attribute = attributes.get(style)
            painted.append(f"<span {attribute}>{escape(text)}</span>" if attribute else escape(text))
        painted.append("\n")
    return "".join(painted)


def _pre(lines: Sequence[Line]) -> str:
    classes = {name: f'class="{name}"' for name in _INLINE}
    while lines and not lines[0]:
        lines = lines[1:]
    return f"<pre>{_painted(lines, classes)}</pre>"


def _contents(findings: Sequence[Finding]) -> str:
    rows = "".join(
        f'<tr><td class="{finding.severity.value}">{finding.severity.value}</td><td>{finding.verdict.value}</td>'
        f'<td><a href="#finding-{number}">{_safe(finding.code)}</a></td><td>{_safe(str(finding.location))}</td>'
        f"<td>{_safe(finding.message)}</td></tr>"
        for number, finding in enumerate(findings, start=1)
    )
    head = "<tr><th>severity</th><th>verdict</th><th>rule</th><th>place</th><th>what</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _chart(arms: Sequence[Arm], steps: object) -> str:
    """R² of each arm, the most fixed one last, over the optimizer steps, as SVG; below −1 is drawn at −1.

    Line breaks between its parts keep them apart where only their text is shown.
    """
    curves = [arm for arm in arms if arm.curve]
    longest = max(len(arm.curve) for arm in curves)
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - 2 * _EDGE

    def x(index: int) -> float:
        return _LEFT + (right - _LEFT) * (index + 1) / longest

    def y(value: float) -> float:
        bounded = min(max(value, _LOW), _HIGH) if math.isfinite(value) else _LOW
        return _EDGE + (bottom - _EDGE) * (_HIGH - bounded) / (_HIGH - _LOW)

    drawn = [
        f'<line style="stroke:var(--rule)" x1="{_LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>'
        for value, label in ((1.0, "1"), (0.0, "0"), (-1.0, "−1"))
    ]
    over = f"R² over {_safe(str(steps or longest))} steps"
    drawn.append(f'<text x="{right}" y="{_HEIGHT - 6}" text-anchor="end">{over}</text>')
    heights = _apart([y(arm.curve[-1]) for arm in curves])
    for number, (arm, height) in enumerate(zip(curves, heights, strict=True)):
        colour = _FIXED_COLOUR if arm is arms[-1] else _FAULTY_COLOURS[number % len(_FAULTY_COLOURS)]
        points = [(x(index), y(value)) for index, value in enumerate(arm.curve)]
        at = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
        left, top = points[-1]
        drawn.append(f'<polyline fill="none" stroke-width="2" style="stroke:{colour}" points="{at}"/>')
        drawn.append(f'<circle r="3" cx="{left:.1f}" cy="{top:.1f}" style="fill:{colour}"/>')
        name = f"{arm.name} {r2(arm.curve[-1]).strip()}"
        drawn.append(f'<text x="{right + 10}" y="{height + 4:.1f}" style="fill:{colour}">{_safe(name)}</text>')
    body = "\n".join(drawn)
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" font-size="12" fill="currentColor"'
    return f'<svg {size} role="img" aria-label="R² of each arm">\n{body}\n</svg>'


def _apart(heights: Sequence[float], gap: float = 15.0, most: float = _HEIGHT - 8.0) -> list[float]:
    """The heights of labels, moved where they would cover one another, in the order given; none below ``most``."""
    placed = list(heights)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    for above, below in pairwise(order):
        placed[below] = max(placed[below], placed[above] + gap)
    for index in reversed(order):
        placed[index] = min(placed[index], most)
        most = placed[index] - gap
    return placed

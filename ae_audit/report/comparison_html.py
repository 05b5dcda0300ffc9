"""A comparison as one HTML page, and as what notebooks show of it. It loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.report.comparison import LEGEND, Column, columns_of, intro, marked_name, rescaled_in_words
from ae_audit.report.comparison_answers import answers
from ae_audit.report.html.svg import Axis, Series, Tone, chart, safe
from ae_audit.report.html.tiles import pictures, tile
from ae_audit.report.phrases import r2
from ae_audit.report.text_layout import in_code
from ae_audit.schema.comparison import Cell, Comparison, ComparisonReport
from ae_audit.schema.location import address
from ae_audit.schema.sights import Gallery

MOST_CURVES = 5
"""that are told apart in one chart"""
_TONES = (Tone.GOOD, Tone.FIRST, Tone.SECOND, Tone.BAD, Tone.PLAIN)
_SHEET = """
:root{color-scheme:light dark;--ink:#1f2328;--paper:#fff;--rule:#d0d7de;--dim:#57606a}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#16181c;--rule:#3a3f46;--dim:#a3abb5}}
body{margin:2rem auto;max-width:72rem;padding:0 1rem;color:var(--ink);background:var(--paper);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}.pictures td,.pictures th{border:0;text-align:center;padding:.2rem}
.best{font-weight:bold}.dim{color:var(--dim)}dt{font-weight:bold;margin-top:.8rem}dd{margin:0}
figure{margin:1rem 0;overflow-x:auto}svg{max-width:100%;height:auto}.pictures svg{image-rendering:pixelated}
@media print{.wide,figure{overflow:visible}figure{break-inside:avoid}}
"""


def comparison_html(report: ComparisonReport) -> str:
    """The whole page: of each training the table, R² over the steps, pictures of samples, and what they say."""
    title = "ae-audit: heads and losses compared"
    parts = [f"<h1>{title}</h1>", *(fragment_of(one) for one in report.comparisons), *_rest(report)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_SHEET}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def notebook_html(report: ComparisonReport) -> str:
    """The same without a page around it, for a notebook's own style."""
    return "\n".join([*(fragment_of(one) for one in report.comparisons), *_rest(report)])


def _rest(report: ComparisonReport) -> Iterator[str]:
    for error in report.errors:
        yield f"<p><b>{safe(address(error.path, error.cell, error.line))}:</b> {_code(error.message)}</p>"
    if report.notes:
        rows = "".join(f"<li>{safe(note.path)}: {_code(note.text)}</li>" for note in report.notes)
        yield f"<h2>Notes</h2><ul>{rows}</ul>"


def fragment_of(comparison: Comparison) -> str:
    """One training."""
    place = comparison.location
    heading = f"<h2>{safe(address(place.path, place.cell, place.line))}</h2>"
    parts = [heading, *(f'<p class="dim">{safe(text)}</p>' for text in intro(comparison))]
    if comparison.rescale is not None:
        parts.append(f"<p>{safe(rescaled_in_words(comparison))}</p>")
    parts.append(_table(comparison))
    parts.append(f'<p class="dim">{safe(LEGEND)}</p>')
    said = "".join(f"<dt>{safe(question)}</dt><dd>{_code(text)}</dd>" for question, text in answers(comparison))
    parts.append(f"<dl>{said}</dl>")
    parts.append(_curves(comparison))
    if comparison.gallery is not None:
        parts.append(_pictures(comparison.gallery))
    parts += [f"<p>{_code(note)}</p>" for note in comparison.notes]
    return "<section>" + "\n".join(part for part in parts if part) + "</section>"


def _table(comparison: Comparison) -> str:
    columns = columns_of(comparison)
    head = "".join(f'<th scope="col">{safe(name)}</th>' for name in ("head × loss", *(name for name, _ in columns)))
    rows = "".join(_row(comparison, cell, columns) for cell in comparison.ranked)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(comparison: Comparison, cell: Cell, columns: list[Column]) -> str:
    kind = ' class="best"' if cell is comparison.best else ' class="dim"' if cell.failed is not None else ""
    values = "".join(f"<td>{safe(text(cell))}</td>" for _, text in columns)
    return f'<tr{kind}><th scope="row">{safe(marked_name(comparison, cell).strip())}</th>{values}</tr>\n'


def _curves(comparison: Comparison) -> str:
    shown = [cell for cell in comparison.ranked if cell.final_r2][:MOST_CURVES]
    if not shown:
        return ""
    mean = {comparison.label(cell): sum(cell.final_r2) / len(cell.final_r2) for cell in shown}
    series = [
        Series(f"{comparison.label(cell)} {r2(mean[comparison.label(cell)])}", tuple(run.r2 for run in cell.runs), tone)
        for cell, tone in zip(shown, _TONES, strict=False)
    ]
    marks = ((1.0, "1"), (0.0, "mean target"), (-1.0, "−1"))
    under = f"R² over {comparison.steps} steps"
    told = "; ".join(f"{comparison.label(cell)} ends at {r2(mean[comparison.label(cell)])}" for cell in shown)
    body = chart(under, told, series, Axis(-1.0, 1.0, marks), under, width=720, height=240)
    best = "the best" if len(shown) < len(comparison.cells) else "all"
    return tile("Learning", f"R² of {best} {len(shown)}, a line for each seed.", body)


def _pictures(gallery: Gallery) -> str:
    chosen = f"{len(gallery.rows[0].pictures)} of {gallery.samples} samples"
    told = f"{chosen}, from the nearest to the mean target to the farthest from it, after the fit of the first seed."
    return tile("Images", told, pictures(gallery))


def _code(text: str) -> str:
    """Text whose backquotes become code."""
    return "".join(
        f"<code>{safe(piece.strip('`'))}</code>" if style == "code" else safe(piece) for piece, style in in_code(text)
    )

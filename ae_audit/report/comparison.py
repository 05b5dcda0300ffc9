"""``ae-audit compare``: a table of heads and losses, and what it says of the questions people ask."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from ae_audit.base.version import __version__
from ae_audit.report.comparison_answers import answers, plus_minus
from ae_audit.report.phrases import count, r2
from ae_audit.report.text_layout import DEFAULT_WIDTH, Line, Page, Segment, display_width, in_code
from ae_audit.schema.comparison import Cell, Comparison, ComparisonReport
from ae_audit.schema.ideal import Outcome
from ae_audit.schema.location import address
from ae_audit.theory.uncertainty import Estimate, estimate

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    Json = dict[str, Any]

FORMATS = ("full", "json", "html")
"""those that a comparison can be written in"""
SCHEMA_VERSION = 1
_INTERVAL = "± is the 95 % interval of the mean over seeds (Student)."
LEGEND = (
    "Bold: the best; ≈ these seeds do not tell it from the best; * as written. R²: share of the target's variance "
    "that the predictions explain, 0 for the mean target. Brightness: mean prediction against mean target. "
    "Sharpness: energy of the gradients over the target's, 1 is as sharp. Dead: outputs that are the same for every "
    "sample. Ideal: R² at which a network that could output anything ends (stuck: its gradients vanish)."
)


def comparison_lines(report: ComparisonReport, *, width: int | None = None, ascii_only: bool = False) -> list[Line]:
    """The report laid out for a terminal."""
    page = Page(width or DEFAULT_WIDTH, ascii_only)
    for comparison in report.comparisons:
        page.blank()
        _add(page, comparison)
    if report.notes or report.errors:
        page.blank()
    for error in report.errors:
        place = Segment(f"{address(error.path, error.cell, error.line)}: ", "place")
        page.segments([place, *in_code(error.message)], hang=2)
    if report.notes:
        page.line(Segment("Notes:", "bold"))
    for note in report.notes:
        page.segments([Segment(f"{note.path}: ", "place"), *in_code(note.text)], indent=2, hang=4)
    return page.lines


def intro(comparison: Comparison) -> tuple[str, str]:
    """What was fitted, and how."""
    optimizer = f" of {comparison.optimizer}" if comparison.optimizer else ""
    what = (
        f"{count(len(comparison.cells), 'pair')} of head and loss, {count(comparison.steps, 'step')}{optimizer}, "
        f"{count(comparison.seeds, 'seed')}, on {comparison.device}"
    )
    how = (
        f"Each from the same initial weights on the same batches of {comparison.samples} samples; scored on "
        f"{comparison.scored} of them, so what is memorised counts as learned."
    )
    return what, f"{how} {_INTERVAL}" if comparison.seeds > 1 else how


def rescaled_in_words(comparison: Comparison) -> str:
    """What was done to the data."""
    return f"All but the program as written: {comparison.rescale}."


def marked_name(comparison: Comparison, cell: Cell) -> str:
    """The cell's name with its marks."""
    level = comparison.level_with_best(cell) and cell is not comparison.best
    return f"{'≈' if level else ' '} {cell.name}{' *' if cell.as_written else ''}"


def _add(page: Page, comparison: Comparison) -> None:
    place = comparison.location
    what, how = intro(comparison)
    page.segments([Segment(f"{address(place.path, place.cell, place.line)}: ", "place"), Segment(what)], hang=2)
    page.paragraph(how, indent=2, hang=2, style="dim")
    if comparison.rescale is not None:
        page.paragraph(rescaled_in_words(comparison), indent=2, hang=2)
    page.blank()
    columns = columns_of(comparison)
    rows = [[Segment("head × loss", "bold"), *(Segment(name, "bold") for name, _ in columns)]]
    for cell in comparison.ranked:
        style = "bold" if cell is comparison.best else "dim" if cell.failed is not None else ""
        name = Segment(marked_name(comparison, cell), style)
        rows.append([name, *(Segment(text(cell), style) for _, text in columns)])
    for part in _fitting(rows, page.width - 2):
        page.table(part, indent=2, right=frozenset(range(1, len(part[0]))))
        page.blank()
    page.paragraph(LEGEND, indent=2, hang=2, style="dim")
    for question, text in answers(comparison):
        page.blank()
        page.segments([Segment(f"{question} ", "bold"), *in_code(text)], indent=2, hang=4, lead=1)
    for note in comparison.notes:
        page.blank()
        page.paragraph(note, indent=2, hang=2)


Column = tuple[str, Callable[[Cell], str]]


def columns_of(comparison: Comparison) -> list[Column]:
    """The columns of the table after the name: heading, and what each cell has there."""
    threshold = comparison.threshold
    found: list[Column] = [("R²", _r2)]
    if threshold is not None:
        found.append((f"steps to {r2(threshold)}", lambda cell: _whole(estimate(cell.steps_to(threshold)))))
        found.append(("seconds", lambda cell: _seconds(cell, threshold)))
    percent = comparison.bias_unit == "mean"
    measured = (("brightness", "bias", percent), ("sharpness", "sharpness", False), ("dead", "dead", True))
    for name, what, share in measured:
        if any(cell.over_seeds(what) for cell in comparison.cells):
            found.append((name, _over_seeds(what, share)))
    if any(cell.ideal is not None for cell in comparison.cells):
        found.append(("ideal", _ideal))
    return found


def _over_seeds(what: str, percent: bool) -> Callable[[Cell], str]:
    def text(cell: Cell) -> str:
        found = estimate(cell.over_seeds(what))
        if what == "dead" and found is not None:
            return f"{100 * found.mean:.0f} %"
        return plus_minus(found, percent)

    return text


def _r2(cell: Cell) -> str:
    if cell.failed is not None:
        return "fails" if cell.refused is None else "cannot be tried"
    return plus_minus(estimate(cell.final_r2))


def _whole(value: Estimate | None) -> str:
    if value is None:
        return "–"
    return f"{value.mean:.0f}" if value.half_width is None else f"{value.mean:.0f} ± {value.half_width:.0f}"


def _seconds(cell: Cell, threshold: float) -> str:
    found = estimate(seconds_to(cell, threshold))
    return "–" if found is None else f"{found.mean:.2g}"


def seconds_to(cell: Cell, threshold: float) -> tuple[float, ...]:
    """Seconds of steps until the predictions had that R², seed by seed; empty where one never did."""
    steps, seconds = cell.steps_to(threshold), cell.over_seeds("step_seconds")
    return tuple(a * b for a, b in zip(steps, seconds, strict=True)) if len(steps) == len(seconds) else ()


def _ideal(cell: Cell) -> str:
    ideal = cell.ideal
    if ideal is None or ideal.r2 is None:
        return "–"
    return f"{r2(ideal.r2)} stuck" if ideal.outcome is Outcome.ELSEWHERE else r2(ideal.r2)


def _fitting(rows: Sequence[Sequence[Segment]], width: int) -> list[list[list[Segment]]]:
    """The table in as many parts as it takes to fit ``width``, each with the first column."""
    widths = [max(display_width(row[i].text) for row in rows) for i in range(len(rows[0]))]
    parts: list[list[int]] = [[]]
    used = widths[0]
    for index in range(1, len(widths)):
        if parts[-1] and used + 2 + widths[index] > width:
            parts.append([])
            used = widths[0]
        parts[-1].append(index)
        used += 2 + widths[index]
    return [[[row[0], *(row[index] for index in part)] for row in rows] for part in parts]


def comparison_json(report: ComparisonReport, *, ascii_only: bool = False) -> str:
    """The report as JSON text, ``schema_version`` 1; infinite numbers are strings, as in the report of an audit."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "ae-audit", "version": __version__},
        "comparisons": [_comparison(comparison) for comparison in report.comparisons],
        "errors": [
            {"path": one.path, "stage": one.stage, "message": one.message, "line": one.line, "cell": one.cell}
            for one in report.errors
        ],
        "notes": [{"path": note.path, "text": note.text} for note in report.notes],
    }
    return json.dumps(document, indent=2, ensure_ascii=ascii_only, allow_nan=False) + "\n"


def _comparison(comparison: Comparison) -> Json:
    place = comparison.location
    return {
        "path": place.path,
        "line": place.line,
        "cell": place.cell,
        "framework": comparison.framework,
        "device": comparison.device,
        "optimizer": comparison.optimizer,
        "samples": comparison.samples,
        "scored": comparison.scored,
        "steps": comparison.steps,
        "seeds": comparison.seeds,
        "threshold": _number(comparison.threshold),
        "bias_unit": comparison.bias_unit,
        "rescale": comparison.rescale,
        "cells": [_cell(comparison, cell) for cell in comparison.ranked],
        "answers": [{"question": question, "answer": text} for question, text in answers(comparison)],
        "notes": list(comparison.notes),
    }


def _cell(comparison: Comparison, cell: Cell) -> Json:
    threshold = comparison.threshold
    return {
        "name": cell.name,
        "head": cell.head,
        "loss": None if cell.loss is None else cell.loss.name,
        "from_logits": cell.loss is not None and cell.loss.from_logits,
        "as_written": cell.as_written,
        "rescaled": cell.rescaled,
        "best": cell is comparison.best,
        "level_with_best": comparison.level_with_best(cell),
        "failed": cell.failed,
        "r2": _spread(cell.final_r2),
        "bias": _spread(cell.over_seeds("bias")),
        "sharpness": _spread(cell.over_seeds("sharpness")),
        "dead": _spread(cell.over_seeds("dead")),
        "loss_printed": _spread(cell.final_loss()),
        "steps_to_threshold": None if threshold is None else _spread(cell.steps_to(threshold)),
        "seconds_to_threshold": None if threshold is None else _spread(seconds_to(cell, threshold)),
        "bound": _number(cell.bound),
        "ideal": None
        if cell.ideal is None
        else {
            "outcome": cell.ideal.outcome.value,
            "r2": _number(cell.ideal.r2),
            "correlation": _number(cell.ideal.correlation),
            "samples": cell.ideal.samples,
            "why": cell.ideal.why,
        },
        "floor": None if cell.floor is None else {"mean": _number(cell.floor), "half_width": _number(cell.floor_error)},
        "runs": [
            {
                "seed": run.seed,
                "steps": list(run.steps),
                "r2": [_number(value) for value in run.r2],
                "loss": [_number(value) for value in run.loss],
                "failed": run.failed,
            }
            for run in cell.runs
        ],
    }


def _spread(values: Sequence[float]) -> Json | None:
    """The values seed by seed, their mean and half of its 95 % interval."""
    found = estimate(values)
    if found is None:
        return None
    half = found.half_width
    return {"mean": _number(found.mean), "half_width": _number(half), "values": [_number(value) for value in values]}


def _number(value: float | None) -> float | str | None:
    if value is None or math.isnan(value):
        return None
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"

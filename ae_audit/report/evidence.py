"""The evidence of a finding: the trail of reasons, the certificate's numbers, the probe's table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ae_audit.report.narration import add_arms
from ae_audit.report.phrases import figure, mean_and_spread, r2, sparkline
from ae_audit.report.text_layout import Page, Segment, display_width, in_code
from ae_audit.schema.findings import Arm, Evidence, Finding
from ae_audit.schema.location import Location, address

_LABEL_WIDTH = len("certificate") + 2
_SPARK_LOW, _SPARK_HIGH = -1.0, 1.0


def add_evidence(page: Page, finding: Finding, tables: dict[Arm, str], *, indent: int = 2) -> None:
    """Write each piece of evidence under the name of the stage that found it.

    ``tables`` holds the code of the finding under which an arm was shown first; it is shown once.
    """
    previous = ""
    for evidence in finding.evidence:
        shown = "" if evidence.kind == previous else evidence.kind
        previous = evidence.kind
        text = in_code(evidence.text)
        if evidence.figures and not any(map(str.isdigit, evidence.text)):
            text += [Segment(f" ({_figures(evidence)})", "dim")]
        if evidence.location is not None:
            text += [Segment(f" [{_place(evidence.location, finding.location)}]", "dim")]
        shown_above = dict.fromkeys(tables[arm] for arm in evidence.arms if arm in tables)
        if shown_above:
            text += [Segment(f" [the table under {', '.join(shown_above)} above]", "dim")]
        lead = Segment(f"{shown:<{_LABEL_WIDTH}}", "bold")
        page.segments([lead, *text], indent=indent, lead=1)
        fresh = [arm for arm in evidence.arms if arm not in tables]
        tables.update(dict.fromkeys(fresh, finding.code))
        if fresh:
            _add_arms(page, fresh, indent + 2)


def _figures(evidence: Evidence) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {figure(value)}" for name, value in evidence.figures)


def _place(location: Location, near: Location) -> str:
    if location.path != near.path:
        return address(location.path, location.cell, location.line)
    if location.cell != near.cell:
        return f"cell {location.cell}, line {location.line}"
    return f"line {location.line}"


def _add_arms(page: Page, arms: Sequence[Arm], indent: int) -> None:
    """What became of each arm."""
    fitted = [arm for arm in arms if arm.r2]
    if fitted and (page.narrated or not _add_table(page, fitted, indent)):
        add_arms(page, fitted, indent)
    for arm in arms:
        if arm.failed is not None:
            page.paragraph(
                f"{arm.name}: {failure_in_words(arm)}: {arm.failed}", indent=indent, hang=indent + 2, style="bad"
            )
        elif arm.bound is not None:
            page.paragraph(not_fitted(arm), indent=indent, hang=indent + 2, style="bad")


def _add_table(page: Page, fitted: Sequence[Arm], indent: int) -> bool:
    """A row for each arm that was fitted; names that leave no room for their figures stand on a line of their own.

    Returns:
        False where even the figures are wider than the page, and nothing was written.
    """
    figures = _arm_figures(fitted)
    widths = [max(display_width(page.clean(row[i].text)) for row in figures) for i in range(len(figures[0]))]
    names = [Segment("arm", "dim"), *(Segment(arm.name) for arm in fitted)]
    room = page.width - indent - sum(widths) - 2 * len(widths)
    if room < 0:
        return False
    if max(display_width(page.clean(name.text)) for name in names) <= room:
        page.table([[name, *row] for name, row in zip(names, figures, strict=True)], indent=indent)
        return True
    page.table(figures, indent=indent + 2)
    rows = page.lines[-len(figures) :]
    del page.lines[-len(figures) :]
    for name, row in zip(names, rows, strict=True):
        if name.text != "arm":
            page.segments([name], indent=indent, hang=indent)
        page.lines.append(row)
    return True


def not_fitted(arm: Arm) -> str:
    """Why an arm with a bound was not fitted."""
    bound = math.nan if arm.bound is None else arm.bound
    return f"{arm.name}: not fitted, since no weights bring its R² above {r2(_rounded_up(bound))}"


def _rounded_up(bound: float) -> float:
    """The least value above ``bound`` that :func:`r2` shows in full: what is said of all weights has to hold."""
    if not math.isfinite(bound):
        return bound
    step = 0.01 if bound > -1000 else 10.0 ** (math.floor(math.log10(-bound)) - 1)
    return math.ceil(bound / step) * step


def failure_in_words(arm: Arm) -> str:
    """When it failed."""
    if not arm.r2:
        return "could not be fitted"
    when = "in training" if arm.loss else "at its first step"
    return f"raises {when}, and was scored as it was then"


def _arm_figures(arms: Sequence[Arm]) -> list[list[Segment]]:
    """Header and rows without the names."""
    curves = any(len(arm.curve) > 1 for arm in arms)
    losses = any(arm.loss for arm in arms)
    one_seed = all(len(arm.r2) == 1 for arm in arms)
    header = ["R²" if one_seed else "R² of each seed"]
    header += [] if one_seed else ["mean ± sd"]
    header += ["R² from −1 to 1"] if curves else []
    header += ["printed loss"] if losses else []
    rows = [[Segment(name, "dim") for name in header]]
    for arm in arms:
        style = "good" if sum(arm.r2) > 0 else "bad"
        row = [Segment(" ".join(f"{r2(value):>5}" for value in arm.r2), style)]
        row += [] if one_seed else [Segment(mean_and_spread(arm.r2), style)]
        row += [Segment(sparkline(arm.curve, _SPARK_LOW, _SPARK_HIGH), style)] if curves else []
        row += [Segment(loss_in_figures(arm.loss))] if losses else []
        rows.append(row)
    return rows


def loss_in_figures(losses: Sequence[float]) -> str:
    """The printed loss, from the first evaluation to the last."""
    if not losses:
        return ""
    first, last = losses[0], losses[-1]
    return _loss_figure(first) if len(losses) == 1 else f"{_loss_figure(first)} → {_loss_figure(last)}"


def _loss_figure(value: float) -> str:
    if not math.isfinite(value) or value == 0 or 1e-3 <= abs(value) < 1e4:
        return figure(float(value)) if not math.isfinite(value) else f"{value:.4g}".replace("-", "−")
    return f"{value:.1e}".replace("-", "−")

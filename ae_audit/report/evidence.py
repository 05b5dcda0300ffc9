"""The evidence of a finding: the trail of reasons, the certificate's numbers, the probe's table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ae_audit.location import Location
from ae_audit.report.page import Page, Segment, in_code
from ae_audit.report.words import figure, mean_and_spread, r2, sparkline
from ae_audit.rules.findings import Arm, Evidence, Finding

_LABELS = {"static": "source", "runtime": "running", "certificate": "bound", "probe": "probe"}
_LABEL_WIDTH = max(map(len, _LABELS.values())) + 2
_SPARK_LOW, _SPARK_HIGH = -1.0, 1.0


def add_evidence(page: Page, finding: Finding, *, indent: int = 2) -> None:
    """Write each piece of evidence under the name of the stage that found it."""
    previous = ""
    for evidence in finding.evidence:
        label = _LABELS.get(evidence.kind, evidence.kind)
        shown = "" if label == previous else label
        previous = label
        text = in_code(evidence.text)
        figures = _figures(evidence)
        if figures:
            text += [Segment(f" ({figures})", "dim")]
        if evidence.location is not None:
            text += [Segment(f" [{_place(evidence.location, finding.location)}]", "dim")]
        lead = Segment(f"{shown:<{_LABEL_WIDTH}}", "bold")
        page.segments([lead, *text], indent=indent, lead=1)
        if evidence.arms:
            _add_arms(page, evidence.arms, indent + _LABEL_WIDTH)


def _figures(evidence: Evidence) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {figure(value)}" for name, value in evidence.figures)


def _place(location: Location, near: Location) -> str:
    if location.path != near.path:
        return f"{location.path}:{'' if location.cell is None else f'cell {location.cell}:'}{location.line}"
    if location.cell != near.cell:
        return f"cell {location.cell}, line {location.line}"
    return f"line {location.line}"


def _add_arms(page: Page, arms: Sequence[Arm], indent: int) -> None:
    fitted = [arm for arm in arms if arm.r2]
    if fitted:
        has_loss = any(arm.loss for arm in fitted)
        seeds = max(len(arm.r2) for arm in fitted)
        curves = any(len(arm.curve) > 1 for arm in fitted)
        header = ["arm", "R² of each seed", "mean" if seeds == 1 else "mean ± sd"]
        header += [f"R² from {r2(_SPARK_LOW)[:-3]} to {_SPARK_HIGH:.0f}"] if curves else []
        header += ["printed loss"] if has_loss else []
        rows = [[Segment(name, "dim") for name in header]]
        short = min(_name_room(page, indent, fitted, curves, has_loss), max(len(arm.name) for arm in fitted))
        for arm in fitted:
            mean = sum(arm.r2) / len(arm.r2)
            style = "good" if mean > 0 else "bad"
            row = [
                Segment(_shortened(arm.name, short)),
                Segment(" ".join(f"{r2(value):>5}" for value in arm.r2)),
                Segment(mean_and_spread(arm.r2), style),
            ]
            if curves:
                row.append(Segment(sparkline(arm.curve, _SPARK_LOW, _SPARK_HIGH), style))
            if has_loss:
                row.append(Segment(_loss(arm.loss)))
            rows.append(row)
        page.table(rows, indent=indent)
    for arm in arms:
        if arm.failed is not None:
            page.paragraph(
                f"{arm.name}: could not be fitted: {arm.failed}", indent=indent, hang=indent + 2, style="bad"
            )


def _name_room(page: Page, indent: int, arms: Sequence[Arm], curves: bool, has_loss: bool) -> int:
    """Columns that an arm's name may take, so that the table fits the page; never fewer than 12."""
    seeds = max(max(len(" ".join(f"{r2(v):>5}" for v in arm.r2)) for arm in arms), 15)
    means = max(max(len(mean_and_spread(arm.r2)) for arm in arms), 9)
    spark = max(max(min(len(arm.curve), 20) for arm in arms), 12) + 2 if curves else 0
    loss = max(max(len(_loss(arm.loss)) for arm in arms), 12) + 2 if has_loss else 0
    return max(page.width - indent - seeds - means - spark - loss - 4, 12)


def _shortened(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _loss(losses: Sequence[float]) -> str:
    if not losses:
        return ""
    first, last = losses[0], losses[-1]
    return _loss_figure(first) if len(losses) == 1 else f"{_loss_figure(first)} → {_loss_figure(last)}"


def _loss_figure(value: float) -> str:
    if not math.isfinite(value) or value == 0 or 1e-3 <= abs(value) < 1e5:
        return figure(float(value)) if not math.isfinite(value) else f"{value:.4g}".replace("-", "−")
    return f"{value:.1e}".replace("-", "−")

"""Excerpts, tables and diffs in sentences: for screen readers, which read boxes and underlines sign by sign."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.report.phrases import mean_and_spread
from ae_audit.report.text_layout import Page
from ae_audit.schema.findings import Arm
from ae_audit.schema.location import Location, address
from ae_audit.source.text import Sources


def add_place(page: Page, location: Location, label: str, sources: Sources, indent: int) -> None:
    """``model.py, line 17: `activation="softmax"` in `decoded = Dense(784, activation="softmax")(decoded)`: AE101``."""
    lines = sources.lines(location.path, location.cell) or []
    text = lines[location.line - 1] if location.line <= len(lines) else ""
    one_line = location.end_line in {None, location.line}
    end = location.end_column - 1 if one_line and location.end_column is not None else None
    there = text[location.column - 1 : end].strip()
    whole = text.strip()
    said = f"Line {location.line}" if location.cell is None else f"Cell {location.cell}, line {location.line}"
    words = f"{said} of {location.path}"
    if whole:
        words += f": `{whole}`" if there in {"", whole} else f": `{there}` in `{whole}`"
    page.paragraph(f"{words}. {label}" if label else f"{words}.", indent=indent, hang=indent + 2)


def add_arms(page: Page, arms: Sequence[Arm], indent: int) -> None:
    """A sentence for each variant that was fitted."""
    for arm in arms:
        seeds = "1 seed" if len(arm.r2) == 1 else f"{len(arm.r2)} seeds"
        page.paragraph(f"{arm.name}: R² {mean_and_spread(arm.r2)}, {seeds}.", indent=indent, hang=indent + 2)


def add_change(page: Page, path: str, cell: int | None, line: int, old: Sequence[str], new: Sequence[str]) -> None:
    """``In model.py, line 17, replace `…` by `…`.``"""
    place = address(path, cell, line)
    before, after = (" and ".join(f"`{one.strip()}`" for one in lines if one.strip()) for lines in (old, new))
    if before and after:
        page.paragraph(f"At {place}, replace {before} by {after}.", indent=2, hang=4)
    elif before:
        page.paragraph(f"At {place}, remove {before}.", indent=2, hang=4)
    elif after:
        page.paragraph(f"At {place}, insert {after}.", indent=2, hang=4)

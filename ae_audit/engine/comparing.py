"""Heads and losses compared on the trainings of a program: read it, run it in its sandbox, fit."""

from __future__ import annotations

from collections.abc import Sequence

from ae_audit.base.progress import Progress
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.static_stage import read_safely
from ae_audit.schema.comparison import ComparisonReport, GridOptions
from ae_audit.schema.report import StageError
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

NO_TRAINING = "no training of a Keras or PyTorch model was found in it, so there is nothing to compare."


def compare_files(
    targets: Sequence[AuditTarget], settings: Settings, grid: GridOptions, progress: Progress, sources: Sources
) -> ComparisonReport:
    """Compare on every training of each file.

    Raises:
        UsageError: if the data do not go with a model file.
    """
    from ae_audit.engine.runtime_stage import compare_file

    reports = []
    progress.begin(len(targets))
    try:
        for target in targets:
            progress.step(target.path, "reading")
            reading = read_safely(target, sources)
            broken = tuple(error for error in reading.errors if error.stage == "static" and error.cell is None)
            if broken or not reading.relevant:
                errors = broken or (StageError(target.path, "static", NO_TRAINING),)
                reports.append(ComparisonReport(errors=errors))
                continue
            reports.append(compare_file(reading, target.governed(settings), grid, progress))
            progress.done(target.path)
    finally:
        progress.close()
    return ComparisonReport(
        tuple(one for report in reports for one in report.comparisons),
        tuple(one for report in reports for one in report.errors),
        tuple(one for report in reports for one in report.notes),
    )

"""A comparison as tasks: which fits each process makes, how their results become one report, what a death costs.

A process that looks first finds out which cells there are and how many steps a fit may take; then every fit, which is a
cell from a seed, belongs to one task. All of them start from what the same program captures, so a fit is the same
wherever it is made, and the report is in the order of the cells and seeds, whoever was first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ae_audit.base.progress import Progress
from ae_audit.base.records import replace
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.tasks import Task, TaskResult, grid_task
from ae_audit.schema.comparison import CellRun, Comparison, ComparisonReport, Fit, GridOptions, GridPart
from ae_audit.settings.options import Settings

Performer = Callable[[Sequence[Task]], Iterator[tuple[Task, TaskResult | str]]]
"""performs tasks and gives each with its result, as they come, or with a clause that says how its process ended"""

OTHER_DATA = "the program trains on other data each time it is run, so its fits cannot be shared out: give --jobs 1"


def compare_in_parts(
    target: AuditTarget, settings: Settings, grid: GridOptions, perform: Performer, processes: int, progress: Progress
) -> ComparisonReport:
    """Compare on one target, its fits shared out among so many processes.

    Where the process of several fits dies, each of them is made once more, alone; where that of one does, it is lost.
    """
    progress.step(target.path, "comparing: what there is to compare")
    first = replace(grid, part=GridPart(among=processes))
    outline = ComparisonReport()
    for _, result in perform([grid_task(target, settings, first)]):
        outline = _report_of(result, target)
    fits = [
        fit
        for comparison in outline.comparisons
        for fit in replace(grid, part=None).fits_of(comparison.training, len(comparison.cells))
    ]
    told = {comparison.training: comparison.steps for comparison in outline.comparisons}
    steps = tuple(told.get(training, 0) for training in range(max(told, default=-1) + 1))

    def task_of(some: Sequence[Fit]) -> Task:
        return grid_task(target, settings, replace(grid, part=GridPart(tuple(some), steps=steps, among=processes)))

    shares = (fits[number::processes] for number in range(processes))
    pending = [task_of(share) for share in shares if share]
    found: dict[Fit, ComparisonReport] = {}
    """what came of each fit; those of one process share it"""
    while pending:
        again: list[Task] = []
        for task, result in perform(pending):
            own = _fits_of(task)
            if isinstance(result, str) and len(own) > 1:  # one of them ended the process
                again += [task_of([fit]) for fit in own]
                continue
            report = result.comparison if isinstance(result, TaskResult) else None
            how = result if isinstance(result, str) else None
            found.update(dict.fromkeys(own, report or _without(outline, own, settings.seed, how or "told nothing")))
            progress.step(target.path, "comparing", len(found), len(fits))
        pending = again
    reports = {id(found[fit]): found[fit] for fit in fits}
    return joined(outline, tuple(reports.values()))


def joined(outline: ComparisonReport, parts: Sequence[ComparisonReport]) -> ComparisonReport:
    """One report of what several processes found out; ``outline`` has the cells, and says in which order.

    Args:
        outline: of the process that looked first.
        parts: of the others.
    """
    comparisons = []
    for comparison in outline.comparisons:
        for part in parts:
            for one in part.comparisons:
                if one.training == comparison.training:
                    comparison = _with(comparison, one)
        comparisons.append(comparison)
    errors = [error for report in (outline, *parts) for error in report.errors]
    notes = [note for report in (outline, *parts) for note in report.notes]
    return ComparisonReport(tuple(comparisons), tuple(dict.fromkeys(errors)), tuple(dict.fromkeys(notes)))


def unfitted(comparison: Comparison, grid: GridOptions, seed: int) -> tuple[Fit, ...]:
    """The fits of ``grid`` that nothing is known of; ``seed`` is the first."""
    return tuple(
        fit
        for fit in grid.fits_of(comparison.training, len(comparison.cells))
        if comparison.cells[fit.cell].refused is None
        and all(run.seed != seed + fit.seed for run in comparison.cells[fit.cell].runs)
    )


def lost(comparison: Comparison, fits: Sequence[Fit], seed: int, how: str) -> Comparison:
    """``comparison``, where ``fits`` came to nothing, as the clause ``how`` says."""
    for fit in fits:
        run = CellRun(seed + fit.seed, failed=f"the process that fitted it {how}")
        comparison = comparison.with_cell(replace(comparison.cells[fit.cell].bare, runs=(run,)))
    return comparison


def _with(comparison: Comparison, part: Comparison) -> Comparison:
    for cell in part.cells:
        if not cell.reached:
            continue
        if part.data != comparison.data:
            cell = replace(cell.bare, refused=OTHER_DATA)
        comparison = comparison.with_cell(cell)
    return comparison


def _fits_of(task: Task) -> tuple[Fit, ...]:
    part = None if task.grid is None else task.grid.part
    return () if part is None else part.fits


def _report_of(result: TaskResult | str, target: AuditTarget) -> ComparisonReport:
    from ae_audit.schema.report import StageError

    if isinstance(result, TaskResult):
        return result.comparison or ComparisonReport()
    return ComparisonReport(errors=(StageError(target.path, "probe", f"the process that was to compare {result}."),))


def _without(outline: ComparisonReport, fits: Sequence[Fit], seed: int, how: str) -> ComparisonReport:
    """The report of a process that came to none."""
    return ComparisonReport(
        tuple(
            lost(comparison, [fit for fit in fits if fit.training == comparison.training], seed, how)
            for comparison in outline.comparisons
        )
    )

"""Heads and losses compared on the trainings of a program: read it, run it in its sandbox, fit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from ae_audit.base.errors import UsageError
from ae_audit.base.progress import Progress
from ae_audit.base.records import replace
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.grids import Performer, compare_in_parts
from ae_audit.engine.static_stage import Reading, read_safely
from ae_audit.engine.tasks import Task, TaskDied, TaskResult, order, performed, result_of
from ae_audit.schema.codec import Malformed
from ae_audit.schema.comparison import ComparisonReport, GridOptions
from ae_audit.schema.report import StageError
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

NO_TRAINING = "no training of a Keras or PyTorch model was found in it, so there is nothing to compare."


def compare_files(
    targets: Sequence[AuditTarget], settings: Settings, grid: GridOptions, progress: Progress, sources: Sources
) -> ComparisonReport:
    """Compare on every training of each file, in one process, or where ``--jobs`` or ``--dask`` ask for it, in several.

    Raises:
        UsageError: if the data do not go with a model file, or there is no such cluster.
    """
    if settings.dask is not None:
        from ae_audit.engine.cluster import connected

        with connected(settings.dask, settings) as (perform, processes):
            report = _in_parts(targets, settings, grid, perform, processes, progress, sources)
    elif settings.jobs > 1:
        with _pool(settings.jobs) as perform:
            report = _in_parts(targets, settings, grid, perform, settings.jobs, progress, sources)
    else:
        report = compare_here(targets, settings, grid, progress, sources)
    return replace(report, comparisons=tuple(one.as_far_as_it_came for one in report.comparisons))


def compare_here(
    targets: Sequence[AuditTarget], settings: Settings, grid: GridOptions, progress: Progress, sources: Sources
) -> ComparisonReport:
    """Compare on every training of each file, one after the other; cells that were not reached are in it too.

    Raises:
        UsageError: if the data do not go with a model file.
    """
    from ae_audit.engine.runtime_stage import compare_file

    def compare(reading: Reading) -> ComparisonReport:
        return compare_file(reading, reading.target.governed(settings), grid, progress)

    return _each(targets, progress, sources, compare)


def _in_parts(
    targets: Sequence[AuditTarget],
    settings: Settings,
    grid: GridOptions,
    perform: Performer,
    processes: int,
    progress: Progress,
    sources: Sources,
) -> ComparisonReport:
    def compare(reading: Reading) -> ComparisonReport:
        own = reading.target.governed(settings)
        return compare_in_parts(reading.target, own, grid, perform, processes, progress)

    return _each(targets, progress, sources, compare)


def _each(
    targets: Sequence[AuditTarget],
    progress: Progress,
    sources: Sources,
    compare: Callable[[Reading], ComparisonReport],
) -> ComparisonReport:
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
            reports.append(compare(reading))
            progress.done(target.path)
    finally:
        progress.close()
    return ComparisonReport(
        tuple(one for report in reports for one in report.comparisons),
        tuple(one for report in reports for one in report.errors),
        tuple(one for report in reports for one in report.notes),
    )


@contextmanager
def _pool(processes: int) -> Iterator[Performer]:
    """Tasks performed on this machine, so many at a time, each in a process of its own; all end with the block."""
    ended = threading.Event()

    def wanted() -> bool:
        return not ended.is_set()

    def done(task: Task) -> tuple[Task, TaskResult | str | UsageError]:
        try:
            result = result_of(performed(order(task), wanted))
        except TaskDied as death:
            return task, str(death)
        except Malformed as error:
            return task, f"said what cannot be read ({error})"
        return task, result if result.refused is None else UsageError(result.refused)

    with ThreadPoolExecutor(processes) as pool:

        def perform(tasks: Sequence[Task]) -> Iterator[tuple[Task, TaskResult | str]]:
            arrived: queue.SimpleQueue[tuple[Task, TaskResult | str | UsageError]] = queue.SimpleQueue()
            for future in [pool.submit(done, task) for task in tasks]:
                future.add_done_callback(lambda over: arrived.put(over.result()))
            for _ in tasks:
                task, result = arrived.get()
                if isinstance(result, UsageError):
                    raise result
                yield task, result

        try:
            yield perform
        finally:
            ended.set()

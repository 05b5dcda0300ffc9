"""Comparisons as tasks: how fits are shared out and joined, and what a death costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from ae_audit.base.progress import Progress
from ae_audit.base.records import replace
from ae_audit.engine import runtime_stage
from ae_audit.engine.comparing import compare_files
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.grids import compare_in_parts
from ae_audit.engine.static_stage import read_safely
from ae_audit.engine.tasks import Task, TaskResult
from ae_audit.runtime.sandbox.interpreters import OWN
from ae_audit.runtime.sandbox.launch import ChildOutcome, Ending
from ae_audit.runtime.stand_ins.lessons import NOTHING
from ae_audit.schema.comparison import Cell, CellRun, Comparison, ComparisonReport, Fit, GridOptions, LossChoice
from ae_audit.schema.location import Location
from ae_audit.schema.report import StageError
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

PLACE = Location("train.py", 3)
CELLS = tuple(Cell(head, LossChoice("mse")) for head in ("linear", "relu", "tanh"))
GRID = GridOptions(seeds=2, steps=50)
SEED = 7
TARGET = AuditTarget("train.py")


def outline(training: int = 0) -> Comparison:
    return Comparison(PLACE, "torch", "cpu", "Adam", 100, 100, 50, 2, cells=CELLS, training=training, data="x")


def run(fit: Fit) -> CellRun:
    return CellRun(SEED + fit.seed, (50,), (0.1 * fit.cell + 0.01 * fit.seed,), (1.0,))


def told(comparison: Comparison, fits: Sequence[Fit]) -> Comparison:
    for fit in fits:
        comparison = comparison.with_cell(replace(CELLS[fit.cell], runs=(run(fit),)))
    return comparison


WHOLE = told(outline(), GRID.fits_of(0, 3))


class Workers:
    """Performs tasks at once; ``dies`` are the fits that end a process."""

    def __init__(self, *dies: Fit) -> None:
        self.dies = frozenset(dies)
        self.asked: list[int] = []

    def __call__(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, TaskResult | str]]:
        for task in reversed(tasks):
            assert task.grid is not None
            assert task.grid.part is not None
            fits = task.grid.part.fits
            self.asked.append(len(fits))
            if self.dies.intersection(fits):
                yield task, "was killed by SIGKILL"
            else:
                yield task, TaskResult(comparison=ComparisonReport((told(outline(), fits),)))


@pytest.mark.parametrize("processes", [1, 2, 4, 50])
def test_the_report_does_not_depend_on_the_number_of_processes(processes: int) -> None:
    workers = Workers()
    settings = Settings(seed=SEED)
    report = compare_in_parts(TARGET, settings, GRID, workers, processes, Progress())
    assert report == ComparisonReport((WHOLE,))
    assert workers.asked[0] == 0, "who looks first fits nothing"
    assert sum(workers.asked) == 6


def test_a_death_costs_one_fit() -> None:
    dead = Fit(0, 1, 1)
    workers = Workers(dead)
    (found,) = compare_in_parts(TARGET, Settings(seed=SEED), GRID, workers, 2, Progress()).comparisons
    assert [run.failed for cell in found.cells for run in cell.runs if run.failed] == [
        "the process that fitted it was killed by SIGKILL"
    ]
    assert found.cells[1].runs[0] == WHOLE.cells[1].runs[0]
    assert (found.cells[0], found.cells[2]) == (WHOLE.cells[0], WHOLE.cells[2])
    assert sorted(workers.asked) == [0, 1, 1, 1, 3, 3], "its neighbours in the process are fitted again"


def test_where_nothing_can_be_found_out_that_is_told() -> None:
    def perform(tasks: Sequence[Task]) -> Iterator[tuple[Task, TaskResult | str]]:
        yield from ((task, "was killed by SIGKILL") for task in tasks)

    report = compare_in_parts(TARGET, Settings(), GRID, perform, 2, Progress())
    assert report.comparisons == ()
    assert [error.message for error in report.errors] == ["the process that was to compare was killed by SIGKILL."]


class Children:
    """In place of the sandboxed child: it fits in order, and dies in the cells that are named."""

    def __init__(self, *dies: tuple[int, int]) -> None:
        self.dies = dies
        self.grids: list[GridOptions] = []

    def __call__(self, reading: object, settings: Settings, progress: Progress, grid: GridOptions) -> object:
        self.grids.append(grid)
        self.comparisons: list[Comparison] = []
        for training in (0, 1):
            if grid.part is not None and not grid.part.of_training(training):
                continue
            comparison = outline(training)
            for fit in grid.fits_of(training, 3):
                if (training, fit.cell) in self.dies:
                    self.comparisons.append(comparison)
                    return self._ran(Ending.SIGNALLED)
                comparison = told(comparison, [fit])
            self.comparisons.append(comparison)
        return self._ran(Ending.FINISHED)

    def _ran(self, ending: Ending) -> object:
        results = type("Results", (), {"comparisons": tuple(self.comparisons)})()
        outcome = ChildOutcome(ending, (), signal="SIGSEGV" if ending is Ending.SIGNALLED else None)
        ran = runtime_stage._Ran(results, outcome, OWN, NOTHING)
        return type("Ran", (), {"results": ran.results, "outcome": ran.outcome, "notes": lambda _, path: ()})()


def compared_by(children: Children, monkeypatch: pytest.MonkeyPatch) -> ComparisonReport:
    def errors(path: str, outcome: ChildOutcome, *_: object) -> list[StageError]:
        return [] if outcome.ending is Ending.FINISHED else [StageError(path, "probe", "the program was killed.")]

    monkeypatch.setattr(runtime_stage, "_ran", children)
    monkeypatch.setattr(runtime_stage, "_errors", errors)
    sources = Sources({"train.py": b"import torch\n"})
    return runtime_stage.compare_file(read_safely(TARGET, sources), Settings(seed=SEED), GRID, Progress())


def test_a_child_that_dies_in_a_fit_costs_its_cell_and_another_one_does_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    children = Children((0, 1), (1, 2))
    first, second = compared_by(children, monkeypatch).comparisons
    assert len(children.grids) == 3
    assert [cell.failed is not None for cell in first.cells] == [False, True, False]
    assert [cell.failed is not None for cell in second.cells] == [False, False, True]
    assert "SIGSEGV" in (first.cells[1].failed or "")
    assert first.cells[2] == WHOLE.cells[2]
    assert all(len(cell.runs) == 2 for one in (first, second) for cell in one.cells)


def test_no_child_is_started_again_for_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children((1, 2))
    report = compared_by(children, monkeypatch)
    assert len(children.grids) == 1 + 1, "there may be a third training"
    assert report.errors == ()
    untroubled = Children()
    compared_by(untroubled, monkeypatch)
    assert len(untroubled.grids) == 1


def test_a_file_that_trains_nothing_starts_no_process() -> None:
    sources = Sources({"plain.py": b"print(1)\n"})
    report = compare_files([AuditTarget("plain.py")], Settings(jobs=2), GRID, Progress(), sources)
    assert "nothing to compare" in report.errors[0].message

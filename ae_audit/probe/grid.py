"""Heads and losses side by side: each pair fitted from the same initial weights on the same batches, seed by seed."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ae_audit.probe.bounds import bound_of
from ae_audit.probe.figures import bias_unit, likeness
from ae_audit.probe.forks import parallel_seeds
from ae_audit.probe.grid_choice import CellPlan, cells_for, rescaling
from ae_audit.probe.ideal import ideal_of
from ae_audit.probe.layouts import Layout, layout_of
from ae_audit.probe.score import NoScore, aligned, r2_score
from ae_audit.probe.sights import pictures_of
from ae_audit.runtime.capture import Array, CannotApply, Capture, Evaluation, FloatArray, Trial
from ae_audit.schema.comparison import Cell, CellRun, Comparison, GridOptions, GridPart
from ae_audit.schema.remedies import Rescale
from ae_audit.schema.sights import Gallery
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.theory.array_losses import floors, indexed
from ae_audit.theory.losses import find_loss
from ae_audit.theory.uncertainty import NORMAL

EVALUATIONS = 20
"""of a fit; between two of them the steps are counted on a straight line"""
FEWEST_STEPS = 25
"""after which no net has found more than the mean image: fewer would compare nothing"""
SPENT = 0.8
"""share of the time that steps and evaluations may take; the rest is for the ideal networks"""
MOST_FLOORS = 512
"""samples of which the floor is computed"""


class NothingToCompare(Exception):
    """A training whose heads and losses cannot be compared; the text says why."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What one comparison may take: seconds of wall clock, and processes that fit seeds side by side."""

    time: float = math.inf
    processes: int = 1
    seed: int = 0


def compare_grid(
    capture: Capture,
    setup: TrainingSetup,
    options: GridOptions,
    spend: Spend,
    begin: Callable[[Comparison], None] = lambda _: None,
    tell: Callable[[Cell], None] = lambda _: None,
    progress: Callable[[str], None] = lambda _: None,
    training: int = 0,
) -> Comparison:
    """Fit every cell of one captured training, or of its fits those that are this process's part.

    Args:
        capture: to be fitted.
        setup: the capture's, with what more is known of it.
        options: what is asked for.
        spend: what it may cost.
        begin: told of the comparison before its first cell, with cells that say nothing but what they are.
        tell: told of each cell when some of its seeds are fitted.
        progress: told of what is being done.
        training: which of the program's it is, from 0.

    Raises:
        NothingToCompare: where predictions cannot be scored, or the time does not suffice.
    """
    bench = _Bench(capture, setup, options, spend, progress, training)
    comparison = bench.outline()
    begin(comparison)
    for place in range(len(bench.plans)):
        for cell in bench.cell(place):
            tell(cell)
            comparison = comparison.with_cell(cell)
    return comparison


class _Bench:
    def __init__(
        self,
        capture: Capture,
        setup: TrainingSetup,
        options: GridOptions,
        spend: Spend,
        progress: Callable[[str], None],
        training: int,
    ) -> None:
        self._training = training
        self._capture = capture
        self._setup = setup
        self._options = options
        self._spend = spend
        self._progress = progress
        self._began = time.monotonic()
        self.plans = cells_for(setup, options)
        self._part = options.part or GridPart(whole_from=0)
        agreed = self._part.steps[training : training + 1]
        self._agreed = bool(agreed) and agreed[0] > 0
        self._steps = agreed[0] if self._agreed else options.steps
        self._notes: list[str] = []
        self._layout: Layout | None = None
        self._unit = "mean"
        self._pictures: Gallery | None = None
        self._processes = spend.processes if capture.forks and self._part.among == 1 else 1

    @property
    def _chunk(self) -> int:
        return max(1, self._steps // EVALUATIONS)

    def outline(self) -> Comparison:
        """What is compared, found out on the program as written; steps are cut to what the time allows.

        Raises:
            NothingToCompare: where predictions cannot be scored, or the time does not suffice.
        """
        self._progress("comparing: what a step costs")
        evaluation = self._first_look()
        try:
            predictions = np.asarray(evaluation.predictions, dtype=np.float64)
            targets, axis = aligned(predictions, np.asarray(evaluation.targets), self._setup.head.axis)
            r2_score(evaluation, self._setup.head.axis)
        except NoScore as cause:
            raise NothingToCompare(str(cause)) from None
        if axis is None:
            self._layout = layout_of(targets, self._setup, axis)
            self._unit = bias_unit(targets)
        rescale = rescaling(self._setup)
        return Comparison(
            location=self._setup.location,
            framework=self._setup.framework.value,
            device=self._capture.device,
            optimizer=self._setup.optimizer,
            samples=len(self._capture.targets),
            scored=len(predictions),
            steps=self._steps,
            seeds=self._options.seeds,
            reach=self._options.reach,
            bias_unit=self._unit,
            rescale=None if rescale is None else str(rescale),
            cells=tuple(Cell(plan.head, plan.loss, plan.as_written, plan.rescaled) for plan in self.plans),
            notes=tuple(self._notes),
            training=self._training,
            data=_digest(self._capture.targets),
        )

    def cell(self, place: int) -> Iterator[Cell]:
        """Fit the cell at ``place`` from every seed that is asked for, so many at a time as there are processes.

        With the first seed comes what theory and the ideal network say about it.
        """
        plan = self.plans[place]
        seeds = [fit.seed for fit in self._options.fits_of(self._training, len(self.plans)) if fit.cell == place]
        bare = Cell(plan.head, plan.loss, plan.as_written, plan.rescaled)
        self._progress(f"comparing {place + 1} of {len(self.plans)}: {bare.name}")
        for start in range(0, len(seeds), self._processes):
            chunk = seeds[start : start + self._processes]
            fits = [partial(self._fit, plan, self._spend.seed + seed) for seed in chunk]
            try:
                runs = parallel_seeds(fits, self._processes)
            except CannotApply as cause:
                yield replace(self._by_theory(bare, plan), refused=str(cause))
                return
            cell = replace(bare, runs=tuple(runs))
            if 0 in chunk:
                ideal = ideal_of(self._capture, self._setup, plan.remedies)
                cell = replace(self._by_theory(cell, plan), ideal=ideal, pictures=self._pictures)
            yield cell

    def _by_theory(self, cell: Cell, plan: CellPlan) -> Cell:
        cell = replace(cell, bound=bound_of(self._capture, plan.remedies))
        least = self._floor(plan)
        return cell if least is None else replace(cell, floor=least[0], floor_error=least[1])

    def _first_look(self) -> Evaluation:
        """Predictions of the program as written after a few steps, or of the first cell that can take any."""
        cause: Exception | None = None
        for plan in self.plans:
            try:
                trial = self._capture.trial(plan.remedies, self._spend.seed)
                trial.advance(1)  # the first also allocates and compiles
                began = time.monotonic()
                trial.advance(2)
                step = (time.monotonic() - began) / 2
                began = time.monotonic()
                evaluation = trial.evaluate()
            except Exception as error:  # the program's own step may raise anything
                cause = cause or error
                continue
            self._keep_within_time(step, time.monotonic() - began)
            return evaluation
        raise NothingToCompare(f"no step of this training could be taken again ({_sentence(cause)})") from None

    def _keep_within_time(self, step: float, evaluation: float) -> None:
        """Take no more steps than all fits together can afford.

        Raises:
            NothingToCompare: if these are too few to tell anything.
        """
        if math.isinf(self._spend.time) or self._agreed:
            return
        together = len(self.plans) * math.ceil(self._options.seeds / self._processes)
        after_one_another = math.ceil(together / self._part.among)
        each = SPENT * self._spend.time / after_one_another - EVALUATIONS * evaluation
        affordable = int(each / max(step, 1e-9))
        if affordable >= self._steps:
            return
        if affordable < FEWEST_STEPS:
            raise NothingToCompare(
                f"a step takes {step:.2g} s here, so {len(self.plans)} heads and losses with {self._options.seeds} "
                "seeds would take longer than the time left; --timeout gives it more, --head and --loss ask for fewer"
            )
        self._notes.append(
            f"{affordable} steps in place of {self._steps}, which the time would not have sufficed for; "
            "--timeout gives it more"
        )
        self._steps = affordable

    def _fit(self, plan: CellPlan, seed: int) -> CellRun:
        steps: list[int] = []
        r2: list[float] = []
        losses: list[float] = []
        seconds: list[float] = []
        trial: Trial | None = None
        failed: str | None = None
        clock = time.process_time if self._capture.device == "cpu" else time.monotonic
        try:
            self._pictures = None
            trial = self._capture.trial(plan.remedies, seed)
            while not steps or steps[-1] < self._steps:
                if time.monotonic() - self._began > self._spend.time:
                    failed = f"the time ran out after {steps[-1] if steps else 0} steps; --timeout gives it more"
                    break
                taken = min(self._chunk, self._steps - (steps[-1] if steps else 0))
                began = clock()
                losses.append(trial.advance(taken))
                seconds.append((clock() - began) / taken)
                steps.append(taken + (steps[-1] if steps else 0))
                r2.append(r2_score(trial.evaluate(), self._setup.head.axis))
        except CannotApply:
            raise
        except NoScore as cause:
            failed = str(cause)
        except Exception as cause:  # the program's own step may raise anything
            failed = _sentence(cause)
        done = len(r2)
        run = CellRun(seed, tuple(steps[:done]), tuple(r2), tuple(losses[:done]), failed=failed)
        if trial is None or not done or failed is not None:
            return run
        # the first steps also compile
        run = replace(run, step_seconds=float(np.median(seconds[1:] or seconds)))
        return self._described(plan, run, trial.evaluate())

    def _described(self, plan: CellPlan, run: CellRun, evaluation: Evaluation) -> CellRun:
        if run.seed == self._spend.seed:  # the one that no forked process fits
            self._pictures = pictures_of(self._setup, plan.name, evaluation)
        predictions: FloatArray = np.asarray(evaluation.predictions, dtype=np.float64)
        targets, axis = aligned(predictions, np.asarray(evaluation.targets), self._setup.head.axis)
        layout = self._layout if axis is None else None
        found = likeness(predictions, targets, layout, self._unit)
        bias = found.bias if axis is None else None
        return replace(run, bias=bias, sharpness=found.sharpness, dead=found.dead)

    def _floor(self, plan: CellPlan) -> tuple[float, float] | None:
        """The mean loss of a perfect prediction over values, and half of its 95 % interval over samples."""
        loss = None if plan.loss is None else find_loss(plan.loss.name, from_logits=plan.loss.from_logits)
        y = np.asarray(self._capture.targets)[:MOST_FLOORS]
        if loss is None or loss.floor_unknown is not None or not loss.pointwise or indexed(loss, y) or not y.ndim:
            return None
        y = y.astype(np.float64)
        for remedy in plan.remedies:
            if isinstance(remedy, Rescale) and remedy.target:
                y = remedy.scale * y + remedy.shift
        try:
            of_samples = floors(loss, y).reshape(len(y), -1).mean(axis=1)
        except (ValueError, OverflowError):
            return None
        mean = float(of_samples.mean())
        if math.isnan(mean):
            return None
        error = NORMAL * float(of_samples.std(ddof=1)) / math.sqrt(len(y)) if len(y) > 1 and math.isfinite(mean) else 0
        return mean, float(error)


def _digest(targets: Array) -> str:
    """What differs, but for luck, where the values do."""
    values = np.ascontiguousarray(targets)
    return hashlib.sha256(f"{values.shape}{values.dtype}".encode() + values.tobytes()).hexdigest()


def _sentence(cause: Exception | None) -> str:
    text = " ".join(str(cause).split())
    return f"{type(cause).__name__}: {text[:200]}" if text else type(cause).__name__

"""Heads and losses compared on a program's own data: what was asked for, and what each pair of them did."""

from __future__ import annotations

from ae_audit.base.records import dataclass, field, replace
from ae_audit.schema.ideal import Ideal
from ae_audit.schema.location import Location
from ae_audit.schema.report import Note, StageError
from ae_audit.schema.sights import Gallery, side_by_side
from ae_audit.theory.uncertainty import Estimate, difference, estimate

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

STEPS = 600
"""optimizer steps of a fit where nothing else is asked for: a dense net has told its images apart by then"""
SEEDS = 3
REACHED = 0.8
"""of the best mean R²: the R² to which steps and time are counted, where none is asked for"""


@dataclass(frozen=True, slots=True)
class LossChoice:
    """A loss by canonical name, and whether it takes its prediction for logits."""

    name: str
    from_logits: bool = False

    def __str__(self) -> str:
        return f"{self.name} on logits" if self.from_logits else self.name


@dataclass(frozen=True, slots=True)
class Fit:
    """One fit of a comparison, by places that every process counts alike, from 0."""

    training: int
    """among those of the program"""
    cell: int
    seed: int
    """place among the seeds"""


@dataclass(frozen=True, slots=True)
class GridPart:
    """What one of several processes does of a comparison; without any fits it only finds out what is to be compared."""

    fits: tuple[Fit, ...] = ()
    whole_from: int | None = None
    """trainings from this one on are compared whole"""
    steps: tuple[int, ...] = ()
    """of a fit, by training, as the process decided that looked first; 0 where nothing can be compared"""
    among: int = 1
    """processes that share the fits out"""

    def of_training(self, training: int) -> bool:
        """Whether anything is to be done about that training."""
        whole = self.whole_from is not None and training >= self.whole_from
        alone = not self.fits and self.whole_from is None
        return alone or whole or any(fit.training == training for fit in self.fits)


@dataclass(frozen=True, slots=True)
class GridOptions:
    """What is to be compared. Empty heads or losses: those that fit the data."""

    heads: tuple[str, ...] = ()
    """canonical names of activations"""
    losses: tuple[LossChoice, ...] = ()
    seeds: int = SEEDS
    steps: int = STEPS
    reach: float | None = None
    """the R² to which steps and time are counted; None: :data:`REACHED` of the best"""
    part: GridPart | None = None
    """None: one process compares everything"""

    def fits_of(self, training: int, cells: int) -> tuple[Fit, ...]:
        """The fits of a training with so many cells that this process makes, cell by cell."""
        part = self.part
        if part is None or (part.whole_from is not None and training >= part.whole_from):
            return tuple(Fit(training, cell, seed) for cell in range(cells) for seed in range(self.seeds))
        return tuple(fit for fit in part.fits if fit.training == training and fit.cell < cells)


@dataclass(frozen=True, slots=True)
class CellRun:
    """One fit of a cell, from one seed."""

    seed: int
    steps: tuple[int, ...] = ()
    """optimizer steps taken at each evaluation"""
    r2: tuple[float, ...] = ()
    """of the predictions there; −∞ where one is not finite"""
    loss: tuple[float, ...] = ()
    """mean of the loss, as the program prints it, over the steps since the evaluation before"""
    bias: float | None = None
    """mean prediction minus mean target, in the unit that :attr:`Comparison.bias_unit` names"""
    sharpness: float | None = None
    """squared differences of neighbouring values of the predictions over those of the targets, 1 where they are as
    sharp; None where values have no neighbours that they resemble"""
    dead: float | None = None
    """share, of the output's values whose target varies, that are the same for every sample; in [0, 1]"""
    step_seconds: float | None = None
    """of processor time (on a GPU: of wall clock) that a step took"""
    failed: str | None = None
    """what the training step raised, or why it ended early"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One head with one loss, fitted from several seeds."""

    head: str
    """canonical activation, ``linear`` for none"""
    loss: LossChoice | None
    """None where the loss is the program's own"""
    as_written: bool = False
    rescaled: bool = False
    """whether its data were first brought to [0, 1]"""
    runs: tuple[CellRun, ...] = ()
    refused: str | None = None
    """why it could not be fitted at all"""
    bound: float | None = None
    """the best R² that any weights can reach with this head; None where no bound is known"""
    ideal: Ideal | None = None
    """where a network that could output anything ends under this loss"""
    floor: float | None = None
    """the loss of a perfect prediction, a mean over values; −∞ where it has none"""
    floor_error: float | None = None
    """half of its 95 % interval over samples"""
    pictures: Gallery | None = None
    """what the first seed's fit makes of a few samples: two rows, the target and this cell"""

    @property
    def bare(self) -> Cell:
        """Without anything that was found out about it."""
        return Cell(self.head, self.loss, self.as_written, self.rescaled)

    @property
    def reached(self) -> bool:
        """Whether anything of it was fitted, or it is known why not."""
        return bool(self.runs) or self.refused is not None

    def joined(self, other: Cell) -> Cell:
        """With what another process found out about the same cell; runs in the order of their seeds."""
        runs = {run.seed: run for run in (*other.runs, *self.runs)}
        return replace(
            self,
            runs=tuple(runs[seed] for seed in sorted(runs)),
            refused=_first(self.refused, other.refused),
            bound=_first(self.bound, other.bound),
            ideal=_first(self.ideal, other.ideal),
            floor=_first(self.floor, other.floor),
            floor_error=_first(self.floor_error, other.floor_error),
            pictures=_first(self.pictures, other.pictures),
        )

    @property
    def name(self) -> str:
        """``sigmoid × bce``; where its data were rescaled and the same pair stands as written, the latter says so."""
        return f"{self.head} × {'own loss' if self.loss is None else self.loss}"

    @property
    def failed(self) -> str | None:
        """Why it could not be fitted, or not to its end."""
        return self.refused or next((run.failed for run in self.runs if run.failed is not None), None)

    @property
    def final_r2(self) -> tuple[float, ...]:
        """After the last step, seed by seed; empty where a fit failed."""
        return () if self.failed is not None else tuple(run.r2[-1] for run in self.runs if run.r2)

    def over_seeds(self, what: str) -> tuple[float, ...]:
        """``bias``, ``sharpness``, ``dead`` or ``step_seconds`` of every run; empty where one has none."""
        values = [getattr(run, what) for run in self.runs]
        return () if self.failed is not None or None in values else tuple(values)

    def final_loss(self) -> tuple[float, ...]:
        """As printed at the end, seed by seed."""
        return () if self.failed is not None else tuple(run.loss[-1] for run in self.runs if run.loss)

    def steps_to(self, r2: float) -> tuple[float, ...]:
        """Steps until predictions had that R², between evaluations on a straight line; empty where one never did."""
        found = [_crossing(run, r2) for run in self.runs]
        return () if None in found or self.failed is not None else tuple(step for step in found if step is not None)


def _first(one: Any, other: Any) -> Any:
    return other if one is None else one


def _crossing(run: CellRun, r2: float) -> float | None:
    before, level = 0.0, 0.0
    for step, value in zip(run.steps, run.r2, strict=True):
        if value >= r2:
            share = (r2 - level) / (value - level) if before and value > level else 1.0
            return before + max(0.0, min(1.0, share)) * (step - before)
        before, level = float(step), value
    return None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All cells of one training."""

    location: Location
    framework: str
    device: str
    optimizer: str | None
    samples: int
    """captured, and trained on"""
    scored: int
    """of these, predictions are scored on"""
    steps: int
    seeds: int
    reach: float | None = None
    """as asked for"""
    bias_unit: str = "mean"
    """``mean``: bias is a share of the target's mean; ``std``: of its standard deviation, where it has both signs"""
    rescale: str | None = None
    """what was done to the data of all cells but the one as written, in words"""
    cells: tuple[Cell, ...] = field(default=())
    notes: tuple[str, ...] = ()
    training: int = 0
    """which of the program's it is, from 0"""
    data: str = ""
    """a digest of the captured target: processes that share the fits out must have the same"""

    @property
    def gallery(self) -> Gallery | None:
        """The same few samples as the cells give them back, the best first."""
        cells = [(self.label(cell), cell.pictures) for cell in self.ranked]
        return side_by_side([(name, pictures) for name, pictures in cells if pictures is not None])

    def of(self, cell: Cell) -> Cell | None:
        """What is known of that cell; None where it is none of these."""
        return next((one for one in self.cells if one.bare == cell.bare), None)

    def with_cell(self, cell: Cell) -> Comparison:
        """With what was found out about ``cell``, which is one of its cells."""
        return replace(self, cells=tuple(one.joined(cell) if one.bare == cell.bare else one for one in self.cells))

    @property
    def as_far_as_it_came(self) -> Comparison:
        """Without the cells that nothing was found out about."""
        return replace(self, cells=tuple(cell for cell in self.cells if cell.reached))

    @property
    def ranked(self) -> tuple[Cell, ...]:
        """The best mean R² first; what failed last."""
        return tuple(sorted(self.cells, key=lambda cell: -_mean(cell)))

    @property
    def best(self) -> Cell | None:
        """The cell of the best mean R²."""
        first = next(iter(self.ranked), None)
        return first if first is not None and first.final_r2 else None

    @property
    def threshold(self) -> float | None:
        """The R² to which steps and time are counted."""
        if self.reach is not None or self.best is None:
            return self.reach
        level = round(REACHED * _mean(self.best), 2)
        return level if level > 0.0 else None

    def find(self, head: str, loss: str, *, from_logits: bool = False) -> Cell | None:
        """The cell of that head and loss, by canonical names; that as written last, where there are two."""
        found = [cell for cell in self.cells if cell.head == head and cell.loss == LossChoice(loss, from_logits)]
        return next(iter(sorted(found, key=lambda cell: cell.as_written and self.rescale is not None)), None)

    def label(self, cell: Cell) -> str:
        """Its name; of the program as written, where all others have rescaled data, which it is."""
        return f"{cell.name} as written" if cell.as_written and self.rescale is not None else cell.name

    def behind(self, cell: Cell, ahead: Cell | None = None) -> Estimate | None:
        """By how much R² is below that of ``ahead`` (default: the best), in pairs of equal seeds."""
        ahead = ahead or self.best
        return None if ahead is None else difference(ahead.final_r2, cell.final_r2)

    def level_with_best(self, cell: Cell) -> bool:
        """Whether the seeds do not tell it from the best."""
        gap = self.behind(cell)
        return bool(cell.final_r2) and gap is not None and gap.half_width is not None and not gap.tells_from_zero


def _mean(cell: Cell) -> float:
    found = estimate(cell.final_r2)
    return float("-inf") if found is None else found.mean


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """What ``ae-audit compare`` found out."""

    comparisons: tuple[Comparison, ...] = ()
    errors: tuple[StageError, ...] = ()
    notes: tuple[Note, ...] = ()

"""Heads and losses compared on a program's own data: what was asked for, and what each pair of them did."""

from __future__ import annotations

from ae_audit.base.records import dataclass, field
from ae_audit.schema.ideal import Ideal
from ae_audit.schema.location import Location
from ae_audit.schema.report import Note, StageError
from ae_audit.schema.sights import Gallery
from ae_audit.theory.uncertainty import Estimate, difference, estimate

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
class GridOptions:
    """What is to be compared. Empty heads or losses: those that fit the data."""

    heads: tuple[str, ...] = ()
    """canonical names of activations"""
    losses: tuple[LossChoice, ...] = ()
    seeds: int = SEEDS
    steps: int = STEPS
    reach: float | None = None
    """the R² to which steps and time are counted; None: :data:`REACHED` of the best"""


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
    gallery: Gallery | None = None
    """samples as the cells give them back, the best first"""
    notes: tuple[str, ...] = ()

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

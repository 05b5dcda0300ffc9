"""Which heads and losses are worth comparing on a program's data, and how each is put into the program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ae_audit.rules.predicates import FULL_SCALES, LABELS, Scale, scale_of, structure_of, top_of
from ae_audit.rules.repair import repair
from ae_audit.schema.comparison import Cell, GridOptions, LossChoice
from ae_audit.schema.remedies import Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Structure, TrainingSetup
from ae_audit.theory.loss import PredictionKind
from ae_audit.theory.losses import find_loss
from ae_audit.theory.ranges import Tri

BCE, MSE, MAE = LossChoice("bce"), LossChoice("mse"), LossChoice("mae")
_QUANTITIES: dict[Scale, tuple[tuple[str, ...], tuple[LossChoice, ...]]] = {
    Scale.UNIT: (("sigmoid", "linear", "relu"), (BCE, MSE, MAE)),
    Scale.SIGNED: (("tanh", "linear"), (MSE, MAE)),
    Scale.NON_NEGATIVE: (("relu", "softplus", "linear"), (MSE, MAE)),
}
_ANYTHING = (("linear",), (MSE, MAE, LossChoice("huber")))
_CLASSES: dict[Structure, tuple[tuple[str, ...], tuple[LossChoice, ...]]] = {
    Structure.CLASS_INDEX: (("softmax", "linear"), (LossChoice("sparse_cce"),)),
    Structure.ONE_HOT: (("softmax", "sigmoid", "linear"), (LossChoice("cce"), BCE, MSE)),
    Structure.DISTRIBUTION: (("softmax", "sigmoid", "linear"), (LossChoice("cce"), BCE, MSE)),
    Structure.MULTI_HOT: (("sigmoid", "linear"), (BCE, MSE)),
    Structure.BINARY_LABEL: (("sigmoid", "linear"), (BCE, MSE)),
}
"""what suits each kind of data, and what people try with it; the most habitual first"""


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One head and loss, and what it changes in the program."""

    head: str
    loss: LossChoice | None
    remedies: tuple[Remedy, ...]
    as_written: bool = False
    rescaled: bool = False

    @property
    def name(self) -> str:
        """As the cell of this plan is called."""
        return Cell(self.head, self.loss, self.as_written, self.rescaled).name


def cells_for(setup: TrainingSetup, options: GridOptions) -> tuple[CellPlan, ...]:
    """The cells to fit: the program as written first, then each head with each loss.

    Data of 8-bit images as they are stored are brought to [0, 1] first, in all cells but the one as written.
    """
    written = setup.head.activation or "unknown head", written_loss(setup)
    rescale = rescaling(setup)
    scaled: tuple[Remedy, ...] = () if rescale is None else (rescale,)
    first = CellPlan(*written, (), as_written=True)
    found: dict[tuple[str, LossChoice | None], CellPlan] = {} if scaled else {written: first}
    heads, losses = _suited(setup, rescale)
    for head in options.heads or heads:
        for loss in _of_head(head, options.losses or losses, asked=bool(options.losses)):
            swaps: list[Remedy] = [] if head == written[0] else [SwapActivation(head)]
            swaps += [] if loss == written[1] else [SwapLoss(loss.name, loss.from_logits)]
            plan = CellPlan(head, loss, (*swaps, *scaled), rescaled=bool(scaled))
            found.setdefault((head, loss), plan)
    return (first, *(plan for plan in found.values() if plan is not first))


def written_loss(setup: TrainingSetup) -> LossChoice | None:
    """The loss of the program as it stands; None where it is one of its own that nothing is known of."""
    if setup.loss.name is None or setup.loss.theory is None:
        return None
    return LossChoice(setup.loss.name, setup.loss.from_logits is Tri.YES)


def rescaling(setup: TrainingSetup) -> Rescale | None:
    """How raw images are brought to [0, 1]; None where the data are left as they are."""
    if structure_of(setup) in LABELS or top_of(setup.target) not in FULL_SCALES:
        return None
    change = repair(setup).rescale
    return change if change is not None and change.target and not change.shift else None


def _suited(setup: TrainingSetup, rescale: Rescale | None) -> tuple[Sequence[str], Sequence[LossChoice]]:
    if rescale is not None:
        return _QUANTITIES[Scale.UNIT]
    structure = structure_of(setup)
    if structure in _CLASSES:
        return _CLASSES[structure]
    return _QUANTITIES.get(scale_of(setup.target), _ANYTHING)


def _of_head(head: str, losses: Sequence[LossChoice], *, asked: bool) -> Iterator[LossChoice]:
    """The losses that are tried with a head: where nobody asked, without an activation on logits too.

    Over classes, a loss that expects probabilities is tried on logits instead: without a softmax it has no meaning.
    """
    for loss in losses:
        on_logits = find_loss(loss.name, from_logits=True)
        kind = None if on_logits is None else on_logits.prediction_kind
        if asked or head != "linear" or kind not in {PredictionKind.LOGIT, PredictionKind.LOGIT_VECTOR}:
            yield loss
            continue
        if kind is PredictionKind.LOGIT:
            yield loss
        yield LossChoice(loss.name, from_logits=True)

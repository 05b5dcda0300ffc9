"""``StaticResult``: what reading one program yields."""

from __future__ import annotations

from ae_audit.base.records import dataclass
from ae_audit.schema.report import StageError, Undecided
from ae_audit.schema.training_setup import TrainingSetup


@dataclass(frozen=True, slots=True)
class StaticResult:
    """The set-ups of one program, what was not decided, and what could not be read.

    ``relevant`` is False where the file cannot hold a training set-up, which its bytes alone tell: it was never parsed.
    """

    setups: tuple[TrainingSetup, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    errors: tuple[StageError, ...] = ()
    relevant: bool = True

"""Captures: training setups caught live, in the form that the certificate and the probe take them.

A capture holds what was seen at one loss of the running program: the filled-in :class:`TrainingSetup`, the arrays of
the first batches, and a way of fitting the same thing again under changes. The recorders
(:mod:`ae_audit.runtime.keras.recorder`, :mod:`ae_audit.runtime.torch.recorder`) build them; the probe only sees these
two protocols and imports no framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ae_audit.schema.remedies import Remedy
from ae_audit.schema.training_setup import TrainingSetup

FloatArray = NDArray[np.floating[Any]]
Array = NDArray[Any]

COMPARES_NOTHING = "what this loop minimises compares no prediction with data"
"""what is said of a loop that trains by scores, penalties or rewards alone"""
MOST_SAMPLES = 2048
"""samples of a data set that are captured at most, and that figures are computed on"""


class CannotApply(Exception):
    """A remedy that this capture has no way of applying; the text says why, for the report."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predictions and the targets that they are for, on a fixed part of the captured samples, in evaluation mode.

    ``predictions`` are in the target's own space, as the user would take them from the model: a head without activation
    under a loss on logits has its link applied (sigmoid, softmax), a head with an activation is taken as it is. Batch
    axis first; ``targets`` as the arm saw them (after any rescaling).
    """

    predictions: FloatArray
    targets: Array


@dataclass(frozen=True, slots=True)
class Played:
    """One evaluation of a loss: its value, the gradient by the free values (flat), and the prediction that it saw."""

    loss: float
    gradient: FloatArray
    prediction: FloatArray


class FreeNetwork(Protocol):
    """A network that could output anything, in the place of the program's own: free values before the output layer.

    The free values are those that the last weights give, before the output activation and whatever follows it; where
    that path was not found, the prediction itself. Everything else stays as it was captured. Losses are those of the
    term that is minimised, with its sign; what does not depend on the prediction is left out or constant.
    """

    @property
    def own(self) -> FloatArray:
        """The free values that the program's own network starts with, shape (values,)."""

    @property
    def direct(self) -> bool:
        """Whether the free values are the prediction itself, so that nothing stands between them and the loss."""

    @property
    def target(self) -> Array:
        """As the loss sees it, batch axis first."""

    @property
    def of_samples(self) -> int:
        """Samples in the captured batch, of which those that are free may be a part."""

    @property
    def beside(self) -> bool:
        """Whether something else that is minimised depends on the same prediction."""

    @property
    def by_value(self) -> bool:
        """Whether the target enters the loss by its values, and not by their order alone."""

    @property
    def is_slow(self) -> bool:
        """Whether each evaluation costs many times what its values do, so that fewer are to be asked for."""

    def play(self, free: FloatArray) -> Played:
        """The program's loss of free values."""

    def cost(self, prediction: FloatArray) -> Played:
        """The program's loss of a prediction given directly; the gradient is by the prediction's values."""

    def approach(self, free: FloatArray, wanted: FloatArray) -> Played:
        """Half the summed squared distance of the prediction from ``wanted``, in place of the program's loss."""


class NotJudged(Exception):
    """A loss that an ideal network cannot be asked about; the text says why, for the report."""


class Trial(Protocol):
    """One arm with one seed: the model from its initial weights, under the arm's remedies."""

    def advance(self, steps: int) -> float:
        """Take that many optimizer steps over the captured batches; the mean loss over them, as the program prints it.

        Raises whatever the program's own step raises (``BCELoss`` on targets outside [0, 1]).
        """

    def evaluate(self) -> Evaluation: ...


class Capture(Protocol):
    """One training setup of the running program."""

    @property
    def setup(self) -> TrainingSetup: ...

    @property
    def targets(self) -> Array:
        """The captured targets as the loss saw them (never a prediction), batch axis first, at most a few MiB."""

    @property
    def inputs(self) -> Array:
        """What entered the model for them."""

    @property
    def batch_size(self) -> int: ...

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``: where trials run."""

    @property
    def forks(self) -> bool:
        """Whether a trial may run in a process forked from this one, with the same figures as here."""

    def trial(self, remedies: Sequence[Remedy], seed: int) -> Trial:
        """A fresh trial; seed 0 starts from the captured initial weights, other seeds from re-drawn ones.

        Trials of one capture may share the program's modules: run one at a time, or alternate through ``trial`` objects
        that save and restore weights themselves. Equal remedies and seed give equal figures.

        Raises:
            CannotApply: if a remedy cannot be applied here.
        """

    def free_network(self, remedies: Sequence[Remedy]) -> FreeNetwork:
        """A network that could output anything, under the program's loss as the remedies change it.

        Raises:
            CannotApply: if a remedy cannot be applied here.
            NotJudged: if the loss cannot be played on other predictions.
        """

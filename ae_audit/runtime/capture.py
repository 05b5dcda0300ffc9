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

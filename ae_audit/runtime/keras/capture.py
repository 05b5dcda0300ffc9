"""Captured Keras set-ups: what was seen at one loss, and fitting the same thing again under changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import Evaluation
from ae_audit.runtime.keras import variables
from ae_audit.runtime.keras.batches import arrays_of
from ae_audit.runtime.keras.heads import Traced
from ae_audit.runtime.keras.ideal import FreeKeras
from ae_audit.runtime.keras.program import KerasProgram, LossPoint, backend
from ae_audit.runtime.keras.variant import KerasVariant
from ae_audit.schema.remedies import Remedy
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.theory.ranges import Tri

Array = NDArray[Any]


class KerasCapture:
    """One loss of a Keras training; implements :class:`ae_audit.runtime.capture.Capture`."""

    def __init__(
        self,
        setup: TrainingSetup,
        program: KerasProgram,
        point: LossPoint,
        head: Traced,
        targets: Array,
        inputs: Array,
        parameters: int,
    ) -> None:
        self._setup = setup
        self._program = program
        self._point = point
        self._head = head
        self._targets = targets
        self._inputs = inputs
        self._parameters = parameters
        self._arms: dict[tuple[Remedy, ...], KerasVariant] = {}

    @property
    def setup(self) -> TrainingSetup:
        return self._setup

    @property
    def targets(self) -> Array:
        return self._targets

    @property
    def inputs(self) -> Array:
        return self._inputs

    @property
    def batch_size(self) -> int:
        return min(self._program.batches.batch_size, self._program.batches.samples)

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def device(self) -> str:
        return device()

    @property
    def forks(self) -> bool:
        """Never: TensorFlow and JAX do not survive a fork."""
        return False

    def trial(self, remedies: Sequence[Remedy], seed: int) -> KerasTrial:
        """A fresh trial; one graph is traced for each set of remedies and serves all its seeds."""
        key = tuple(remedies)
        if key not in self._arms:
            with self._program.in_place():
                self._arms[key] = KerasVariant(
                    self._program,
                    self._point,
                    key,
                    head=self._head.call,
                    inner=self._head.inner,
                    activation=self._setup.head.activation,
                    loss_name=self._setup.loss.name,
                    from_logits=self._setup.loss.from_logits is Tri.YES,
                )
        return KerasTrial(self._program, self._arms[key], seed, self.batch_size)

    def free_network(self, remedies: Sequence[Remedy]) -> FreeKeras:
        """A network that could output anything, under this loss.

        Raises:
            CannotApply: if a remedy cannot be applied here.
            NotJudged: if the loss cannot be played on other predictions.
        """
        return FreeKeras(self._setup, self._program, self._point, self._head, remedies)

    def close(self) -> None:
        """Put the model's captured state back."""
        variables.write(self._program.variables, self._program.captured)
        self._program.stage.holder = None
        self._arms.clear()


class KerasTrial:
    """One arm with one seed; trials of one program may alternate, each keeps its own state."""

    def __init__(self, program: KerasProgram, arm: KerasVariant, seed: int, batch_size: int) -> None:
        self._program = program
        self._arm = arm
        self._seed = seed
        self._batch_size = batch_size
        self._samples = len(arrays_of(arm.data)[0])
        self._random = np.random.default_rng(seed)
        self._waiting = np.empty(0, dtype=np.int32)
        self._state: variables.Values | None = None

    def advance(self, steps: int) -> float:
        """Take ``steps`` optimizer steps; the mean loss over them, as the program prints it."""
        with _turn(self, self._program):
            return self._arm.steps(self._order(steps))

    def evaluate(self) -> Evaluation:
        with _turn(self, self._program):
            return self._arm.evaluate()

    def _order(self, steps: int) -> NDArray[np.int32]:
        """Sample indices of the next batches: every epoch a new order, full batches only."""
        needed = steps * self._batch_size
        parts = [self._waiting]
        while sum(len(part) for part in parts) < needed:
            order = self._random.permutation(self._samples).astype(np.int32)
            parts.append(order[: self._samples - self._samples % self._batch_size])
        line = np.concatenate(parts)
        self._waiting = line[needed:]
        return line[:needed].reshape(steps, self._batch_size)

    def take(self) -> None:
        """Make the model hold this trial's state."""
        if self._state is None:
            initial = self._arm.initial(self._seed)
            variables.write(self._arm.variables, initial)
            self._arm.fresh(self._seed)
        else:
            variables.write(self._arm.variables, self._state)

    def keep(self) -> None:
        """Remember the state that the model holds."""
        self._state = variables.read(self._arm.variables)


@contextmanager
def _turn(trial: KerasTrial, program: KerasProgram) -> Iterator[None]:
    """The model is this trial's while the block runs."""
    stage = program.stage
    with program.in_place():
        if stage.holder is not trial:
            if stage.holder is not None:
                stage.holder.keep()
            trial.take()
            stage.holder = trial
        try:
            yield
        finally:
            if program.borrowed:
                trial.keep()
                variables.write(program.variables, program.captured)
                stage.holder = None


def device() -> str:
    """``cuda`` or ``cpu``."""
    if backend() == "tensorflow":
        import tensorflow as tf

        return "cuda" if tf.config.list_physical_devices("GPU") else "cpu"
    if backend() == "torch":
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"
    import jax  # type: ignore[import-not-found, unused-ignore]

    return "cuda" if jax.default_backend() == "gpu" else "cpu"

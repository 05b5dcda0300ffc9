"""The loops that a program writes round ``tf.GradientTape``: the step that is being recorded, and those that were."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from ae_audit.runtime.capture import MOST_SAMPLES
from ae_audit.runtime.host.user_code import UserCode
from ae_audit.runtime.keras.batches import MOST_BYTES
from ae_audit.runtime.keras.graph.record import Record
from ae_audit.runtime.keras.graph.step import RecordedStep, StepData
from ae_audit.runtime.keras.trace import LossCall, Watch, watching
from ae_audit.schema.location import Location

MOST_STEPS = 64
"""of one loop that are recorded, however small their batches are"""
MOST_SECONDS = 6.0
"""that a loop is recorded after its first step"""


class OpenStep:
    """The step that is being recorded."""

    def __init__(self, code: UserCode, modules: tuple[str, ...]) -> None:
        self.sites: list[Location] = []
        self.record = Record()
        self.watch = Watch()
        self.weights: dict[int, Any] = {}
        self.in_function = False
        self.overflown = False
        self.hides_losses = False
        """whether a layer that was not looked into computed some"""
        self.first = True
        self._code = code
        self._modules = modules
        self._stack: ExitStack | None = None

    def watch_losses(self, hook: Callable[[LossCall, Callable[[], Any]], Any]) -> None:
        self._stack = ExitStack()
        self._stack.enter_context(watching(self._modules, self._code.location, on_loss=hook, watch=self.watch))

    def look_away(self) -> None:
        if self._stack is not None:
            self._stack.close()
            self._stack = None

    def remember_weights(self, sources: tuple[Any, ...]) -> None:
        for source in sources:
            if hasattr(source, "assign") and id(source) not in self.weights:
                self.weights[id(source)] = np.array(source.numpy())


class Loop:
    """The steps of one loop."""

    def __init__(self, key: tuple[Location, ...]) -> None:
        self.key = key
        self.step: RecordedStep | None = None
        self.data: StepData | None = None
        self.done = False
        self.hopeless = False
        self._began = 0.0

    def take(self, seen: OpenStep) -> None:
        """Take the data of a step; the first is taken whole.

        Raises:
            NotAStep: if nothing is trained in it.
        """
        if self.step is None:
            self.step = RecordedStep.of(seen.record, seen.watch, seen.in_function, seen.weights)
            self.data = StepData(self.step)
            self._began = time.monotonic()
        assert self.data is not None
        self.data.take(seen.record)

    @property
    def takes_zeros(self) -> bool:
        """Whether zeros may stand for further gradients: weights stay as they are, and zeros cost nothing."""
        import tensorflow as tf

        gradients = [] if self.step is None else self.step.record.gradients
        return bool(gradients) and all(isinstance(item, tf.Tensor) for node in gradients for item in node.outputs)

    @property
    def enough(self) -> bool:
        data = self.data
        if data is None:
            return False
        late = data.steps >= 2 and time.monotonic() - self._began > MOST_SECONDS
        return (
            late
            or data.came_round
            or data.steps >= MOST_STEPS
            or data.samples >= MOST_SAMPLES
            or data.bytes >= MOST_BYTES
        )

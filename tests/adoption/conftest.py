"""The command on real programs, by reading alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ae_audit.cli.command import main

MODEL = """\
from keras import Input, Model
from keras.datasets import mnist
from keras.layers import Dense

(x_train, _), _ = mnist.load_data()
x_train = x_train.reshape(60000, 784).astype("float32") / 255

inputs = Input(shape=(784,))
decoded = Dense(784, activation="softmax")(Dense(32, activation="relu")(inputs))
autoencoder = Model(inputs, decoded)
autoencoder.compile(optimizer="adam", loss="mse")
autoencoder.fit(x_train, x_train, epochs=5)
"""


class Outcome:
    """What a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def model() -> str:
    """A program with one error, AE101 on line 9."""
    return MODEL


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command in this process, with ``--static``."""

    def audit(*arguments: str) -> Outcome:
        code = main([*arguments, "--static", "--jobs", "1"])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return audit

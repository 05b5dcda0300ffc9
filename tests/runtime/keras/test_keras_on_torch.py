"""The Keras tests once more on the torch backend, in a process of its own (a backend cannot be changed)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ELSEWHERE = [
    "test_keras_dense.py",
    "test_keras_heads.py",
    "test_keras_ideal.py",
    "test_keras_live.py",
    "test_keras_own_steps.py",
    "test_keras_ways_of_training.py",
]


def run_on_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("torch")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments],
        env={**os.environ, "KERAS_BACKEND": "torch", "OMP_WAIT_POLICY": "PASSIVE"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() == "torch", reason="this is the other process")
def test_everything_on_torch():
    here = Path(__file__).parent
    result = run_on_torch(*(str(here / name) for name in ELSEWHERE))
    assert result.returncode == 0, result.stdout[-4000:]
    assert "passed" in result.stdout

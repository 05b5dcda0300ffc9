"""The Keras tests once more on the JAX backend, in a process of its own (a backend cannot be changed)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ELSEWHERE = ["test_keras_own_steps.py", "test_keras_ways_of_training.py"]


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="this is the other process")
def test_ways_of_training_on_jax():
    pytest.importorskip("jax")
    here = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
        + [str(here / name) for name in ELSEWHERE],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=here.parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:]
    assert "passed" in result.stdout

"""The Keras tests once more on the JAX backend, in a process of its own (a backend cannot be changed)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

COMPILE_QUICKLY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
PARTS = {
    "dense": ("sigmoid_with_from_logits_depends", "rescaling_only_one_side"),
    "heads": ("hand_written_activation", "put_back and functions", "put_back and subclassed", "heads and nested"),
    "live": ("left_as_it_was and True",),
    "own_steps": ("custom_loss_function", "written_in_jax", "own_loss_that_takes"),
    "ways_of_training": ("ways and array", "ways and generator", "train_on_batch", "uncompiled"),
}
"""Every test compiles its steps anew, which is most of what it costs: those in which the backend has a say."""


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="this is the other process")
def test_ways_of_training_on_jax():
    pytest.importorskip("jax")
    here = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
        + [str(here / f"test_keras_{part}.py") for part in PARTS]
        + ["-k", " or ".join(f"(keras_{part} and {name})" for part, names in PARTS.items() for name in names)],
        env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": COMPILE_QUICKLY},
        cwd=here.parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:]
    assert "passed" in result.stdout

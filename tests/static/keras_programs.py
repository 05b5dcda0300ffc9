"""What the Keras programs of several test files begin with, and what reading them gives."""

from __future__ import annotations

import textwrap

from ae_audit.rules.runner import check
from ae_audit.schema.report import Undecided
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file

START = """
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers
(x, y), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255
"""


def audited(rest: str) -> tuple[tuple[TrainingSetup, ...], set[str], tuple[Undecided, ...]]:
    result = analyse_file("program.py", (START + textwrap.dedent(rest)).encode())
    assert not result.errors
    assert "part of the program" not in {one.what for one in result.undecided}
    findings, _ = check(result.setups)
    return result.setups, {finding.code for finding in findings if finding.severity.value != "info"}, result.undecided

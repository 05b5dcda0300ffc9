"""A project as users have it: a sound model, a broken one, a notebook, a conftest and tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from ae_audit.rules.registry import all_rules

for _name in ("engine", "pytest_plugin.items", "report.full", "static"):  # else every session here imports them
    import_module(f"ae_audit.{_name}")
all_rules()

MODEL = """\
from keras import Input, Model
from keras.datasets import mnist
from keras.layers import Dense

(x_train, _), _ = mnist.load_data()
x_train = x_train.reshape(60000, 784).astype("float32") / 255

inputs = Input(shape=(784,))
decoded = Dense(784, activation="sigmoid")(Dense(32, activation="relu")(inputs))
autoencoder = Model(inputs, decoded)
autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
autoencoder.fit(x_train, x_train, epochs=5)
"""
BROKEN = MODEL.replace("sigmoid", "softmax")
NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# words\n"]},
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": BROKEN.splitlines(keepends=True)},
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
)
TESTS = """\
def test_sound(ae_audit):
    assert ae_audit("models/sound.py", static=True).ok

def test_broken(ae_audit):
    ae_audit("models/broken.py", static=True)

def test_nothing_to_do_with_it():
    pass
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """``models/``, ``books/`` and ``test_models.py``, beside a conftest of the project's own."""
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef own():\n    return 1\n")
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\npython_files = ['test_*.py']\n")
    for name, text in {
        "models/sound.py": MODEL,
        "models/broken.py": BROKEN,
        "models/words.py": "print('no model')\n",
        "books/first.ipynb": NOTEBOOK,
        "test_models.py": TESTS,
    }.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return pytester


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """pytest with the plugin, in this process unless ``-n`` asks for others."""
    installed = any(entry.name == "ae_audit" for entry in entry_points(group="pytest11"))
    loaded = () if installed else ("-p", "ae_audit.pytest_plugin.hooks")
    spared = ("-p", "no:hypothesispytest")  # it would import hypothesis in every one of these sessions

    def run(*arguments: str) -> pytest.RunResult:
        if "-n" in arguments:
            return pytester.runpytest_subprocess(*loaded, *spared, *arguments)
        return pytester.runpytest_inprocess(*loaded, *spared, "-p", "no:xdist", *arguments)

    return run

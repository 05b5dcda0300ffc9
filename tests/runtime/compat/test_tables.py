"""Every successor in the tables is there in the installed libraries, and takes the arguments that are given it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from ae_audit.runtime.compat import keras as old_keras
from ae_audit.runtime.compat import keras_arguments, numpy, python, scientific, sklearn, tensorflow, torch
from ae_audit.runtime.compat.arguments import Argument
from ae_audit.runtime.compat.names import Successor

_OPTIONAL = ("six", "imageio")
"""packages that a program which imports them from elsewhere has, and the tests need not"""


def successors(table: dict[str, Any]) -> Iterator[tuple[str, Successor]]:
    for name, entry in table.items():
        if isinstance(entry, dict):
            yield from ((f"{name}.{inner}", successor) for inner, successor in successors(entry))
        else:
            yield name, entry if isinstance(entry, Successor) else Successor(entry)


def missing(*tables: dict[str, Any]) -> dict[str, str]:
    """What cannot be had, with the reason."""
    found = {}
    for table in tables:
        for name, successor in successors(table):
            try:
                successor.get()
            except Exception as error:
                if not successor.path.startswith(_OPTIONAL):
                    found[name] = repr(error)
    return found


def test_those_of_numpy_scipy_scikit_learn_and_python() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("skimage")
    assert missing(numpy.NAMES, numpy.RANDOM, python.NAMES, scientific.NAMES) == {}
    assert missing(scientific.MODULES, sklearn.MODULES, sklearn.NAMES) == {}


def test_those_of_torch() -> None:
    pytest.importorskip("torchvision")
    assert missing(torch.MODULES, torch.NAMES) == {}


@pytest.mark.slow
def test_those_of_keras_and_tensorflow() -> None:
    pytest.importorskip("tensorflow")
    assert missing(old_keras.MODULES, old_keras.NAMES, tensorflow.NAMES) == {}
    import keras

    for name, renamed in keras_arguments.LAYERS.items():
        known = inspect.signature(getattr(keras.layers, name).__init__).parameters
        new = {entry.new if isinstance(entry, Argument) else entry for entry in renamed.values()} - {None}
        unknown = {item for item in new if item not in known}
        # tables are shared among layers of one kind, of which some have no weights of their own to regularise
        assert unknown <= _NOT_EVERYWHERE, name


_NOT_EVERYWHERE = {
    "dilation_rate",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_constraint",
    "padding",
    "data_format",
    "recurrent_activation",
}

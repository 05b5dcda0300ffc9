"""``predict`` and ``evaluate`` of a model whose training did not take place: on the first samples only.

What an untrained model gives back says nothing, and only its shape matters for the program to go on to its next
training; over a whole data set it would take the time that the audit needs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

SAMPLES = 1024
"""looked at; enough for a program that trains its next model on what this one predicts"""
_A_BATCH = 32
"""samples of a ``test_on_batch``"""
_BATCHES = 8
"""of an ``evaluate`` whose data are no arrays"""

Method = Callable[..., Any]


def shortened_predict(original: Method, busy: Callable[[], bool]) -> Method:
    """``Model.predict`` on the first :data:`SAMPLES` samples, whose outputs are repeated to the length asked for."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def predict(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        x = bound.arguments.get("x")
        length = _length(x)
        if busy() or length is None or length <= SAMPLES or bound.arguments.get("steps") is not None:
            return original(*args, **kwargs)
        bound.arguments["x"] = _first(x)
        outputs = original(*bound.args, **bound.kwargs)
        if any(np.shape(leaf)[:1] != (SAMPLES,) for leaf in _leaves(outputs)):
            return original(*args, **kwargs)
        order = np.arange(length) % SAMPLES
        return _tree().map_structure(lambda leaf: leaf[order], outputs)

    return predict


def shortened_evaluate(original: Method, busy: Callable[[], bool]) -> Method:
    """``Model.evaluate`` on the first :data:`SAMPLES` samples, or the first batches of a generator."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        if busy() or bound.arguments.get("steps") is not None:
            return original(*args, **kwargs)
        given = {name: bound.arguments.get(name) for name in ("x", "y", "sample_weight")}
        lengths = {_length(value) for value in given.values() if value is not None}
        if None in lengths or len(lengths) != 1:
            bound.arguments["steps"] = _BATCHES
        else:
            bound.arguments.update({name: _first(value) for name, value in given.items() if value is not None})
        return original(*bound.args, **bound.kwargs)

    return evaluate


def shortened_test(original: Method, busy: Callable[[], bool]) -> Method:
    """``Model.test_on_batch``, whose batch is a whole data set in loops round ``train_on_batch``."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def test_on_batch(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        given = {name: bound.arguments.get(name) for name in ("x", "y", "sample_weight")}
        lengths = {_length(value) for value in given.values() if value is not None}
        if not busy() and None not in lengths and len(lengths) == 1:
            few = {name: _first(value, _A_BATCH) for name, value in given.items() if value is not None}
            bound.arguments.update(few)
        return original(*bound.args, **bound.kwargs)

    return test_on_batch


def _length(data: Any) -> int | None:
    """Number of samples of arrays; None for what is no array."""
    leaves = _leaves(data)
    if not leaves or not all(hasattr(leaf, "shape") and hasattr(leaf, "__getitem__") for leaf in leaves):
        return None
    lengths = {int(leaf.shape[0]) if len(leaf.shape) else None for leaf in leaves}
    return lengths.pop() if len(lengths) == 1 else None


def _first(data: Any, count: int = SAMPLES) -> Any:
    return _tree().map_structure(lambda leaf: leaf[:count], data)


def _leaves(data: Any) -> list[Any]:
    found: list[Any] = _tree().flatten(data)
    return found


def _tree() -> Any:
    import keras

    return keras.tree

"""The state of a Keras program: reading it, writing it back, and drawing initial weights anew."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Values = list[Array]

SAME_SPREAD = (0.8, 1.25)
"""a layer whose weights deviate further than this from what its initializer draws has been trained before"""
ENOUGH_TO_TELL = 64
"""values below which a standard deviation says nothing"""


def variables_of(model: Any) -> list[Any]:
    """All that a training step changes in the model: weights, moving statistics, seed states; each once."""
    import keras

    found: dict[int, Any] = {id(variable): variable for variable in model.variables}
    seeds = getattr(keras.src.backend.common.global_state, "get_global_attribute", None)
    generator = seeds("global_seed_generator") if seeds is not None else None
    if generator is not None:
        found[id(generator.state)] = generator.state
    return list(found.values())


def read(variables: Sequence[Any]) -> Values:
    """Copies of the values."""
    import keras

    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def write(variables: Sequence[Any], values: Values) -> None:
    """Assign values that :func:`read` gave for the same variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def is_seed_state(variable: Any) -> bool:
    """Whether it is the state of a ``SeedGenerator``."""
    return "seed_generator_state" in getattr(variable, "path", variable.name) and tuple(variable.shape) == (2,)


def drawn(model: Any, variables: Sequence[Any], captured: Values, seed: int) -> Values:
    """Initial values for a seed: the captured ones for 0, for others newly drawn weights; seed states by the seed.

    Layers that were trained before they were captured (or loaded) keep their weights.
    """
    values = dict(zip((id(variable) for variable in variables), captured, strict=True))
    if seed != 0:
        for layer in model._flatten_layers():
            for variable, value in _layer_weights(layer, values, seed):
                values[id(variable)] = value
    for index, variable in enumerate(variables):
        if is_seed_state(variable):
            state = np.random.default_rng((seed, index)).integers(1, 2**31 - 1)
            values[id(variable)] = np.asarray([state, 0], dtype=captured[index].dtype)
    return [values[id(variable)] for variable in variables]


def _layer_weights(layer: Any, values: dict[int, Array], seed: int) -> Iterator[tuple[Any, Array]]:
    cell = getattr(getattr(layer, "cell", None), "_trainable_variables", ())
    candidates = (*layer._trainable_variables, *cell)
    own = [variable for variable in candidates if id(variable) in values and variable.trainable]
    fresh: list[tuple[Any, Array]] = []
    for variable in own:
        captured = values[id(variable)]
        draw = _draw(layer, variable, captured, seed)
        if not _plausible(captured, draw):
            return
        fresh.append((variable, draw))
    yield from fresh


def _draw(layer: Any, variable: Any, captured: Array, seed: int) -> Array:
    """A new draw from the variable's initializer; where that is not known, its own values shuffled."""
    import keras

    number = zlib.crc32(f"{variable.path}:{seed}".encode())
    initializer = _initializer(layer, variable.name) or _initializer(getattr(layer, "cell", None), variable.name)
    if initializer is not None:
        try:
            config = initializer.get_config()
            if "seed" in config:
                config["seed"] = number % (2**31)
            again = type(initializer).from_config(config)
            return np.array(keras.ops.convert_to_numpy(again(captured.shape, dtype=variable.dtype)))
        except Exception:  # an initializer of the user's own need not follow the protocol
            pass
    return np.random.default_rng(number).permutation(captured.reshape(-1)).reshape(captured.shape)


def _initializer(layer: Any, name: str) -> Any:
    found = getattr(layer, f"{name}_initializer", None)
    return found if hasattr(found, "get_config") and callable(found) else None


def _plausible(captured: Array, draw: Array) -> bool:
    if captured.size < ENOUGH_TO_TELL or draw.std() == 0:
        constant = float(draw.flat[0]) if draw.size and draw.std() == 0 else None
        return constant is None or bool(np.all(captured == constant)) or captured.std() == 0
    low, high = SAME_SPREAD
    return bool(low < captured.std() / draw.std() < high)

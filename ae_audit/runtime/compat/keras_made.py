"""What Keras 1 and 2 had as one function and Keras 3 has in other pieces."""

from __future__ import annotations

from typing import Any

_MERGES = {
    "ave": "Average",
    "average": "Average",
    "concat": "Concatenate",
    "cos": "Dot",
    "dot": "Dot",
    "max": "Maximum",
    "mul": "Multiply",
    "sum": "Add",
}


def merge(
    inputs: Any,
    mode: Any = "sum",
    dot_axes: Any = -1,
    concat_axis: int = -1,
    name: str | None = None,
    output_shape: Any = None,
    **others: Any,
) -> Any:
    """``keras.layers.merge`` of Keras 1.

    Raises:
        ValueError: for a mode that it did not have.
    """
    import keras

    if callable(mode):
        shaped = {} if output_shape is None else {"output_shape": output_shape}
        return keras.layers.Lambda(mode, name=name, arguments=others.get("arguments"), **shaped)(inputs)
    if not isinstance(mode, str) or mode not in _MERGES:
        raise ValueError(f"keras.layers.merge of Keras 1 with mode={mode!r} has no successor")
    arguments: dict[str, Any] = {"name": name}
    if mode == "concat":
        arguments["axis"] = concat_axis
    if mode in {"dot", "cos"}:
        arguments |= {"axes": dot_axes, "normalize": mode == "cos"}
    return getattr(keras.layers, _MERGES[mode])(**arguments)(inputs)


def time_distributed_dense(output_dim: int, **kwargs: Any) -> Any:
    """A dense layer applied at each step."""
    import keras

    outer = {name: kwargs.pop(name) for name in ("input_shape", "input_dim", "name") if name in kwargs}
    return keras.layers.TimeDistributed(keras.layers.Dense(output_dim, **kwargs), **outer)


def maxnorm(m: float = 2, axis: int = 0) -> Any:
    """Keras 1 called the bound ``m``."""
    import keras

    return keras.constraints.MaxNorm(max_value=m, axis=axis)


def multi_gpu_model(model: Any, *_: Any, **__: Any) -> Any:
    """The batch was split among devices: on one, it is the model itself."""
    return model


def print_summary(model: Any, *_: Any, **__: Any) -> None:
    """Print it."""
    model.summary()

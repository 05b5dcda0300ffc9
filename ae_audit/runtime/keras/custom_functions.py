"""A program's own loss or activation, characterised by its values: where a loss is least, what an activation can give.

Nothing is guessed: what the values do not show is left unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.measure.custom_activations import CustomActivation, by_values
from ae_audit.theory.intervals import format_number

Array = NDArray[Any]
Loss = Callable[[Any, Any], Any]

COARSE, FINE = 61, 41
"""predictions tried for each target, first over the whole range and then round the best"""
TARGETS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""quantiles of the target at which the lowest point is looked for"""
ADDITIVE = 1e-3
"""relative difference up to which a loss is the mean of what it is on two halves"""
SAME = 0.02
"""share of the range by which a lowest point may miss its target: the grid is no finer"""


def lowest_points(loss: Loss, y_true: Array, y_pred: Array) -> str | None:
    """In words, the predictions at which ``loss`` is least, for target values that occur.

    Args:
        loss: ``f(y_true, y_pred)``, which takes tensors of the shapes of the two arrays.

    Returns:
        None where that cannot be computed.
    """
    finite = y_true[np.isfinite(y_true)] if y_true.dtype.kind == "f" else y_true
    if not finite.size or finite.min() == finite.max():
        return None
    targets = [float(value) for value in np.unique(np.quantile(finite, TARGETS))]
    low, high = min(targets[0], float(y_pred.min())), max(targets[-1], float(y_pred.max()))
    span = high - low
    grid = np.linspace(low - 2 * span, high + 2 * span, COARSE)

    def value(target: Array | float, prediction: Array | float) -> float:
        made = [
            np.broadcast_to(np.asarray(item, np.float32), like.shape)
            for item, like in ((target, y_true), (prediction, y_pred))
        ]
        return _scalar(loss, made[0].astype(y_true.dtype), made[1].astype(np.float32))

    try:
        if not _is_additive(value, y_true.shape, y_pred.shape, targets):
            return "its value is no mean over single values: where it is least cannot be told value by value"
        found = [_lowest(lambda p, target=target: value(target, p), grid) for target in targets]  # type: ignore[misc]
    except Exception:  # the program's own arithmetic may refuse values that are not its own
        return None
    if any(point is None for point in found):
        return None
    if any(point in (grid[0], grid[-1]) for point in found):
        return "it falls on and on beyond every prediction that was tried"
    points = [float(point) for point in found if point is not None]
    same = all(
        abs(point - target) <= SAME * (targets[-1] - targets[0]) for point, target in zip(points, targets, strict=True)
    )
    at = ", ".join(format_number(target) for target in targets)
    if same:
        return f"for targets of {at} it is least where the prediction is the target itself"
    where = ", ".join(format_number(float(f"{point:.2g}")) for point in points)
    return f"for targets of {at} it is least at predictions of {where}"


def _is_additive(
    value: Callable[..., float], target_shape: tuple[int, ...], prediction_shape: tuple[int, ...], targets: list[float]
) -> bool:
    """Whether two halves of a sample are judged one by one."""
    if int(np.prod(target_shape)) != int(np.prod(prediction_shape)):
        return False
    half = np.arange(int(np.prod(target_shape))) % 2 == 0
    first, last = targets[0], targets[-1]
    middle = 0.5 * (first + last)
    pairs = ((first, middle), (last, 0.5 * (middle + last)))
    mixed = value(
        np.where(half, pairs[0][0], pairs[1][0]).reshape(target_shape),
        np.where(half, pairs[0][1], pairs[1][1]).reshape(prediction_shape),
    )
    share = float(half.mean())
    apart = share * value(*pairs[0]) + (1 - share) * value(*pairs[1])
    return bool(np.isclose(mixed, apart, rtol=ADDITIVE, atol=1e-9))


def _lowest(function: Callable[[float], float], grid: Array) -> float | None:
    best = _argmin(function, grid)
    if best is None or best in (grid[0], grid[-1]):
        return best
    step = float(grid[1] - grid[0])
    return _argmin(function, np.linspace(best - step, best + step, FINE))


def _argmin(function: Callable[[float], float], grid: Array) -> float | None:
    values = np.asarray([function(float(point)) for point in grid])
    known = np.isfinite(values)
    if not known.any():
        return None
    lowest = values[known].min()
    level = lowest + 1e-6 * max(1e-12, float(values[known].max() - lowest))
    flat = np.flatnonzero(known & (values <= level))
    return float(grid[flat[len(flat) // 2]])  # the middle of a flat bottom


def _scalar(loss: Loss, y_true: Array, y_pred: Array) -> float:
    import keras

    result = loss(keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred))
    return float(np.mean(np.asarray(keras.ops.convert_to_numpy(result), dtype=np.float64)))


def custom_activation(function: Callable[[Any], Any]) -> CustomActivation | None:
    """What a function of the program's own is, by its values; None where it does not go value by value."""

    return by_values(lambda values: _applied(function, values))


def _applied(function: Callable[[Any], Any], values: Array) -> Array:
    import keras

    tensor = keras.ops.convert_to_tensor(values.astype(np.float32).reshape(1, -1))
    return np.asarray(keras.ops.convert_to_numpy(function(tensor)), dtype=np.float64).reshape(-1)

"""The affine map between two arrays, if there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def affine_map(x: NDArray[Any], y: NDArray[Any], tolerance: float) -> tuple[float, float] | None:
    """``(scale, shift)`` with ``y == scale * x + shift`` for every value, but for ``tolerance``; None otherwise.

    None too where either does not vary, which tells no map, and where a value of either is not finite.
    """
    x, y = x.reshape(-1), y.reshape(-1)
    if x.size != y.size or x.size < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    low, high = int(x.argmin()), int(x.argmax())
    if x[low] == x[high] or y[low] == y[high]:
        return None
    scale = float((y[high] - y[low]) / (x[high] - x[low]))
    shift = float(y[low] - scale * x[low])
    return (scale, shift) if np.allclose(y, scale * x + shift, rtol=0.0, atol=tolerance) else None

"""A part of many samples that stands for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spread(length: int, count: int) -> NDArray[np.int64]:
    """Places of at most ``count`` of ``length`` samples, in order: one in each of equal parts, at a random place there.

    Equal steps would meet data that repeat (a data set that was tiled, a season, a sorted block a class) at the same
    places again and again: of 1,700 images that were tiled to 60,000, 2,048 equal steps hit 100. The places are the
    same each time.
    """
    if count >= length:
        return np.arange(length, dtype=np.int64)
    edges = np.arange(count + 1, dtype=np.int64) * length // count
    within = np.random.default_rng(0).random(count) * np.diff(edges)
    return np.asarray(edges[:-1] + within.astype(np.int64))

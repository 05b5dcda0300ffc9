"""Samples of a data file as a stream, read block by block.

A file may be larger than the memory: of all its values only the ends are kept, and of its samples a part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import MOST_SAMPLES
from ae_audit.runtime.measure.spread import spread

Array = NDArray[Any]

BLOCK_BYTES = 16 << 20
"""read at a time of a file that may be larger than memory"""
MOST_BYTES = 64 << 20
"""of the samples that are kept"""


class DataProblem(Exception):
    """Data that cannot be read; the text is a sentence that names the file."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """Samples on disk."""

    name: str
    """as the user gave it"""
    length: int
    sample_shape: tuple[int, ...]
    blocks: Callable[[], Iterator[Array]]
    """consecutive samples, in order; each call begins anew"""
    note: str | None = None
    """what was done to the samples on the way, for the report"""

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, *self.sample_shape)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Samples spread evenly over a file, and what holds of all of it."""

    sample: Array
    low: float
    """of all finite values; ∞ (and ``high`` −∞) where there is none"""
    high: float
    non_finite: int


def gather(data: DataFile, scale: tuple[float, float] | None = None) -> Gathered:
    """One pass over ``data``: at most :data:`MOST_SAMPLES` samples, spread over all, and the ends of all values.

    Equal lengths give samples of equal numbers. With ``scale`` every value is multiplied and shifted first.

    Raises:
        DataProblem: if the file is damaged.
    """
    kept: list[Array] = []
    low, high, non_finite, seen = np.inf, -np.inf, 0, 0
    wanted: Array = np.empty(0, np.int64)
    for block in data.blocks():
        if not seen:
            most = max(1, min(MOST_SAMPLES, MOST_BYTES // max(1, block[0].nbytes)))
            wanted = spread(data.length, most)
        here = wanted[(wanted >= seen) & (wanted < seen + len(block))] - seen
        kept.append(_scaled(np.array(block[here]), scale))
        ends = _ends(block)
        low, high, non_finite = min(low, ends[0]), max(high, ends[1]), non_finite + ends[2]
        seen += len(block)
    if not seen:
        raise DataProblem(f"{data.name} holds no samples.")
    if scale is not None and low <= high:
        low, high = sorted((low * scale[0] + scale[1], high * scale[0] + scale[1]))
    return Gathered(np.concatenate(kept), float(low), float(high), non_finite)


def _scaled(block: Array, scale: tuple[float, float] | None) -> Array:
    return block if scale is None else np.asarray(block * scale[0] + scale[1], dtype=np.float32)


def _ends(block: Array) -> tuple[float, float, int]:
    if not block.size:
        return np.inf, -np.inf, 0
    low, high = float(block.min()), float(block.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high, 0
    finite = np.isfinite(block)
    count = int(block.size - np.count_nonzero(finite))
    return float(block.min(where=finite, initial=np.inf)), float(block.max(where=finite, initial=-np.inf)), count


def rows_a_block(sample_bytes: int) -> int:
    """How many samples are read at once."""
    return max(1, BLOCK_BYTES // max(1, sample_bytes))


def check_numbers(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Make sure that an array holds samples of real numbers.

    Raises:
        DataProblem: otherwise.
    """
    if dtype.hasobject:
        raise DataProblem(f"{name} holds pickled Python objects, which are not loaded; save it as an array of numbers.")
    if dtype.kind not in "biuf":
        raise DataProblem(f"{name} holds values of type {dtype}, and not real numbers.")
    if not shape:
        raise DataProblem(f"{name} holds a single number, and not an array of samples.")
    if 0 in shape:
        raise DataProblem(f"{name} is empty: its shape is {shape}.")

"""Samples of a data file as a stream, read block by block.

A file may be larger than the memory: of all its values only figures are kept, and of its samples a part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import MOST_SAMPLES
from ae_audit.runtime.measure.sliced_arrays import BLOCK_BYTES, MOST_BYTES, Looked, look
from ae_audit.runtime.measure.spread import spread
from ae_audit.theory.totals import Totals

Array = NDArray[Any]


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
    """Samples spread evenly over a file, and what was counted over all of it."""

    sample: Array
    totals: Totals


def gather(data: DataFile, scale: tuple[float, float] | None = None) -> Gathered:
    """One pass over ``data``: at most :data:`MOST_SAMPLES` samples, spread over all, and the totals of all values.

    Equal lengths give samples of equal numbers. With ``scale`` every value is multiplied and shifted first.

    Raises:
        DataProblem: if the file is damaged.
    """
    found: Looked | None = None
    seen = 0
    wanted: Array = np.empty(0, np.int64)
    row_size = int(np.prod(data.sample_shape, dtype=np.int64))
    for block in data.blocks():
        if not seen:
            wanted = spread(data.length, max(1, min(MOST_SAMPLES, MOST_BYTES // max(1, block[0].nbytes))))
        looked = look(_scaled(block, scale), seen, row_size, wanted)
        found = looked if found is None else found.join(looked)
        seen += len(block)
    if found is None or not seen:
        raise DataProblem(f"{data.name} holds no samples.")
    return Gathered(found.rows, found.stretch.finish())


def _scaled(block: Array, scale: tuple[float, float] | None) -> Array:
    return block if scale is None else np.asarray(block * scale[0] + scale[1], dtype=np.float32)


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

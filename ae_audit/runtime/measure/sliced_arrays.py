"""Arrays that are not in memory and are read by slices: Dask, Zarr, HDF5, anything with ``shape``, ``dtype`` and rows.

They are read once, in pieces, by Dask's own workers where it is Dask's. What is kept is the totals of all values
(:mod:`ae_audit.theory.totals`) and a sample of rows.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import MOST_SAMPLES
from ae_audit.runtime.measure.spread import spread
from ae_audit.theory.totals import Stretch, Totals, stretch

Array = NDArray[Any]

BLOCK_BYTES = 16 << 20
"""read at a time"""
MOST_BLOCK_BYTES = 128 << 20
"""Blocks grow up to this for whole chunks: a part of a chunk costs the reading of all of it."""
MOST_BYTES = 64 << 20
"""of the samples that are kept"""


class Sliceable(Protocol):
    """What is asked of an array that is elsewhere."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def __getitem__(self, rows: slice, /) -> Any: ...


def is_sliceable(value: object) -> TypeGuard[Sliceable]:
    """Whether ``value`` is an array that is read by slices, and no array or tensor in memory.

    The latter hand out their memory (``__dlpack__``); tables are indexed by names, and sparse matrices are none of it.
    """
    if isinstance(value, np.ndarray) or any(hasattr(value, name) for name in ("__dlpack__", "iloc", "tocsr")):
        return False
    if not all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__")):
        return False
    try:
        return len(value.shape) > 0 and np.dtype(value.dtype).kind in "biuf"  # type: ignore[attr-defined]
    except TypeError:
        return False


class UnknownLength(ValueError):
    """An array that does not say how many rows it has; the text says what to call."""


def sliced_array(value: Sliceable) -> SlicedArray:
    """``value`` as an array to be read by slices; itself where it is one.

    Raises:
        UnknownLength: for a Dask array whose chunks have unknown sizes.
    """
    return value if isinstance(value, SlicedArray) else SlicedArray(value)


@dataclass(frozen=True, slots=True)
class Looked:
    """What is kept of consecutive rows that were read."""

    stretch: Stretch
    rows: Array
    """those of them that belong to the sample"""

    def join(self, other: Looked) -> Looked:
        """Of both together; ``other`` follows."""
        return Looked(self.stretch.join(other.stretch), np.concatenate([self.rows, other.rows]))


def look(block: Any, first: int, row_size: int, wanted: NDArray[np.int64]) -> Looked:
    """Read rows.

    Args:
        block: of consecutive rows.
        first: place of the first of them in the array.
        row_size: values in a row.
        wanted: places of the sample's rows in the array, ascending.
    """
    rows = np.asarray(block)
    here = wanted[(wanted >= first) & (wanted < first + len(rows))] - first
    return Looked(stretch(rows, first * row_size), np.array(rows[here]))


def _look_at_piece(
    piece: Any, ends: tuple[int, ...], row_size: int, wanted: NDArray[np.int64], block_id: tuple[int, ...] | None = None
) -> Looked:
    """:func:`look`, in a task of Dask, which says the place of the piece among all."""
    assert block_id is not None
    return look(piece, ends[block_id[0]], row_size, wanted)


class SlicedArray:
    """Rows of an array that is elsewhere, batch axis first; read when a sample or totals are asked for."""

    def __init__(self, source: Sliceable, start: int = 0, stop: int | None = None) -> None:
        """Raises UnknownLength for a Dask array whose chunks have unknown sizes."""
        if any(extent != extent for extent in source.shape):  # NaN is how Dask says so
            raise UnknownLength(
                "the number of rows of this Dask array is unknown: call its compute_chunk_sizes() first."
            )
        self._source = source
        self._start = start
        self._stop = int(source.shape[0]) if stop is None else stop
        self._looked: tuple[bytes, Looked] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._stop - self._start, *map(int, self._source.shape[1:]))

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self._source.dtype)
        return dtype

    @property
    def nbytes(self) -> int:
        """of all values, were they in memory"""
        return len(self) * self._row_size * self.dtype.itemsize

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Any:
        """A stretch of rows, unread, for a slice; the rows themselves for ascending places."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step != 1:
                raise IndexError("rows are taken one after another")
            return SlicedArray(self._source, self._start + start, self._start + max(start, stop))
        return self._look(rows).rows

    def totals(self) -> Totals:
        """Of all values."""
        if self._looked is None:
            self._look(np.empty(0, np.int64))
        assert self._looked is not None
        return self._looked[1].stretch.finish()

    def sample(self, most: int = MOST_SAMPLES) -> Array:
        """At most ``most`` rows, spread over all."""
        return self._look(places_of_sample([self], len(self), most)).rows

    def _look(self, wanted: NDArray[np.int64]) -> Looked:
        """One pass over everything; the last one is kept."""
        key = wanted.tobytes()
        if self._looked is None or self._looked[0] != key:
            self._looked = (key, self._read(wanted))
        return self._looked[1]

    def blocks(self) -> Iterator[Array]:
        """All rows in order, a piece at a time."""
        for start, stop in pairwise((0, *self._borders())):
            yield np.asarray(self._source[self._start + start : self._start + stop])

    def _read(self, wanted: NDArray[np.int64]) -> Looked:
        found = look(np.empty((0, *self.shape[1:]), self.dtype), 0, self._row_size, wanted)
        if _is_dask(self._source):
            return self._read_by_dask(wanted, found)
        given = 0
        for block in self.blocks():
            found = found.join(look(block, given, self._row_size, wanted))
            given += len(block)
        return found

    def _read_by_dask(self, wanted: NDArray[np.int64], empty: Looked) -> Looked:
        """Dask decides where and when a piece is read; it is looked at in the same task, and joined there."""
        delayed: Any = importlib.import_module("dask").delayed
        source: Any = self._source
        ends = (0, *self._borders())
        whole_rows = {
            0: tuple(stop - start for start, stop in pairwise(ends)),
            **dict.fromkeys(range(1, source.ndim), -1),
        }
        pieces = source[self._start : self._stop].rechunk(whole_rows)
        looked = pieces.map_blocks(
            _look_at_piece, ends, self._row_size, wanted, dtype=object, meta=np.empty((0,) * source.ndim, object)
        )
        parts = list(looked.to_delayed().reshape(-1))
        join = delayed(Looked.join, pure=False)
        while len(parts) > 1:
            paired = [join(left, right) for left, right in zip(parts[::2], parts[1::2], strict=False)]
            parts = paired + parts[len(paired) * 2 :]
        return empty.join(parts[0].compute()) if parts else empty

    @property
    def _row_size(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64))

    def _borders(self) -> Iterator[int]:
        """Where pieces end: with the array's own chunks where these are small enough, so that each is read once."""
        row_bytes = max(1, self._row_size * self.dtype.itemsize)
        most = max(1, MOST_BLOCK_BYTES // row_bytes)
        given = 0
        for end in _chunk_ends(self._source, max(1, BLOCK_BYTES // row_bytes)):
            stop = min(end, self._stop) - self._start
            while given < stop:
                given = min(stop, given + most)
                yield given


def places_of_sample(arrays: Sequence[Array | SlicedArray], length: int, most: int) -> NDArray[np.int64]:
    """Places of at most ``most`` rows, of :data:`MOST_BYTES` in all arrays together, that stand for ``length``."""
    row_bytes = sum(array.nbytes // max(1, len(array)) for array in arrays)
    return spread(length, max(1, min(most, MOST_BYTES // max(1, row_bytes))))


def row_blocks(array: Any) -> Iterator[Array]:
    """The rows of an array in memory, or mapped into it, a few at a time."""
    step = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _is_dask(source: object) -> bool:
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(source, module.Array)


def _chunk_ends(source: Any, rows: int) -> Iterator[int]:
    """Row after each chunk; of small chunks, and of arrays without any, after about ``rows``."""
    length = int(source.shape[0])
    chunks = getattr(source, "chunks", None)
    first = chunks[0] if isinstance(chunks, tuple) and chunks else 1
    if isinstance(first, int):
        step = -(-rows // first) * first
        yield from range(step, length, step)
    else:
        end = given = 0
        for size in first:
            end += int(size)
            if end - given >= rows:
                given = end
                yield end
    yield length

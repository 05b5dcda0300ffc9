"""Data files as streams of samples: arrays, tables and folders of images, read block by block and never unpickled.

A file may be larger than the memory: of all its values only the ends are kept, and of its samples a part.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import MOST_SAMPLES

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


def open_data(path: str, part: str | None, name: str) -> DataFile:
    """The data in the file at ``path``; ``part`` is an array of an archive or the columns of a table.

    Raises:
        DataProblem: if it cannot be read, holds no numbers, or needs unpickling.
    """
    suffix = os.path.splitext(path)[1].lower()
    try:
        if suffix == ".npy":
            return _npy(path, name)
        if suffix == ".npz":
            return _npz(path, part, name)
        if suffix == ".parquet":
            from ae_audit.runtime.data_files.tables import parquet

            return parquet(path, part, name)
        from ae_audit.runtime.data_files.tables import text_table

        return text_table(path, part, name, "\t" if suffix == ".tsv" else None)
    except OSError as error:
        raise DataProblem(f"{name} cannot be read: {error.strerror or error}.") from None


def gather(data: DataFile, scale: tuple[float, float] | None = None) -> Gathered:
    """One pass over ``data``: at most :data:`MOST_SAMPLES` samples, evenly spread, and the ends of all values.

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
            wanted = np.unique(np.linspace(0, data.length - 1, min(most, data.length)).round().astype(np.int64))
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


def _npy(path: str, name: str) -> DataFile:
    with open(path, "rb") as file:
        shape, fortran, dtype = _header(file, name)
        offset = file.tell()
        if os.fstat(file.fileno()).st_size < offset + dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
            raise DataProblem(f"{name} is cut off: it is shorter than its own header says.")

    def blocks() -> Iterator[Array]:
        if fortran:  # its samples lie scattered over the whole file
            whole = np.load(path, mmap_mode="r", allow_pickle=False)
            step = rows_a_block(whole[:1].nbytes)
            yield from (np.asarray(whole[start : start + step]) for start in range(0, len(whole), step))
            return
        with open(path, "rb") as file:
            file.seek(offset)
            yield from _read(file, shape, dtype, name)

    return DataFile(name, shape[0], shape[1:], blocks)


def _npz(path: str, part: str | None, name: str) -> DataFile:
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = [entry.removesuffix(".npy") for entry in archive.namelist() if entry.endswith(".npy")]
            chosen = _chosen(arrays, part, name)
            with archive.open(f"{chosen}.npy") as file:
                shape, fortran, dtype = _header(file, name)
    except zipfile.BadZipFile:
        raise DataProblem(f"{name} is no .npz archive, or one that is damaged or cut off.") from None
    shown = name if part is not None else f"{name}:{chosen}" if len(arrays) > 1 else name

    def blocks() -> Iterator[Array]:
        try:
            if fortran:
                with np.load(path, allow_pickle=False) as archive:
                    yield archive[chosen]
                return
            with zipfile.ZipFile(path) as archive, archive.open(f"{chosen}.npy") as file:
                _header(file, name)
                yield from _read(file, shape, dtype, name)
        except zipfile.BadZipFile:
            raise DataProblem(f"{name} is damaged: its array {chosen} cannot be read to its end.") from None

    return DataFile(shown, shape[0], shape[1:], blocks)


def _chosen(arrays: list[str], part: str | None, name: str) -> str:
    if part is not None:
        if part not in arrays:
            raise DataProblem(f"{name}: there is no array '{part}'; there are {', '.join(arrays) or 'none'}.")
        return part
    if len(arrays) != 1:
        wanted = f"; say which as {name}:{arrays[0]}" if arrays else ""
        raise DataProblem(f"{name} holds {len(arrays)} arrays ({', '.join(arrays)}){wanted}.")
    return arrays[0]


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, EOFError):
        raise DataProblem(f"{name} is no array of NumPy, or one that is damaged.") from None
    check_numbers(name, dtype, shape)
    return shape, bool(fortran) and len(shape) > 1, dtype


def _read(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> Iterator[Array]:
    sample = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
    step = rows_a_block(sample)
    for start in range(0, shape[0], step):
        rows = min(step, shape[0] - start)
        data = file.read(rows * sample)
        if len(data) < rows * sample:
            raise DataProblem(f"{name} is cut off: it is shorter than its own header says.")
        yield np.frombuffer(data, dtype).reshape(rows, *shape[1:])

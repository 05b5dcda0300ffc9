"""Readers of data files: arrays and tables, never unpickled."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from ae_audit.base.archives import UNREADABLE
from ae_audit.runtime.data_files.samples import Array, DataFile, DataProblem, check_numbers, rows_a_block
from ae_audit.runtime.data_files.stores import hdf5, zarr_store
from ae_audit.runtime.data_files.tables import parquet, text_table


def open_data(path: str, part: str | None, name: str) -> DataFile:
    """The data in the file at ``path``; ``part`` is an array of an archive or store, or the columns of a table.

    Raises:
        DataProblem: if it cannot be read, holds no numbers, or needs unpickling.
    """
    suffix = os.path.splitext(path)[1].lower()
    try:
        if suffix == ".npy":
            return _npy(path, name)
        if suffix == ".npz":
            return _npz(path, part, name)
        if suffix in {".h5", ".hdf5"}:
            return hdf5(path, part, name)
        if os.path.isdir(path):
            return zarr_store(path, part, name)
        if suffix == ".parquet":
            return parquet(path, part, name)
        return text_table(path, part, name, "\t" if suffix == ".tsv" else None)
    except OSError as error:
        raise DataProblem(f"{name} cannot be read: {error.strerror or error}.") from None


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
    except UNREADABLE:
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
        except UNREADABLE:
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

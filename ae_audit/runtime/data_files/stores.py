"""Arrays in chunks as streams of samples: HDF5 with h5py, Zarr with zarr."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from ae_audit.runtime.data_files.samples import Array, DataFile, DataProblem, check_numbers
from ae_audit.runtime.measure.sliced_arrays import SlicedArray


def hdf5(path: str, part: str | None, name: str) -> DataFile:
    """An HDF5 file; ``part`` is the path of a data set in it, needed where there are several.

    Raises:
        DataProblem: if it is damaged, holds no such array of numbers, or h5py is not installed.
    """
    h5py = _imported("h5py", name, "HDF5")
    try:
        file = h5py.File(path, "r")
    except OSError:
        raise DataProblem(f"{name} is no HDF5 file, or one that is damaged or cut off.") from None
    found: dict[str, Any] = {}
    file.visititems(lambda key, item: found.update({key: item}) if isinstance(item, h5py.Dataset) else None)
    return _chosen(found, part, name)


def zarr_store(path: str, part: str | None, name: str) -> DataFile:
    """A Zarr array, or a group; ``part`` is the path of an array in it, needed where there are several.

    Raises:
        DataProblem: if it is damaged, holds no such array of numbers, or zarr is not installed.
    """
    zarr = _imported("zarr", name, "Zarr")
    try:
        opened = zarr.open(path, mode="r")
        if isinstance(opened, zarr.Array):
            if part is not None:
                raise DataProblem(f"{name} holds one array, and no part '{part}'.")
            return _file(opened, name)
        found = dict(_arrays_below(opened))
    except (OSError, ValueError, KeyError, TypeError) as error:  # of the store's own metadata
        raise DataProblem(f"{name} is no Zarr store, or one that is damaged ({_words(error)}).") from None
    return _chosen(found, part, name)


def _arrays_below(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, array in group.arrays():
        yield prefix + key, array
    for key, inner in group.groups():
        yield from _arrays_below(inner, f"{prefix}{key}/")


def _chosen(found: dict[str, Any], part: str | None, name: str) -> DataFile:
    names = ", ".join(sorted(found)[:8]) + (" …" if len(found) > 8 else "")
    if part is not None:
        if part.strip("/") not in found:
            raise DataProblem(f"{name}: there is no array '{part}'; there are {names or 'none'}.")
        return _file(found[part.strip("/")], name)
    if len(found) != 1:
        wanted = f"; say which as {name}:{min(found)}" if found else ""
        raise DataProblem(f"{name} holds {len(found)} arrays ({names}){wanted}.")
    return _file(next(iter(found.values())), name)


def _file(array: Any, name: str) -> DataFile:
    check_numbers(name, array.dtype, tuple(array.shape))

    def blocks() -> Iterator[Array]:
        try:
            yield from SlicedArray(array).blocks()
        except (OSError, ValueError, RuntimeError) as error:  # of whatever the chunks are compressed with
            raise DataProblem(f"{name} is damaged: a part of it cannot be read ({_words(error)}).") from None

    return DataFile(name, int(array.shape[0]), tuple(map(int, array.shape[1:])), blocks)


def _imported(package: str, name: str, kind: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise DataProblem(
            f"{name}: reading {kind} requires {package}, which is not installed: pip install {package}."
        ) from None


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

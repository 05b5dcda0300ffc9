"""What ``--data`` and ``--target`` name: a file or folder, and the part that is meant; checked before any work."""

from __future__ import annotations

import os

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.base.records import dataclass

DATA_SUFFIXES = (".npy", ".npz", ".csv", ".tsv", ".parquet", ".h5", ".hdf5")
"""of files; a folder is a Zarr array or group, or holds pictures"""
ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
"""One of them lies in each folder that is a Zarr array or group (format 3, format 2)."""


@dataclass(frozen=True, slots=True)
class DataPath:
    """Where data are."""

    path: str
    part: str | None = None
    """array of an .npz file, an HDF5 file or a Zarr group; column of a table, or several with commas between"""

    def __str__(self) -> str:
        return self.path if self.part is None else f"{self.path}:{self.part}"

    @property
    def pictures(self) -> bool:
        return os.path.isdir(self.path) and not is_zarr(self.path)


def data_path(flag: str, text: str) -> DataPath:
    """The file and part that ``text``, given for ``flag``, stands for.

    Raises:
        UsageError: if there is no such file, or it is of a kind that is not read.
    """
    path, part = text, None
    if not os.path.exists(path):
        before, colon, after = text.rpartition(":")
        if colon and before and after and os.path.exists(before):
            path, part = before, after
    if not os.path.exists(path):
        raise UsageError(f"{flag}: no such file or folder: {path}.{_sibling(path)}")
    if is_zarr(path):
        return DataPath(path, part)
    if os.path.isdir(path):
        if part is not None:
            raise UsageError(f"{flag}: {path} is a folder of images, which has no part '{part}'.")
        return DataPath(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in DATA_SUFFIXES:
        what = f"{suffix} files" if suffix else "files without an ending"
        raise UsageError(
            f"{flag}: {path}: {what} are not read; data come as {', '.join(DATA_SUFFIXES)}, a Zarr store or "
            "a folder of images."
        )
    if part is not None and suffix == ".npy":
        raise UsageError(f"{flag}: {path} holds one array, and no part '{part}'.")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{flag}: {path} cannot be read: Permission denied.")
    return DataPath(path, part)


def is_zarr(path: str) -> bool:
    """Whether the folder at ``path`` is a Zarr array or group."""
    return any(os.path.isfile(os.path.join(path, name)) for name in ZARR_FILES)


def _sibling(path: str) -> str:
    folder, _ = os.path.split(os.path.normpath(path))
    try:
        names = os.listdir(folder or os.curdir)
        siblings = [os.path.join(folder, name) for name in names if name.lower().endswith(DATA_SUFFIXES)]
    except OSError:
        return ""
    return did_you_mean(os.path.normpath(path), siblings)

"""Where the project of a file begins, and the folders in it that its imports may start from."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Sequence

_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
_HINTS = ("requirements.txt", "environment.yml", "README.md", "README.rst", "LICENSE")
"""what lies at the top of a project that was downloaded rather than cloned; in a clone also in folders below"""
_HINTED = 4
"""folders, the file's own among them, in which a hint is looked for where there is no mark"""

_HIGHEST, _AROUND = 8, 6
"""folders upwards in which modules are looked for"""


def project_root(folder: str, asked: Sequence[str] = ()) -> str:
    """The nearest folder from ``folder`` upwards that a project begins in; ``folder`` itself where none says so.

    Where no mark says it, those of the folders ``asked`` (absolute) that hold ``folder`` are as good as a hint, and
    the highest counts: whoever names a folder, or stands in one, means what is in it.
    """
    marked = _above(folder, _MARKS, None)
    if marked is not None:
        return marked
    around = (top for top in asked if folder.startswith(top + os.sep))  # never the whole disk, which ends so already
    return min((_above(folder, _HINTS, _HINTED) or folder, *around), key=len)


def _above(folder: str, marks: Sequence[str], limit: int | None) -> str | None:
    """The nearest folder from ``folder`` upwards that holds one of ``marks``; of ``limit`` folders."""
    current, seen = folder, 0
    while limit is None or seen < limit:
        if any(os.path.exists(os.path.join(current, mark)) for mark in marks):
            return current
        parent = os.path.dirname(current)
        if parent == current:
            break
        current, seen = parent, seen + 1
    return None


def import_folders(folder: str, root: str) -> list[str]:
    """``folder``, those above it up to ``root``, and ``src`` in each: the nearest first."""
    found: list[str] = []
    current = folder
    for _ in range(_HIGHEST):
        found.extend((current, os.path.join(current, "src")))
        parent = os.path.dirname(current)
        if current == root or not parent.startswith(root) or parent == current:
            break
        current = parent
    return found


def folder_around(folder: str, name: str) -> list[str]:
    """The folder that ``name`` lies in, where ``folder`` is in it: ``src.data`` as ``src/train.py`` imports it."""
    current = folder
    for _ in range(_AROUND):
        parent, last = os.path.split(current)
        if last == name:
            return [parent]
        current = parent
    return []

"""Paths that ``--stand-in`` invents: lists of a folder that is not there name them, and they look existing afterwards.

Only a program of a person's is told of them; a library, which may look for files of its own, hears what is true. So
does everybody of a path that nobody invented, and of a folder: a program that makes one where there is none still does.
"""

from __future__ import annotations

import functools
import glob
import itertools
import os
import pathlib
import re
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from os.path import exists, lexists
from typing import Any

from ae_audit.runtime.host.user_code import LIBRARY_FOLDERS

PICTURES = 64
"""of a folder that is written: two batches of the usual 32"""
NAMED = 160
"""of one of which only the names are made up: programs show the hundredth"""
_SIZE = 1 << 16
"""bytes of a file: more than programs take for a broken one"""
_MADE_UP = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy", ".npz", ".csv"})
"""endings of files that are made up when they are opened"""
_DATA = _MADE_UP | {".txt", ".tsv", ".xlsx", ".xls", ".pkl", ".pickle", ".h5", ".hdf5", ".mat", ".parquet"}
"""endings of files that stand-ins can be read from"""
_WILD = re.compile(r"\*+|\?|\[[^]]*\]")
_LIBRARIES = (sysconfig.get_path("stdlib"), str(pathlib.Path(__file__).resolve().parents[2]) + os.sep)
"""whose questions are none of a program's: Python's and ours"""

Names = Callable[..., list[str]]


class InventedPaths:
    """Invents the files of folders that are not there, and answers questions about those files.

    Args:
        tell: is called with a folder or a pattern, and what stood in for its files.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._files: set[str] = set()
        self._walked: list[str] = []
        self.folders: set[str] = set()
        """those that were told of"""
        self.believed = False
        """whether every file of data looks existing that a program asks for"""

    @property
    def any(self) -> bool:
        """Whether something was invented."""
        return bool(self._files)

    def matching(self, pattern: str) -> list[str]:
        """Files that were invented or are now, for a pattern or a name."""
        return [pattern] if self._is_invented(pattern) else self._names(pattern) if _WILD.search(pattern) else []

    def admit(self) -> None:
        """Tell of what has been walked in silence."""
        while self._walked:
            folder = self._walked.pop(0)
            self.folders.add(os.path.normpath(folder))
            self._tell(folder, f"a folder of {NAMED} pictures")

    def install(self) -> None:
        """Begin; before the program is run."""
        for name in ("listdir", "scandir"):
            setattr(os, name, self._listing(getattr(os, name), _Entries if name == "scandir" else None))
        os.walk = self._walking(os.walk)
        if hasattr(os, "register_at_fork"):  # what a child opens this process does not see
            os.register_at_fork(before=self.admit)
        for name in ("glob", "iglob"):
            setattr(glob, name, self._matching(getattr(glob, name), lazy=name == "iglob"))
        path = pathlib.Path
        for name in ("glob", "rglob"):
            setattr(path, name, self._matching_below(getattr(path, name), deep=name == "rglob"))
        path.iterdir = self._iterating(path.iterdir)  # type: ignore[method-assign]
        if hasattr(path, "walk"):
            path.walk = self._walking(path.walk)
        for name in ("exists", "lexists", "isfile"):
            setattr(os.path, name, self._question(getattr(os.path, name), True))
        for name, answer in (("getsize", _SIZE), ("getmtime", 0.0), ("getctime", 0.0)):
            setattr(os.path, name, self._question(getattr(os.path, name), answer))
        of_paths: dict[str, Any] = {"exists": True, "is_file": True, "stat": _STATUS}
        for name, said in of_paths.items():
            setattr(path, name, self._question(getattr(path, name), said))
        for owner, name in ((os, "remove"), (os, "unlink"), (path, "unlink")):
            setattr(owner, name, self._removing(getattr(owner, name)))

    def _listing(self, original: Callable[..., Any], give: Callable[[str, list[str]], Any] | None) -> Any:
        """Names of pictures, or what ``give`` makes of them, for a folder that a program asks for."""

        @functools.wraps(original)
        def listing(path: Any = ".") -> Any:
            try:
                return original(path)
            except FileNotFoundError:
                if not isinstance(path, (str, os.PathLike)) or asked_by_a_library():
                    raise
            names = self._pictures_in(path)
            return names if give is None else give(os.fspath(path), names)

        return listing

    def _walking(self, original: Callable[..., Any]) -> Any:
        """The same in silence: many programs print what is below ``/kaggle/input``, whatever they train on after that.

        Opening a picture tells of it.
        """

        @functools.wraps(original)
        def walk(top: Any, *args: Any, **kwargs: Any) -> Any:
            if not _is_absent(top) or asked_by_a_library():
                return original(top, *args, **kwargs)
            return iter([(top, [], self._pictures_in(top, silently=True))])

        return walk

    def _iterating(self, original: Callable[..., Any]) -> Any:
        @functools.wraps(original)
        def iterdir(path: Any) -> Any:
            if not _is_absent(path) or asked_by_a_library():
                return original(path)
            return iter([path / name for name in self._pictures_in(path)])

        return iterdir

    def _matching(self, original: Callable[..., Iterable[str]], *, lazy: bool) -> Callable[..., Iterable[str]]:
        """Names of files for a pattern below a folder that is not there."""

        @functools.wraps(original)
        def matching(pathname: Any, **kwargs: Any) -> Iterable[str]:
            found = iter(original(pathname, **kwargs))
            if not asked_by_a_library() and isinstance(pathname, str) and not kwargs.get("root_dir"):
                first = next(found, None)
                found = iter(self._names(pathname)) if first is None else itertools.chain((first,), found)
            return found if lazy else list(found)

        return matching

    def _matching_below(self, original: Callable[..., Iterator[Any]], *, deep: bool) -> Callable[..., Iterator[Any]]:
        """The same for the methods of a path."""

        @functools.wraps(original)
        def matching(path: Any, pattern: Any, **kwargs: Any) -> Iterator[Any]:
            found = list(original(path, pattern, **kwargs))
            if not found and isinstance(pattern, str) and not asked_by_a_library():
                found = [type(path)(name) for name in self._names(os.path.join(path, "**" if deep else "", pattern))]
            return iter(found)

        return matching

    def _question(self, original: Callable[..., Any], answer: Any) -> Callable[..., Any]:
        """A question about a path, which has this answer where the path was invented and nobody wrote it since."""

        @functools.wraps(original)
        def question(path: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_invented(path) and not asked_by_a_library():
                return answer
            return original(path, *args, **kwargs)

        return question

    def _removing(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def remove(path: Any, *args: Any, **kwargs: Any) -> None:
            if self._is_invented(path) and not asked_by_a_library():
                self._files.discard(os.path.abspath(path))
            else:
                original(path, *args, **kwargs)

        return remove

    def _is_invented(self, path: Any) -> bool:
        if not (self._files or self.believed) or not isinstance(path, (str, os.PathLike)):
            return False
        believed = self.believed and os.path.splitext(os.fspath(path))[1].lower() in _DATA
        return (believed or os.path.abspath(path) in self._files) and not lexists(path)

    def _pictures_in(self, folder: str | os.PathLike[str], *, silently: bool = False) -> list[str]:
        self._walked.append(os.fspath(folder))
        if not silently:
            self.admit()
        self._files.discard(os.path.abspath(folder))  # what is listed was a folder, as those of classes are
        names = [f"{number}.png" for number in range(NAMED)]
        self._files.update(os.path.abspath(os.path.join(folder, name)) for name in names)
        return names

    def _names(self, pattern: str) -> list[str]:
        """Of files that fit the pattern and can be made up; none where its folder is there or its ending another."""
        if not _WILD.search(pattern):  # a folder that is gone through as the only one that fits
            return [pattern] if not os.path.splitext(pattern)[1] and not exists(pattern) else []
        folder, name = os.path.split(pattern)
        parts = folder.split(os.sep)
        plain = next((at for at, part in enumerate(parts) if _WILD.search(part)), len(parts))
        stem, ending = os.path.splitext(name)
        ending = ".png" if not ending or _WILD.search(ending) else ending
        if ending.lower() not in _MADE_UP or not _WILD.search(stem) or os.path.isdir(os.sep.join(parts[:plain]) or "."):
            return []
        below = os.sep.join(_WILD.sub("a", part) for part in parts if part != "**")
        what = "pictures" if ending.lower() not in {".npy", ".npz", ".csv"} else "files"
        self._tell(pattern, f"{NAMED} {what}")
        self.folders.add(os.path.normpath(below))
        found = [
            os.path.join(below, _WILD.sub("", _WILD.sub(str(number), stem, count=1)) + ending)
            for number in range(NAMED)
        ]
        self._files.update(map(os.path.abspath, found))
        return found


def asked_by_a_library() -> bool:
    """Whether the code that calls what calls this is no program of a person's."""
    asking = sys._getframe(2).f_code.co_filename
    frozen = asking.startswith("<frozen ")  # as os and genericpath are from Python 3.11 on
    return frozen or asking.startswith(_LIBRARIES) or any(folder in asking for folder in LIBRARY_FOLDERS)


def _is_absent(folder: Any) -> bool:
    """Whether a folder is named, and nothing is there."""
    return isinstance(folder, (str, os.PathLike)) and bool(os.fspath(folder)) and not exists(folder)


_STATUS = os.stat_result((stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, _SIZE, 0, 0, 0))


class _Entry:
    """An invented file as ``os.scandir`` gives it."""

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self.path = os.path.join(folder, name)

    def __fspath__(self) -> str:
        return self.path

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return True

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return False

    def is_symlink(self) -> bool:
        return False

    def is_junction(self) -> bool:
        return False

    def inode(self) -> int:
        return 0

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return _STATUS


class _Entries:
    """What ``os.scandir`` gives."""

    def __init__(self, folder: str, names: Iterable[str]) -> None:
        self._entries = iter([_Entry(folder, name) for name in names])

    def __iter__(self) -> _Entries:
        return self

    def __next__(self) -> _Entry:
        return next(self._entries)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

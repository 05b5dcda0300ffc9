"""Archives and files of several arrays that are not there: zip and tar, HDF5 and MATLAB; and made-up text."""

from __future__ import annotations

import functools
import io
import itertools
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.host.imports import ImportWatch
from ae_audit.runtime.stand_ins.shape_clues import Clues, LineForm, is_label
from ae_audit.runtime.stand_ins.virtual_paths import asked_by_a_library

LINES = 600
"""of a made-up text"""
_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
_EMPTY_TAR = bytes(10240)
_WORDS = (
    *("the", "a", "some", "every", "one", "old", "young", "small", "great", "quiet", "good", "new", "first", "last"),
    *("house", "road", "river", "child", "man", "woman", "garden", "letter", "morning", "winter", "story", "answer"),
    *(
        "finds",
        "sees",
        "takes",
        "brings",
        "knows",
        "opens",
        "leaves",
        "reads",
        "keeps",
        "and",
        "but",
        "because",
        "then",
    ),
)
_IN_A_LINE = 9
_VECTORS = re.compile(r"glove|word2vec|fasttext|embedding|\.vec$", re.IGNORECASE)
_WIDTH = re.compile(r"(?<!\d)(\d{2,4})d?(?=\.(?:txt|vec)$)", re.IGNORECASE)
_USUAL_WIDTH = 100


class Files(Protocol):
    """What makes up data, and says so."""

    clues: Clues

    def values(self, name: str) -> NDArray[Any]: ...

    def say(self, path: str, what: str, *, guessed_rank: bool = True) -> None: ...


def text(path: str, form: LineForm | None = None, classes: int = 2) -> str:
    """Lines of common words, or a vector for each of them in a file that is named like one of vectors.

    Args:
        path: of the file.
        form: how the program takes a line apart.
        classes: how many labels there are, where a part of a line is one.
    """
    random = np.random.default_rng(0)
    if _VECTORS.search(path):
        found = _WIDTH.search(path)
        numbers = random.normal(size=(len(_WORDS), int(found[1]) if found else _USUAL_WIDTH)).round(4)
        return "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(_WORDS, numbers, strict=True))
    chosen = random.integers(0, len(_WORDS), (LINES, _IN_A_LINE))
    if form is not None:
        several = 1 if form.separator.isspace() and form.separator != "\t" else _IN_A_LINE
        lines = (" ".join(_WORDS[word] for word in line[:several]) for line in chosen)
        return "".join(_line(form, words, number % classes) for number, words in enumerate(lines))
    return "".join(" ".join(_WORDS[word] for word in line).capitalize() + ".\n" for line in chosen)


def folder_of_texts(classes: int) -> str:
    """A folder with a folder of short texts for each class."""
    folder = tempfile.mkdtemp(prefix="stand-in-")
    for number, line in enumerate(text("review").splitlines()):
        place = os.path.join(folder, f"class_{number % classes}")
        os.makedirs(place, exist_ok=True)
        with open(os.path.join(place, f"{number}.txt"), "w", encoding="utf-8") as file:
            file.write(line)
    return folder


def _line(form: LineForm, words: str, label: int) -> str:
    return form.separator.join(str(label) if is_label(name) else words for name in form.names) + "\n"


def install(files: Files, watch: ImportWatch) -> None:
    """Begin; before the program is run."""
    opened = zipfile.ZipFile.__init__

    @functools.wraps(opened)
    def open_zip(archive: Any, file: Any, mode: Any = "r", *args: Any, **kwargs: Any) -> None:
        try:
            opened(archive, file, mode, *args, **kwargs)
        except FileNotFoundError:
            if not isinstance(file, (str, os.PathLike)) or asked_by_a_library():
                raise
            _say_empty(files, file)
            opened(archive, io.BytesIO(_EMPTY_ZIP), "r")

    zipfile.ZipFile.__init__ = open_zip  # type: ignore[method-assign, assignment]
    for owner in (tarfile, tarfile.TarFile):
        setattr(owner, "open", _tar(getattr(owner, "open"), files))  # noqa: B009, B010
    shutil.unpack_archive = _unpacking(shutil.unpack_archive, files)
    watch.when_imported("h5py", functools.partial(_hdf5, files=files))
    for name in ("scipy.io", "scipy.io.matlab"):
        watch.when_imported(name, functools.partial(_matlab, files=files))


def _say_empty(files: Files, path: Any) -> None:
    files.say(os.fspath(path), "an archive with nothing in it", guessed_rank=False)


def _tar(original: Callable[..., Any], files: Files) -> Callable[..., Any]:
    @functools.wraps(original)
    def open_(name: Any = None, mode: str = "r", fileobj: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(name, mode, fileobj, *args, **kwargs)
        except FileNotFoundError:
            if not isinstance(name, (str, os.PathLike)) or asked_by_a_library():
                raise
            _say_empty(files, name)
            return original(None, "r:", io.BytesIO(_EMPTY_TAR))

    return open_


def _unpacking(original: Callable[..., None], files: Files) -> Callable[..., None]:
    @functools.wraps(original)
    def unpack_archive(filename: Any, *args: Any, **kwargs: Any) -> None:
        if os.path.exists(filename) or asked_by_a_library():
            original(filename, *args, **kwargs)
        else:
            _say_empty(files, filename)

    return unpack_archive


def _hdf5(module: ModuleType, files: Files) -> None:
    """A file in memory, with an array for each name that the program looks for."""
    original = module.File.__init__

    @functools.wraps(original)
    def open_(file: Any, name: Any, mode: str = "r", *args: Any, **kwargs: Any) -> None:
        try:
            original(file, name, mode, *args, **kwargs)
        except FileNotFoundError:
            names = files.clues.names
            if not isinstance(name, (str, os.PathLike)) or asked_by_a_library() or not names or not files.clues.sample:
                raise
            files.say(os.fspath(name), f"the arrays {', '.join(names)}")
            original(file, next(_IN_MEMORY), "w", driver="core", backing_store=False)
            for each in names:
                file.create_dataset(each, data=files.values(each))

    module.File.__init__ = open_


_IN_MEMORY = (f"stand-in-{number}" for number in itertools.count())


def _matlab(module: ModuleType, files: Files) -> None:
    original = module.loadmat

    @functools.wraps(original)
    def loadmat(file_name: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(file_name, *args, **kwargs)
        except FileNotFoundError:
            if not isinstance(file_name, (str, os.PathLike)) or asked_by_a_library() or not files.clues.sample:
                raise
            return _Arrays(files, os.fspath(file_name))

    module.loadmat = loadmat  # type: ignore[attr-defined]


class _Arrays(dict[str, NDArray[Any]]):
    """An array for whatever name is asked for."""

    def __init__(self, files: Files, path: str) -> None:
        super().__init__()
        self._files = files
        self._path = path

    def __missing__(self, name: str) -> NDArray[Any]:
        self._files.say(self._path, "arrays")
        self[name] = self._files.values(name)
        return self[name]

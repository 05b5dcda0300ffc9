"""``flow_from_dataframe``: pictures that a table names and that are not there, in the columns that the program says."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.stand_ins.shape_clues import Clues
from ae_audit.runtime.stand_ins.virtual_paths import PICTURES

_LOOKED_AT = 20
"""rows of a table whose pictures are looked for"""
_OF_CLASSES = frozenset({"categorical", "binary", "sparse"})


class Files(Protocol):
    """What makes up data, and says so."""

    clues: Clues

    def labels(self, count: int) -> NDArray[Any]: ...

    def pictures(self) -> str | None: ...

    def say(self, path: str, what: str, *, guessed_rank: bool = True) -> None: ...


def install(module: ModuleType, files: Files) -> None:
    """Have the class of Keras find pictures."""
    cls = getattr(module, "DataFrameIterator", None)
    if cls is None:
        return
    original = cls.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def init(iterator: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(iterator, *args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        if not _has_pictures(given):
            folder = files.pictures()
            if folder is not None:
                _fill(given, folder, files)
        original(*bound.args, **bound.kwargs)

    cls.__init__ = init


def _has_pictures(given: dict[str, Any]) -> bool:
    frame, column = given["dataframe"], given["x_col"]
    if column not in frame:
        return False
    paths = (os.path.join(given["directory"] or "", str(name)) for name in frame[column].head(_LOOKED_AT))
    return any(map(os.path.exists, paths))


def _fill(given: dict[str, Any], folder: str, files: Files) -> None:
    """Put the made-up pictures in the place of those that the table names, and labels where it has none."""
    frame = given["dataframe"].copy()
    pictures = [os.path.join(root, name) for root, _, names in os.walk(folder) for name in sorted(names)]
    frame[given["x_col"]] = list(itertools.islice(itertools.cycle(pictures), len(frame)))
    mode = given["class_mode"]
    wanted = given["y_col"] if isinstance(given["y_col"], list) else [given["y_col"]]
    if mode in _OF_CLASSES:
        for column in wanted:
            kind = frame[column].map(type).isin([str, list, tuple]).all() if column in frame else False
            if not kind:
                numbers = frame[column] if column in frame else files.labels(len(frame))
                frame[column] = [str(number) for number in numbers]
            if mode == "binary" and frame[column].nunique() != 2:
                frame[column] = [str(number % 2) for number in range(len(frame))]
    elif mode in {"raw", "multi_output"}:
        for column in wanted:
            if column not in frame:
                frame[column] = np.random.default_rng(0).random(len(frame))
    shown = given["directory"] or f"the files of {given['x_col']}"
    files.say(str(shown), f"{PICTURES} pictures in {files.clues.classes} classes", guessed_rank=False)
    given.update(dataframe=frame, directory=folder)

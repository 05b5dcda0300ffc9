"""TensorFlow's own reading of files that are not there: ``tf.io.read_file`` and ``Dataset.list_files``.

Its file system is not Python's, so it hears nothing of invented paths; a path may also be known only in a graph.
"""

from __future__ import annotations

import functools
import io
import os
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from ae_audit.runtime.host.imports import ImportWatch


class Files(Protocol):
    """What makes up pictures and names of files."""

    @property
    def invented(self) -> bool: ...

    def names(self, pattern: str) -> list[str]: ...

    def picture(self, path: str) -> Any: ...


def install(files: Files, watch: ImportWatch) -> None:
    """Begin; before the program is run."""
    watch.when_imported("tensorflow", functools.partial(_patch, files=files))


def _patch(module: ModuleType, files: Files) -> None:
    tf: Any = module
    read_file, list_files = tf.io.read_file, tf.data.Dataset.list_files

    @functools.wraps(read_file)
    def read(filename: Any, name: Any = None) -> Any:
        if not files.invented:
            return read_file(filename, name=name)
        contents = tf.numpy_function(functools.partial(_contents, files), [filename], tf.string)
        return tf.ensure_shape(contents, ())

    @functools.wraps(list_files)
    def listed(file_pattern: Any, shuffle: Any = None, seed: Any = None, name: Any = None) -> Any:
        patterns = _patterns(file_pattern)
        if not patterns or any(tf.io.gfile.glob(pattern) for pattern in patterns):
            return list_files(file_pattern, shuffle=shuffle, seed=seed, name=name)
        names = [found for pattern in patterns for found in files.names(pattern)]
        if not names:
            return list_files(file_pattern, shuffle=shuffle, seed=seed, name=name)
        return tf.data.Dataset.from_tensor_slices(names)

    tf.io.read_file = read
    tf.data.Dataset.list_files = staticmethod(listed)


def _patterns(given: Any) -> list[str]:
    """Patterns as texts; none where they are not known yet."""
    if isinstance(given, (str, os.PathLike)):
        return [os.fspath(given)]
    if isinstance(given, np.ndarray):
        given = given.ravel().tolist()
    if isinstance(given, (list, tuple)) and all(isinstance(one, (str, os.PathLike)) for one in given):
        return [os.fspath(one) for one in given]
    return []


def _contents(files: Files, filename: Any) -> bytes:
    """The bytes of a file, or of a picture in the format that its name promises."""
    path = filename.decode() if isinstance(filename, bytes) else str(filename)
    if os.path.lexists(path):
        with open(path, "rb") as file:
            return file.read()
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(files.picture(path)).save(held, "jpeg" if path.lower().endswith((".jpg", ".jpeg")) else "png")
    return held.getvalue()

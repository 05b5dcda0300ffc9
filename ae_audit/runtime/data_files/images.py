"""A folder of images as a stream of samples in the shape that a model takes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ae_audit.runtime.data_files.samples import Array, DataFile, DataProblem, rows_a_block

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_CHANNELS = {"1": 1, "L": 1, "LA": 1, "I": 1, "F": 1, "I;16": 1, "RGBA": 4}


def pictures(path: str, name: str, expected: tuple[int | None, ...] | None, *, channels_first: bool) -> DataFile:
    """All pictures under ``path``, in the order of their names, as bytes.

    Args:
        path: the folder.
        name: as the user gave it.
        expected: shape of the model's input, batch axis first; the first picture's size and colours where unknown.
        channels_first: whether the channel axis comes before height and width.

    Raises:
        DataProblem: if there are none, or Pillow is not installed.
    """
    try:
        image: Any = importlib.import_module("PIL.Image")
    except ImportError:
        raise DataProblem(
            f"{name}: reading images requires Pillow, which is not installed: pip install pillow."
        ) from None
    files = sorted(place for place in Path(path).rglob("*") if place.suffix.lower() in SUFFIXES and place.is_file())
    if not files:
        raise DataProblem(f"{name} holds no images ({', '.join(sorted(SUFFIXES))}).")
    width, height, channels = _first(image, files[0], name)
    found = (width, height)
    inner = None if expected is None else expected[1:]
    flat = inner is not None and len(inner) == 1
    if inner is not None and len(inner) == 3:
        wanted = (*inner[1:], inner[0]) if channels_first else inner
        height, width, channels = (given or own for given, own in zip(wanted, (height, width, channels), strict=True))
    elif inner is not None and len(inner) == 2:
        height, width, channels = inner[0] or height, inner[1] or width, 1
    elif flat and inner is not None and inner[0] == width * height:
        channels = 1
    if channels not in _MODES:
        raise DataProblem(f"{name}: the model expects {channels} channels, and images have 1, 3 or 4.")
    shape: tuple[int, ...] = (channels, height, width) if channels_first else (height, width, channels)
    if inner is not None and len(inner) == 2:
        shape = (height, width)
    if flat:
        shape = (height * width * channels,)

    def blocks() -> Iterator[Array]:
        step = rows_a_block(height * width * channels)
        for start in range(0, len(files), step):
            yield np.stack([_read(image, file, (width, height), channels) for file in files[start : start + step]])

    def _read(image: Any, file: Path, size: tuple[int, int], channels: int) -> Array:
        try:
            with image.open(file) as opened:
                converted = opened.convert(_MODES[channels])
                resized = converted if converted.size == size else converted.resize(size)
                values = np.asarray(resized, dtype=np.uint8).reshape(size[1], size[0], channels)
        except Exception as error:  # of Pillow's many kinds
            shown = os.path.join(name, os.path.relpath(file, path))
            raise DataProblem(f"{shown} is not an image, or is damaged ({type(error).__name__}).") from None
        return (np.moveaxis(values, -1, 0) if channels_first and not flat else values).reshape(shape)

    note = None
    if found != (width, height):
        note = f"the images in {name} were resized to {width} × {height}, which the model takes"
    return DataFile(name, len(files), shape, blocks, note)


def _first(image: Any, file: Path, name: str) -> tuple[int, int, int]:
    try:
        with image.open(file) as opened:
            return opened.width, opened.height, _CHANNELS.get(opened.mode, 3)
    except Exception as error:
        shown = os.path.join(name, file.name)
        raise DataProblem(f"{shown} is not an image, or is damaged ({type(error).__name__}).") from None

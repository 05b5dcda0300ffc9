"""Which picture an array makes: an image, a mask, a signal or the row of a table; and how it is reduced to one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import FloatArray
from ae_audit.schema.sights import Kind
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup

GREY_SIDE, COLOUR_SIDE, MASK_SIDE = 28, 24, 32
"""pixels along a side; larger pictures are reduced to it"""
SIGNAL_LENGTH, TABLE_LENGTH = 64, 48
LEAST_SIDE = 6
"""of an image: anything smaller is a table"""
NEIGHBOURS = 0.35
"""correlation of vertical neighbours from which a flat vector is taken for an image of that width"""
SMOOTH = 0.6
"""correlation of neighbours from which a vector is a signal rather than the row of a table"""
MOST_CLASSES = 255


@dataclass(frozen=True)
class Layout:
    """How an array of samples is shown; ``shape`` is theirs as (height, width, channels) once ``order`` is applied."""

    kind: Kind
    height: int
    width: int
    channels: int
    shape: tuple[int, int, int]
    order: tuple[int, ...] | None = None
    """of the axes of a sample, batch included, so that channels come last"""
    inside: tuple[int, ...] | None = None
    """shape that a flat sample is given first"""
    first_of: int | None = None
    """what is taken of the first axis after the batch, where that is not shown: the frames of a video"""
    note: str = ""

    def laid_out(self, values: FloatArray) -> FloatArray:
        """(samples, height, width, channels) in full size."""
        if self.inside is not None:
            values = values.reshape(len(values), *self.inside)
        if self.first_of is not None:
            values = values[:, self.first_of]
        if self.order is not None:
            values = values.transpose(self.order)
        return values.reshape(len(values), *self.shape)

    def reduced(self, values: FloatArray) -> FloatArray:
        """(samples, height, width, channels); of a mask the scores or one-hot classes are kept whole."""
        values = self.laid_out(values)
        if self.kind is Kind.MASK:
            return _picked(values, self.height, self.width)
        if self.kind is Kind.TABLE:
            return values[:, :1, : self.width, :1]
        return _averaged(values[..., : self.channels], self.height, self.width)

    def difference(self, predictions: FloatArray, targets: FloatArray) -> FloatArray:
        """How far the ones are from the others, from 0 to 1; of a mask whether the class is another."""
        if self.kind is Kind.MASK:
            wrong = predictions.argmax(axis=-1) != targets.argmax(axis=-1)
            return np.asarray(wrong[..., None], dtype=np.float32)
        with np.errstate(all="ignore"):
            return np.asarray(np.abs(predictions - targets).mean(axis=-1, keepdims=True))

    def bytes_of(self, values: FloatArray, *, grey: bool = False) -> NDArray[np.uint8]:
        """One byte a value; of a mask the class, else 0 to 255 for 0 to 1, and what lies beyond at the ends."""
        if self.kind is Kind.MASK and not grey:
            return np.asarray(np.minimum(values.argmax(axis=-1), MOST_CLASSES), dtype=np.uint8)
        known = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0)
        return np.asarray(np.clip(known, 0.0, 1.0) * 255.0 + 0.5, dtype=np.uint8)


def layout_of(targets: FloatArray, setup: TrainingSetup, class_axis: int | None) -> Layout | None:
    """How samples like ``targets`` (batch axis first) are best shown; None where no picture would tell anything."""
    extents = targets.shape[1:]
    if class_axis is None and setup.target.structure in {Structure.ONE_HOT, Structure.DISTRIBUTION}:
        class_axis = setup.target.structure_axis
    if class_axis is not None and targets.ndim > 1:
        return _of_classes(targets, class_axis % targets.ndim)
    if len(extents) == 1:
        return _of_vector(targets)
    if len(extents) == 2:
        return _of_plane(targets, setup)
    if len(extents) == 3:
        return _of_volume(extents, setup)
    if len(extents) == 4:
        frame = _of_volume(extents[1:], setup)
        if frame is not None:
            note = "; ".join(part for part in (f"the first of {extents[0]} frames", frame.note) if part)
            return replace(frame, first_of=0, note=note)
    return None


def _of_classes(targets: FloatArray, axis: int) -> Layout | None:
    number = targets.shape[axis]
    spatial = [extent for index, extent in enumerate(targets.shape) if index not in {0, axis}]
    order = (0, *(index for index in range(1, targets.ndim) if index != axis), axis)
    if not spatial and 1 < number <= TABLE_LENGTH:
        return Layout(Kind.TABLE, 1, number, 1, (1, number, 1))
    if len(spatial) == 2 and min(spatial) >= LEAST_SIDE and number > 1:
        height, width = _fitted(spatial[0], spatial[1], MASK_SIDE)
        return Layout(Kind.MASK, height, width, 1, (spatial[0], spatial[1], number), order)
    return None


def _of_vector(targets: FloatArray) -> Layout | None:
    length = targets.shape[1]
    side = math.isqrt(length)
    if side * side == length and side >= LEAST_SIDE and _has_rows(targets, side):
        height, width = _fitted(side, side, GREY_SIDE)
        return Layout(Kind.IMAGE, height, width, 1, (side, side, 1))
    side = math.isqrt(length // 3)
    if 3 * side * side == length and side >= LEAST_SIDE:
        height, width = _fitted(side, side, COLOUR_SIDE)
        if _has_rows(targets[:, : side * side], side):
            return Layout(Kind.IMAGE, height, width, 3, (side, side, 3), (0, 2, 3, 1), (3, side, side))
        if _has_rows(targets[:, ::3], side):
            return Layout(Kind.IMAGE, height, width, 3, (side, side, 3))
    return _of_series(targets, "")


def _of_series(series: FloatArray, note: str) -> Layout | None:
    """A signal where neighbours are alike, else the row of a table."""
    length = series.shape[1]
    if length < 2:
        return None
    if length >= 8 and _correlation(series[:, :-1], series[:, 1:]) >= SMOOTH:
        return Layout(Kind.SIGNAL, 1, min(length, SIGNAL_LENGTH), 1, (1, length, 1), note=note)
    if length > TABLE_LENGTH:
        note = "; ".join(part for part in (f"the first {TABLE_LENGTH} of {length} values", note) if part)
    return Layout(Kind.TABLE, 1, min(length, TABLE_LENGTH), 1, (1, length, 1), note=note)


def _of_plane(targets: FloatArray, setup: TrainingSetup) -> Layout | None:
    height, width = targets.shape[1:]
    if min(height, width) >= LEAST_SIDE and _has_rows(targets.reshape(len(targets), -1), width):
        shown = _fitted(height, width, GREY_SIDE)
        return Layout(Kind.IMAGE, *shown, 1, (height, width, 1))
    channels_first = setup.framework is Framework.TORCH if min(height, width) > 1 else height == 1
    channels, length = (height, width) if channels_first else (width, height)
    note = f"the first of {channels} channels" if channels > 1 else ""
    shown_of = _of_series(targets[:, 0] if channels_first else targets[:, :, 0], note)
    if shown_of is None:
        return None
    return replace(shown_of, first_of=0) if channels_first else replace(shown_of, shape=(1, length, channels))


def _of_volume(extents: tuple[int, ...], setup: TrainingSetup) -> Layout | None:
    few = (1, 3, 4)
    first, last = extents[0], extents[-1]
    if first in few and last in few:
        channels_first = setup.framework is Framework.TORCH
    elif first in few or last in few:
        channels_first = first in few
    else:
        channels_first = setup.framework is Framework.TORCH
    number = first if channels_first else last
    height, width = extents[1:] if channels_first else extents[:2]
    if min(height, width) < 2 or max(height, width) < LEAST_SIDE:
        return None
    shown = 3 if number in {3, 4} else 1
    note = f"the first of {number} channels" if number not in few else ""
    sides = _fitted(height, width, COLOUR_SIDE if shown == 3 else GREY_SIDE)
    order = (0, 2, 3, 1) if channels_first else None
    return Layout(Kind.IMAGE, *sides, shown, (height, width, number), order, note=note)


def _fitted(height: int, width: int, most: int) -> tuple[int, int]:
    """Height and width of the reduced picture, in the same proportion."""
    scale = min(1.0, most / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _has_rows(flat: FloatArray, width: int) -> bool:
    """Whether values a row apart are as alike as neighbours of an image are, and more so than at half that distance."""
    below = _correlation(flat[:, :-width], flat[:, width:])
    half = max(width // 2, 1)
    return below >= NEIGHBOURS and below > _correlation(flat[:, :-half], flat[:, half:]) + 0.1


def _correlation(a: FloatArray, b: FloatArray) -> float:
    a, b = np.asarray(a, np.float64) - a.mean(), np.asarray(b, np.float64) - b.mean()
    scale = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _edges(extent: int, number: int) -> NDArray[np.int64]:
    return np.asarray(np.linspace(0, extent, number + 1).round()[:-1], dtype=np.int64)


def _averaged(values: FloatArray, height: int, width: int) -> FloatArray:
    """Means over blocks: (samples, height, width, channels)."""
    for axis, number in ((1, height), (2, width)):
        extent = values.shape[axis]
        if extent != number:
            edges = _edges(extent, number)
            sizes = np.diff([*edges, extent])
            shape = [1] * values.ndim
            shape[axis] = number
            values = np.add.reduceat(values, edges, axis=axis) / sizes.reshape(shape)
    return values


def _picked(values: FloatArray, height: int, width: int) -> FloatArray:
    """Single values, spread evenly: classes have no mean."""
    rows, columns = _edges(values.shape[1], height), _edges(values.shape[2], width)
    return np.asarray(values[:, rows][:, :, columns])

"""What OpenCV and scikit-image do with pixels, in NumPy and Pillow, where they are not installed.

Only what has one definition: the values keep the range that the real function gives them, which is all that an audit
judges. Edges and the last digit of an interpolation may differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

GREY_709 = (0.2125, 0.7154, 0.0721)
"""weights of red, green and blue in the luminance of scikit-image"""
GREY_601 = (0.299, 0.587, 0.114)
"""the same of OpenCV and Pillow"""
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.95047, 1.0, 1.08883])
"""D65, seen by the observer of 1931"""
_LAB_KNEE, _LAB_SLOPE, _LAB_START = 0.008856, 7.787, 16.0 / 116.0


def unit(image: Array) -> Array:
    """Floats between 0 and 1 for integers, which fill the range of their type; floats as they are."""
    image = np.asarray(image)
    if image.dtype == bool:
        return image.astype(np.float64)
    if image.dtype.kind in "ui":
        return image / float(np.iinfo(image.dtype).max)
    return image


def like(values: Array, original: Array) -> Array:
    """Values in the type of ``original``, rounded and cut off at the ends of an integer type."""
    kind = np.asarray(original).dtype
    if kind.kind not in "ui":
        return values.astype(kind)
    ends = np.iinfo(kind)
    return np.clip(np.rint(values), ends.min, ends.max).astype(kind)


def resized(image: Array, height: int, width: int, *, how: str = "linear") -> Array:
    """(height, width) or (height, width, channels), float64, no value outside the range of the image.

    Args:
        how: ``linear`` between the two nearest, ``nearest``, or the ``mean`` of all that a new pixel covers.
    """
    made = np.asarray(image, dtype=np.float64)
    for axis, size in ((0, height), (1, width)):
        made = _resampled(made, size, axis, how)
    return made


def _resampled(values: Array, size: int, axis: int, how: str) -> Array:
    have = values.shape[axis]
    starts = np.arange(size) * (have / size)
    if how == "nearest":
        return np.asarray(np.take(values, np.minimum(starts.astype(int), have - 1), axis))
    if how == "mean" and size < have:
        sums = np.insert(np.cumsum(values, axis), 0, 0.0, axis)
        covered = _between(sums, np.append(starts, have), axis)
        return np.asarray(np.diff(covered, axis=axis) * (size / have))
    return _between(values, np.clip(starts + 0.5 * have / size - 0.5, 0, have - 1), axis)


def _between(values: Array, places: Array, axis: int) -> Array:
    """Values at places between indices, on the straight line from one to the next."""
    low = np.minimum(places.astype(int), max(values.shape[axis] - 2, 0))
    high = np.minimum(low + 1, values.shape[axis] - 1)
    share = (places - low).reshape([-1 if each == axis else 1 for each in range(values.ndim)])
    return np.asarray(np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share)


def blurred(image: Array, sigma: tuple[float, float], reach: tuple[int, int] | None = None) -> Array:
    """A Gaussian over the first two axes, float64.

    Args:
        image: (height, width) or (height, width, channels).
        sigma: along rows and columns, in pixels.
        reach: to how many neighbours on each side; None: to four times sigma.
    """
    made = np.asarray(image, dtype=np.float64)
    for axis, width in enumerate(sigma):
        if width > 0:
            far = max(1, int(4 * width + 0.5)) if reach is None else reach[axis]
            weights = np.exp(-0.5 * (np.arange(-far, far + 1) / width) ** 2)
            made = along(made, weights / weights.sum(), axis)
    return made


def along(values: Array, weights: Array, axis: int) -> Array:
    """The weighted sum over neighbours along an axis; beyond an edge its last value goes on."""
    reach = len(weights) // 2
    ends = [(reach, len(weights) - 1 - reach) if each == axis else (0, 0) for each in range(values.ndim)]
    padded = np.pad(values, ends, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
    return np.asarray(windows @ weights)


def grey(image: Array, weights: tuple[float, float, float]) -> Array:
    """(..., 3) red, green and blue to (...)."""
    return np.asarray(np.asarray(image)[..., :3] @ np.array(weights))


def rgb_to_lab(rgb: Array) -> Array:
    """Red, green and blue in [0, 1] to L* in [0, 100] and a*, b* in about [-128, 127]."""
    rgb = np.asarray(rgb, dtype=np.float64)[..., :3]
    linear = np.where(rgb > 0.04045, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > _LAB_KNEE, np.cbrt(xyz), _LAB_SLOPE * xyz + _LAB_START)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def lab_to_rgb(lab: Array) -> Array:
    """The way back, cut off at 0 and 1."""
    lab = np.asarray(lab, dtype=np.float64)
    y = (lab[..., 0] + 16) / 116
    f = np.stack([lab[..., 1] / 500 + y, y, np.maximum(y - lab[..., 2] / 200, 0)], axis=-1)
    xyz = np.where(f > np.cbrt(_LAB_KNEE), f**3, (f - _LAB_START) / _LAB_SLOPE) * _WHITE
    linear = xyz @ np.linalg.inv(_TO_XYZ).T
    rgb = np.where(linear > 0.0031308, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.asarray(np.clip(rgb, 0, 1))


def rgb_to_hsv(rgb: Array) -> Array:
    """Red, green and blue in [0, 1] to hue, saturation and value in [0, 1]."""
    rgb = np.asarray(rgb, dtype=np.float64)[..., :3]
    most = rgb.max(axis=-1)
    spread = most - rgb.min(axis=-1)
    safe = np.where(spread > 0, spread, 1)
    red, green, blue = (rgb[..., channel] for channel in range(3))
    sector = np.select(
        [spread == 0, most == red, most == green],
        [0, (green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    return np.asarray(
        np.stack([sector / 6, np.where(most > 0, spread / np.where(most > 0, most, 1), 0), most], axis=-1)
    )


def hsv_to_rgb(hsv: Array) -> Array:
    """The way back."""
    hue, saturation, value = (np.asarray(hsv, dtype=np.float64)[..., channel] for channel in range(3))
    offsets = np.stack([(5 + hue * 6) % 6, (3 + hue * 6) % 6, (1 + hue * 6) % 6], axis=-1)
    share = np.clip(np.minimum(offsets, 4 - offsets), 0, 1)
    return np.asarray(value[..., None] * (1 - saturation[..., None] * share))

"""What programs mostly take from OpenCV and scikit-image to get their data ready, where these are not installed.

Reading, resizing, colours, turning, blurring, noise: what has one definition. Everything else of these packages does
nothing, as other absent packages do, and refuses where the program computes with what it gives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ae_audit.runtime.host.accommodations import picture_arithmetic as pixels
from ae_audit.runtime.host.accommodations.inert import refuse
from ae_audit.runtime.host.accommodations.picture_arithmetic import Array

# OpenCV


def _cv_imread(filename: Any, flags: int = 1) -> Array | None:
    made = _opened(filename)
    if made is None or flags < 0:
        return made if made is None or made.ndim == 2 else np.ascontiguousarray(made[..., ::-1])
    if flags == 0:
        return made if made.ndim == 2 else pixels.like(pixels.grey(made, pixels.GREY_601), made)
    three = np.stack([made] * 3, axis=-1) if made.ndim == 2 else made[..., :3]
    return np.ascontiguousarray(three[..., ::-1])


def _opened(filename: Any) -> Array | None:
    """The pixels of a file, grey or red, green and blue; None where it is no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(os.fspath(filename)) as image:
            return np.array(image if image.mode in {"L", "RGB"} else image.convert("RGB"))
    except (OSError, UnidentifiedImageError):
        return None


def _cv_resize(
    src: Array, dsize: Any = None, dst: Any = None, fx: float = 0, fy: float = 0, interpolation: int = 1
) -> Array:
    width, height = (round(src.shape[1] * fx), round(src.shape[0] * fy)) if not dsize else map(int, dsize)
    image = src[..., 0] if src.ndim == 3 and src.shape[-1] == 1 else src  # as OpenCV, which drops a lone channel
    how = {0: "nearest", 3: "mean"}.get(interpolation, "linear")
    return pixels.like(pixels.resized(image, height, width, how=how), src)


_HUE_STEPS = 180.0
"""of OpenCV's hue in bytes"""


def _lab_bytes(lab: Array) -> Array:
    return np.stack([lab[..., 0] * 255 / 100, lab[..., 1] + 128, lab[..., 2] + 128], axis=-1)


def _lab_of_bytes(lab: Array) -> Array:
    return np.stack([lab[..., 0] * 100.0 / 255, lab[..., 1] - 128.0, lab[..., 2] - 128.0], axis=-1)


def _cv_to_lab(rgb: Array) -> Array:
    lab = pixels.rgb_to_lab(pixels.unit(rgb))
    return _lab_bytes(lab) if rgb.dtype == np.uint8 else lab


def _cv_from_lab(lab: Array) -> Array:
    made = pixels.lab_to_rgb(_lab_of_bytes(lab) if lab.dtype == np.uint8 else lab)
    return made * 255 if lab.dtype == np.uint8 else made


def _cv_to_hsv(rgb: Array) -> Array:
    scale = [_HUE_STEPS, 255, 255] if rgb.dtype == np.uint8 else [360, 1, 1]
    return pixels.rgb_to_hsv(pixels.unit(rgb)) * scale


def _cv_from_hsv(hsv: Array) -> Array:
    scale = [_HUE_STEPS, 255, 255] if hsv.dtype == np.uint8 else [360, 1, 1]
    return pixels.hsv_to_rgb(hsv / scale) * (255 if hsv.dtype == np.uint8 else 1)


def _to_ycrcb(rgb: Array) -> Array:
    middle = 128.0 if rgb.dtype == np.uint8 else 0.5
    luma = pixels.grey(rgb, pixels.GREY_601)
    return np.stack([luma, (rgb[..., 0] - luma) * 0.713 + middle, (rgb[..., 2] - luma) * 0.564 + middle], axis=-1)


def _with_alpha(image: Array) -> Array:
    most = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else 1
    return np.concatenate([image[..., :3], np.full_like(image[..., :1], most)], axis=-1)


def _swapped(image: Array) -> Array:
    return image[..., [2, 1, 0]]


def _grey(image: Array) -> Array:
    return pixels.grey(image, pixels.GREY_601)


def _three(image: Array) -> Array:
    return np.stack([image.reshape(image.shape[:2])] * 3, axis=-1)


_COLOURS: dict[int, Callable[[Array], Array]] = {
    0: _with_alpha,
    1: lambda image: image[..., :3],
    2: lambda image: _with_alpha(_swapped(image)),
    3: _swapped,
    4: _swapped,
    6: lambda image: _grey(_swapped(image)),
    7: _grey,
    8: _three,
    36: lambda image: _to_ycrcb(_swapped(image)),
    37: _to_ycrcb,
    40: lambda image: _cv_to_hsv(_swapped(image)),
    41: _cv_to_hsv,
    44: lambda image: _cv_to_lab(_swapped(image)),
    45: _cv_to_lab,
    54: lambda image: _swapped(_cv_from_hsv(image)),
    55: _cv_from_hsv,
    56: lambda image: _swapped(_cv_from_lab(image)),
    57: _cv_from_lab,
}
"""by OpenCV's number of the conversion"""


def _cv_colour(src: Array, code: int, *_: Any, **__: Any) -> Array:
    if code not in _COLOURS:
        refuse("cv2.cvtColor()")
    return pixels.like(np.ascontiguousarray(_COLOURS[code](src)), src)


def _cv_gaussian(
    src: Array, ksize: Sequence[int], sigmaX: float = 0, dst: Any = None, sigmaY: float = 0, *_: Any, **__: Any
) -> Array:
    sigmas = ((sigmaX, ksize[0]), (sigmaY or sigmaX, ksize[1]))
    across, down = (sigma or 0.3 * ((size - 1) * 0.5 - 1) + 0.8 for sigma, size in sigmas)
    reach = (ksize[1] // 2, ksize[0] // 2) if ksize[0] and ksize[1] else None
    return pixels.like(pixels.blurred(src, (down, across), reach), src)


def _cv_mean(src: Array, ksize: Sequence[int], *_: Any, **__: Any) -> Array:
    made = np.asarray(src, dtype=np.float64)
    for axis, size in ((0, ksize[1]), (1, ksize[0])):
        made = pixels.along(made, np.full(size, 1 / size), axis)
    return pixels.like(made, src)


def _cv_flip(src: Array, flipCode: int) -> Array:
    return np.flip(src, (0, 1) if flipCode < 0 else 1 if flipCode else 0).copy()


def _cv_rotate(src: Array, rotateCode: int) -> Array:
    return np.rot90(src, -(rotateCode + 1)).copy()


def _cv_threshold(src: Array, thresh: float, maxval: float, type: int) -> tuple[float, Array]:
    kinds: dict[int, tuple[Any, Any]] = {0: (maxval, 0), 1: (0, maxval), 2: (thresh, src), 3: (src, 0), 4: (0, src)}
    if type not in kinds:  # a threshold that it would choose itself
        refuse("cv2.threshold()")
    above, below = kinds[type]
    return thresh, np.where(src > thresh, above, below).astype(src.dtype)


def _cv_normalize(
    src: Array, dst: Any = None, alpha: float = 1, beta: float = 0, norm_type: int = 4, dtype: int = -1, **_: Any
) -> Array:
    values = np.asarray(src, dtype=np.float64)
    if norm_type == 32:
        low, high = min(alpha, beta), max(alpha, beta)
        spread = values.max() - values.min()
        made = low + (values - values.min()) * ((high - low) / spread if spread else 0)
    else:
        norms = {1: np.abs(values).max(initial=0), 2: np.abs(values).sum(), 4: np.sqrt((values**2).sum())}
        if norm_type not in norms:
            refuse("cv2.normalize()")
        made = values * (alpha / norms[norm_type] if norms[norm_type] else 0)
    kinds: dict[int, Any] = {0: np.uint8, 5: np.float32, 6: np.float64}
    return pixels.like(made, np.empty(0, kinds.get(dtype, np.asarray(src).dtype)))


def _saturating(combine: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def of_two(src1: Array, src2: Array, *_: Any, **__: Any) -> Array:
        return pixels.like(combine(np.asarray(src1, np.float64), np.asarray(src2, np.float64)), src1)

    return of_two


def _cv_weighted(src1: Array, alpha: float, src2: Array, beta: float, gamma: float, *_: Any, **__: Any) -> Array:
    return pixels.like(src1 * float(alpha) + src2 * float(beta) + gamma, src1)


_OPENCV: dict[str, Any] = {
    "imread": _cv_imread,
    "imwrite": lambda *_, **__: True,
    "waitKey": lambda *_: -1,
    "resize": _cv_resize,
    "cvtColor": _cv_colour,
    "GaussianBlur": _cv_gaussian,
    "blur": _cv_mean,
    "flip": _cv_flip,
    "rotate": _cv_rotate,
    "transpose": lambda src: np.swapaxes(src, 0, 1).copy(),
    "threshold": _cv_threshold,
    "normalize": _cv_normalize,
    "split": lambda m: tuple(np.ascontiguousarray(m[..., channel]) for channel in range(m.shape[-1])),
    "merge": lambda mv: np.stack(list(mv), axis=-1),
    "add": _saturating(np.add),
    "subtract": _saturating(np.subtract),
    "absdiff": _saturating(lambda one, other: np.abs(one - other)),
    "addWeighted": _cv_weighted,
    "bitwise_not": lambda src, *_, **__: np.invert(src),
    **{"IMREAD_UNCHANGED": -1, "IMREAD_GRAYSCALE": 0, "IMREAD_COLOR": 1, "IMREAD_ANYDEPTH": 2, "IMREAD_ANYCOLOR": 4},
    **{"INTER_NEAREST": 0, "INTER_LINEAR": 1, "INTER_CUBIC": 2, "INTER_AREA": 3, "INTER_LANCZOS4": 4},
    **{"ROTATE_90_CLOCKWISE": 0, "ROTATE_180": 1, "ROTATE_90_COUNTERCLOCKWISE": 2},
    **{
        "THRESH_BINARY": 0,
        "THRESH_BINARY_INV": 1,
        "THRESH_TRUNC": 2,
        "THRESH_TOZERO": 3,
        "THRESH_TOZERO_INV": 4,
        "THRESH_OTSU": 8,
    },
    **{"NORM_INF": 1, "NORM_L1": 2, "NORM_L2": 4, "NORM_MINMAX": 32, "CV_8U": 0, "CV_32F": 5, "CV_64F": 6},
    **{f"COLOR_{first}2{then}A": 0 if first == then else 2 for first in ("BGR", "RGB") for then in ("BGR", "RGB")},
    **{f"COLOR_{first}A2{then}": 1 if first == then else 3 for first in ("BGR", "RGB") for then in ("BGR", "RGB")},
    **{
        "COLOR_BGR2RGB": 4,
        "COLOR_RGB2BGR": 4,
        "COLOR_BGR2GRAY": 6,
        "COLOR_RGB2GRAY": 7,
        "COLOR_GRAY2BGR": 8,
        "COLOR_GRAY2RGB": 8,
    },
    **{"COLOR_BGR2YCrCb": 36, "COLOR_RGB2YCrCb": 37, "COLOR_BGR2YCR_CB": 36, "COLOR_RGB2YCR_CB": 37},
    **{"COLOR_BGR2HSV": 40, "COLOR_RGB2HSV": 41, "COLOR_HSV2BGR": 54, "COLOR_HSV2RGB": 55},
    **{f"COLOR_{first}2{lab}": number for first, number in (("BGR", 44), ("RGB", 45)) for lab in ("LAB", "Lab")},
    **{f"COLOR_{lab}2{then}": number for then, number in (("BGR", 56), ("RGB", 57)) for lab in ("LAB", "Lab")},
}

# scikit-image


def _sk_imread(fname: Any, as_gray: bool = False, **_: Any) -> Array:
    made = _opened(fname)
    if made is None:
        raise FileNotFoundError(2, "No such file or directory", os.fspath(fname))
    return _sk_grey(made) if as_gray and made.ndim == 3 else made


def _sk_grey(rgb: Array, **_: Any) -> Array:
    return pixels.grey(pixels.unit(rgb), pixels.GREY_709)


def _sk_resize(
    image: Array, output_shape: Any, order: int | None = None, *_: Any, preserve_range: bool = False, **__: Any
) -> Array:
    image = np.asarray(image)
    height, width = (int(size) for size in tuple(output_shape)[:2])
    values = image.astype(np.float64) if preserve_range else pixels.unit(image)
    made = pixels.resized(values, height, width, how="nearest" if order == 0 else "linear")
    return made.reshape(tuple(int(size) for size in output_shape)) if len(output_shape) > made.ndim else made


def _sk_rescale(image: Array, scale: Any, *args: Any, **kwargs: Any) -> Array:
    down, across = scale[:2] if isinstance(scale, (tuple, list)) else (scale, scale)
    shape = (round(image.shape[0] * down), round(image.shape[1] * across))
    return _sk_resize(image, shape, *args, **kwargs)


def _sk_ubyte(image: Array, **_: Any) -> Array:
    image = np.asarray(image)
    return image if image.dtype == np.uint8 else np.clip(np.rint(pixels.unit(image) * 255), 0, 255).astype(np.uint8)


def _sk_noise(image: Array, mode: str = "gaussian", rng: Any = None, clip: bool = True, **given: Any) -> Array:
    values = np.asarray(pixels.unit(image), dtype=np.float64)
    low = -1.0 if values.min(initial=0) < 0 else 0.0
    chance = np.random.default_rng(rng if rng is not None else given.get("seed"))
    if mode in {"gaussian", "speckle"}:
        noise = chance.normal(given.get("mean", 0.0), given.get("var", 0.01) ** 0.5, values.shape)
        made = values + (noise if mode == "gaussian" else values * noise)
    elif mode in {"s&p", "salt", "pepper"}:
        hit = chance.random(values.shape) < given.get("amount", 0.05)
        share = {"salt": 1.0, "pepper": 0.0}.get(mode, given.get("salt_vs_pepper", 0.5))
        made = np.where(hit, np.where(chance.random(values.shape) < share, 1.0, low), values)
    else:
        refuse("skimage.util.random_noise()")
    return np.clip(made, low, 1.0) if clip else made


def _sk_gaussian(image: Array, sigma: Any = 1, **_: Any) -> Array:
    down, across = sigma[:2] if isinstance(sigma, (tuple, list)) else (sigma, sigma)
    return pixels.blurred(pixels.unit(image), (down, across))


def _of_unit(function: Callable[[Array], Array]) -> Callable[..., Array]:
    return lambda image, **_: function(pixels.unit(image))


_UTIL: dict[str, Any] = {
    "img_as_float": lambda image, **_: np.asarray(pixels.unit(image), dtype=np.float64),
    "img_as_float32": lambda image, **_: np.asarray(pixels.unit(image), dtype=np.float32),
    "img_as_ubyte": _sk_ubyte,
    "random_noise": _sk_noise,
}
NAMES: dict[str, dict[str, Any]] = {
    "cv2": _OPENCV,
    "skimage": {name: made for name, made in _UTIL.items() if name != "random_noise"},
    "skimage.util": _UTIL,
    "skimage.io": {"imread": _sk_imread},
    "skimage.transform": {"resize": _sk_resize, "rescale": _sk_rescale},
    "skimage.color": {
        "rgb2gray": _sk_grey,
        "gray2rgb": lambda image, **_: np.stack([image] * 3, axis=-1),
        "rgb2lab": _of_unit(pixels.rgb_to_lab),
        "lab2rgb": lambda lab, **_: pixels.lab_to_rgb(lab),
        "rgb2hsv": _of_unit(pixels.rgb_to_hsv),
        "hsv2rgb": _of_unit(pixels.hsv_to_rgb),
    },
    "skimage.filters": {"gaussian": _sk_gaussian},
}
"""what each module has besides what does nothing"""

"""SciPy, scikit-image and Matplotlib: names that have moved, arguments that were renamed."""

from __future__ import annotations

import functools
import linecache
import re
import sys
from types import ModuleType
from typing import Any

from ae_audit.runtime.compat.arguments import Argument, Renamed, take_old_arguments
from ae_audit.runtime.compat.names import OldNames, Successor
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

_HERE = "ae_audit.runtime.compat.scientific"

NAMES: dict[str, dict[str, str | Successor]] = {
    "scipy.misc": {
        "comb": "scipy.special:comb",
        "factorial": "scipy.special:factorial",
        "logsumexp": "scipy.special:logsumexp",
        "imread": Successor("imageio.v2:imread"),
        "imsave": Successor(f"{_HERE}:imsave", "PIL.Image.save of the array scaled to bytes"),
        "imresize": Successor(f"{_HERE}:imresize", "PIL.Image.resize of the array scaled to bytes, as it did,"),
        "toimage": Successor(f"{_HERE}:toimage", "PIL.Image.fromarray of the array scaled to bytes, as it did,"),
    },
    "scipy": {
        "interp": "numpy:interp",
        "randn": "numpy.random:randn",
        "rand": "numpy.random:rand",
    },
    "scipy.integrate": {
        "cumtrapz": "scipy.integrate:cumulative_trapezoid",
        "simps": "scipy.integrate:simpson",
        "trapz": "scipy.integrate:trapezoid",
    },
    "scipy.signal": {
        name: f"scipy.signal.windows:{name}"
        for name in ("blackman", "gaussian", "hamming", "hann", "kaiser", "triang", "tukey")
    },
    "skimage.measure": {
        "compare_mse": "skimage.metrics:mean_squared_error",
        "compare_nrmse": "skimage.metrics:normalized_root_mse",
        "compare_psnr": "skimage.metrics:peak_signal_noise_ratio",
        "compare_ssim": "skimage.metrics:structural_similarity",
    },
    "matplotlib.cm": {"get_cmap": Successor(f"{_HERE}:get_cmap", "matplotlib.colormaps")},
    "matplotlib.mlab": {"normpdf": "scipy.stats:norm.pdf"},
}
MODULES = {
    "scipy.misc": f"{_HERE}",
    "skimage.filter": "skimage.filters",
    "scipy.ndimage.filters": "scipy.ndimage",
    "scipy.ndimage.interpolation": "scipy.ndimage",
    "scipy.ndimage.measurements": "scipy.ndimage",
    "scipy.ndimage.morphology": "scipy.ndimage",
}
_TWICE = re.compile(r"\bmode\(.*\)\s*(?:\[0\]|\.mode)\s*\[0\]")
_CHANNELS = {"multichannel": Argument("channel_axis", lambda several: -1 if several else None)}
ARGUMENTS: dict[str, dict[str, Renamed]] = {
    "skimage.metrics": {"structural_similarity": _CHANNELS},
    "skimage.transform": {"rescale": _CHANNELS},
    "skimage.filters": {"gaussian": _CHANNELS},
    "skimage.io": {"imread": {"as_grey": "as_gray"}},
    "matplotlib.pyplot": {"hist": {"normed": "density"}},
}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what these libraries have renamed."""
    for old, new in MODULES.items():
        names.module(old, Successor(new, "what took the place of each of its functions" if new == _HERE else ""))
    for module, table in NAMES.items():
        names.names(module, table)
    for module, functions in ARGUMENTS.items():
        watch.when_imported(module, functools.partial(_arguments, functions=functions, uses=uses))
    for name in ("scipy.stats._stats_py", "scipy.stats"):
        watch.when_imported(name, functools.partial(_mode, uses=uses))
    watch.when_imported("matplotlib.axes._axes", functools.partial(_axes, uses=uses))
    watch.when_imported("matplotlib.style", functools.partial(_styles, uses=uses))


def _mode(module: Any, uses: Uses) -> None:
    """``stats.mode(x)[0][0]``: SciPy 1.11 gives no axis of length one any more."""
    original = getattr(module, "mode", None)
    if original is None or hasattr(original, "keeps"):
        return

    @functools.wraps(original)
    def mode(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if "keepdims" in kwargs or not _TWICE.search(line) or not uses.answers({"scipy"}, frame, named=False):
            return original(*args, **kwargs)
        uses.tell(
            "scipy.stats.mode(…)[0][0]", "scipy", "keepdims=True was given, as it was", gone="has one axis less in"
        )
        return original(*args, keepdims=True, **kwargs)

    mode.keeps = True  # type: ignore[attr-defined]
    module.mode = mode


def _arguments(module: ModuleType, functions: dict[str, Renamed], uses: Uses) -> None:
    library = module.__name__.partition(".")[0]
    for name, renamed in functions.items():
        take_old_arguments(module, name, renamed, uses, shown=f"{module.__name__}.{name}", library=library)


def _axes(module: ModuleType, uses: Uses) -> None:
    take_old_arguments(module.Axes, "hist", {"normed": "density"}, uses, shown="Axes.hist", library="matplotlib")


def _styles(module: ModuleType, uses: Uses) -> None:
    """seaborn's styles, which carry the version that they are of."""
    original = module.use

    @functools.wraps(original)
    def use(style: Any) -> Any:
        new = f"seaborn-v0_8{style[len('seaborn') :]}" if isinstance(style, str) and style.startswith("seaborn") else ""
        if new and style not in module.library and new in module.library:
            uses.tell(f"the style `{style}`", "matplotlib", f"`{new}` was taken")
            return original(new)
        return original(style)

    module.use = use  # type: ignore[attr-defined]


def _bytes(array: Any, high: int, low: int, cmin: Any, cmax: Any) -> Any:
    """As ``scipy.misc.bytescale``: bytes stay as they are, all else is stretched from ``cmin`` … ``cmax``."""
    import numpy as np

    values = np.asarray(array)
    if values.dtype == np.uint8:
        return values
    least = values.min() if cmin is None else cmin
    most = values.max() if cmax is None else cmax
    scale = (high - low) / ((most - least) or 1)
    return (np.clip((values - least) * scale + low, low, high) + 0.5).astype(np.uint8)


def toimage(
    arr: Any,
    high: int = 255,
    low: int = 0,
    cmin: Any = None,
    cmax: Any = None,
    pal: Any = None,
    mode: str | None = None,
    channel_axis: int | None = None,
) -> Any:
    """A picture of an array of pixels.

    Args:
        arr: (rows, columns), or three axes of which one is of 3 or 4 channels.
        high: the byte of ``cmax``.
        low: the byte of ``cmin``.
        cmin: the least value; by default that of ``arr``.
        cmax: the greatest value; by default that of ``arr``.
        pal: 256 colours of three bytes for what the bytes of two axes mean.
        mode: as Pillow names it; of two axes `F` keeps the values as they are.
        channel_axis: by default the first of 3, or else of 4.

    Raises:
        ValueError: for another shape, or a mode that does not fit it.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(arr)
    if values.ndim == 2 and mode == "F":
        return Image.fromarray(values.astype(np.float32))
    if values.ndim == 2 and mode in {None, "L", "P"}:
        image = Image.fromarray(_bytes(values, high, low, cmin, cmax))
        if pal is not None:
            image.putpalette(np.asarray(pal, np.uint8).tobytes())
        return image if mode != "P" else image.convert("P")
    axes = [values.shape.index(extent) for extent in (3, 4) if extent in values.shape]
    fitting = {None, "RGB", "RGBA", "YCbCr", "CMYK"}
    if values.ndim != 3 or not axes or mode not in fitting:
        raise ValueError(f"an array of the shape {values.shape} makes no picture of the mode {mode}")
    pixels = np.moveaxis(_bytes(values, high, low, cmin, cmax), axes[0] if channel_axis is None else channel_axis, -1)
    rows, columns, channels = pixels.shape
    return Image.frombytes(mode or ("RGB" if channels == 3 else "RGBA"), (columns, rows), pixels.tobytes())


def get_cmap(name: Any = None, lut: int | None = None) -> Any:
    """A colour map, of ``lut`` colours where that is given."""
    import matplotlib

    found = matplotlib.colormaps.get_cmap(name)
    return found if lut is None else found.resampled(lut)


_FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}


def imresize(arr: Any, size: Any, interp: str = "bilinear", mode: str | None = None) -> Any:
    """To a percentage, a share or (rows, columns): as bytes, or with the mode `F` as the values that they are."""
    import numpy as np

    image = toimage(arr, mode=mode)
    if isinstance(size, int):
        new = tuple(int(extent * size / 100.0) for extent in image.size)
    elif isinstance(size, float):
        new = tuple(int(extent * size) for extent in image.size)
    else:
        new = (size[1], size[0])
    return np.array(image.resize(new, resample=_FILTERS[interp]))


def imsave(name: Any, arr: Any, format: str | None = None) -> None:
    """Write a picture."""
    toimage(arr).save(name, format)

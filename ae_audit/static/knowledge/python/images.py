"""Images: what OpenCV, Pillow, scikit-image, imageio and Matplotlib read, and what their conversions keep."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import array_api, arrays
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Library, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import BYTE, UNIT, Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("images")
TABLE.aliases.update({"PIL.Image.Image": "PIL.Image", "imageio.v2": "imageio", "imageio.v3": "imageio",
                      "skimage.io.imread_collection": "skimage.io.imread", "scipy.misc.pilutil": "scipy.misc",
                      "scipy.ndimage.imread": "scipy.misc.imread", "cv2.cv2": "cv2",
                      "matplotlib.image.imread": "matplotlib.pyplot.imread"})  # fmt: skip


def image(run: Run, call: Call, source: str, shape: tuple[int | None, ...] | None = None) -> Array:
    """A picture of bytes, as read from a file."""
    made = Array(ValueRange.exactly(BYTE), "uint8", shape, Structure.CONTINUOUS, root=run.fresh(), source=source,
                 where=call.where, pictured=True)  # fmt: skip
    return replace(made, trail=arrays.step(made, f"`{source}` gives bytes, [0, 255]", call.where))


@TABLE.function("cv2.imread", "imageio.imread", "skimage.io.imread", "scipy.misc.imread", "PIL.Image.open",
                "imageio.get_reader", "tifffile.imread")  # fmt: skip
def _read(run: Run, call: Call) -> Value:
    if call.qualified == "tifffile.imread":
        return arrays.unknown_array(run, "a TIFF file may hold any range", call.where)
    if call.qualified == "skimage.io.imread" and call.constant(1, "as_gray", "as_grey") is True:
        return Array(ValueRange(UNIT), "float64", None, Structure.CONTINUOUS, root=run.fresh(), where=call.where,
                     source="skimage.io.imread(as_gray=True)", pictured=True)  # fmt: skip
    return image(run, call, call.qualified, _shape_read(call))


def _shape_read(call: Call) -> tuple[int | None, ...] | None:
    """OpenCV reads three channels unless it is told otherwise; the others hand out what the file holds."""
    if call.qualified != "cv2.imread":
        return None
    flag = call.get(1, "flags")
    if flag is None or (isinstance(flag, Const) and flag.value == 1):
        return (None, None, 3)
    if (isinstance(flag, Const) and flag.value == 0) or call.where.written.endswith("IMREAD_GRAYSCALE)"):
        return (None, None)
    return None


@TABLE.function("matplotlib.pyplot.imread")
def _read_plot(run: Run, call: Call) -> Value:
    name = call.constant(0, "fname")
    if isinstance(name, str) and name.lower().endswith((".jpg", ".jpeg")):
        return image(run, call, "plt.imread of a JPEG")
    if isinstance(name, str) and name.lower().endswith(".png"):
        return Array(ValueRange(UNIT), "float32", None, Structure.CONTINUOUS, root=run.fresh(), where=call.where,
                     source="plt.imread of a PNG", pictured=True)  # fmt: skip
    return arrays.unknown_array(run, "`plt.imread` gives [0, 1] for PNG and [0, 255] for JPEG", call.where)


@TABLE.function("cv2.resize", "cv2.cvtColor", "cv2.GaussianBlur", "cv2.blur", "cv2.medianBlur", "cv2.flip",
    "cv2.rotate",
                "cv2.copyMakeBorder", "cv2.warpAffine", "scipy.misc.imresize", "imutils.resize", "cv2.bilateralFilter",
                "scipy.ndimage.zoom", "scipy.ndimage.rotate", "scipy.ndimage.gaussian_filter", "cv2.undistort",
                "PIL.ImageOps.fit", "PIL.ImageOps.grayscale", "skimage.util.random_noise_")  # fmt: skip
def _keeps(run: Run, call: Call) -> Value:
    value = call.get(0, "src")
    shape = array_api.shape_of(value) if value is not None else None
    sizes = call.constant(1, "dsize")
    if call.name == "resize" and shape is not None and len(shape) >= 2:
        known = isinstance(sizes, tuple) and len(sizes) == 2
        width, height = sizes if known else (None, None)
        shape = (height, width, *shape[2:])
    elif call.name == "cvtColor":
        before, after = _space(call)
        made = array_api.moved(run, value, call.name, call.where, _recoloured(shape, after))
        return _in_colours(made, before, after, call.where) if isinstance(made, Array) else made
    elif call.name not in {"GaussianBlur", "blur", "medianBlur", "flip", "bilateralFilter"}:
        shape = None
    return array_api.moved(run, value, call.name, call.where, shape)


_SPACES = {
    "HSV": Interval(0.0, 360.0), "HLS": Interval(0.0, 360.0), "LAB": Interval(-127.0, 127.0),
    "LUV": Interval(-140.0, 220.0), "XYZ": Interval(0.0, 1.1), "YUV": Interval(-0.12, 1.12), "YCRCB": UNIT,
}  # fmt: skip
"""what the channels of other colours lie in, all together, that OpenCV makes of floats in [0, 1]"""
_PLAIN = frozenset({"GRAY", "RGB", "BGR", "RGBA", "BGRA"})


def _space(call: Call) -> tuple[str, str]:
    """From which colours to which ``cvtColor`` goes, by the name of the conversion; empty where that is not known."""
    code = call.get(1, "code")
    before, _, after = (code.name if isinstance(code, Library) else "").rpartition("COLOR_")[2].partition("2")
    return before.upper().replace("_", ""), after.upper().removesuffix("_FULL").replace("_", "")


def _recoloured(shape: tuple[int | None, ...] | None, space: str) -> tuple[int | None, ...] | None:
    """The shape of a picture in the colours of ``space``."""
    if shape is None or len(shape) < 2:
        return None
    if space == "GRAY":
        return shape[:2]
    return (*shape[:2], 3) if space in {"RGB", "BGR", *_SPACES} else None


def _in_colours(array: Array, before: str, after: str, where: Where) -> Array:
    """The values after ``cvtColor``: as they were among red, green, blue and grey, and of bytes."""
    plain = before in _PLAIN or before.startswith("BAYER")
    if after in _PLAIN and plain:
        return array
    selection = tuple(part for part in array.selection if not part.startswith(arrays.RECOLOURED))
    if after not in _PLAIN:
        selection = (*selection, f"{arrays.RECOLOURED}{after}")
    if array.dtype == "uint8" or (array.values.unknown and not array.scalings):
        return replace(array, selection=selection)
    values, why = ValueRange(), array.why
    if plain and after in _SPACES and (array.dtype or "").startswith("f") and UNIT.covers(array.values.hull):
        values = ValueRange(_SPACES[after])
    else:
        why = why or f"`{where.written}` of values whose type or range is not known"
    return arrays.recast(array, values, f"cvtColor of floats to {after or 'other colours'}", where, why=why,
                         selection=selection, dtype=array.dtype)  # fmt: skip


@TABLE.method("array", "crop")
def _cropped(run: Run, receiver: Array, call: Call) -> Value:
    """A part of a picture: another part of it is other data."""
    return arrays.selected(receiver, call.where.written.rpartition(".crop")[2], None)


@TABLE.method("array", "thumbnail", "rotate", "getchannel")
def _picture_method(run: Run, receiver: Array, call: Call) -> Value:
    return replace(receiver, shape=None)


@TABLE.method("array", "convert")
def _converted(run: Run, receiver: Array, call: Call) -> Value:
    """``image.convert("RGB")``: so many channels."""
    sizes = receiver.shape[:2] if receiver.shape is not None and len(receiver.shape) >= 2 else (None, None)
    mode = call.constant(0, "mode")
    if mode in {"RGB", "YCbCr", "HSV", "LAB"}:
        return replace(receiver, shape=(*sizes, 3))
    if mode in {"L", "1", "P"}:
        return replace(receiver, shape=sizes)
    return replace(receiver, shape=(*sizes, 4) if mode in {"RGBA", "CMYK"} else None)


@TABLE.function("PIL.Image.fromarray", "PIL.Image.merge")
def _from_array(run: Run, call: Call) -> Value:
    found = array_api.data(run, call.get(0))
    return found or Unknown("an image", call.where)


@TABLE.function("skimage.transform.resize", "skimage.transform.rescale", "skimage.img_as_float",
    "skimage.color.rgb2gray",
                "skimage.util.img_as_float", "skimage.color.rgb2grey", "skimage.img_as_float32",
                "skimage.transform.downscale_local_mean", "skimage.transform.rotate")  # fmt: skip
def _to_float(run: Run, call: Call) -> Value:
    """scikit-image turns bytes into [0, 1] unless it is told to keep the range; floats stay as they are."""
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("an image", call.where)
    keep = call.constant(None, "preserve_range") is True or call.name == "downscale_local_mean"
    if keep or (array.dtype is not None and array.dtype.startswith("f")):
        return replace(array, shape=None, dtype="float64")
    if array.dtype == "uint8":
        return replace(arrays.affine(array, 1 / 255.0, 0.0, f"skimage's {call.name} of bytes", call.where), shape=None)
    if array.values.unknown:
        return arrays.recast(array, ValueRange(), f"skimage's {call.name}", call.where,
                             why=array.why or "an image of unknown type")  # fmt: skip
    return replace(array, shape=None)


@TABLE.function("skimage.img_as_ubyte", "skimage.util.img_as_ubyte")
def _to_bytes(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("an image", call.where)
    return arrays.recast(array, ValueRange(BYTE), "img_as_ubyte", call.where)


@TABLE.function("skimage.color.rgb2lab")
def _lab(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("an image", call.where)
    made = arrays.recast(array, ValueRange(Interval(-128.0, 127.0)), "rgb2lab", call.where, shape=None)
    return arrays.selected(made, arrays.LAB, None)


@TABLE.function("skimage.util.random_noise")
def _noisy(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("a noisy image", call.where)
    clipped = call.constant(None, "clip", default=True)
    values = ValueRange(UNIT) if clipped is not False and array.values.hull.lo >= 0 else ValueRange()
    return replace(array, values=values, noise=(*array.noise, run.fresh()), where=call.where, dtype="float64")


@TABLE.function("cv2.normalize")
def _normalize(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    low, high = call.number(2, "alpha"), call.number(3, "beta")
    if array is None:
        return Unknown("an image", call.where)
    if low is not None and high is not None and low < high:
        return arrays.recast(array, ValueRange.exactly(Interval(low, high)), "cv2.normalize", call.where)
    return arrays.recast(array, ValueRange(), "cv2.normalize", call.where, why="`cv2.normalize`")


@TABLE.function("cv2.threshold", "cv2.VideoCapture", "cv2.imwrite", "cv2.imshow", "glob.glob", "os.listdir",
                "os.walk", "pathlib.Path")  # fmt: skip
def _aside(run: Run, call: Call) -> Value:
    return Unknown(f"what `{call.name}` gives", call.where)


@TABLE.function("h5py.File")
def _hdf5(run: Run, call: Call) -> Value:
    return Unknown("it is read from a file by `h5py.File`", call.where)

"""The data of a Keras training: whatever ``fit`` was given, as NumPy arrays of bounded size.

Arrays are sampled evenly over their whole length and summarised whole, those that are read by slices (Dask, Zarr, HDF5)
as they are read; streams (generators, ``tf.data``,
``PyDataset``, torch loaders) are read for a few batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.capture import MOST_SAMPLES
from ae_audit.runtime.host.accommodations.inert import Inert, refuse
from ae_audit.runtime.measure.sliced_arrays import SlicedArray, is_sliceable, sliced_array
from ae_audit.runtime.measure.spread import spread

MOST_BYTES = 64 << 20
"""of all captured arrays of one ``fit`` together"""
KERAS_BATCH_SIZE = 32
"""what ``fit`` takes where nothing is said"""

Array = NDArray[Any]


class Unreadable(Exception):
    """Data of a kind that cannot be captured; the text says which."""


@dataclass(frozen=True, slots=True)
class Batches:
    """The captured samples.

    ``data`` has the structure that ``train_step`` is called with: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.
    Every array has the same length.
    """

    data: Any
    batch_size: int
    whole_x: Any
    """the full arrays where there are any (for exact ranges), else the captured ones; structured like x"""
    whole_y: Any

    @property
    def x(self) -> Any:
        return self.data[0] if isinstance(self.data, tuple) else self.data

    @property
    def y(self) -> Any:
        return self.data[1] if isinstance(self.data, tuple) and len(self.data) > 1 else None

    @property
    def samples(self) -> int:
        return len(arrays_of(self.data)[0])


def tree() -> Any:
    """Keras' functions on nested structures."""
    import keras

    return keras.tree


def arrays_of(structure: Any) -> list[Array]:
    """The arrays in a nested structure, without the Nones."""
    return [leaf for leaf in tree().flatten(structure) if leaf is not None]


def read(
    x: Any, y: Any = None, sample_weight: Any = None, *, batch_size: int | None = None, class_weight: Any = None
) -> Batches:
    """Capture what ``fit(x, y, …)`` trains on.

    Raises:
        Unreadable: for sparse, ragged or text data, or a stream without batches.
    """
    if _is_stream(x):
        return _read_stream(x)
    whole = tuple(_map_numpy(part, sliced=True) for part in (x, y, sample_weight))
    lengths = {len(array) for array in arrays_of(whole)}
    if not lengths or min(lengths) == 0:
        raise Unreadable("the training data is empty")
    length = min(lengths)
    kept = spread(length, _most_samples(arrays_of(whole), length))
    cut: dict[int, Array] = {}

    def sample(array: Array | None) -> Array | None:
        if array is None:
            return None
        if id(array) not in cut:  # fit(x, x) must keep meeting one and the same array
            cut[id(array)] = _as_fed(array[kept])
        return cut[id(array)]

    sampled = [tree().map_structure(sample, part) for part in whole]
    if class_weight is not None and sampled[2] is None and isinstance(sampled[1], np.ndarray):
        sampled[2] = _class_weights(sampled[1], class_weight)
    data: Any = tuple(sampled)
    while len(data) > 1 and data[-1] is None:
        data = data[:-1]
    if len(data) == 1 and not isinstance(sampled[0], (list, tuple)):
        data = sampled[0]  # without a target, Keras hands a training step the bare input
    return Batches(data, int(batch_size or KERAS_BATCH_SIZE), whole[0], whole[1])


def split(x: Any, y: Any, sample_weight: Any, share: float) -> tuple[tuple[Any, Any, Any], tuple[Any, Any]]:
    """Training and validation part of arrays, as ``validation_split`` cuts them: the last part validates."""
    whole = tuple(_map_numpy(part, sliced=True) for part in (x, y, sample_weight))
    cut = int(len(arrays_of(whole)[0]) * (1.0 - share))
    views: dict[tuple[int, bool], Array] = {}

    def part(first: bool) -> Callable[[Any], Any]:
        def take(array: Array | None) -> Array | None:
            if array is None:
                return None
            return views.setdefault((id(array), first), array[:cut] if first else array[cut:])

        return take

    train = tuple(tree().map_structure(part(True), item) for item in whole)
    valid = tuple(tree().map_structure(part(False), item) for item in whole[:2])
    return (train[0], train[1], train[2]), (valid[0], valid[1])


def join(parts: list[Any], batch_size: int | None = None) -> Batches:
    """Batches of one structure put together into one capture.

    Raises:
        Unreadable: if they do not fit together, or there are none.
    """
    if not parts:
        raise Unreadable("the training data yields no batch")
    converted = [_map_numpy(part) for part in parts]
    size = batch_size or len(arrays_of(converted[0])[0])
    same = all(_same_leaves(part) == _same_leaves(converted[0]) for part in converted)
    merged: dict[tuple[int, ...], Array] = {}

    def concatenate(*leaves: Array | None) -> Array | None:
        if any(leaf is None for leaf in leaves):
            return None
        key = tuple(id(leaf) for leaf in leaves)
        if key not in merged or not same:
            merged[key] = np.concatenate([leaf for leaf in leaves if leaf is not None])
        return merged[key]

    try:
        data = tree().map_structure(concatenate, *converted)
    except ValueError as cause:
        raise Unreadable(f"its batches have different shapes ({cause})") from cause
    if isinstance(data, list):
        data = tuple(data)
    batches = Batches(data, size, None, None)
    return Batches(data, size, batches.x, batches.y)


def to_numpy(value: Any) -> Array:
    """Any array or tensor (NumPy, TensorFlow, torch, JAX, pandas, nested lists) as a NumPy array.

    Raises:
        Unreadable: for sparse, ragged or text data.
    """
    if isinstance(value, np.ndarray):
        array = value
    elif isinstance(value, Inert):
        refuse(value)
    else:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
        if type(value).__name__ in {"RaggedTensor", "SparseTensor"} or hasattr(value, "tocsr"):
            raise Unreadable(f"it holds a {type(value).__name__}")
        try:
            array = np.asarray(value)
        except Exception as cause:
            raise Unreadable(f"a {type(value).__name__} cannot be turned into an array") from cause
    if array.dtype.kind not in "biufc":
        raise Unreadable(f"it holds values of type {array.dtype}")
    return array


def copied(batch: Any) -> Any:
    """One batch with its leaves as NumPy arrays of their own; leaves that are one stay one.

    Raises:
        Unreadable: for sparse, ragged or text data.
    """
    known: dict[int, Array] = {}

    def copy(leaf: Array | None) -> Array | None:
        return None if leaf is None else known.setdefault(id(leaf), leaf.copy())

    arrays = _map_numpy(tuple(batch) if isinstance(batch, list) else batch)
    return copy(arrays) if _is_array(arrays) else tree().map_structure(copy, arrays)


def _map_numpy(structure: Any, *, sliced: bool = False) -> Any:
    """The structure with NumPy arrays for leaves; with ``sliced``, arrays that are elsewhere stay there."""
    known: dict[int, Array | SlicedArray] = {}

    def convert(leaf: Any) -> Array | SlicedArray | None:
        if leaf is None:
            return None
        if id(leaf) not in known:
            known[id(leaf)] = sliced_array(leaf) if sliced and is_sliceable(leaf) else np.atleast_1d(to_numpy(leaf))
        return known[id(leaf)]

    if _is_array(structure) or is_sliceable(structure):
        return convert(structure)
    return tree().map_structure(convert, structure)


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and hasattr(value, "shape")


def _as_fed(array: Array) -> Array:
    """As Keras feeds arrays: floats of another width than its float type are converted."""
    import keras

    floatx = np.dtype(keras.config.floatx())
    return array.astype(floatx) if array.dtype.kind == "f" and array.dtype != floatx else array


def _most_samples(arrays: list[Array], length: int) -> int:
    distinct = {id(array): array for array in arrays}.values()
    bytes_a_sample = max(1, sum(array.nbytes // max(1, len(array)) for array in distinct))
    return max(1, min(length, MOST_SAMPLES, MOST_BYTES // bytes_a_sample))


def _class_weights(y: Array, weights: dict[int, float]) -> Array:
    classes = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y)).astype(int)
    return np.asarray([weights.get(int(index), 1.0) for index in classes.reshape(-1)], dtype=np.float32)


def _same_leaves(structure: Any) -> tuple[int, ...]:
    """Which leaves are one and the same array: the index of the first leaf that each is."""
    leaves = [id(leaf) for leaf in tree().flatten(structure)]
    return tuple(leaves.index(leaf) for leaf in leaves)


# Streams


def _is_stream(x: Any) -> bool:
    if _is_array(x) or is_sliceable(x) or isinstance(x, (list, tuple, dict)):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__getitem__") or hasattr(x, "__next__")


def _read_stream(stream: Any) -> Batches:
    parts: list[Any] = []
    samples = size = 0
    for batch in _elements(stream):
        element = tuple(batch) if isinstance(batch, (list, tuple)) else batch
        element = _map_numpy(element)
        parts.append(element)
        leaves = arrays_of(element)
        samples += len(leaves[0])
        size += sum(leaf.nbytes for leaf in leaves)
        if samples >= MOST_SAMPLES or size >= MOST_BYTES:
            break
    # the last batch of a finite stream may be a partial one
    return join(parts)


def _elements(stream: Any) -> Iterator[Any]:
    if hasattr(stream, "as_numpy_iterator"):
        yield from stream
    elif hasattr(stream, "__getitem__") and (hasattr(stream, "__len__") or hasattr(stream, "num_batches")):
        yield from _indexed(stream)
    else:
        yield from _iterable(stream)


def _indexed(stream: Any) -> Iterator[Any]:
    """Batches of a ``PyDataset`` (or any indexable sequence of batches), spread over its length."""
    count = getattr(stream, "num_batches", None)
    if count is None:
        count = len(stream) if hasattr(stream, "__len__") else None
    first = stream[0]
    yield first
    if count is None:
        yield from (stream[index] for index in itertools.count(1))
        return
    leaves = arrays_of(_map_numpy(tuple(first) if isinstance(first, (list, tuple)) else first))
    wanted = min(int(count), -(-MOST_SAMPLES // max(1, len(leaves[0]))))
    for index in spread(int(count), wanted)[1:]:
        yield stream[int(index)]


def _iterable(stream: Iterable[Any]) -> Iterator[Any]:
    yield from stream

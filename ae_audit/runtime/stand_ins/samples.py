"""Arrays that stand in for well-known data sets: same shape, dtype and range, different values.

The digits are real (a sample of MNIST, see ``data/README.md``); every other picture is drawn from smooth random fields
with a pattern for each class, so that an autoencoder and a classifier both have something to learn. All are
deterministic, and repeated up to the original's length, so that a program that slices, splits or reshapes by the known
size works.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_DISTINCT = 1000
"""pictures drawn for a data set before they repeat"""
_DISTINCT_BYTES = 16 << 20
_HELD_OUT = 300
"""of the shipped digits, kept for the test part"""


@dataclass(frozen=True, slots=True)
class Pictures:
    """One part of a data set of pictures: distinct images, labels, and how many samples the original has."""

    images: Array
    """uint8, (distinct, height, width) or (distinct, height, width, channels)"""
    labels: Array
    """int64, (distinct,)"""
    length: int

    def all_images(self) -> Array:
        """The images repeated to the original's length."""
        return repeated(self.images, self.length)

    def all_labels(self, dtype: str = "int64") -> Array:
        return repeated(self.labels.astype(dtype), self.length)


def repeated(array: Array, length: int) -> Array:
    """``array`` repeated along its first axis to ``length``; always a fresh, writable array."""
    times = -(-length // len(array))
    tiled = np.tile(array, (times, *(1,) * (array.ndim - 1)))
    return tiled[:length]


@cache
def _digits() -> tuple[Array, Array]:
    with resources.files("ae_audit.runtime").joinpath("data/mnist_sample.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return arrays["images"], arrays["labels"].astype("int64")


def digits(length: int, *, train: bool) -> Pictures:
    """Real handwritten digits, 28 by 28; the test part shares none with the training part."""
    images, labels = _digits()
    part = slice(None, -_HELD_OUT) if train else slice(-_HELD_OUT, None)
    return Pictures(images[part], labels[part], length)


def small_digits(length: int, *, train: bool) -> Pictures:
    """The digits at 16 by 16, as USPS has them."""
    full = digits(length, train=train)
    padded = np.pad(full.images.astype("float32"), ((0, 0), (2, 2), (2, 2)))
    halved = padded.reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4))
    full_range = halved * (255.0 / np.maximum(halved.max(axis=(1, 2), keepdims=True), 1.0))
    return Pictures(full_range.round().astype("uint8"), full.labels, length)


def pictures(
    length: int, height: int, width: int, channels: int, classes: int, *, seed: int, train: bool, dark: bool = False
) -> Pictures:
    """Synthetic pictures with values 0 to 255, both of which occur.

    Each is the pattern of its class plus a random mixture of smooth fields: low-rank, so that a small code can hold it.

    Args:
        length: number of samples of the original.
        height, width, channels: of one picture; one channel gives no channel axis.
        classes: number of classes; labels are 0 to ``classes - 1``.
        seed: sets the data set apart from others.
        train: training and test part share the patterns and differ in the mixtures.
        dark: a black background round the pattern, as in Fashion-MNIST.
    """
    fixed = np.random.default_rng([seed, 7])
    fields = _smooth_fields(fixed, 12, height, width)
    patterns = fixed.normal(size=(classes, channels, 12))
    rng = np.random.default_rng([seed, int(train)])
    count = min(length, max(64, min(_DISTINCT, _DISTINCT_BYTES // (height * width * channels))))
    labels = rng.permutation(np.arange(count) % classes)
    mixtures = rng.normal(size=(count, channels, 12), scale=0.6) + rng.normal(size=(count, 1, 12), scale=0.6)
    values = np.tensordot((patterns[labels] + mixtures).astype("float32"), fields, axes=1)
    rows, columns = max(1, height // 16), max(1, width // 16)
    low, high = np.quantile(values[:, :, ::rows, ::columns], (0.02, 0.98), axis=(1, 2, 3), keepdims=True)
    values = np.clip((values - low.astype("float32")) / (high - low).astype("float32"), 0.0, 1.0)
    if dark:
        masks = _smooth_fields(fixed, classes, height, width) + _mound(height, width) > 0.55
        values = np.where(masks[labels][:, None], 0.2 + 0.8 * values, 0.0)
    images = np.ascontiguousarray(np.moveaxis(np.rint(values * 255.0).astype("uint8"), 1, -1))
    return Pictures(images[..., 0] if channels == 1 else images, labels, length)


def _smooth_fields(rng: np.random.Generator, count: int, height: int, width: int) -> Array:
    """``count`` random fields of unit variance, made of low cosines; (count, height, width)."""
    rows = np.cos(np.pi * np.outer(np.arange(5), np.linspace(0, 1, height)))
    columns = np.cos(np.pi * np.outer(np.arange(5), np.linspace(0, 1, width)))
    fall = 1.0 / (1.0 + np.add.outer(np.arange(5), np.arange(5)))
    weights = rng.normal(size=(count, 5, 5)) * fall
    weights[:, 0, 0] = 0.0
    fields = np.einsum("kij,ih,jw->khw", weights, rows, columns)
    return np.asarray(fields / fields.std(axis=(1, 2), keepdims=True), dtype="float32")


def _mound(height: int, width: int) -> Array:
    """High in the middle, low at the border."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    return np.asarray(2.5 - 4.0 * np.maximum(x**2, y**2))


def word_sequences(
    length: int, classes: int, vocabulary: int, *, seed: int, start: int | None, offset: int
) -> tuple[Array, Array]:
    """Sequences of word numbers as Keras gives them: an object array of lists, and int64 labels.

    Small numbers are frequent words (a power law); each class prefers some words of its own.
    """
    rng = np.random.default_rng([seed, length])
    distinct = min(length, 2 * _DISTINCT)
    labels = rng.integers(0, classes, size=distinct)
    lengths = np.clip(rng.lognormal(5.2, 0.6, size=distinct).astype(int), 12, 1500)
    limit = max(4, vocabulary - offset)
    sequences = np.empty(length, dtype=object)
    for i, (label, count) in enumerate(zip(labels, lengths, strict=True)):
        words = np.minimum(rng.zipf(1.3, size=count), limit - 1)
        own = rng.random(count) < 0.1
        words[own] = 1 + (7 * (label + 1) + rng.integers(0, 20, size=int(own.sum()))) % (limit - 1)
        sequences[i] = ([] if start is None else [start]) + (words + offset).tolist()
    for i in range(distinct, length):
        sequences[i] = list(sequences[i % distinct])
    return sequences, repeated(labels, length)


def table(
    length: int, means: Array, deviations: Array, *, seed: int, target: tuple[float, float]
) -> tuple[Array, Array]:
    """Correlated features of the given means and deviations, and a target within ``target`` that depends on them."""
    rng = np.random.default_rng([seed, length])
    features = len(means)
    mixing = np.random.default_rng(seed).normal(size=(features, features)) + 2 * np.eye(features)
    latent = rng.normal(size=(length, features)) @ mixing
    latent /= latent.std(axis=0)
    values = np.maximum(means + latent * deviations, 0.0)
    score = latent @ np.random.default_rng(seed + 1).normal(size=features)
    low, high = target
    return values, low + (high - low) / (1.0 + np.exp(-score / score.std()))

"""``tensorflow.examples.tutorials.mnist.input_data``, from which a generation of programs has its digits."""

from __future__ import annotations

from typing import Any

import numpy as np

VALIDATION = 5000
"""digits at the beginning of the training set that are set apart"""


class DataSet:
    """A part of the digits: rows of 784 floats in [0, 1], and batches of them."""

    def __init__(self, images: Any, labels: Any) -> None:
        self.images, self.labels = images, labels
        self.num_examples = len(images)
        self.epochs_completed = 0
        self._at = 0

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True) -> tuple[Any, Any]:
        """The next rows and their labels; after the last the first, in another order."""
        if self._at + batch_size > self.num_examples:
            self.epochs_completed += 1
            self._at = 0
            if shuffle:
                order = np.random.permutation(self.num_examples)
                self.images, self.labels = self.images[order], self.labels[order]
        part = slice(self._at, self._at + batch_size)
        self._at += batch_size
        return self.images[part], self.labels[part]


class _Datasets:
    """The three parts."""

    def __init__(self, train: DataSet, validation: DataSet, test: DataSet) -> None:
        self.train, self.validation, self.test = train, validation, test


def read_data_sets(
    train_dir: str = "", fake_data: bool = False, one_hot: bool = False, reshape: bool = True, **kwargs: Any
) -> _Datasets:
    """The digits as that module gave them, read by Keras."""
    import keras

    count = kwargs.get("validation_size", VALIDATION)

    def part(images: Any, labels: Any) -> DataSet:
        pixels = images.astype(np.float32) / 255.0
        pixels = pixels.reshape(len(pixels), 784) if reshape else pixels[..., None]
        return DataSet(pixels, np.eye(10)[labels] if one_hot else labels)

    (x, y), (x_test, y_test) = keras.datasets.mnist.load_data()
    return _Datasets(part(x[count:], y[count:]), part(x[:count], y[:count]), part(x_test, y_test))


class _InputData:
    """The module ``input_data``."""

    DataSet = DataSet
    read_data_sets = staticmethod(read_data_sets)


input_data = _InputData()

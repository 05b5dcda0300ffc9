"""Arithmetic on bytes: what wraps round in NumPy and torch is told, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from ae_audit.static import analyse_file

PROGRAM = """
import numpy as np
import keras
(x, y), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784)
{line}
model = keras.Sequential([keras.layers.Dense(32, activation="relu"), keras.layers.Dense(784)])
model.compile("adam", "mse")
model.fit(x, x)
"""
WRAPS = (
    "x = x - 128",
    "x -= 1",
    "x = x * 2",
    "x = x + 1",
    "x = np.subtract(x, 100)",
    "x = x ** 2",
    "x = np.square(x)",
    "x = -x",
    "x = x // 2 - 1",
    "x = x + np.random.randint(0, 50, x.shape).astype('uint8')",
    "x = (x + np.random.normal(0, 25, x.shape)).astype('uint8')",
    "x = (x - 128) / 128.0",
)
DIFFER = ("x = x[1:] - x[:-1]", "x = x[:-1] - x[1:]")
"""of pictures one after the other"""
STAYS = (
    "x = 255 - x",
    "x = x - 127.5",
    "x = x / 255",
    "x = x.astype('float32') - 128",
    "x = x // 2",
    "x = x // 2 + 100",
    "x = x - x.mean()",
    "x = x - np.array([3.0])",
    "x = x.astype(int) * 2",
    "x = np.float32(x) - 128",
    "x = 1 - np.sqrt(x / 1.0)",
    "x = 1 - x ** 0.5",
    "x = 1 - np.power(x, 0.5)",
    "x = (x > 127) * 255",
    "x = np.clip(x + np.random.normal(0, 25, x.shape), 0, 255).astype('uint8')",
)


@pytest.mark.parametrize("line", DIFFER)
def test_pictures_one_after_the_other_differ_both_ways(line: str) -> None:
    (setup,) = analyse_file("m.py", PROGRAM.format(line=line).encode()).setups
    assert setup.target.wrapped is not None


@pytest.mark.parametrize(("line", "expected"), [*((line, True) for line in WRAPS), *((line, False) for line in STAYS)])
def test_what_wraps_round_is_what_numpy_wraps(line: str, expected: bool) -> None:
    (setup,) = analyse_file("m.py", PROGRAM.format(line=line).encode()).setups
    assert (setup.target.wrapped is not None) == expected
    if "random" in line or ".shape" in line or "mean" in line:
        return
    scope: dict[str, object] = {"x": np.arange(256, dtype=np.uint8), "np": np}
    exec(line, scope)
    wide: dict[str, object] = {"x": np.arange(256, dtype=np.int64), "np": np}
    exec(line.replace("'float32'", "'float64'"), wide)
    assert (not np.allclose(scope["x"], wide["x"])) == expected  # type: ignore[arg-type]


def test_labels_that_are_counted_from_one_wrap_too() -> None:
    source = PROGRAM.format(line="y = y - 1").replace("fit(x, x)", "fit(x, y)")
    (setup,) = analyse_file("m.py", source.encode()).setups
    assert setup.target.wrapped is not None
    assert setup.target.wrapped.location is not None
    assert setup.target.wrapped.location.line == 6


FILES = """
import cv2
import keras
import numpy as np
import tensorflow as tf
x = np.array([cv2.imread(p) for p in paths]) / 255.0
y = np.array([cv2.imread(p, 0) for p in masks])
z = tf.image.resize(tf.image.decode_png(tf.io.read_file("m.png")), (64, 64), method="nearest")
{line}
model = keras.Sequential([keras.layers.Input((64, 64, 3)), keras.layers.Conv2D(3, 3, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y)
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("y = y - 1", False),
        ("y -= 1", False),
        ("y = y * 255", False),
        ("y = (y * 255.0).astype('uint8')", False),
        ("y = z - 1", False),
        ("z -= tf.constant(1, dtype='uint8'); y = z", False),
        ("y = y - 128", True),
        ("y = -y", True),
        ("y = y + np.random.randint(0, 50, y.shape).astype('uint8')", True),
    ],
)
def test_files_may_hold_masks_whose_labels_stay_in_range(line: str, expected: bool) -> None:
    (setup,) = analyse_file("m.py", FILES.format(line=line).encode()).setups
    assert (setup.target.wrapped is not None) == expected
    assert setup.target.values.reach is None

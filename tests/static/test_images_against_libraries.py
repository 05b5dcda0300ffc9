"""What reading claims of pictures whose colours or types are converted, against what OpenCV and TensorFlow make."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from ae_audit.schema.training_setup import DataFacts, Relation
from ae_audit.static import analyse_file

COLOURS = np.array(list(itertools.product(range(0, 256, 51), repeat=3)), "uint8").reshape(12, 18, 3)
USE = """
model = keras.Sequential([keras.layers.Dense(9)])
model.compile("adam", "mse")
model.fit(made, made)
"""
OF_OPENCV = """
import cv2, keras
a = cv2.imread("a.png")
f = a.astype("float32") / 255
made = {expression}
"""
SPACES = ("RGB", "GRAY", "RGBA", "HSV", "HSV_FULL", "HLS", "LAB", "Lab", "LUV", "Luv", "XYZ", "YUV", "YCrCb", "YCR_CB")
OF_TENSORFLOW = """
import keras
import tensorflow as tf
a = tf.image.decode_png(tf.io.read_file("a.png"), channels=3)
made = {expression}
"""
CONVERSIONS = """
tf.image.convert_image_dtype(a, tf.float32)
tf.image.convert_image_dtype(a, "uint8")
tf.image.convert_image_dtype(tf.image.resize(a, (6, 6)), tf.float32)
tf.image.convert_image_dtype(tf.image.resize(a, (6, 6), method="nearest"), tf.float32)
tf.image.convert_image_dtype(tf.image.resize(a, (6, 6), tf.image.ResizeMethod.NEAREST_NEIGHBOR), tf.float32)
tf.image.convert_image_dtype(tf.image.resize_with_pad(a, 20, 20), tf.float32)
tf.image.convert_image_dtype(tf.image.resize_with_crop_or_pad(a, 9, 9), tf.float32)
tf.image.convert_image_dtype(tf.cast(a, tf.float32), "float32")
tf.image.convert_image_dtype(tf.cast(a, tf.float32) / 255.0, "uint8")
tf.image.convert_image_dtype(a, tf.float32) / 255.0
tf.where(tf.image.resize(a, (6, 6), method="nearest") > 100, 1, 0)
tf.image.pad_to_bounding_box(tf.cast(a, tf.float32) + 5.0, 2, 2, 40, 40)
""".strip().splitlines()


def claimed(program: str, expression: str) -> DataFacts:
    (setup,) = analyse_file("program.py", (program.format(expression=expression) + USE).encode()).setups
    assert setup.relation is Relation.SAME
    return setup.target


def check(facts: DataFacts, made: Any) -> None:
    """That nothing lies outside the hull, and that what is said to occur does."""
    rounding = 1e-4 * (1 + float(np.abs(made).max()))
    assert facts.values.hull.lo - rounding <= made.min()
    assert made.max() <= facts.values.hull.hi + rounding
    if facts.values.reach is not None:
        slack = 0.15 * (made.max() - made.min())
        assert made.min() - slack <= facts.values.reach.lo
        assert facts.values.reach.hi <= made.max() + slack


@pytest.mark.parametrize("channel", ["", "[..., 1:]"])
@pytest.mark.parametrize("picture", ["a", "f"])
@pytest.mark.parametrize("space", SPACES)
def test_colours_are_as_opencv_makes_them(space: str, picture: str, channel: str) -> None:
    cv2 = pytest.importorskip("cv2")
    if space == "GRAY" and channel:
        return
    expression = f"cv2.cvtColor({picture}, cv2.COLOR_BGR2{space}){channel}"
    names: dict[str, object] = {"cv2": cv2, "a": COLOURS, "f": COLOURS.astype("float32") / 255}
    facts, made = claimed(OF_OPENCV, expression), eval(expression, names)
    check(facts, made)
    assert facts.values.hull.bounded
    assert not channel or facts.values.reach is None or space.startswith("RGB")


def test_colours_that_are_not_known_are_undecided() -> None:
    for expression in ("cv2.cvtColor(f, code)", "cv2.cvtColor(f * 255, cv2.COLOR_BGR2LAB)"):
        assert claimed(OF_OPENCV, expression).values.unknown
    there_and_back = "cv2.cvtColor(cv2.cvtColor(a, cv2.COLOR_BGR2LAB), cv2.COLOR_LAB2BGR)"
    assert str(claimed(OF_OPENCV, there_and_back).values) == "[0, 255]"


@pytest.mark.parametrize("expression", CONVERSIONS)
def test_types_are_converted_as_tensorflow_does(expression: str) -> None:
    import tensorflow as tf

    facts = claimed(OF_TENSORFLOW, expression)
    check(facts, eval(expression, {"tf": tf, "a": tf.constant(COLOURS)}).numpy())
    assert facts.values.reach is not None

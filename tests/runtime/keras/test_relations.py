"""How a target comes from an input, on arrays with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from ae_audit.runtime.measure.relations import relation_of
from ae_audit.schema.training_setup import Relation, Structure

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def clean(digits):
    return digits[:300]


def blotted(clean, how):
    return {
        "masked": np.where(RANDOM.random(clean.shape) < 0.3, 0, clean),
        "salt and pepper": np.where(RANDOM.random(clean.shape) < 0.2, RANDOM.integers(0, 2, clean.shape), clean),
        "a square cut out": np.where(np.arange(784) % 28 // 10 == 1, 0.5, clean),
        "images": np.where(RANDOM.random(clean.shape) < 0.3, 0, clean).reshape(-1, 28, 28, 1),
    }[how]


@pytest.mark.parametrize("how", ["masked", "salt and pepper", "a square cut out", "images"])
def test_what_is_left_of_a_blotted_input_agrees_with_its_target(clean, how):
    blots = blotted(clean, how)
    assert relation_of(blots, clean.reshape(blots.shape)) == (Relation.NOISED_INPUT, None)


def smooth(images):
    rows = np.pad(images.reshape(-1, 28, 28), ((0, 0), (1, 1), (1, 1)), "edge")
    return (rows[:, :-2, 1:-1] + rows[:, 2:, 1:-1] + rows[:, 1:-1, :-2] + rows[:, 1:-1, 2:]).reshape(
        len(images), -1
    ) / 4


def pairs():
    """Input and target of right programs that vary together, and of which nothing proves that one is the other."""
    x = RANDOM.random((300, 1))
    series = np.cumsum(RANDOM.normal(size=400))
    windows = np.lib.stride_tricks.sliding_window_view(series, 40)
    picture = RANDOM.random((300, 784))
    return {
        "a line with noise": (x, 30 * x + RANDOM.normal(size=x.shape)),
        "a line without": (x, 2 * x - 1),
        "a curve": (x, 5 * x**2),
        "the next window": (windows[:, :20], windows[:, 20:]),
        "one step on": (windows[:, :-1], windows[:, 1:]),
        "a photo and its mask": (picture, (picture > 0.7).astype("float32")),
        "a photo and the figure cut out of it": (picture, np.where(np.arange(784) % 28 < 9, 0.0, picture)),
        "levels of brightness": (picture, np.floor(picture * 5)),
        "additive noise, which nobody saw being added": (picture + RANDOM.normal(size=picture.shape), picture),
    }


@pytest.mark.parametrize("what", pairs())
def test_what_varies_together_is_not_the_same_thing(what):
    x, y = pairs()[what]
    assert relation_of(x, y) == (Relation.UNKNOWN, None)


def test_blurred_against_sharp_is_a_deblurring(clean):
    assert relation_of(smooth(clean), clean) == (Relation.UNKNOWN, None)
    assert relation_of(clean, smooth(clean)) == (Relation.UNKNOWN, None)


def test_the_same_and_rescaled(clean):
    assert relation_of(clean, clean) == (Relation.SAME, None)
    assert relation_of(clean, clean.copy()) == (Relation.SAME, None)
    assert relation_of(clean.reshape(-1, 28, 28), clean)[0] is Relation.SAME
    relation, scale = relation_of(clean, (255 * clean - 3).astype("float32"))
    assert relation is Relation.RESCALED
    assert scale == pytest.approx((255, -3), rel=1e-4)
    assert relation_of(np.uint8(clean * 255), np.uint8(clean * 255) / 255.0)[1] == pytest.approx((1 / 255, 0))


def test_labels_and_others(clean):
    assert relation_of(clean, np.arange(300), Structure.CLASS_INDEX)[0] is Relation.LABELS
    assert relation_of(clean, np.arange(300.0))[0] is Relation.OTHER
    assert relation_of(clean, RANDOM.random(clean.shape))[0] is Relation.UNKNOWN
    assert relation_of(clean, clean[:, ::2])[0] is Relation.OTHER


def test_values_that_are_not_finite_are_passed_over(clean):
    broken = clean.copy()
    broken[0, 0] = np.nan
    assert relation_of(broken, broken.copy())[0] is Relation.SAME
    assert relation_of(np.full_like(clean, np.nan), clean)[0] is Relation.UNKNOWN

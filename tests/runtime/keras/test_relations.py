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


def corrupted(clean, how):
    noise = RANDOM.normal(0, 1, clean.shape)
    return {
        "weak": clean + 0.1 * noise,
        "strong": clean + 0.5 * noise,
        "clipped": np.clip(clean + 0.5 * noise, 0, 1),
        "masked": np.where(RANDOM.random(clean.shape) < 0.3, 0, clean),
        "salt and pepper": np.where(RANDOM.random(clean.shape) < 0.2, RANDOM.integers(0, 2, clean.shape), clean),
        "images": (clean + 0.3 * noise).reshape(-1, 28, 28, 1),
    }[how]


@pytest.mark.parametrize("how", ["weak", "strong", "clipped", "masked", "salt and pepper", "images"])
def test_noise_is_put_on_the_right_side(clean, how):
    noisy = corrupted(clean, how)
    plain = clean.reshape(noisy.shape)
    assert relation_of(noisy, plain) == (Relation.NOISED_INPUT, None)
    assert relation_of(plain, noisy) == (Relation.NOISED_TARGET, None)


def test_noise_on_values_without_neighbours():
    clean = RANDOM.random((500, 12))
    noisy = clean + RANDOM.normal(0, 0.2, clean.shape)
    assert relation_of(noisy, clean)[0] is Relation.NOISED_INPUT
    assert relation_of(clean, noisy)[0] is Relation.NOISED_TARGET


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
    assert relation_of(clean, RANDOM.random(clean.shape))[0] is Relation.OTHER
    assert relation_of(clean, clean[:, ::2])[0] is Relation.OTHER


def test_values_that_are_not_finite_are_passed_over(clean):
    broken = clean.copy()
    broken[0, 0] = np.nan
    assert relation_of(broken, broken.copy())[0] is Relation.SAME
    assert relation_of(np.full_like(clean, np.nan), clean)[0] is Relation.UNKNOWN

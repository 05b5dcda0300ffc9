import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_audit.probe.score import NoScore, r2_score
from ae_audit.runtime.capture import Evaluation

rng = np.random.default_rng(0)


def test_perfect_predictions_score_one_and_the_mean_image_scores_zero() -> None:
    targets = rng.random((50, 6))
    assert r2_score(Evaluation(targets.copy(), targets)) == 1.0
    mean = np.repeat(targets.mean(axis=0, keepdims=True), 50, axis=0)
    assert r2_score(Evaluation(mean, targets)) == pytest.approx(0.0, abs=1e-12)


@given(st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_the_unit_of_the_data_does_not_matter(scale: float, shift: float) -> None:
    local = np.random.default_rng(1)
    targets = local.random((40, 5))
    predictions = targets + 0.3 * local.standard_normal((40, 5))
    here = r2_score(Evaluation(predictions, targets))
    there = r2_score(Evaluation(scale * predictions + shift, scale * targets + shift))
    assert there == pytest.approx(here, rel=1e-6, abs=1e-6)


def test_class_indices_are_scored_as_one_hot_along_the_class_axis() -> None:
    labels = rng.integers(0, 4, size=60)
    right = np.eye(4)[labels]
    assert r2_score(Evaluation(right, labels)) == 1.0
    assert r2_score(Evaluation(right, labels[:, None])) == 1.0
    masks = rng.integers(0, 3, size=(20, 8, 8))
    channels_first = np.moveaxis(np.eye(3)[masks], -1, 1)
    assert r2_score(Evaluation(channels_first, masks)) == 1.0
    assert r2_score(Evaluation(np.eye(3)[masks], masks), class_axis=-1) == 1.0


def test_distributions_over_classes_are_scored_by_the_entropy_that_they_explain() -> None:
    labels = np.repeat(np.arange(4), 15)
    known = np.full((60, 4), 0.1) + 0.6 * np.eye(4)[labels]
    assert r2_score(Evaluation(np.full((60, 4), 0.25), labels)) == pytest.approx(0.0, abs=1e-9)
    assert r2_score(Evaluation(known, labels)) == pytest.approx(1 - math.log(0.7) / math.log(0.25))
    wrong = (labels + (np.arange(60) % 10 == 0)) % 4  # certain of everything, one error in ten
    certain = Evaluation(np.eye(4)[wrong], labels)
    assert r2_score(certain) < r2_score(Evaluation(0.9 * np.eye(4)[wrong] + 0.025, labels))
    scores = Evaluation(10 * np.eye(4)[labels], labels)  # no distribution: squared differences, as ever
    assert r2_score(scores) < -10


def test_a_target_of_another_layout_but_the_same_size_is_reshaped() -> None:
    images = rng.random((30, 1, 4, 4))
    assert r2_score(Evaluation(images.reshape(30, 16), images)) == 1.0


def test_predictions_that_are_not_finite_score_minus_infinity() -> None:
    targets = rng.random((10, 3))
    predictions = targets.copy()
    predictions[0, 0] = np.nan
    assert r2_score(Evaluation(predictions, targets)) == -math.inf


def test_what_cannot_be_scored_says_why() -> None:
    with pytest.raises(NoScore, match="does not vary"):
        r2_score(Evaluation(rng.random((10, 3)), np.ones((10, 3))))
    with pytest.raises(NoScore, match=r"\(10, 3\).*\(10, 7\)"):
        r2_score(Evaluation(rng.random((10, 3)), rng.random((10, 7))))

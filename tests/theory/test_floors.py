"""Floors of losses on real targets, in the reduction of the program."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest

from ae_audit.theory.floors import Reduction, floor, mean_prediction_loss
from ae_audit.theory.losses import Loss, find_loss


def loss_of(name: str, from_logits: bool = False, **parameters: object) -> Loss:
    found = find_loss(name, from_logits=from_logits, **parameters)
    assert found is not None
    return found


@pytest.mark.parametrize("from_logits", [False, True])
def test_grey_pixels_have_a_floor(digits: tuple[np.ndarray, np.ndarray], from_logits: bool) -> None:
    loss = loss_of("bce", from_logits)
    assert floor(loss, digits[0]) == pytest.approx(0.0590, abs=5e-5)
    assert mean_prediction_loss(loss, digits[0]) == pytest.approx(0.2635, abs=5e-5)
    assert floor(loss, digits[0] * 255) == -math.inf


def test_labels(digits: tuple[np.ndarray, np.ndarray]) -> None:
    one_hot = np.eye(10)[digits[1]]
    for loss in (loss_of("sparse_cce", True), loss_of("cross_entropy", True), loss_of("nll")):
        assert floor(loss, digits[1]) == 0.0
        assert mean_prediction_loss(loss, digits[1]) == pytest.approx(math.log(10))
    for loss in (loss_of("cce"), loss_of("cross_entropy", True)):
        assert floor(loss, one_hot) == pytest.approx(0.0, abs=1e-12)
        assert mean_prediction_loss(loss, one_hot) == pytest.approx(math.log(10))


def test_reductions_are_torchs(torch: ModuleType) -> None:
    y = np.random.default_rng(0).uniform(0, 1, (6, 5))
    mean = np.broadcast_to(y.mean(axis=0), y.shape).copy()
    p, t = torch.tensor(mean), torch.tensor(y)
    for kind in ("mean", "sum"):
        theirs = float(torch.nn.functional.binary_cross_entropy(p, t, reduction=kind))
        assert mean_prediction_loss(loss_of("bce"), y, reduction=Reduction(kind)) == pytest.approx(theirs)
        entropy = float(torch.nn.functional.binary_cross_entropy(t, t, reduction=kind))
        assert floor(loss_of("bce"), y, reduction=Reduction(kind)) == pytest.approx(entropy)
    y = np.random.default_rng(0).dirichlet(np.ones(5), 6)
    log_mean = torch.tensor(np.broadcast_to(np.log(y.mean(axis=0)), y.shape).copy())
    loss = loss_of("kl_divergence", log_input=True)
    for kind in ("mean", "sum", "batchmean"):
        theirs = float(torch.nn.functional.kl_div(log_mean, torch.tensor(y), reduction=kind))
        assert mean_prediction_loss(loss, y, reduction=Reduction(kind)) == pytest.approx(theirs)
        assert floor(loss, y, reduction=Reduction(kind)) == pytest.approx(0.0, abs=1e-12)
    logits, images = torch.zeros(2, 3, 4, 4), np.random.default_rng(0).integers(0, 3, (2, 4, 4))
    theirs = float(torch.nn.functional.cross_entropy(logits, torch.tensor(images), label_smoothing=0.1))
    smoothed = loss_of("cross_entropy", True, label_smoothing=0.1)
    assert floor(smoothed, images, units=3) < mean_prediction_loss(smoothed, images, units=3) <= theirs + 0.1


def test_reductions_are_keras(keras: ModuleType) -> None:
    y = np.random.default_rng(0).uniform(0, 1, (6, 4, 5)).astype(np.float32)
    mean = np.broadcast_to(y.mean(axis=0), y.shape).copy()
    for kind in ("sum_over_batch_size", "sum"):
        theirs = float(keras.losses.BinaryCrossentropy(reduction=kind)(y, mean))
        ours = mean_prediction_loss(loss_of("bce"), y, reduction=Reduction(kind, keras=True))
        assert ours == pytest.approx(theirs, rel=1e-4)
        soft = y / y.sum(-1, keepdims=True)
        theirs = float(keras.losses.CategoricalCrossentropy(reduction=kind)(soft, soft))
        assert floor(loss_of("cce"), soft, reduction=Reduction(kind, keras=True)) == pytest.approx(theirs, rel=1e-4)


def test_targets_that_are_ignored_do_not_count() -> None:
    labels = np.array([0, 0, 1, 1, -100])
    assert mean_prediction_loss(loss_of("sparse_cce", True), labels) == pytest.approx(math.log(2))


def test_no_training_passes_the_floor(torch: ModuleType) -> None:
    """Free predictions, one a target, fitted by gradient descent: they end at the floor and never below it."""
    y = torch.tensor(np.random.default_rng(1).uniform(0, 1, (4, 6)))
    logits = torch.zeros_like(y, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    least = floor(loss_of("bce", True), y.numpy())
    for _ in range(120):
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(logits, y)
        assert float(value.detach()) >= least - 1e-12
        value.backward()
        optimizer.step()
    assert float(value.detach()) - least < 1e-4

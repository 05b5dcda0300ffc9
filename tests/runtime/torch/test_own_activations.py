"""Output activations of the program's own: told by their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest

from ae_audit.rules.predicates import beaten_by_the_mean
from ae_audit.runtime.measure.facts import certify

Record = Callable[..., Any]

PROGRAM = """
class Squash(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y * (1 - y)

class Own(nn.Module):
    def forward(self, x):
        return BODY

model = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 16), Own())
optimizer = torch.optim.Adam(model.parameters())
for step in range(40):
    loss = F.mse_loss(model(images), images)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


@pytest.mark.parametrize(
    ("body", "activation", "low", "high"),
    [
        ("3 / (1 + torch.exp(-x))", "sigmoid", 0, 3),
        ("Squash.apply(x)", "sigmoid", 0, 1),
        ("0.5 * (x + x.abs())", "relu", 0, inf),
        ("(torch.log(1 + (-x.abs()).exp()) + x.clamp(min=0)).view(-1, 4, 4).flatten(1)", "softplus", 0, inf),
        ("2 * torch.sigmoid(x) - 1", "sigmoid", -1, 1),
        ("x * torch.sigmoid(x)", "silu", -0.2785, inf),
        ("3 * torch.exp(-(x - 1) ** 2)", None, 0, 3),
        ("torch.where(x > 0, 0.5 * x + torch.sin(x), torch.zeros(1))", None, 0, inf),
        ("x + x.tanh()", "linear", -inf, inf),
    ],
)
def test_by_values(record: Record, body: str, activation: str | None, low: float, high: float) -> None:
    run = record(PROGRAM.replace("BODY", body))
    head = run.only.setup.head
    hull = head.range.values.hull
    assert head.activation == activation
    assert (hull.lo, hull.hi) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
    if activation is None:
        assert "tried on inputs far from 0" in head.trail[0].text
        assert head.location.line == run.line_of(f"return {body}")


@pytest.mark.parametrize(
    "body", ["x / x.abs().sum(1, keepdim=True)", "(x - x.min()) / (x.max() - x.min())", "x.abs() ** self.power"]
)
def test_what_does_not_go_value_by_value_is_left_unknown(record: Record, body: str) -> None:
    learned = (
        "def __init__(self):\n        super().__init__()\n        self.power = nn.Parameter(torch.ones(16))\n\n    "
    )
    program = PROGRAM.replace("BODY", body).replace(
        "class Own(nn.Module):\n    ", f"class Own(nn.Module):\n    {learned}"
    )
    head = record(program).only.setup.head
    assert head.activation is None
    assert head.range.values.unknown
    assert "power" in body or "value by value" in head.trail[0].text


def test_a_range_that_was_tried_proves_nothing(record: Record) -> None:
    setup = record(PROGRAM.replace("BODY", "3 * torch.exp(-(x - 1) ** 2)")).only.setup
    targets = np.random.default_rng(0).uniform(100, 255, (64, 16))
    setup = replace(setup, certificate=certify(setup, targets))
    assert setup.certificate.attainable_r2 < 0
    assert not beaten_by_the_mean(setup)
    assert beaten_by_the_mean(replace(setup, head=replace(setup.head, sampled=False)))

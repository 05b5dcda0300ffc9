"""Several losses that one function of the program computes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ae_audit.schema.remedies import SwapLoss
from ae_audit.schema.training_setup import Relation

Record = Callable[..., Any]

GAN = """
def adversarial(scores, real):
    wanted = torch.ones_like(scores) if real else torch.zeros_like(scores)
    return F.binary_cross_entropy(scores, wanted)

generator = nn.Sequential(nn.Linear(4, 16), nn.Sigmoid())
judge = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())
by_generator = torch.optim.SGD(generator.parameters(), 0.1)
by_judge = torch.optim.Adam(judge.parameters())
for step in range(60):
    x = images[(step * 50) % 400:][:50]
    made = generator(torch.randn(50, 4))
    kept = adversarial(judge(x), True)
    loss = kept + adversarial(judge(made.detach()), False)
    by_judge.zero_grad(); loss.backward(); by_judge.step()
    fooled = adversarial(judge(made), True)
    by_generator.zero_grad(); fooled.backward(); by_generator.step()
"""


def test_both_sides_of_an_adversarial_net_are_told_apart(record: Record) -> None:
    run = record(GAN)
    seen = [(capture.setup.loss.trail[0].location.line, capture.setup.optimizer) for capture in run.captures]
    lines = [run.line_of(text) for text in ("kept = ", "loss = kept", "fooled = ")]
    assert seen == [(lines[0], "Adam"), (lines[1], "Adam"), (lines[2], "SGD")]
    assert {capture.setup.location.line for capture in run.captures} == {run.line_of("return")}
    assert [round(float(np.mean(capture.targets))) for capture in run.captures] == [1, 0, 1]
    assert all(np.isfinite(capture.trial((SwapLoss("mse"),), 0).advance(2)) for capture in run.captures)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before, calls on one line are one place")
def test_hand_written_and_in_one_expression(record: Record) -> None:
    run = record("""
    def distance(p, y):
        return ((p - y) ** 2).mean()

    a, b = nn.Linear(16, 16), nn.Linear(16, 16)
    optimizer = torch.optim.Adam([*a.parameters(), *b.parameters()])
    for step in range(20):
        loss = distance(a(images), images) + 0.5 * distance(b(images), 2 * images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    found = {(capture.setup.relation, capture.setup.loss.weight) for capture in run.captures}
    assert found == {(Relation.SAME, 1.0), (Relation.RESCALED, None)}
    assert len({capture.setup.loss.trail[0].location.column for capture in run.captures}) == 2


def test_a_function_that_trains_is_one_place_wherever_it_is_called(record: Record) -> None:
    run = record("""
    def train(model, x):
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(20):
            loss = F.mse_loss(model(x), x)
            optimizer.zero_grad(); loss.backward(); optimizer.step()

    model = nn.Linear(16, 16)
    train(model, images[:200])
    train(model, images[200:])
    """)
    assert run.only.setup.loss.trail == ()

"""Critics without a target: which losses are differences of mean scores (AE702)."""

from __future__ import annotations

import pytest

from ae_audit.rules.runner import check
from ae_audit.static import analyse_file

TORCH = """
import torch
from torch import nn
from torch.nn import functional as F
real = torch.randn(256, 2)
generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1){last})
optimizer = torch.optim.RMSprop(critic.parameters())
for step in range(100):
    fake = generator(torch.randn(256, 4)).detach()
    mixed = (0.5 * (fake + real)).requires_grad_(True)
    slope = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)[0]
    penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
    loss = {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
KERAS = """
import keras
import numpy as np
from keras import layers, ops
def loss(y_true, y_pred):
    return {loss}
critic = keras.Sequential([keras.Input((2,)), layers.Dense(16), layers.Dense(1, activation="sigmoid")])
critic.compile("rmsprop", loss)
critic.train_on_batch(np.random.normal(size=(64, 2)), {labels})
"""
DIFFERENCE = "critic(fake).mean() - critic(real).mean()"


def codes(source: str) -> set[str]:
    result = analyse_file("program.py", source.encode())
    assert not result.errors
    assert result.setups
    return {finding.code for finding in check(result.setups)[0]}


@pytest.mark.parametrize(
    ("last", "loss", "told"),
    [
        (", nn.Sigmoid()", DIFFERENCE, True),
        (", nn.Tanh()", DIFFERENCE, True),
        (", nn.Sigmoid()", "-torch.mean(critic(real)) + torch.mean(critic(fake))", True),
        (", nn.Sigmoid()", "-(torch.mean(critic(real)) - critic(fake).mean()) / 2 + 10 * penalty", True),
        ("", DIFFERENCE, False),
        (", nn.ReLU()", DIFFERENCE, False),
        (", nn.Sigmoid()", "1 - critic(real).mean() + critic(fake).mean()", False),
        (", nn.Sigmoid()", "-critic(fake).mean()", False),
        (", nn.Sigmoid()", "critic(real).mean() + critic(fake).mean()", False),
        (", nn.Sigmoid()", "-torch.log(critic(real)).mean() - torch.log(1 - critic(fake)).mean()", False),
        (", nn.Tanh()", "F.relu(1 - critic(real)).mean() + F.relu(1 + critic(fake)).mean()", False),
        (", nn.Sigmoid()", "critic(fake).std() - critic(real).mean()", False),
    ],
)
def test_scores_that_are_set_against_one_another(last: str, loss: str, *, told: bool) -> None:
    assert ("AE702" in codes(TORCH.format(last=last, loss=loss))) is told


@pytest.mark.parametrize(
    ("loss", "labels", "told"),
    [
        ("ops.mean(y_true * y_pred)", "-np.ones((64, 1))", True),
        ("-keras.ops.mean(y_pred * y_true)", "np.ones((64, 1))", True),
        ("y_true * y_pred", "-np.ones((64, 1))", True),
        ("ops.mean(y_true * y_pred)", "np.random.normal(size=(64, 1))", False),
        ("ops.mean(y_true * y_pred)", "np.zeros((64, 1))", False),
        ("ops.mean(ops.log(y_pred) * y_true)", "-np.ones((64, 1))", False),
        ("ops.mean(ops.square(y_true - y_pred))", "np.ones((64, 1))", False),
    ],
)
def test_labels_that_are_signs(loss: str, labels: str, *, told: bool) -> None:
    assert ("AE702" in codes(KERAS.format(loss=loss, labels=labels))) is told

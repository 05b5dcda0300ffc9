"""Shapes and ranges that change under a program's hands: broadcasting, and arithmetic in place."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.intervals import UNIT

START = """
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
"""


def audited(rest: str) -> tuple[TrainingSetup, set[str]]:
    result = analyse_file("program.py", (START + textwrap.dedent(rest)).encode())
    assert not result.errors
    (setup,) = result.setups
    findings, _ = check(result.setups)
    return setup, {finding.code for finding in findings if finding.severity.value != "info"}


@pytest.mark.parametrize(
    ("bias", "units", "codes"),
    [
        ("torch.zeros(10)", 10, set()),
        ("torch.zeros(classes)", None, set()),
        ("torch.tensor(torch.zeros(classes), dtype=weights.weight.dtype)", None, set()),
        ("torch.zeros(1)", 1, {"AE209"}),
    ],
)
def test_one_score_and_a_bias_for_each_class(bias: str, units: int | None, codes: set[str]) -> None:
    setup, found = audited(f"""
    classes = int(input())
    weights = nn.Linear(392, 1, bias=False)
    bias = nn.Parameter({bias})
    optimizer = torch.optim.SGD([weights.weight, bias], lr=0.1)
    images, labels = torch.rand(64, 392), torch.randint(0, 10, (64,))
    loss = F.cross_entropy(weights(images) + bias, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    """)
    assert setup.head.units == units
    assert found == codes


@pytest.mark.parametrize(
    ("target", "codes"),
    [("torch.rand(64, 6)", {"AE309"}), ("torch.rand(64, 5)", set()), ("torch.rand(1, 5)", set())],
)
@pytest.mark.parametrize("loss", ["((out - y) ** 2).mean()", "(out - y).abs().sum()"])
def test_a_loss_by_hand_on_shapes_that_no_broadcasting_makes_one(loss: str, target: str, codes: set[str]) -> None:
    _, found = audited(f"""
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 5))
    optimizer = torch.optim.Adam(net.parameters())
    x, y = torch.rand(64, 8), {target}
    for epoch in range(20):
        out = net(x)
        loss = {loss}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    """)
    assert found & {"AE309"} == codes


@pytest.mark.parametrize(
    "change",
    [
        "images = torch.from_numpy(raw).float()\nimages.div_(255).clamp_(0, 1)",
        "np.divide(raw, 255, out=raw)\nimages = torch.from_numpy(raw)",
        "raw /= 255\nimages = torch.from_numpy(raw)",
    ],
)
def test_data_scaled_in_place(change: str) -> None:
    setup, found = audited(f"""
raw = np.random.randint(0, 256, (100, 784)).astype("float32")
{change}
model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
loss = F.binary_cross_entropy(model(images), images)
optimizer.zero_grad()
loss.backward()
optimizer.step()
""")
    assert UNIT.covers(setup.target.values.hull, 1e-9)
    assert not found


@pytest.mark.parametrize(("size", "codes"), [("(21, 1)", set()), ("(21,)", {"AE309"})])
def test_an_array_resized_in_place(size: str, codes: set[str]) -> None:
    _, found = audited(f"""
    wave = np.sin(np.linspace(0, 3, 21))
    wave.resize({size})
    model = nn.Linear(5, 1)
    optimizer = torch.optim.Adam(model.parameters())
    loss = F.mse_loss(model(torch.rand(20, 5)), torch.Tensor(wave[1:]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    """)
    assert found == codes

"""Clips in training (AE108), accuracies that are counted by hand (AE401), and gradients never reset (AE501)."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.findings import Finding
from ae_audit.static import analyse_file

TORCH = """
import torch
from torch import nn
from torchvision import datasets, transforms
data = datasets.MNIST(".", download=True, transform=transforms.ToTensor())
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    def forward(self, x):
        return {output}
net = Net()
optimizer = torch.optim.Adam(net.parameters())
for x, _ in torch.utils.data.DataLoader(data, 64):
    loss = nn.functional.mse_loss(net(x), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
KERAS = """
import keras
import tensorflow as tf
from keras import layers, ops
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / 255.0
inputs = keras.Input((784,))
hidden = layers.Dense(32, activation="relu")(inputs)
outputs = {output}
net = keras.Model(inputs, outputs)
net.compile("adam", "mae")
net.fit(x, x)
"""


def findings(source: str, code: str) -> list[Finding]:
    result = analyse_file("program.py", textwrap.dedent(source).encode())
    assert not result.errors
    assert result.setups
    return [finding for finding in check(result.setups)[0] if finding.code == code]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("torch.clamp(self.body(x), 0, 1)", True),
        ("self.body(x).clamp(0.0, 1.0)", True),
        ("nn.Hardtanh(0, 1)(self.body(x))", True),
        ("nn.functional.hardtanh(2 * self.body(x), 0.0, 1.0)", True),
        ("self.body(x).clamp(min=0)", True),
        ("self.body(x)", False),
        ("torch.clamp(self.body(x), -1, 1)", False),
        ("nn.Hardtanh()(self.body(x))", False),
        ("torch.clamp(x + self.body(x), 0, 1)", False),
        ("torch.clamp(self.body(x) + 0.5, 0, 1)", False),
        ("torch.clamp(torch.sigmoid(self.body(x)), 0.01, 0.99)", False),
        ("self.body(x) if self.training else self.body(x).clamp(0, 1)", False),
        ("torch.relu(self.body(x))", False),
    ],
)
def test_a_clip_of_a_layers_own_output(output: str, told: bool) -> None:
    assert bool(findings(TORCH.format(output=output), "AE108")) is told


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        ("(net(x) == x).sum()", True),
        ("torch.eq(net(x), x).float().mean()", True),
        ("net(x).eq(x).sum()", True),
        ("(x == net(x)).all()", True),
        ("(net(x).argmax(1) == y).sum()", False),
        ("((net(x) > 0.5) == (x > 0.5)).sum()", False),
        ("(net(x) > x).sum()", False),
        ("(x == x).sum()", False),
    ],
)
def test_an_accuracy_that_the_program_counts(counted: str, told: bool) -> None:
    source = TORCH.format(output="self.body(x)").replace("for x, _", "for x, y")
    assert bool(findings(f"{source}    right = {counted}\n", "AE401")) is told


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("ops.clip(layers.Dense(784)(hidden), 0.0, 1.0)", True),
        ("layers.Lambda(lambda t: tf.clip_by_value(t, 0.0, 1.0))(layers.Dense(784)(hidden))", True),
        ("layers.ReLU(max_value=1.0)(layers.Dense(784)(hidden))", True),
        ("ops.clip(layers.Dense(784, activation='sigmoid')(hidden), 0.0, 1.0)", False),
        ("ops.clip(layers.Dense(784)(hidden), -1.0, 1.0)", False),
        ("layers.ReLU()(layers.Dense(784)(hidden))", False),
    ],
)
def test_a_clip_in_keras(output: str, told: bool) -> None:
    assert bool(findings(KERAS.format(output=output), "AE108")) is told


LOOPS = """
import torch
from torch import nn
from torch.nn import functional as F
G, D = nn.Linear(8, 2), nn.Linear(2, 1)
g_opt, d_opt = None, None
g_opt = torch.optim.Adam(G.parameters())
d_opt = torch.optim.Adam(D.parameters())
for step in range(100):
    real, z = torch.randn(64, 2), torch.randn(64, 8)
    {first}
    d_loss = F.mse_loss(D(real), torch.ones(64, 1)) + F.mse_loss(D(G(z).detach()), torch.zeros(64, 1))
    d_loss.backward()
    d_opt.step()
    {second}
    g_loss = F.mse_loss(D(G(z)), torch.ones(64, 1))
    g_loss.backward()
    g_opt.step()
"""


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        ("d_opt.zero_grad()", "g_opt.zero_grad()", []),
        ("D.zero_grad()", "G.zero_grad()", []),
        ("[opt.zero_grad() for opt in (g_opt, d_opt)]", "pass", []),  # which of them is not looked at
        ("for p in [*D.parameters(), *G.parameters()]: p.grad = None", "pass", []),
        ("reset(g_opt)", "d_opt.zero_grad()", []),
        ("d_opt.zero_grad()", "pass", [17]),
        ("D.zero_grad()", "pass", [17]),
        ("pass", "g_opt.zero_grad()", [13]),
        ("pass", "pass", [13]),
    ],
)
def test_each_optimizer_needs_a_reset_of_its_own(first: str, second: str, lines: list[int]) -> None:
    source = LOOPS.replace("g_opt, d_opt = None, None\n", "from helpers import reset\n" if "reset(" in first else "\n")
    found = findings(source.format(first=first, second=second), "AE501")
    assert [finding.location.line for finding in found] == lines


PHASES = """
import torch
from torch import nn
from torch.nn import functional as F
x = torch.rand(256, 20)
encoder, decoder, scorer = nn.Linear(20, 8), nn.Linear(8, 20), nn.Linear(8, 1)
{helper}
first = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
for _ in range(30):
    loss = F.mse_loss(decoder(encoder(x)), x)
    first.zero_grad()
    loss.backward()
    first.step()
second = torch.optim.SGD([*encoder.parameters(), *scorer.parameters()], lr=0.01)
for _ in range(30):
    {before}
    loss = F.mse_loss(scorer(encoder(x)), x.mean(1, keepdim=True))
    loss.backward()
    second.step()
"""


@pytest.mark.parametrize(
    ("helper", "before", "told"),
    [
        ("", "pass", True),
        ("", "second.zero_grad()", False),
        ("def fresh(net): net.zero_grad()", "fresh(scorer)", False),
        ("", "encoder.zero_grad()", False),
    ],
)
def test_a_reset_in_one_loop_acquits_no_other(helper: str, before: str, told: bool) -> None:
    found = findings(PHASES.format(helper=helper, before=before), "AE501")
    assert bool(found) is told


EPOCHS = """
import torch
from torch import nn
net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
def clean():
    {helper}
for _ in range(10):
    {epoch}
    for row, want in zip(torch.rand(64, 4).split(8), torch.rand(64, 1).split(8)):
        {turn}
        loss = nn.functional.mse_loss(net(row), want)
        loss.backward()
        {step}
"""


@pytest.mark.parametrize(
    ("helper", "epoch", "turn", "step", "told"),
    [
        ("pass", "opt.zero_grad()", "pass", "opt.step()", True),
        ("pass", "net.zero_grad()", "pass", "opt.step()", True),
        ("opt.zero_grad()", "clean()", "pass", "opt.step()", True),
        ("pass", "pass", "opt.zero_grad()", "opt.step()", False),
        ("opt.zero_grad()", "opt.zero_grad()", "clean()", "opt.step()", False),
        ("pass", "opt.zero_grad()", "pass", "pass\n    opt.step()", False),
        ("pass", "opt.zero_grad()", "pass", "opt.step(); opt.zero_grad()", False),
    ],
)
def test_a_reset_once_an_epoch_is_none_of_each_step(helper: str, epoch: str, turn: str, step: str, told: bool) -> None:
    assert bool(findings(EPOCHS.format(helper=helper, epoch=epoch, turn=turn, step=step), "AE501")) is told


def test_a_reset_where_the_step_is_called_from_counts() -> None:
    source = """
    import torch
    from torch import nn
    net = nn.Linear(4, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    def some_steps(x, y):
        for row, want in zip(x.split(8), y.split(8)):
            loss = nn.functional.mse_loss(net(row), want)
            loss.backward()
        opt.step()
    def epoch():
        {}
        some_steps(torch.rand(64, 4), torch.rand(64, 1))
    for _ in range(10):
        epoch()
    """
    assert not findings(source.format("opt.zero_grad()"), "AE501")
    assert findings(source.format("pass"), "AE501")

"""What is measured as training starts: how much a clip cuts off (AE108), and whether gradients are reset (AE501)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ae_audit.theory.ranges import Tri

Record = Callable[..., Any]

CLIPPED = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(16, 16)
        nn.init.constant_(self.body.bias, {bias})
    def forward(self, x):
        return {output}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for batch in images.split(50):
    loss = F.mse_loss(net(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("output", "bias", "low", "high"),
    [
        ("self.body(x).clamp(0, 1)", 0.0, 0.2, 0.8),
        ("F.hardtanh(self.body(x), 0.0, 1.0)", 0.0, 0.2, 0.8),
        ("torch.clamp(self.body(x), 0, 1)", -5.0, 1.0, 1.0),
        ("torch.clamp(self.body(x), 0, 1)", 0.5, 0.0, 0.2),
        ("torch.clamp(self.body(x), -9, 9)", 0.0, 0.0, 0.0),
    ],
)
def test_what_a_clip_cuts_off_is_measured(record: Record, output: str, bias: float, low: float, high: float) -> None:
    cut = record(CLIPPED.format(output=output, bias=bias)).only.setup.head.cut
    assert cut is not None
    assert low <= cut <= high


@pytest.mark.parametrize(
    "output", ["torch.clamp(x + self.body(x), 0, 1)", "torch.sigmoid(self.body(x)).clamp(0.4, 0.6)", "self.body(x)"]
)
def test_of_a_residual_or_an_activation_nothing_is_measured(record: Record, output: str) -> None:
    assert record(CLIPPED.format(output=output, bias=0.0)).only.setup.head.cut is None


STEPS = """
first, second = nn.Linear(16, 4), nn.Linear(4, 16)
one = torch.optim.SGD(first.parameters(), lr=0.01)
two = torch.optim.SGD(second.parameters(), lr=0.01)
for number, batch in enumerate(images.split(25)):
    {before}
    loss = F.mse_loss(second(first(batch)), batch)
    loss.backward()
    {step}
"""


@pytest.mark.parametrize(
    ("before", "step", "reset"),
    [
        ("one.zero_grad()", "one.step()", Tri.YES),
        ("first.zero_grad()", "one.step()", Tri.YES),
        ("for p in first.parameters(): p.grad = None", "one.step()", Tri.YES),
        ("for p in first.parameters(): p.grad is None or p.grad.zero_()", "one.step()", Tri.YES),
        ("number % 4 or one.zero_grad()", "number % 4 == 3 and one.step()", Tri.YES),
        ("pass", "one.step()", Tri.NO),
        ("two.zero_grad()", "one.step()", Tri.NO),
        ("second.zero_grad()", "one.step()", Tri.NO),
        ("pass", "number or one.step()", Tri.UNKNOWN),
    ],
)
def test_whether_an_optimizer_starts_from_nothing(record: Record, before: str, step: str, reset: Tri) -> None:
    capture = record(STEPS.format(before=before, step=step)).captures[0]
    assert capture.setup.gradients_reset is reset

"""The sign with which a similarity that is written out enters what is minimised."""

from __future__ import annotations

import pytest

from ae_audit.rules.registry import find_rule
from ae_audit.schema.findings import Violation
from ae_audit.static import analyse_file

PROGRAM = """
import torch
from torch import nn
x = torch.rand(64, 3, 8, 8)
t = (x.mean(1, keepdim=True) > 0.5).float()
net = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Sigmoid())
opt = torch.optim.Adam(net.parameters())
for k in range(0, 64, 8):
    p, y = net(x[k:k + 8]), t[k:k + 8]
    i = (p * y).sum(dim=(1, 2, 3))
    s = ({twice}i + 1) / (p.sum(dim=(1, 2, 3)) + y.sum(dim=(1, 2, 3)){less} + 1)
    loss = {loss}
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(s.mean().item())
"""


@pytest.mark.parametrize(("twice", "less"), [("2 * ", ""), ("", " - i")])
@pytest.mark.parametrize(
    ("loss", "reversed_"),
    [
        ("s.mean()", True),
        ("s.log().mean()", True),
        ("1 - s.mean()", False),
        ("-s.mean()", False),
        ("-s.log().mean()", False),
        ("((1 - s) ** 0.75).mean()", False),
        ("nn.functional.binary_cross_entropy(p, y) + s.mean()", False),
    ],
)
def test_an_overlap_that_is_minimised(twice: str, less: str, loss: str, reversed_: bool) -> None:
    found = analyse_file("m.py", PROGRAM.format(twice=twice, less=less, loss=loss).encode())
    rule = find_rule("AE210")
    told = [one for setup in found.setups for one in rule.check(setup) if isinstance(one, Violation)]
    assert bool(told) is reversed_

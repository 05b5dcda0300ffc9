"""The two terms of a variational loss, measured at the program's own steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ae_audit.rules.checks.ae204_vae_loss_reduction_imbalance import RULE
from ae_audit.schema.findings import Violation
from ae_audit.schema.training_setup import Reduction

Record = Callable[..., Any]

VAE = """
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.mean, self.spread = nn.Linear(16, 12), nn.Linear(12, 4), nn.Linear(12, 4)
        self.decoder = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 16), nn.Sigmoid())

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        mu, lv = self.mean(h), self.spread(h)
        return self.decoder(mu + torch.exp(0.5 * lv) * torch.randn_like(mu)), mu, lv

vae = VAE()
optimizer = torch.optim.Adam(vae.parameters())
scale = {"bce": 1.0, "kl": 1.0}  # what reading cannot follow
for step in range(40):
    x = images[(step * 50) % 400:][:50]
    out, mu, lv = vae(x)
    loss = LOSS
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""
SUMMED = "-0.5 * torch.sum(1 + lv - mu ** 2 - lv.exp())"
NORMAL = "torch.distributions.Normal"


@pytest.mark.parametrize(
    ("loss", "reconstruction", "divergence"),
    [
        (f"F.binary_cross_entropy(out, x, reduction='sum') + {SUMMED}", ("sum", "sum"), ("sum", "sum")),
        (f"F.mse_loss(out, x) + {SUMMED}", ("mean", "mean"), ("sum", "sum")),
        (f"(F.mse_loss(out, x) + 1e-3 * {SUMMED}) / 4", ("mean", "mean"), ("sum", "mean", 0.05)),
        (f"nn.BCELoss()(out, x) * 16 + {SUMMED} / len(x)", ("sum", "mean"), ("sum", "mean")),
        ("-(-((out - x) ** 2).sum(1) + 0.5 * (1 + lv - mu ** 2 - lv.exp()).mean(1)).mean()",
         ("sum", "mean"), ("mean", "mean")),
        (
            f"F.l1_loss(out, x) + torch.distributions.kl_divergence({NORMAL}(mu, (lv / 2).exp()), {NORMAL}(0., 1.))"
            ".sum(1).mean()", ("mean", "mean"), ("sum", "mean"),
        ),
    ],
)  # fmt: skip
def test_sums_means_and_weights(
    record: Record, loss: str, reconstruction: tuple[Any, ...], divergence: tuple[Any, ...]
) -> None:
    run = record(VAE.replace("LOSS", loss))
    found = run.only.setup.variational
    assert found is not None
    assert (found.reconstruction, found.divergence) == (Reduction(*reconstruction), Reduction(*divergence))
    assert (found.latents, found.batch) == (4, 50)
    assert found.location.line == run.line_of("loss = ")
    broken = reconstruction[0] == "mean" and divergence[0] == "sum" and len(divergence) == 2
    violations = [item for item in RULE.check(run.only.setup) if isinstance(item, Violation)]
    assert bool(violations) is broken


def test_a_divergence_that_the_model_computes_itself(record: Record) -> None:
    """Its calls are seen from the second step on."""
    program = VAE.replace(
        "mu, lv = self.mean(h), self.spread(h)", f"mu, lv = self.mean(h), self.spread(h)\n        self.kl = {SUMMED}"
    )
    found = record(program.replace("LOSS", "F.mse_loss(out, x) + vae.kl")).only.setup.variational
    assert (found.reconstruction.sample, found.divergence.sample) == ("mean", "sum")


@pytest.mark.parametrize(
    "loss",
    [
        "F.mse_loss(out, x) + mu.pow(2).sum() + lv.pow(2).sum()",
        "F.mse_loss(out, x) + (lv.exp() + mu ** 2 - 1 - lv).clamp(min=0.5).sum()",
        "F.mse_loss(out, x).sqrt() - 0.5 * torch.sum(1 + lv - mu ** 2 - lv.exp())",
        "F.mse_loss(out, x) - 0.5 * torch.sum(1 + lv - mu ** 2 - lv.exp()) ** 2",
    ],
    ids=["penalties", "free bits", "root", "squared"],
)
def test_what_is_no_weighted_divergence_is_left_unknown(record: Record, loss: str) -> None:
    assert record(VAE.replace("LOSS", loss)).only.setup.variational is None

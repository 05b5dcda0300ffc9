"""A regression target that the training is too short to reach.

## What it finds

A target far from where the network starts, say prices in the hundred thousands, under an optimizer whose steps the
learning rate bounds (Adam, RMSprop and their like), in a training that is over before the outputs are there.

## Why it hurts

Adam divides each gradient by its own size: however large the error, a step moves a weight by about the learning rate.
100 steps at a rate of 0.001 move a bias by 0.1. A network for house prices around 220,000 therefore spends its whole
training on the way to the mean: R² −9.3 after 100 steps, where the same network reaches 0.77 on the standardised
target.

## How it is decided

- *runtime*: the target measured, the optimizer's learning rate, and the steps that the program takes in all: epochs
  times batches of `fit`, or the loops round `optimizer.step()`. A candidate is a linear output under a loss of
  regression whose target lies further from 0, or is spread further, than steps times rate.
- *probe*: decides. The program as written and with the target standardised are fitted for the program's own number of
  steps; the candidate is reported only where the one explains the target and the other does not.

## When it stays silent

Without a run and a probe; where the number of steps is unknown or more than the probe can take (600); under SGD and
learning rates that change; for a target whose mean and spread are 3 at most; for class indices and reconstructions;
where data are stood in for; and wherever the program as written gets to its target in the steps that it takes.

## Fix safety

A scaled target changes what the program computes and what its predictions mean: they have to be scaled back. There is
no automatic fix.

## References

- Kingma and Ba, *Adam: a method for stochastic optimization* (2015), section 2.1: the step is bounded by the rate.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import LABELS, evidence, loss_place, number_words, spans, structure_of
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Rescale
from ae_audit.schema.training_setup import Framework, Pace, TrainingSetup
from ae_audit.theory.loss_families import POINTWISE
from ae_audit.theory.ranges import Tri

KERAS = """\
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x_train = rng.normal(size=(640, 4)).astype("float32")
prices = (220000 + 60000 * x_train[:, 0] - 40000 * x_train[:, 1]).astype("float32").reshape(-1, 1)

model = keras.Sequential([keras.Input(shape=(4,)), layers.Dense(32, activation="relu"), layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")
model.fit(x_train, prices, epochs=10, batch_size=64)
"""

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
inputs = torch.randn(640, 4)
prices = 220000 + 60000 * inputs[:, :1] - 40000 * inputs[:, 1:2]
loader = DataLoader(TensorDataset(inputs, prices), batch_size=64, shuffle=True)

model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(10):
    for batch, target in loader:
        loss = criterion(model(batch), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


USUAL = 3.0
"""mean and spread of a target up to which it is on a usual scale: a training too short even for that is too short"""


class UnscaledTarget(Rule):
    """The training is over before the outputs are where the target is."""

    code = "AE311"
    name = "unscaled-target"
    severity = Severity.WARNING
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE311",), by_running=True),
        Example(Framework.TORCH, TORCH, codes=("AE311",), by_running=True),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("model = keras", "prices = prices / 1e5 - 2.2\nmodel = keras")),
        Example(Framework.TORCH, TORCH.replace("lr=1e-3", "lr=10.0"), note="a rate that gets there"),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        pace, seen = setup.pace, setup.target.measured
        if pace is None or seen is None or seen.std <= 0.0 or setup.target.stand_in or not _regression(setup):
            return
        if max(abs(seen.mean), seen.std) <= max(USUAL, pace.steps * pace.rate):
            return
        place = loss_place(setup)
        yield Violation(
            message=_words(setup, pace, seen.mean, seen.std),
            location=place,
            remedies=(Rescale(1.0 / seen.std, -seen.mean / seen.std, input=False),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "target"),
            awaits=pace.steps,
        )


def _regression(setup: TrainingSetup) -> bool:
    """Whether a free output is compared with quantities that are not the input."""
    if setup.loss.name not in POINTWISE or structure_of(setup) in LABELS or setup.reconstruction is Tri.YES:
        return False
    return setup.head.activation == "linear" and setup.head.range.values.hull.is_real_line


def _words(setup: TrainingSetup, pace: Pace, mean: float, std: float) -> str:
    return (
        f"the target lies around {number_words(mean)}, spread by {number_words(std)}, and the training is over before "
        f"the outputs are there: {pace.steps} steps of {setup.optimizer} at a learning rate of "
        f"{number_words(pace.rate)} move a weight by about {number_words(pace.steps * pace.rate)}"
    )


RULE = UnscaledTarget()

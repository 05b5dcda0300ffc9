"""Gradients that are never set to zero between the steps of a training loop.

## What it finds

A hand-written loop that calls `backward()` and `optimizer.step()` again and again, and in which nothing resets the
gradients of that optimizer: no `zero_grad()` at all, or one of another optimizer, another network or another loop.

## Why it hurts

`backward()` adds to the gradients that are there. Without a reset every step follows the sum of all gradients since the
start: after a thousand steps, the current batch makes up a thousandth of the step. With plain SGD that is a
momentum of 1, which never forgets; the loss falls at first, then swings and often diverges.

## How it is decided

- *static*: of all that can run between two steps of the loop (its body, the functions that it calls and those that call
  the function it is in) nothing resets the optimizer's gradients: `optimizer.zero_grad()`, `model.zero_grad()` of a
  network whose weights it was given, `p.grad = None`, `p.grad.zero_()`. A reset that an
  outer loop does once an epoch is none.
- *runtime*: from one step of the optimizer to the next its gradients are never reset.

## When it stays silent

In Keras, where gradients do not accumulate; with a single step; where gradients are reset now and then on purpose
(accumulation over several batches); where it is not plain whose gradients a call resets (`for opt in optimizers:
opt.zero_grad()`); and where the loop calls something that could not be followed.

## Fix safety

There is no automatic fix: whether the reset belongs before every step or after several batches only the author knows.

## References

- [torch: Optimizer.zero_grad](https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.schema.findings import Severity, Span, UnknownFact, Violation
from ae_audit.schema.remedies import Advice, Change
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.ranges import Tri

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

loader = DataLoader(
    datasets.MNIST("data", download=True, transform=transforms.ToTensor()), batch_size=256, shuffle=True
)

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid())
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for images, _ in loader:
    loss = criterion(model(images), images.flatten(1))
    loss.backward()
    optimizer.step()
"""


class MissingZeroGrad(Rule):
    """Gradients are never reset in the training loop."""

    code = "AE501"
    name = "missing-zero-grad"
    severity = Severity.WARNING
    probed = False
    frameworks = (Framework.TORCH,)
    bad = (Example(Framework.TORCH, TORCH, codes=("AE501",)),)
    good = (
        Example(
            Framework.TORCH, TORCH.replace("    loss.backward()", "    optimizer.zero_grad()\n    loss.backward()")
        ),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.framework is not Framework.TORCH or setup.gradients_reset is not Tri.NO:
            return
        place = setup.backward_location or setup.location
        yield Violation(
            message="gradients are never set to zero in this loop, so every step follows the sum of all of them",
            location=place,
            remedies=(Advice("optimizer.zero_grad() before each backward pass", Change.ZERO_GRADIENTS),),
            spans=() if place == setup.location else (Span(setup.location, "the loss of this loop"),),
        )


RULE = MissingZeroGrad()

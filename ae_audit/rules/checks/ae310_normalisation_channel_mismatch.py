"""Per-channel statistics that do not fit the channels of the data.

## What it finds

`Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))` on grey images of one channel, or one statistic written for three: the
number of means and deviations is neither 1 nor the number of channels.

## Why it hurts

Old releases of torchvision zipped the statistics with the channels and left the surplus out. Since 0.5 they broadcast:
one channel and three statistics give a RuntimeError (`output with shape [1, 28, 28] doesn't match the broadcast shape
[3, 28, 28]`) at the first image, and where the operation is not in place, three copies of the image.

## How it is decided

- *static*: the number of statistics of the transform against the channels of the data set that it belongs to.
- *runtime*: the program raises, and the report says so.

## When it stays silent

With one statistic for all channels, and where the number of channels is not known: an image folder, a data set of the
user's own, after `Grayscale(n)` with an unknown n.

## Fix safety

There is no automatic fix: the right statistics are those of the data.

## References

- [torchvision: Normalize](https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import evidence, spans
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, TrainingSetup

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

transform = transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
])
loader = DataLoader(datasets.MNIST("data", download=True, transform=transform), batch_size=256, shuffle=True)

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), nn.Tanh())
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for images, _ in loader:
    loss = criterion(model(images), images.flatten(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class NormalisationChannelMismatch(Rule):
    """Per-channel statistics that do not fit the channels of the data."""

    code = "AE310"
    name = "normalisation-channel-mismatch"
    severity = Severity.ERROR
    probed = False
    frameworks = (Framework.TORCH,)
    bad = (Example(Framework.TORCH, TORCH, codes=("AE310",)),)
    good = (Example(Framework.TORCH, TORCH.replace("(0.5, 0.5, 0.5), (0.5, 0.5, 0.5)", "(0.5,), (0.5,)")),)

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        for part, data in (("input", setup.input), ("target", setup.target)):
            if data.normalised_channels is not None:
                statistics, channels = data.normalised_channels
                place = data.location or setup.location
                images = "one channel" if channels == 1 else f"{channels} channels"
                yield Violation(
                    message=f"images of {images} are normalised with the statistics of {statistics}: "
                    "torchvision raises, since the shapes do not broadcast",
                    location=place,
                    remedies=(Advice(f"a mean and a deviation for {'the one channel' if channels == 1 else images}"),),
                    spans=spans(setup, but=place, loss=False, target=False),
                    evidence=evidence(setup, part),
                )
                return


RULE = NormalisationChannelMismatch()

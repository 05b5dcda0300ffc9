"""A generator whose bounded output is not on the scale of the data.

## What it finds

A generator that ends in `tanh` beside images on [0, 1] or [0, 255], or in `sigmoid` beside images on [-1, 1]: what the
discriminator receives from the generator and from the data, after all rescaling, lies on two scales.

## Why it hurts

The discriminator needs no picture to tell them apart, only the range. A generator that cannot reach the data loses for
good: with sigmoid beside images on [-1, 1], every dark pixel, four fifths of an MNIST digit, is out of reach. One whose
range is much wider starts with half its values below 0, where no real one lies: the discriminator's loss is near 0.0
within 100 steps, and its gradient with it.

## How it is decided

- *static*: the layer that the real data enter is found again on the way of what a bounded output makes, as it is, by
  `detach()` or by `predict()`; the two ranges there are compared.
- *runtime*: the range of the real data comes from the values seen.

An error where real data surely leave the generator's range, a warning where that is at least 1.5 times as wide as
theirs.

## When it stays silent

With linear outputs, where the range of either is unknown, and where images and conditions are joined before the
discriminator.

## Fix safety

There is no automatic fix: scale the data to the generator's range (`Normalize((0.5,), (0.5,))` for `tanh`), or give the
generator the data's.

## References

- Radford, Metz, Chintala, *Unsupervised Representation Learning with DCGANs* (2015), section 4: images scaled to the
  range of tanh.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import ROUNDING, evidence, values_words
from ae_audit.schema.findings import Severity, Span, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import DataFacts, Framework, Head, TrainingSetup
from ae_audit.theory.ranges import Tri

WIDER = 1.5
"""from how many times the width of the data on a generator's range is too wide; tanh beside [0, 1] makes a 2"""

KERAS = """\
import keras
import numpy as np
from keras import layers

(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0

generator = keras.Sequential([
    keras.Input(shape=(32,)),
    layers.Dense(128, activation="relu"),
    layers.Dense(784, activation="tanh"),
])
discriminator = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(128, activation="relu"),
    layers.Dense(1, activation="sigmoid"),
])
discriminator.compile(optimizer="adam", loss="binary_crossentropy")

for step in range(100):
    real = x_train[np.random.randint(0, len(x_train), 64)]
    fake = generator.predict(np.random.normal(size=(64, 32)), verbose=0)
    discriminator.train_on_batch(real, np.ones((64, 1)))
    discriminator.train_on_batch(fake, np.zeros((64, 1)))
"""

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

data = datasets.MNIST("data", train=True, download=True, transform=transforms.ToTensor())
loader = DataLoader(data, batch_size=64, shuffle=True)

generator = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784), nn.Tanh())
discriminator = nn.Sequential(nn.Linear(784, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
criterion = nn.BCEWithLogitsLoss()
g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4)
d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4)

for images, _ in loader:
    real = images.flatten(1)
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    fake = generator(torch.randn(len(real), 32))
    d_loss = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()
    g_loss = criterion(discriminator(fake), ones)
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
"""


class GeneratorRangeMismatch(Rule):
    """Generator and data give the discriminator different ranges."""

    code = "AE701"
    name = "generator-range-mismatch"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE701",)),
        Example(Framework.TORCH, TORCH, codes=("AE701",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("/ 255.0", "/ 127.5 - 1.0")),
        Example(Framework.TORCH, TORCH.replace("nn.Tanh()", "nn.Sigmoid()")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        made = setup.generated
        if made is None:
            return
        severity = _severity(made, setup.input)
        if severity is None:
            return
        place = made.location or setup.location
        words = "the real data leave it" if severity is Severity.ERROR else "which is much wider"
        yield Violation(
            message=f"the discriminator receives {values_words(setup.input)} from the data, but {made.range} from the "
            f"generator ({made.activation}), {words}: it can tell them apart by their range",
            location=place,
            remedies=(Advice(f"scale the real data to {made.range.values.hull.closure()}"),),
            spans=tuple(
                Span(where, label)
                for where, label in ((setup.input.location, "the data"), (setup.location, "trained here"))
                if where is not None and where != place
            ),
            evidence=evidence(setup, "input"),
            severity=severity,
        )


def _severity(made: Head, data: DataFacts) -> Severity | None:
    hull = made.range.values.hull
    if made.range.constraint is not None or not hull.bounded or hull.width <= 0:
        return None
    if data.values.leaves(hull, ROUNDING * hull.width) is Tri.YES:
        return Severity.ERROR
    given = data.values.hull
    wide = given.bounded and 0 < given.width * WIDER <= hull.width and hull.covers(given, ROUNDING * hull.width)
    return Severity.WARNING if wide else None


RULE = GeneratorRangeMismatch()

"""Data whose spread does not suit the noise that a diffusion model adds.

## What it finds

`xt = a.sqrt() * x0 + (1 - a).sqrt() * noise` with `x0` on [0, 255], or so small that the noise drowns it: the schedule
is made for data whose standard deviation is near that of the noise, 1.

## Why it hurts

With images on [0, 255] the input is the image at nearly every step: where a schedule of 1,000 steps from 1e-4 to 0.02
has mixed half and half, the noise is still 79 times weaker than MNIST's pixels (standard deviation 79). Only the last
steps hold noise that can be seen, and what a sampler starts from, pure noise, is unlike anything that the network was
shown. With data of a spread far below 0.1 the network sees nothing but noise at most steps.

## How it is decided

- *static*: the target is unit noise, which was added, times something, to data times something, to make the input;
  those data surely reach over 100, or all lie within 0.2.
- *runtime*: the standard deviation of these data is above 5, or below 0.1.

## When it stays silent

For schedules whose noise grows instead of the data being weakened (`variance exploding`), for denoisers, where the
target is not the noise, and on standardised data and images on [0, 1] or [-1, 1].

## Fix safety

There is no automatic fix: scale `x0` where it is loaded (`/ 127.5 - 1`), and never the mixture; and scale what is
sampled back.

## References

- Ho, Jain, Abbeel, *Denoising Diffusion Probabilistic Models* (2020), section 3.3: data scaled to [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import values_words
from ae_audit.schema.findings import Evidence, Severity, Span, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup
from ae_audit.theory.intervals import format_number
from ae_audit.theory.ranges import Tri

LARGEST, SMALLEST = 5.0, 0.1
"""standard deviations between which data suit unit noise: images on [0, 1] have 0.2 to 0.4, on [-1, 1] twice that"""
SURELY_LARGE = 100.0
"""of a reach by reading: even where 98 % of the values are 0, the standard deviation of such data is above 5"""

KERAS = """\
import keras
import tensorflow as tf
from keras import layers

(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32")

network = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(256, activation="swish"),
    layers.Dense(784),
])
optimizer = keras.optimizers.Adam(1e-3)

for step in range(100):
    x0 = x_train[step * 64 : step * 64 + 64]
    angle = tf.random.uniform((64, 1), 0.1, 1.5)
    noise = tf.random.normal((64, 784))
    mixed = tf.cos(angle) * x0 + tf.sin(angle) * noise
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(network(mixed) - noise))
    gradients = tape.gradient(loss, network.trainable_variables)
    optimizer.apply_gradients(zip(gradients, network.trainable_variables))
"""

TORCH = """\
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import datasets

digits = datasets.MNIST("data", train=True, download=True).data
x_train = digits.flatten(1).float()
kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), dim=0)

network = nn.Sequential(nn.Linear(784, 256), nn.SiLU(), nn.Linear(256, 784))
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

for x0 in x_train.split(64):
    a = kept[torch.randint(0, 1000, (len(x0),))].unsqueeze(1)
    noise = torch.randn_like(x0)
    mixed = a.sqrt() * x0 + (1 - a).sqrt() * noise
    loss = F.mse_loss(network(mixed), noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class DiffusionDataScale(Rule):
    """The spread of the data does not suit unit noise."""

    code = "AE703"
    name = "diffusion-data-scale"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE703",)),
        Example(Framework.TORCH, TORCH, codes=("AE703",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('astype("float32")', 'astype("float32") / 127.5 - 1.0')),
        Example(Framework.TORCH, TORCH.replace(".float()", ".float() / 127.5 - 1")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        data = setup.mixed
        if data is None:
            return
        fault = _fault(data)
        if fault is None:
            return
        place = setup.location
        where = data.location
        yield Violation(
            message=f"the data that unit noise is mixed with are {values_words(data)}: {fault}",
            location=place,
            remedies=(Advice("scale the data to a standard deviation of about 1, as images in [-1, 1] have"),),
            spans=(Span(where, "the data"),) if where is not None and where != place else (),
            evidence=tuple(_evidence(data)),
        )


def _evidence(data: DataFacts) -> Iterator[Evidence]:
    for step in data.trail:
        yield Evidence("static", step.text, step.location)
    if data.measured is not None:
        spread = data.measured.std
        text = f"the standard deviation of {data.measured.samples} samples of them is {format_number(spread)}"
        yield Evidence("runtime", text, data.location, (("std", spread),))


def _fault(data: DataFacts) -> str | None:
    if data.measured is not None:
        spread = data.measured.std
        if SMALLEST <= spread <= LARGEST or data.measured.std == 0:
            return None
        words = f"their standard deviation is {format_number(spread)}, not about 1"
        return f"{words}, so the noise is hardly seen" if spread > LARGEST else f"{words}, so the noise drowns them"
    hull, reach = data.values.hull, data.values.reach
    if data.standardised is Tri.YES:
        return None
    if reach is not None and reach.width > SURELY_LARGE:
        return "the noise, of standard deviation 1, is hardly seen beside them"
    if hull.bounded and 0 < hull.width < 2 * SMALLEST:
        return "the noise, of standard deviation 1, drowns them"
    return None


RULE = DiffusionDataScale()

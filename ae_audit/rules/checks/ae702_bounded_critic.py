"""A Wasserstein critic whose output is bounded.

## What it finds

A critic that is trained on the difference of its mean scores of real and generated samples, `critic(fake).mean() -
critic(real).mean()` or `mean(y_true * y_pred)` with labels of -1 and 1, and that ends in `sigmoid` or `tanh`.

## Why it hurts

The distance that the critic estimates is the greatest difference of means over all functions of bounded *slope*; scores
of bounded *range* are another set. With a sigmoid the difference is 1 at most, whatever the two sets of samples are:
once the critic tells them apart the sigmoid is saturated, and the generator gets no gradient, which is what the
Wasserstein loss was chosen to avoid. Measured on two normal distributions 6 apart, after 300 steps with clipped
weights: the gradient that reaches the samples is 0.006 through a sigmoid, 0.003 through tanh, and 1.6 through a linear
output. With a gradient penalty the critic puts them 0.25 apart instead of 7.7.

## How it is decided

- *static*: the loss is followed back to means of one network's output that enter with both signs, and with no number
  added to them; or it is the mean product with labels of which every value is -1 or 1. The range of the output decides.
- *runtime*: by what reading knows, with the activation that was seen running.

## When it stays silent

With a linear output; for discriminators under a cross-entropy, hinge or least-squares loss; where a number is added to
a score (`1 - d(real).mean()` speaks of probabilities); for rewards and other weights in place of labels; and for a
generator's own loss.

## Fix safety

Taking the activation away changes what the program computes: unsafe.

## References

- Arjovsky, Chintala, Bottou, *Wasserstein GAN* (2017), section 3: the critic does not have a sigmoid.
- Gulrajani et al., *Improved Training of Wasserstein GANs* (2017).
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import ROUNDING, SIGNED_UNIT, activation_words, evidence, head_known, head_place, spans
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import SwapActivation
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.ranges import Tri

KERAS = """\
import keras
import numpy as np
from keras import layers, ops

(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 127.5 - 1.0


def wasserstein_loss(y_true, y_pred):
    return ops.mean(y_true * y_pred)


generator = keras.Sequential([
    keras.Input(shape=(32,)),
    layers.Dense(128, activation="relu"),
    layers.Dense(784, activation="tanh"),
])
critic = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(128, activation="leaky_relu"),
    layers.Dense(1, activation="sigmoid"),
])
critic.compile(optimizer="rmsprop", loss=wasserstein_loss)

for step in range(100):
    real = x_train[np.random.randint(0, len(x_train), 64)]
    fake = generator.predict(np.random.normal(size=(64, 32)), verbose=0)
    critic.train_on_batch(real, -np.ones((64, 1)))
    critic.train_on_batch(fake, np.ones((64, 1)))
"""

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

to_signed = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
data = datasets.MNIST("data", train=True, download=True, transform=to_signed)
loader = DataLoader(data, batch_size=64, shuffle=True)

generator = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784), nn.Tanh())
critic = nn.Sequential(nn.Linear(784, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1), nn.Sigmoid())
g_optimizer = torch.optim.RMSprop(generator.parameters(), lr=5e-5)
c_optimizer = torch.optim.RMSprop(critic.parameters(), lr=5e-5)

for images, _ in loader:
    real = images.flatten(1)
    fake = generator(torch.randn(len(real), 32))
    c_loss = critic(fake.detach()).mean() - critic(real).mean()
    c_optimizer.zero_grad()
    c_loss.backward()
    c_optimizer.step()
    for weight in critic.parameters():
        weight.data.clamp_(-0.01, 0.01)
    g_loss = -critic(fake).mean()
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
"""


class BoundedCritic(Rule):
    """The scores of a Wasserstein critic must not be bounded."""

    code = "AE702"
    name = "bounded-critic"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(
            Framework.KERAS,
            KERAS,
            codes=("AE702",),
            fixed=KERAS.replace('Dense(1, activation="sigmoid")', 'Dense(1, activation="linear")'),
        ),
        Example(Framework.TORCH, TORCH, codes=("AE702",), fixed=TORCH.replace(", nn.Sigmoid())", ")")),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('1, activation="sigmoid"', "1")),
        Example(Framework.TORCH, TORCH.replace(", nn.Sigmoid())", ")")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if not setup.loss.scores or not head_known(setup) or not setup.head.range.values.hull.bounded:
            return
        if not _no_target(setup) and not _signs(setup):
            return
        place = head_place(setup)
        yield Violation(
            message=f"the critic's scores are bounded: {activation_words(setup)} produces values in "
            f"{setup.head.range.values.hull}, so their mean difference says little of how far apart real and generated "
            "samples are",
            location=place,
            remedies=(SwapActivation("linear"),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "head"),
        )


def _no_target(setup: TrainingSetup) -> bool:
    """Whether the scores are set against one another and nothing else."""
    return setup.target.values.unknown and setup.target.shape is None


def _signs(setup: TrainingSetup) -> bool:
    """Whether data of -1 and 1 alone say which scores are to rise."""
    values = setup.target.values
    if values.reach is None or values.leaves(SIGNED_UNIT, ROUNDING) is not Tri.NO:
        return False
    return (
        values.hull.width == 0.0 and abs(values.hull.lo) == 1.0 if setup.target.measured is None else _only_signs(setup)
    )


def _only_signs(setup: TrainingSetup) -> bool:
    seen = setup.target.measured
    return seen is not None and seen.integer_share == 1.0 and seen.zero_share == 0.0


RULE = BoundedCritic()

"""The two terms of a variational loss are weighted by accident.

## What it finds

A reconstruction that is averaged over the values of a sample beside a divergence (KL) that is summed over the latents,
or the reverse, and no factor that makes up for it: `F.mse_loss(output, x) - 0.5 * torch.sum(1 + v - m**2 - v.exp())`.
And both averaged, where a sample has many more values than its code: over 784 pixels and 2 latents the divergence
weighs 392 times what it should.

## Why it hurts

The bound that a variational autoencoder maximises adds both up over everything. With the mean of 784 pixels beside a
sum, the divergence counts 784 times as much as in the bound (β = 784), and times the batch size where it is summed over
the batch too: the code is pushed onto its prior, holds nothing of the image, and every reconstruction is the mean
image. On MNIST, 1000 steps of the dense model below give an R² of −0.01 and a divergence of 0.000 this way, 0.47 and
8.1 with both summed. The reverse, a sum of pixels beside a mean of latents, leaves the divergence next to no weight:
the reconstructions are fine and samples drawn from the prior are not.

## How it is decided

- *static*: the divergence is recognised where it is written out, and both terms are followed through `sum` and `mean`,
  axis by axis, to where they are added up. The ratio comes from the sizes of a sample and of its code; it must be 10 or
  more, or a tenth or less.
- *runtime*: measures what both terms count. The calls behind the loss are replayed on chosen values; where
  the gradient by two tensors is that of the divergence of a normal code, its factor is read off there, and that of the
  reconstruction at the prediction. Sizes come from the real tensors.

## When it stays silent

Both summed; both averaged, where a sample has less than ten times the values of its code; a factor that makes up for it
(`784 * bce`, `kl / 784`); any other weight on one of the terms, a β of the author's own choice, known or not. Where
a size that the ratio needs is unknown, it is undecided.

## Fix safety

Sum both over a sample and average both over the batch. Every weight of the loss changes with it, so there is no
automatic fix.

## References

- Kingma, Welling, *Auto-Encoding Variational Bayes* (2013), equation 10.
- Higgins et al., *beta-VAE* (2017), section 4: β relative to the sizes of input and latents.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import loss_place
from ae_audit.schema.findings import Evidence, Severity, Span, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, TrainingSetup, VariationalTerms
from ae_audit.theory.intervals import format_number

CLEAR = 10.0
"""from what ratio on an imbalance is reported: half a squared error makes a 2, and people choose a β of up to 4"""

KERAS = """\
import keras
import tensorflow as tf
from keras import layers

(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0


class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(64, activation="relu")
        self.mean = layers.Dense(8)
        self.log_var = layers.Dense(8)
        self.widen = layers.Dense(64, activation="relu")
        self.out = layers.Dense(784, activation="sigmoid")

    def call(self, x):
        hidden = self.hidden(x)
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        code = mean + tf.exp(0.5 * log_var) * tf.random.normal(tf.shape(mean))
        return self.out(self.widen(code)), mean, log_var

    def train_step(self, x):
        with tf.GradientTape() as tape:
            output, mean, log_var = self(x, training=True)
            error = tf.reduce_mean(keras.losses.mean_squared_error(x, output))
            kl = -0.5 * tf.reduce_sum(1 + log_var - tf.square(mean) - tf.exp(log_var), axis=1)
            loss = error + tf.reduce_mean(kl)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        return {"loss": loss}


vae = VAE()
vae.compile(optimizer="adam")
vae.fit(x_train, epochs=1, batch_size=256)
"""

TORCH = """\
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, 64)
        self.mean = nn.Linear(64, 8)
        self.log_var = nn.Linear(64, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 784), nn.Sigmoid())

    def forward(self, x):
        hidden = F.relu(self.hidden(x))
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        code = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decoder(code), mean, log_var


loader = DataLoader(
    datasets.MNIST("data", download=True, transform=transforms.ToTensor()), batch_size=256, shuffle=True
)
vae = VAE()
optimizer = torch.optim.Adam(vae.parameters())

for images, _ in loader:
    target = images.flatten(1)
    output, mean, log_var = vae(target)
    error = F.mse_loss(output, target)
    kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
    loss = error + kl
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class VaeLossReductionImbalance(Rule):
    """Reconstruction averaged, divergence summed, or the reverse."""

    code = "AE204"
    name = "vae-loss-reduction-imbalance"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE204",)),
        Example(Framework.TORCH, TORCH, codes=("AE204",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("error = tf", "error = 784 * tf"), note="summed, by its factor"),
        Example(Framework.TORCH, TORCH.replace("(output, target)", '(output, target, reduction="sum")')),
        Example(Framework.TORCH, TORCH.replace("error + kl", "error + 1e-5 * kl"), note="a weight of one's own"),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        found = setup.variational
        if found is None or found.reconstruction.weight != 1.0 or found.divergence.weight != 1.0:
            return
        factors = _factors(setup, found)
        if factors is None:
            return
        ratio, open_ends = _ratio(factors)
        if 1.0 / CLEAR < ratio < CLEAR:
            if open_ends:
                yield UnknownFact("loss", f"the two terms are reduced differently, and {open_ends[0]} is not known")
            return
        place = found.location or loss_place(setup)
        more = "" if not open_ends else f", times {' and '.join(open_ends)}"
        beta = format_number(ratio)
        stage = "static" if found.batch is None else "runtime"
        yield Violation(
            message=f"the reconstruction is {_words(found, code=False)} and the divergence {_words(found, code=True)}: "
            f"the divergence weighs {beta} times what it does in the bound{more}{_assumed(setup, ratio, open_ends)}",
            location=place,
            remedies=(Advice("sum both terms over a sample and average both over the batch, or choose β yourself"),),
            spans=tuple(
                Span(where, label)
                for where, label in ((loss_place(setup), "the reconstruction"), (setup.location, "trained here"))
                if where != place
            ),
            evidence=(
                Evidence(stage, f"effective β = {beta}{' or further from 1' if open_ends else ''}",
                         figures=(("beta", ratio),)),
            ),
        )  # fmt: skip


Factor = tuple[str, int | None, int]
"""a size in words, its number, and the power with which it multiplies the divergence's weight"""


def _factors(setup: TrainingSetup, found: VariationalTerms) -> tuple[Factor, ...] | None:
    """What the divergence's weight is multiplied by; None where both are reduced alike, or it is not known how."""
    ours, theirs = found.reconstruction, found.divergence
    if None in (ours.sample, ours.batch, theirs.sample, theirs.batch):
        return None
    batch = (ours.batch == "mean") - (theirs.batch == "mean")
    if ours.sample == theirs.sample == "sum" and batch == 0:
        return None
    factors: list[Factor] = [("the batch size", found.batch, batch)] if batch else []
    if ours.sample == "mean":
        factors.append(("the number of values of a sample", _values(setup), 1))
    if theirs.sample == "mean":
        factors.append(("the number of latents", found.latents, -1))
    return tuple(factors)


def _values(setup: TrainingSetup) -> int | None:
    """How many values one sample of the target has."""
    for shape in (setup.target.shape, setup.head.shape):
        if shape is not None and len(shape) > 1 and None not in shape[1:]:
            return math.prod(extent or 0 for extent in shape[1:])
    return None


def _ratio(factors: tuple[Factor, ...]) -> tuple[float, list[str]]:
    """The weight of the divergence by what is known, and what would move it further away from 1 or towards it."""
    ratio = 1.0
    for _, size, power in factors:
        ratio *= float(size or 1) ** power
    unknown = [(words, power) for words, size, power in factors if size is None]
    towards = [words for words, power in unknown if (ratio > 1 and power < 0) or (ratio < 1 and power > 0)]
    return (1.0, towards) if towards else (ratio, [words for words, _ in unknown])


def _assumed(setup: TrainingSetup, ratio: float, open_ends: list[str]) -> str:
    """Of a squared error, which is the likelihood of a normal distribution: which spread about each value it assumes.

    Summed it is that of a variance of ½; a divergence that weighs β times as much makes a variance of β / 2 of it.
    """
    if setup.loss.name != "mse" or open_ends:
        return ""
    return f", as for values with a standard deviation of {format_number((ratio / 2) ** 0.5)} about the prediction"


def _words(found: VariationalTerms, *, code: bool) -> str:
    term = found.divergence if code else found.reconstruction
    verbs = {"mean": "averaged", "sum": "summed"}
    what = "latents" if code else "values of a sample"
    if term.sample == term.batch:
        return f"{verbs[str(term.sample)]} over the {what} and the batch"
    return f"{verbs[str(term.sample)]} over the {what} and {verbs[str(term.batch)]} over the batch"


RULE = VaeLossReductionImbalance()

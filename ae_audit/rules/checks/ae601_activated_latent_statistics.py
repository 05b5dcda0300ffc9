"""A one-sided activation on the mean or the log-variance of a variational code.

## What it finds

`mu = relu(fc_mu(h))` or `log_var = relu(fc_log_var(h))` in a variational autoencoder: the statistics of the code pass
through an activation that has only one sign.

## Why it hurts

The prior has mean 0 and variance 1, and the encoder is to move its mean to either side of 0 and its variance below 1. A
mean that is never negative uses one orthant of the latent space, a 2^-d part of what the decoder is sampled from. A
log-variance that is never negative has a variance of at least 1: each code is as wide as the prior, nothing can be
stored in it, and the reconstructions blur to the mean.

## How it is decided

- *static*: the tensors that make up `mean + exp(log_var / 2) · noise` are followed back to what produced them.

## When it stays silent

With `softplus` or `exp` on a standard deviation or a variance, which must be positive; with `tanh`, which has both
signs; and in models that draw no noise.

## Fix safety

Removing the activation changes what the program computes, and there is no automatic fix.

## References

- Kingma, Welling, *Auto-Encoding Variational Bayes* (2013), appendix C: the encoder's mean and log-variance are linear.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.schema.findings import Severity, Span, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, TrainingSetup

KERAS = """\
import keras
from keras import layers, ops

(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0


class Sampling(layers.Layer):
    def call(self, inputs):
        mean, log_var = inputs
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean))


inputs = keras.Input(shape=(784,))
hidden = layers.Dense(64, activation="relu")(inputs)
mean = layers.Dense(8, activation="relu")(hidden)
log_var = layers.Dense(8)(hidden)
hidden = layers.Dense(64, activation="relu")(Sampling()([mean, log_var]))
outputs = layers.Dense(784, activation="sigmoid")(hidden)

vae = keras.Model(inputs, outputs)
vae.compile(optimizer="adam", loss="mse")
vae.fit(x_train, x_train, epochs=1, batch_size=256)
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
        hidden = F.relu(self.hidden(x.flatten(1)))
        mean, log_var = F.relu(self.mean(hidden)), self.log_var(hidden)
        code = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decoder(code)


loader = DataLoader(
    datasets.MNIST("data", download=True, transform=transforms.ToTensor()), batch_size=256, shuffle=True
)
vae = VAE()
optimizer = torch.optim.Adam(vae.parameters())

for images, _ in loader:
    loss = F.mse_loss(vae(images), images.flatten(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class ActivatedLatentStatistics(Rule):
    """A one-sided activation on the mean or log-variance of a variational code."""

    code = "AE601"
    name = "activated-latent-statistics"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE601",)),
        Example(Framework.TORCH, TORCH, codes=("AE601",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('Dense(8, activation="relu")', "Dense(8)")),
        Example(Framework.TORCH, TORCH.replace("F.relu(self.mean(hidden))", "self.mean(hidden)")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        activation = setup.model.latent_activation
        if activation is None:
            return
        place = setup.model.latent_location or setup.location
        yield Violation(
            message=f"{activation} on the statistics of the variational code leaves them one sign only",
            location=place,
            remedies=(Advice(f"no {activation} on the mean and the log-variance of the code"),),
            spans=() if place == setup.location else (Span(setup.location, "trained here"),),
        )


RULE = ActivatedLatentStatistics()

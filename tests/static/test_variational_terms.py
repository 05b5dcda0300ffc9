"""How the two terms of a variational loss are reduced, as people write them; unknown where it cannot be told."""

from __future__ import annotations

import pytest

from ae_audit.rules.registry import find_rule
from ae_audit.schema.findings import Violation
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file

TORCH = """
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import datasets, transforms
BATCH = 128
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.mu, self.lv = nn.Linear(784, 64), nn.Linear(64, 20), nn.Linear(64, 20)
        self.out = nn.Linear(20, 784)
    def forward(self, x):
        h = F.relu(self.hidden(x))
        mu, lv = self.mu(h), self.lv(h)
        return torch.sigmoid(self.out(mu + torch.exp(0.5 * lv) * torch.randn_like(lv))), mu, lv
def loss_function(out, x, mu, lv, beta={beta}):
    recon = {recon}
    kl = {kl}
    return {total}
loader = torch.utils.data.DataLoader(datasets.MNIST(".", transform=transforms.ToTensor()), batch_size=BATCH)
model = VAE()
optimizer = torch.optim.Adam(model.parameters())
for x, _ in loader:
    x = x.view(-1, 784)
    out, mu, lv = model(x)
    loss = loss_function(out, x, mu, lv)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
KERAS = """
from keras import backend as K
from keras.datasets import mnist
from keras.layers import Dense, Input, Lambda
from keras.losses import binary_crossentropy, mse
from keras.models import Model
(x_train, _), _ = mnist.load_data()
x_train = x_train.reshape(-1, 784) / 255.0
x = Input(shape=(784,))
h = Dense(64, activation="relu")(x)
mu, lv = Dense(20)(h), Dense(20)(h)
z = Lambda(lambda a: a[0] + K.exp(0.5 * a[1]) * K.random_normal(K.shape(a[0])))([mu, lv])
y = Dense(784, activation="sigmoid")(z)
vae = Model(x, y)
vae.add_loss(K.mean({recon} + {kl}))
vae.compile("adam")
vae.fit(x_train)
"""
SUM = 'F.mse_loss(out, x, reduction="sum")'
MEAN = "F.mse_loss(out, x)"
ELEMENTS = "(1 + lv - mu.pow(2) - lv.exp())"
KERAS_SUM = "-0.5 * K.sum(1 + lv - K.square(mu) - K.exp(lv), axis=-1)"


def torch_setup(recon: str, kl: str, total: str = "recon + kl", beta: str = "1.0") -> TrainingSetup:
    source = TORCH.format(recon=recon, kl=kl, total=total, beta=beta)
    (setup,) = analyse_file("m.py", source.encode()).setups
    return setup


def keras_setup(recon: str, kl: str) -> TrainingSetup:
    (setup,) = analyse_file("m.py", KERAS.format(recon=recon, kl=kl).encode()).setups
    return setup


def beta_of(setup: TrainingSetup) -> float | None:
    """The ratio that the rule reports; None where it reports nothing."""
    (found,) = [*find_rule("AE204").check(setup), None][:1]
    if not isinstance(found, Violation):
        return None
    return dict(found.evidence[0].figures)["beta"]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("recon", "kl", "total", "beta"),
    [
        (SUM, f"-0.5 * torch.sum{ELEMENTS}", "recon + kl", None),
        (MEAN, f"-0.5 * torch.mean{ELEMENTS}", "recon + kl", 784 / 20),
        (
            "F.mse_loss(out, x, reduction='none').view(len(x), -1).sum(1).mean()",
            f"-0.5 * {ELEMENTS}.sum(1).mean()",
            "recon + kl",
            None,
        ),
        ("F.mse_loss(out, x, reduction='none').view(-1).mean()", f"-0.5 * {ELEMENTS}.sum(1).mean()", "recon + kl", 784),
        (MEAN, f"-0.5 * torch.sum{ELEMENTS}", "recon + kl", 784),
        (MEAN, f"torch.mean(-0.5 * torch.sum({ELEMENTS}, dim=1), dim=0)", "recon + kl", 784),
        (MEAN, f"(-0.5 * {ELEMENTS}).sum(1).mean()", "kl + recon", 784),
        (MEAN, "mu.pow(2).add_(lv.exp()).mul_(-1).add_(1).add_(lv).sum().mul_(-0.5)", "recon + kl", 784),
        (MEAN, f"-0.5 * torch.sum{ELEMENTS}", "(recon + kl) / x.size(0)", 784),
        ("((out - x) ** 2).mean()", f"-0.5 * torch.sum{ELEMENTS}", "recon + kl", 784),
        ("((out - x) ** 2).sum(1).mean()", f"-0.5 * {ELEMENTS}.sum(1).mean()", "recon + kl", None),
        (SUM, f"-0.5 * torch.mean{ELEMENTS}", "recon + kl", 1 / 20),
        (MEAN, f"-0.5 * torch.sum{ELEMENTS} / (BATCH * 784)", "recon + kl", None),
        (MEAN, f"-0.5 * torch.sum{ELEMENTS}", "recon + kl / x.size(0)", None),
        (MEAN, f"-0.5 * torch.sum{ELEMENTS}", "recon + beta * kl", None),
        ("(1000 * (out - x) ** 2).mean()", f"-0.5 * torch.sum{ELEMENTS}", "recon + kl", None),
        (f"1000 * {MEAN}", f"-0.5 * torch.sum{ELEMENTS}", "recon + kl", None),
        (MEAN, f"torch.clamp(-0.5 * torch.sum{ELEMENTS}, min=3.0)", "recon + kl", None),
    ],
)
def test_torch_terms(recon: str, kl: str, total: str, beta: float | None) -> None:
    found = beta_of(torch_setup(recon, kl, total, beta="0.01"))
    assert found == (None if beta is None else pytest.approx(beta))


def reversed_in(setup: TrainingSetup) -> bool:
    found = [found for found in find_rule("AE210").check(setup) if isinstance(found, Violation)]
    return any("sign of the divergence" in violation.message for violation in found)


@pytest.mark.parametrize(
    ("recon", "kl", "total", "reversed_"),
    [
        (SUM, f"0.5 * torch.sum{ELEMENTS}", "recon + kl", True),
        (SUM, f"-0.5 * torch.sum{ELEMENTS}", "recon - kl", True),
        (SUM, f"-0.5 * torch.sum{ELEMENTS}", "recon - 0.1 * kl", True),
        (MEAN, f"0.5 * {ELEMENTS}.sum(1).mean()", "0.5 * (kl + recon)", True),
        (SUM, f"0.5 * torch.sum{ELEMENTS}", "recon - kl", False),
        (SUM, f"0.5 * torch.sum{ELEMENTS}", "-(-recon + kl)", False),
        (SUM, f"-0.5 * torch.sum{ELEMENTS}", "-(-recon - kl)", False),
        ("-" + SUM, f"-0.5 * torch.sum{ELEMENTS}", "-(recon - kl)", False),
        (SUM, f"-0.5 * torch.sum{ELEMENTS}", "recon + beta * kl", False),
        ("(x * out.log() + (1 - x) * (1 - out).log()).sum()", f"0.5 * torch.sum{ELEMENTS}", "-(recon + kl)", False),
        ("(x * out.log() + (1 - x) * (1 - out).log()).sum()", f"0.5 * torch.sum{ELEMENTS}", "-(recon - kl)", True),
    ],
)
def test_the_sign_of_the_divergence(recon: str, kl: str, total: str, reversed_: bool) -> None:
    assert reversed_in(torch_setup(recon, kl, total)) is reversed_


@pytest.mark.parametrize(("kl", "reversed_"), [(KERAS_SUM, False), (KERAS_SUM.replace("-0.5", "0.5"), True)])
def test_the_sign_of_a_divergence_that_is_added_in_keras(kl: str, reversed_: bool) -> None:
    assert reversed_in(keras_setup("784 * mse(x, y)", kl)) is reversed_


@pytest.mark.parametrize(
    ("recon", "kl", "beta"),
    [
        ("binary_crossentropy(x, y)", KERAS_SUM, 784),
        ("784 * binary_crossentropy(x, y)", KERAS_SUM, None),
        ("784 * mse(x, y)", KERAS_SUM.replace("K.sum", "K.mean"), 1 / 20),
        ("mse(x, y)", KERAS_SUM.replace("K.sum", "K.mean"), 784 / 20),
        ("K.sum(K.binary_crossentropy(x, y), axis=1)", KERAS_SUM, None),
        ("K.mean(K.square(x - y), axis=1)", KERAS_SUM, 784),
        ("1000 * mse(x, y)", KERAS_SUM, None),
        ("mse(x, y)", KERAS_SUM.replace("-0.5", "-5e-4"), None),
        ("mse(K.flatten(x), K.flatten(y))", KERAS_SUM, None),
    ],
)
def test_keras_terms(recon: str, kl: str, beta: float | None) -> None:
    found = beta_of(keras_setup(recon, kl))
    assert found == (None if beta is None else pytest.approx(beta))


def test_an_unknown_size_leaves_it_undecided() -> None:
    source = TORCH.replace("784", "width").replace("BATCH = 128", "import sys; width = int(sys.argv[1])")
    text = source.format(recon=MEAN, kl=f"-0.5 * torch.sum({ELEMENTS}, 1).mean()", total="recon + kl", beta="1.0")
    (setup,) = analyse_file("m.py", text.encode()).setups
    assert setup.variational is not None
    (outcome,) = find_rule("AE204").check(setup)
    assert not isinstance(outcome, Violation)
    assert "number of values" in outcome.why


BY_A_LAYER = """
import keras
from keras import layers, ops
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / 255.0
class Sampling(layers.Layer):
    def call(self, inputs):
        mu, lv = inputs
        self.add_loss({kl})
        return mu + ops.exp(0.5 * lv) * keras.random.normal(ops.shape(mu))
start = keras.Input((784,))
h = layers.Dense(64, activation="relu")(start)
mu, lv = layers.Dense(20)(h), layers.Dense(20)(h)
encoder = keras.Model(start, [mu, lv, Sampling()([mu, lv])])
decoder = keras.Sequential([keras.Input((20,)), layers.Dense(784, activation="sigmoid")])
vae = keras.Model(start, decoder(encoder(start)[2]))
def reconstruction(y, p):
    return {recon}
vae.compile("adam", loss={loss})
vae.fit(x, x)
"""
OF_A_SAMPLE = "-0.5 * ops.mean(ops.sum(1 + lv - ops.square(mu) - ops.exp(lv), axis=1))"


@pytest.mark.parametrize(
    ("kl", "recon", "loss", "beta"),
    [
        (OF_A_SAMPLE, "0", '"binary_crossentropy"', 784),
        (OF_A_SAMPLE, "keras.losses.binary_crossentropy(y, p)", "reconstruction", 784),
        (OF_A_SAMPLE, "784 * keras.losses.binary_crossentropy(y, p)", "reconstruction", None),
        (f"({OF_A_SAMPLE}) / 784", "0", '"binary_crossentropy"', None),
    ],
)
def test_a_divergence_that_a_layer_adds(kl: str, recon: str, loss: str, beta: float | None) -> None:
    (setup,) = analyse_file("m.py", BY_A_LAYER.format(kl=kl, recon=recon, loss=loss).encode()).setups
    assert beta_of(setup) == (None if beta is None else pytest.approx(beta))

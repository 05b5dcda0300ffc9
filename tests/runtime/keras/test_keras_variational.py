"""The two terms of a variational loss, measured in training steps, added losses and loops."""

from __future__ import annotations

import linecache

import keras
import numpy as np
import pytest

from ae_audit.rules.checks.ae204_vae_loss_reduction_imbalance import RULE
from ae_audit.schema.findings import Violation
from ae_audit.schema.training_setup import Reduction

tf = pytest.importorskip("tensorflow")
layers = keras.layers
ops = keras.ops
WIDTH, CODE = 24, 4
pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="operations are noted on TensorFlow only"
)

WAYS = {
    "both summed": (lambda error: WIDTH * ops.mean(error), lambda kl: ops.mean(ops.sum(kl, axis=1))),
    "mean and sum": (ops.mean, lambda kl: ops.mean(ops.sum(kl, axis=1))),
    "weighted": (ops.mean, lambda kl: 1e-3 * ops.sum(kl)),
}
EXPECTED = {
    "both summed": (Reduction("sum", "mean"), Reduction("sum", "mean"), False),
    "mean and sum": (Reduction("mean", "mean"), Reduction("sum", "mean"), True),
    "weighted": (Reduction("mean", "mean"), None, False),
}


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    return (random.random((256, 3)) @ random.random((3, WIDTH)) / 3).astype("float32")


class VAE(keras.Model):
    """``how`` says where the loss is computed, ``way`` how it is put together."""

    def __init__(self, how, way):
        super().__init__()
        self.how, (self.error, self.divergence) = how, WAYS[way]
        self.hidden, self.mean, self.spread = (
            layers.Dense(12, activation="relu"),
            layers.Dense(CODE),
            layers.Dense(CODE),
        )
        self.widen, self.out = layers.Dense(12, activation="relu"), layers.Dense(WIDTH, activation="sigmoid")

    def encode(self, x):
        hidden = self.hidden(x)
        mean, spread = self.mean(hidden), self.spread(hidden)
        code = mean + ops.exp(0.5 * spread) * keras.random.normal(ops.shape(mean))
        kl = -0.5 * (1 + spread - ops.square(mean) - ops.exp(spread))
        return self.out(self.widen(code)), kl

    def call(self, x):
        output, kl = self.encode(x)
        if self.how != "step":
            self.add_loss(self.divergence(kl))
        if self.how == "added":
            self.add_loss(self.error(keras.losses.binary_crossentropy(x, output)))
        return output

    def objective(self, x):
        output, kl = self.encode(x)
        return self.error(keras.losses.mean_squared_error(x, output)) + self.divergence(kl)

    def train_step(self, data):
        if self.how != "step":
            return super().train_step(data)
        with tf.GradientTape() as tape:
            loss = self.objective(data)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def check(setup, way):
    reconstruction, divergence, broken = EXPECTED[way]
    found = setup.variational
    assert (found.reconstruction, found.latents, found.batch) == (reconstruction, CODE, 32)
    assert found.divergence == divergence if divergence else found.divergence.weight != 1
    violations = [item for item in RULE.check(setup) if isinstance(item, Violation)]
    assert bool(violations) is broken


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("how", ["step", "added"])
def test_in_fit(how, way, data, catch):
    def program():
        model = VAE(how, way)
        model.compile("adam")
        model.fit(data, batch_size=32)

    (capture,) = catch(program).captures
    check(capture.setup, way)
    assert linecache.getline(__file__, capture.setup.variational.location.line).startswith(f'    "{way}"')


def test_beside_a_compiled_loss(data, catch):
    def program():
        model = VAE("compiled", "mean and sum")
        model.compile("adam", "mse")
        model.fit(data, data, batch_size=32)

    (capture,) = catch(program).captures
    check(capture.setup, "mean and sum")


def test_in_a_loop(data, catch):
    def program():
        model, optimizer = VAE("step", "mean and sum"), keras.optimizers.Adam()
        for start in range(0, 256, 32):
            x = tf.constant(data[start : start + 32])
            with tf.GradientTape() as tape:
                loss = model.objective(x)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    (capture,) = catch(program).captures
    check(capture.setup, "mean and sum")

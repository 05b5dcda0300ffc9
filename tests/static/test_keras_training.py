"""Keras trainings as people write them: steps of their own, adversarial pairs, losses that the model returns."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.results import Undecided
from ae_audit.rules.run import check
from ae_audit.static import analyse_file
from ae_audit.training_setup import Relation, Structure, TrainingSetup

START = """
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers
(x, y), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255
"""


def audited(rest: str) -> tuple[tuple[TrainingSetup, ...], set[str], tuple[Undecided, ...]]:
    result = analyse_file("program.py", (START + textwrap.dedent(rest)).encode())
    assert not result.errors
    assert "part of the program" not in {one.what for one in result.undecided}
    findings, _ = check(result.setups)
    return result.setups, {finding.code for finding in findings if finding.severity.value != "info"}, result.undecided


STEP = """
class Denoiser(keras.Model):
    def __init__(self):
        super().__init__()
        self.network = keras.Sequential([layers.Flatten(), layers.Dense(9), layers.Dense(784, activation="softmax")])
    def call(self, inputs):
        return self.network(inputs)
    def train_step(self, data):
        inputs, targets = data
        with tf.GradientTape() as tape:
            outputs = self(inputs, training=True)
            loss = {loss}
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables))
        return {{}}
flat = x.reshape(-1, 784)
model = Denoiser()
model.compile("adam", loss={given})
model.fit(flat, flat)
"""


@pytest.mark.parametrize(
    "loss",
    [
        "self.compiled_loss(targets, outputs, regularization_losses=self.losses)",
        "self.compute_loss(y=targets, y_pred=outputs)",
        "self.compute_loss(inputs, targets, outputs)",
        "self.loss(targets, outputs)",
    ],
)
@pytest.mark.parametrize(
    "given", ["'mse'", "keras.losses.mean_squared_error", "lambda t, p: tf.reduce_mean((t - p) ** 2)"]
)
def test_a_training_step_calls_the_loss_of_compile(loss: str, given: str) -> None:
    (setup,), codes, _ = audited(STEP.format(loss=loss, given=given))
    assert (setup.head.activation, setup.loss.name, setup.relation) == ("softmax", "mse", Relation.SAME)
    assert codes == {"AE101"}


def test_what_is_left_after_taking_noise_away_is_no_loss() -> None:
    source = """
    class Diffusion(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(1, 3, padding="same")])
        def denoise(self, noisy, noise_rate, signal_rate):
            noise = self.network(noisy)
            return noise, (noisy - noise_rate * noise) / signal_rate
        def generate(self, initial):
            images = initial
            for step in range(3):
                noise, found = self.denoise(images, np.cos(step), np.sin(step))
                images = np.cos(step) * found + np.sin(step) * noise
            return self.mean + images * self.spread
        def train_step(self, images):
            noise = tf.random.normal(shape=(8, 28, 28, 1))
            rate = tf.random.uniform(shape=(8, 1, 1, 1))
            with tf.GradientTape() as tape:
                found, _ = self.denoise(rate * images + (1 - rate) * noise, 1 - rate, rate)
                loss = self.loss(noise, found)
            return {"loss": loss}
    model = Diffusion()
    model.compile("adam", loss="mae")
    model.fit(x)
    model.generate(tf.random.normal(shape=(8, 28, 28, 1)))
    """
    (setup,), codes, _ = audited(source)
    assert (setup.head.activation, setup.loss.name) == ("linear", "mae")
    assert not codes


def test_a_relative_error_is_divided_by_its_target() -> None:
    source = """
    net = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(1, 3, padding="same")])
    def {name}(target, output):
        return tf.reduce_mean(tf.abs((target - output) / {divisor}))
    net.compile("adam", loss={name})
    net.fit(x, x)
    """
    (relative,), _, _ = audited(source.format(name="relative", divisor="target"))
    (weighted,), _, _ = audited(source.format(name="weighted", divisor="np.load('weights.npy')"))
    assert (relative.loss.name, weighted.loss.name) == ("mape", "mae")


def test_a_scaled_residual_is_a_prediction_of_unknown_range() -> None:
    source = """
    i = keras.Input((28, 28, 1))
    noise = layers.Conv2D(1, 3, padding="same", activation="tanh")(i)
    class Clean(layers.Layer):
        def call(self, inputs):
            image, noise = inputs
            return (image - noise) / self.rate + 0.5 * noise
    net = keras.Model(i, Clean()([i, noise]))
    net.compile("adam", loss="mse")
    net.fit(x, x)
    """
    (setup,), codes, _ = audited(source)
    assert setup.loss.name == "mse"
    assert setup.head.range.values.unknown
    assert not codes


def test_a_loss_that_the_model_returns_by_name() -> None:
    source = """
    class Coder(keras.Model):
        def __init__(self):
            super().__init__()
            self.encode = keras.Sequential([layers.Flatten(), layers.Dense(9)])
            self.decode = keras.Sequential([layers.Dense(784, activation="tanh"), layers.Reshape((28, 28, 1))])
        def call(self, inputs):
            return dict(rate=1.0, distortion=tf.reduce_mean(abs(inputs - self.decode(self.encode(inputs)))))
    def given(_, value):
        return value
    model = Coder()
    model.compile("adam", loss=dict(rate=given, distortion=given))
    model.fit(tf.data.Dataset.from_tensor_slices(x).map(lambda i: (i, dict(rate=0.0, distortion=0.0))).batch(9))
    """
    setups, codes, _ = audited(source)
    assert ("tanh", "mae", Relation.SAME) in {(s.head.activation, s.loss.name, s.relation) for s in setups}
    assert codes == {"AE103"}


ADVERSARIAL = """
def critic():
    return keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(1, 3, padding="same")])
judge = critic()
judge.compile("adam", loss="mse", metrics=["accuracy"])
images = keras.Input((28, 28, 1))
painted = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(images)
both = keras.Model(images, [judge(painted), painted])
both.compile("adam", loss=["mse", "mae"], metrics=["accuracy"])
real, fake = np.ones((8, 28, 28, 1)), np.zeros((8, 28, 28, 1))
judge.train_on_batch(x[:8], real)
judge.train_on_batch(np.concatenate([x[:8], x[8:16]]), np.concatenate([real, fake]))
both.train_on_batch(x[:8], [real, x[:8]])
"""


def test_ones_for_the_real_and_zeros_for_the_fake_are_classes() -> None:
    setups, codes, _ = audited(ADVERSARIAL.replace('loss=["mse", "mae"], metrics=["accuracy"]', 'loss=["mse", "mae"]'))
    assert Structure.BINARY_LABEL in {setup.target.structure for setup in setups}
    assert not codes


def test_accuracy_of_the_painted_images_is_meaningless_all_the_same() -> None:
    _, codes, _ = audited(ADVERSARIAL)
    assert codes == {"AE401"}


def test_alternatives_beside_an_output_without_any() -> None:
    source = ADVERSARIAL.replace("np.ones((8, 28, 28, 1))", "np.ones((8, 28, 28, 1) if side > 1 else (8, 28, 28, 1))")
    _, codes, _ = audited("import sys\nside = int(sys.argv[1])\n" + source)
    assert codes == {"AE401"}


def test_a_model_from_elsewhere_that_is_trained_by_batches() -> None:
    source = """
    def train(judge, both, images):
        judge.train_on_batch(images, np.ones((8, 1)))
        both.train_on_batch(images, [np.ones((8, 1)), images])
    """
    setups, codes, undecided = audited(source)
    assert [setup.target.values.hull.width for setup in setups] == [0, 0]
    assert {one.what for one in undecided} == {"output activation", "loss"}
    assert not codes


MASKS = """
import cv2
import segmentation_models as sm
images = np.array([cv2.imread(path) for path in paths]) / 255
masks = np.array([cv2.imread(path, 0) for path in paths])
{masks}
model = sm.{network}
model.compile("Adam", loss={loss})
model.fit(images, masks)
"""


@pytest.mark.parametrize(
    ("network", "activation", "units"),
    [
        ("Unet('resnet34')", "sigmoid", 1),
        ("Linknet('resnet34', classes=3, activation='softmax')", "softmax", 3),
        ("FPN('resnet34')", "softmax", 21),
        ("Unet('resnet34', activation=None)", "linear", 1),
        ("Unet('resnet34', activation=chosen)", None, None),
    ],
)
def test_the_heads_of_segmentation_models(network: str, activation: str | None, units: int | None) -> None:
    setups, _, _ = audited(MASKS.format(masks="masks = masks / 255", network=network, loss="'binary_crossentropy'"))
    assert (setups[0].head.activation, setups[0].head.units) == (activation, units)


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("sm.losses.bce_jaccard_loss", "bce"),
        ("sm.losses.DiceLoss() + 2 * sm.losses.BinaryFocalLoss()", "binary_focal"),
        ("sm.losses.DiceLoss()", "dice"),
        ("sm.losses.BinaryCELoss() + sm.losses.DiceLoss()", "bce"),
        ("sm.losses.JaccardLoss()", None),
        ("sm.losses.BinaryCELoss() + penalty", None),
    ],
)
def test_the_losses_of_segmentation_models(loss: str, name: str | None) -> None:
    setups, codes, _ = audited(MASKS.format(masks="masks = masks / 255", network="Unet()", loss=loss))
    assert setups[0].loss.name == name
    assert not codes


def test_masks_that_are_not_scaled() -> None:
    _, codes, _ = audited(MASKS.format(masks="", network="Unet()", loss="sm.losses.bce_dice_loss"))
    assert codes == {"AE102", "AE201"}

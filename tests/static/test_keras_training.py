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


def test_whether_masks_that_are_not_scaled_hold_ones_is_not_decided() -> None:
    _, codes, undecided = audited(MASKS.format(masks="", network="Unet()", loss="sm.losses.bce_dice_loss"))
    assert not codes
    assert "may hold masks" in {one.what: one.why for one in undecided}["target range"]


FOLDERS = """
import os, cv2
pictures, others = [], []
for name in os.listdir("pictures"):
    if name.split(".")[1] == "tif":
        picture = cv2.imread("pictures/" + name, {flag})
        picture = cv2.resize(picture, (64, 64))
        pictures.append(picture)
for name in os.listdir("others"):
    others.append(cv2.imread("others/" + name, {flag}))
pictures, others = np.array(pictures) / 255., np.array(others){scaling}
net = keras.Sequential([keras.Input((64, 64, {channels})), layers.Conv2D({channels}, 3, activation="sigmoid")])
net.compile("adam", "{loss}", metrics=["accuracy"])
net.fit(pictures, {target})
"""


@pytest.mark.parametrize(
    ("target", "loss", "flag", "scaling", "codes"),
    [
        ("others", "binary_crossentropy", 0, " / 255.", set()),  # accuracy counts the pixels of a mask
        ("others", "binary_crossentropy", 0, "", set()),
        ("others", "mse", 0, "", {"AE102", "AE401"}),
        ("others", "binary_crossentropy", 1, "", {"AE102", "AE201", "AE401"}),
        ("pictures", "binary_crossentropy", 0, "", {"AE401"}),
    ],
)
def test_files_beside_the_input_may_be_masks(target: str, loss: str, flag: int, scaling: str, codes: set[str]) -> None:
    channels = 3 if flag else 1
    source = FOLDERS.format(target=target, loss=loss, flag=flag, scaling=scaling, channels=channels)
    setups, found, _ = audited(source)
    assert found == codes
    assert [setup.condition for setup in setups] == [None], "which files are read is no choice of the program's"


SERIES = """
series = np.sin(0.1 * np.arange(200)) + 0.1 * np.random.randn(200)
{windows}
X, Y = np.expand_dims(np.array(X), -1), np.array(Y)
net = keras.Sequential([keras.Input((10, 1)), layers.LSTM(5), layers.Dense({units})])
net.compile("adam", "mse")
net.fit(X, Y)
"""


@pytest.mark.parametrize(
    ("windows", "relation"),
    [
        ("X = [series[t:t + 10] for t in range(150)]\nY = [series[t + 10] for t in range(150)]", Relation.OTHER),
        ("X = [series[t:t + 10] for t in range(150)]\nY = [series[t + 1:t + 11] for t in range(150)]", Relation.OTHER),
        ("X = [series[t:(t + 10)] for t in range(150)]\nY = [series[t:t + 10] for t in range(150)]", Relation.SAME),
        ("X, Y = series[:-1], series[1:]", Relation.OTHER),
        ("X, Y = series[:-1], series[:-1]", Relation.SAME),
        ("X, Y = series[:150], series[:150]", Relation.SAME),
    ],
)
def test_a_forecast_is_no_reconstruction(windows: str, relation: Relation) -> None:
    (setup,), codes, _ = audited(SERIES.format(windows=windows, units=10))
    if relation is Relation.SAME:  # the same noise on both sides
        assert (setup.relation, codes) == (Relation.SAME, {"AE308"})
    else:
        assert (setup.relation, codes) == (Relation.OTHER, set())


def test_batches_of_input_and_target_stay_together() -> None:
    source = """
    net = keras.Sequential([layers.Flatten(), layers.Dense(784, activation="sigmoid"), layers.Reshape((28, 28, 1))])
    net.compile("adam", "mse")
    noisy = np.clip(x + 0.1 * np.random.randn(*x.shape), 0, 1)
    for step in range(100):
        net.train_on_batch(noisy[step * 32:(step + 1) * 32], x[step * 32:(step + 1) * 32])
    """
    (setup,), codes, _ = audited(source)
    assert setup.relation is Relation.NOISED_INPUT
    assert not codes


TUNED = """
import {module} as tuning
flat = x.reshape(-1, 784)
def build(hp):
    net = keras.Sequential()
    for _ in range(hp.Int("layers", 1, 3)):
        net.add(layers.Dense(hp.Int("units", 32, 128, step=32), activation=hp.Choice("hidden", ["relu", "tanh"])))
    net.add(layers.Dense(784, activation=hp.Choice("output", {outputs})))
    net.compile(keras.optimizers.Adam(hp.Float("rate", 1e-4, 1e-2)), loss="mse")
    return net
class Builder(tuning.HyperModel):
    def build(self, hp):
        return build(hp)
tuner = tuning.{tuner}({builder}, objective="val_loss")
tuner.search(flat, flat, epochs=5)
"""


@pytest.mark.parametrize("module", ["keras_tuner", "kerastuner"])
@pytest.mark.parametrize("tuner", ["RandomSearch", "tuners.Hyperband"])
@pytest.mark.parametrize("builder", ["build", "Builder()", "hypermodel=build"])
def test_a_tuned_model(module: str, tuner: str, builder: str) -> None:
    given = {"module": module, "tuner": tuner, "builder": builder}
    (setup,), codes, _ = audited(TUNED.format(outputs=["softmax"], **given))
    assert (setup.head.activation, setup.relation, codes) == ("softmax", Relation.SAME, {"AE101"})


def test_each_value_of_a_choice_is_an_alternative() -> None:
    given = {"module": "keras_tuner", "tuner": "RandomSearch", "builder": "build"}
    setups, codes, _ = audited(TUNED.format(outputs=["sigmoid", "softmax"], **given))
    assert {(s.head.activation, s.condition and s.condition.default) for s in setups} == {
        ("sigmoid", True),
        ("softmax", False),
    }
    assert not codes  # a note only: the default is right
    _, codes, _ = audited(TUNED.format(outputs=["softmax", "sigmoid"], **given))
    assert codes == {"AE101"}


def test_the_best_model_is_trained_again() -> None:
    given = {"module": "keras_tuner", "tuner": "RandomSearch", "builder": "build"}
    source = TUNED.format(outputs=["softmax"], **given).replace("tuner.search(flat, flat, epochs=5)", "")
    best = "tuner.hypermodel.build(tuner.get_best_hyperparameters()[0]).fit(flat, flat)\n"
    (setup,), codes, _ = audited(source + best)
    assert (setup.head.activation, codes) == ("softmax", {"AE101"})
    (setup,), codes, _ = audited(source + "tuner.get_best_models(1)[0].fit(flat, flat)\n")
    assert (setup.head.activation, codes) == ("softmax", {"AE101"})


USED_ONLY = """
i = keras.Input((28, 28, 1))
code = layers.Dense(32, activation="relu")(layers.Flatten()(i))
coder = keras.Model(i, code)
coder.compile("adam", "categorical_crossentropy")
whole = keras.Model(i, layers.Reshape((28, 28, 1))(layers.Dense(784, activation="sigmoid")(code)))
whole.compile("adam", "binary_crossentropy")
{training}
codes = coder.predict(x)
"""


def test_a_model_compiled_to_be_used_where_another_is_trained() -> None:
    (setup,), codes, _ = audited(USED_ONLY.format(training="whole.fit(x, x)"))
    assert (setup.head.activation, setup.loss.name, codes) == ("sigmoid", "bce", set())


@pytest.mark.parametrize("training", ["", "def run(model):\n    model.fit(x, x, epochs=3)"])
def test_a_model_that_may_be_trained_elsewhere_counts(training: str) -> None:
    setups, codes, _ = audited(USED_ONLY.format(training=training))
    assert {"cce", "bce"} <= {setup.loss.name for setup in setups}
    assert codes == {"AE105"}


def test_what_a_broken_line_assigns_is_unknown() -> None:
    source = START + textwrap.dedent("""
    i = keras.Input((28, 28, 1))
    o = layers.Conv2D(1, 3, padding="same", activation="relu")(i)
    o = layers.Conv2D(1, 3 padding="same", activation="sigmoid")(o)
    model = keras.Model(i, o)
    model.compile("adam", "binary_crossentropy")
    model.fit(x, x)
    """)
    result = analyse_file("program.py", source.encode())
    assert [error.line for error in result.errors] == [11]
    assert result.setups[0].head.activation is None
    assert result.setups[0].loss.name == "bce"


def test_data_standardised_by_a_layer_outside_the_model() -> None:
    source = """
    scaler = layers.Normalization(axis=None)
    scaler.adapt(x)
    data = scaler(x)
    {net}
    net.compile("adam", "mse")
    net.fit({fed}, {fed})
    """
    outside = 'net = keras.Sequential([layers.Conv2D(1, 3, padding="same", activation="sigmoid")])'
    (setup,), codes, _ = audited(source.format(net=outside, fed="data"))
    assert (setup.relation, codes) == (Relation.SAME, {"AE102"})
    inside = 'net = keras.Sequential([scaler, layers.Conv2D(1, 3, padding="same", activation="sigmoid")])'
    _, codes, _ = audited(source.format(net=inside, fed="x"))
    assert codes == set()


@pytest.mark.parametrize(
    ("first", "shape"),
    [
        ("LSTM(5, input_dim=3, return_sequences=True)", (None, None, 5)),
        ("LSTM(5, input_dim=3, input_length=7, return_sequences=True)", (None, 7, 5)),
        ("Conv1D(5, 3, padding='same', input_dim=3, input_length=7)", (None, 7, 5)),
        ("Dense(5, input_dim=3)", (None, 5)),
    ],
)
def test_shapes_given_the_older_way(first: str, shape: tuple[int | None, ...]) -> None:
    (setup,), _, _ = audited(f"net = keras.Sequential([layers.{first}])\nnet.compile('adam', 'mse')\nnet.fit(z, z)\n")
    assert setup.head.shape == shape


def test_a_vocabulary_is_no_shape() -> None:
    net = "net = keras.Sequential([layers.Embedding(input_dim=100, output_dim=8), layers.Dense(5)])\n"
    (setup,), _, _ = audited(net + "net.compile('adam', 'mse')\nnet.fit(z, z)\n")
    assert setup.input.shape is None


@pytest.mark.parametrize(("target", "name"), [("x", "cce"), ("np.random.normal(size=(60000, 784))", None)])
def test_a_weighted_logarithm_is_a_cross_entropy_of_probabilities_only(target: str, name: str | None) -> None:
    source = f"""
    def gained(weight, output):
        return -tf.reduce_mean(tf.reduce_sum(weight * tf.math.log(output + 1e-7), axis=1))
    net = keras.Sequential([layers.Flatten(), layers.Dense(784, activation="sigmoid")])
    net.compile("adam", gained)
    net.fit(x.reshape(-1, 784), {target.replace("x", "x.reshape(-1, 784)")})
    """
    (setup,), codes, undecided = audited(source)
    assert setup.loss.name == name
    assert codes == ({"AE202"} if name else set())
    assert ("loss" in {one.what for one in undecided}) is (name is None)


TWO_HEADS = """
labels = keras.utils.to_categorical(y, 10)
inputs = keras.Input((28, 28, 1))
code = layers.Dense(32)(layers.Flatten()(inputs))
classes = layers.Dense(10, activation="softmax", name="classes")(code)
pixels = layers.Reshape((28, 28, 1), name="pixels")(layers.Dense(784, activation="sigmoid")(code))
net = keras.Model(inputs, [classes, pixels])
net.compile("adam", ["categorical_crossentropy", "mse"], metrics={metrics})
net.fit(x, [labels, x])
"""


@pytest.mark.parametrize(
    ("metrics", "codes"),
    [
        ('["accuracy"]', {"AE401"}),
        ('[["accuracy"], ["mae"]]', set()),
        ('{"classes": "accuracy"}', set()),
        ('{"pixels": "accuracy"}', {"AE401"}),
    ],
)
def test_the_metrics_of_several_outputs(metrics: str, codes: set[str]) -> None:
    setups, found, _ = audited(TWO_HEADS.format(metrics=metrics))
    assert found == codes
    findings = [one for one in check(setups)[0] if one.code == "AE401"]
    shared = metrics == '["accuracy"]'
    assert all(bool(one.remedies) is not shared for one in findings), "the classifier keeps its accuracy"


def test_as_many_losses_as_targets_are_as_many_outputs() -> None:
    setups, codes, _ = audited("""
    from elsewhere import build
    net = keras.Model(inputs, build(inputs))
    net.compile("adam", ["binary_crossentropy", "mse"])
    net.train_on_batch(x, [np.ones((64, 1)), np.random.normal(size=(64, 2))])
    """)
    assert [setup.loss.name for setup in setups] == ["bce", "mse"]
    assert not codes


def test_labels_with_noise_are_labels_still() -> None:
    _, codes, _ = audited("""
    judge = keras.Sequential([keras.Input((32,)), layers.Dense(1, activation="sigmoid")])
    judge.compile("adam", "binary_crossentropy")
    labels = np.concatenate([np.ones((20, 1)), np.zeros((20, 1))])
    labels += 0.05 * np.random.random(labels.shape)
    judge.train_on_batch(np.random.normal(size=(40, 32)), labels)
    """)
    assert not codes


def test_whether_a_layer_out_of_reach_scales_is_not_decided() -> None:
    setups, codes, _ = audited("""
    from elsewhere import preprocessor
    inputs = keras.Input((180, 180, 3))
    outputs = layers.Dense(1, activation="sigmoid")(layers.Flatten()(preprocessor(inputs)))
    net = keras.Model(inputs, outputs)
    net.compile("adam", "binary_crossentropy")
    net.fit(keras.utils.image_dataset_from_directory("pictures", label_mode="binary"))
    """)
    assert not codes
    assert "input normalisation" in {one.what for one in check(setups)[1]}


@pytest.mark.parametrize(
    "windows",
    [
        "keras.utils.timeseries_dataset_from_array(series, series[20:], sequence_length=20)",
        "keras.preprocessing.sequence.TimeseriesGenerator(series, series, length=20)",
    ],
)
def test_windows_of_a_series_hold_its_values(windows: str) -> None:
    source = f"""
from tensorflow import keras
(x, _), _ = keras.datasets.mnist.load_data()
series = x.reshape(-1, 28) / 255.0
model = keras.Sequential([keras.layers.LSTM(8), keras.layers.Dense(28)])
model.compile("adam", loss="mse")
model.fit({windows})
"""
    (setup,) = analyse_file("m.py", source.encode()).setups
    assert str(setup.target.values.hull) == "[0, 1]"
    assert setup.input.shape == (None, 20, 28)


def test_data_that_could_not_be_followed_are_named_where_they_may_hold_the_target() -> None:
    source = """
from tensorflow import keras
model = keras.Sequential([keras.layers.Dense(28, activation="sigmoid")])
model.compile("adam", loss="mse")
model.fit(somewhere.load())
"""
    undecided = analyse_file("m.py", source.encode()).undecided
    assert "somewhere" in {each.what: each.why for each in undecided}["target range"]

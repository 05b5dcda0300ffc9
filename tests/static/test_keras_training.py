"""Keras trainings as people write them: steps of their own, adversarial pairs, losses that the model returns."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.training_setup import Relation, Structure
from ae_audit.static import analyse_file
from tests.static.keras_programs import START, audited

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


def test_data_that_could_not_be_followed_are_named_where_they_may_hold_the_target() -> None:
    source = """
from tensorflow import keras
model = keras.Sequential([keras.layers.Dense(28, activation="sigmoid")])
model.compile("adam", loss="mse")
model.fit(somewhere.load())
"""
    undecided = analyse_file("m.py", source.encode()).undecided
    assert "somewhere" in {each.what: each.why for each in undecided}["target range"]


def test_a_target_of_texts_is_a_target() -> None:
    _, _, undecided = audited("""
        names = []
        for each in range(9):
            names.append(str(each))
        net = keras.Sequential([layers.Flatten(), layers.Dense(9, activation="softmax")])
        net.compile("adam", "sparse_categorical_crossentropy")
        net.fit(x, names)
        """)
    assert {each.what: each.why for each in undecided}["target range"] == "it is a list of what is no number"

"""The head is found behind layers, functions and arithmetic, and can be exchanged there."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ae_audit.runtime.capture import CannotApply
from ae_audit.schema.remedies import SwapActivation
from ae_audit.schema.training_setup import Structure
from ae_audit.theory.activations import Constraint
from ae_audit.theory.ranges import Tri

layers = keras.layers
ops = keras.ops
WIDTH = 24


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(0).random((256, WIDTH), dtype=np.float32)


def functional(*output):
    def make():
        inputs = keras.Input((WIDTH,))
        values = layers.Dense(8, activation="relu")(inputs)
        for step in output:
            values = step(values)
        return keras.Model(inputs, values)

    return make


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(8, activation="relu")
        self.out = layers.Dense(WIDTH, activation="sigmoid")

    def call(self, inputs, training=False):
        return self.out(self.hidden(inputs))


class Arithmetic(Subclassed):
    def call(self, inputs):
        return 2 * self.out(self.hidden(inputs)) - 1


class Functions(Subclassed):
    def __init__(self):
        super().__init__()
        self.out = layers.Dense(WIDTH)

    def call(self, inputs):
        return ops.reshape(ops.sigmoid(self.out(self.hidden(inputs))), (-1, WIDTH))


class HandWritten(Functions):
    def call(self, inputs):
        return 1 / (1 + ops.exp(-ops.tanh(self.out(self.hidden(inputs)))))


def span(setup):
    return setup.head.range.values.hull.lo, setup.head.range.values.hull.hi


CASES = {
    "dense": (functional(layers.Dense(WIDTH, activation="tanh")), "tanh", (-1, 1), ()),
    "activation layer": (functional(layers.Dense(WIDTH), layers.Activation("sigmoid")), "sigmoid", (0, 1), ()),
    "softmax layer": (functional(layers.Dense(WIDTH), layers.Softmax()), "softmax", (0, 1), ()),
    "relu layer": (functional(layers.Dense(WIDTH), layers.ReLU(max_value=2.0)), "relu", (0, 2), ()),
    "operation": (functional(layers.Dense(WIDTH), ops.sigmoid), "sigmoid", (0, 1), ()),
    "keras.activations": (functional(layers.Dense(WIDTH), keras.activations.softplus), "softplus", (0, np.inf), ()),
    "affine": (
        functional(layers.Dense(WIDTH, activation="sigmoid"), lambda values: 2 * values - 1),
        "sigmoid",
        (-1, 1),
        ("multiply", "subtract"),
    ),
    "rescaling": (
        functional(layers.Dense(WIDTH, activation="sigmoid"), layers.Rescaling(255.0)),
        "sigmoid",
        (0, 255),
        ("Rescaling",),
    ),
    "reshape": (
        functional(layers.Dense(WIDTH, activation="sigmoid"), layers.Reshape((4, 6)), layers.Reshape((WIDTH,))),
        "sigmoid",
        (0, 1),
        ("Reshape", "Reshape"),
    ),
    "batch norm": (
        functional(layers.Dense(WIDTH, activation="sigmoid"), layers.BatchNormalization()),
        "sigmoid",
        (-np.inf, np.inf),
        ("BatchNormalization",),
    ),
    "twice": (
        functional(layers.Dense(WIDTH, activation="sigmoid"), layers.Activation("sigmoid")),
        "sigmoid",
        (0.5, pytest.approx(0.7311, abs=1e-3)),
        (),
    ),
    "nested": (
        functional(
            keras.Sequential([keras.Input((8,)), layers.Dense(WIDTH, activation="tanh"), layers.Dropout(0.1)], name="d")
        ),
        "tanh",
        (-1, 1),
        ("Dropout",),
    ),
    "subclassed": (Subclassed, "sigmoid", (0, 1), ()),
    "arithmetic": (Arithmetic, "sigmoid", (-1, 1), ("2 · output + -1",)),
    "functions": (Functions, "sigmoid", (0, 1), ()),
    "linear": (functional(layers.Dense(WIDTH)), "linear", (-np.inf, np.inf), ()),
    "lambda": (
        functional(layers.Dense(WIDTH, activation=lambda values: ops.softmax(values, axis=-1))),
        "softmax",
        (0, 1),
        (),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_heads(name, data, catch):
    make, activation, values, after = CASES[name]

    def program():
        model = make()
        model.compile("sgd", "mse")
        model.fit(data, data)

    (capture,) = catch(program).captures
    head = capture.setup.head
    assert head.activation == activation
    assert span(capture.setup) == values
    assert head.after == after
    assert head.shape == (None, WIDTH)
    assert (head.range.constraint is Constraint.SIMPLEX) == (activation == "softmax")


@pytest.mark.parametrize(
    "name", ["dense", "softmax layer", "operation", "subclassed", "arithmetic", "functions", "lambda"]
)
def test_activations_are_exchanged_in_place_and_put_back(name, data, catch):
    make = CASES[name][0]

    def program():
        model = make()
        model.compile("sgd", "mse")
        model.fit(data * 0.5 + 3, data * 0.5 + 3)

    (capture,) = catch(program).captures
    before = capture.trial((), 0).evaluate().predictions
    shifted = capture.trial((SwapActivation("exponential"),), 0)
    assert shifted.evaluate().predictions.max() > before.max()
    shifted.advance(3)
    assert np.array_equal(capture.trial((), 0).evaluate().predictions, before)


def _chained(last):
    inputs = keras.Input((WIDTH,))
    hidden = layers.Dense(8, activation="relu")(inputs)
    return keras.Model(inputs, last(hidden))


class TwoFunctions(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(WIDTH)

    def call(self, inputs):
        return keras.activations.sigmoid(keras.activations.tanh(self.dense(inputs)))


class OneFunctionTwice(TwoFunctions):
    def call(self, inputs):
        return keras.activations.sigmoid(keras.activations.sigmoid(self.dense(inputs)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: _chained(lambda x: layers.Activation("softmax")(layers.Dense(WIDTH, activation="sigmoid")(x))),
        lambda: _chained(lambda x: layers.Softmax()(layers.ReLU()(layers.Dense(WIDTH)(x)))),
        lambda: _chained(
            lambda x: layers.Activation("sigmoid")(layers.Reshape((WIDTH,))(layers.Dense(WIDTH, activation="tanh")(x)))
        ),
        TwoFunctions,
    ],
    ids=["dense, activation", "layers", "reshape", "functions"],
)
def test_a_chain_of_activations_is_exchanged_as_a_whole(make, data, catch):
    def program():
        model = make()
        model.compile("sgd", "mse")
        model.fit(data * 4 - 2, data * 4 - 2)

    (capture,) = catch(program).captures
    assert len(capture.setup.head.others) == 1
    model = capture._program.model
    dense = model.dense if make is TwoFunctions else next(x for x in reversed(model.layers) if x.weights)
    before = capture.trial((), 0).evaluate().predictions
    trial = capture.trial((SwapActivation("linear"),), 0)
    predictions = trial.evaluate().predictions
    x = (data * 4 - 2)[np.unique(np.linspace(0, len(data) - 1, len(predictions)).round().astype(int))]
    if make is not TwoFunctions:
        x = np.maximum(x @ model.layers[1].kernel.numpy() + model.layers[1].bias.numpy(), 0)
    np.testing.assert_allclose(predictions, x @ dense.kernel.numpy() + dense.bias.numpy(), atol=1e-4)
    trial.advance(3)
    assert np.array_equal(capture.trial((), 0).evaluate().predictions, before)


def test_a_chain_that_cannot_be_taken_out_is_no_arm(data, catch):
    def program():
        model = OneFunctionTwice()
        model.compile("sgd", "mse")
        model.fit(data, data)

    (capture,) = catch(program).captures
    with pytest.raises(CannotApply, match="one function activates the output twice"):
        capture.trial((SwapActivation("linear"),), 0)


def test_what_activates_a_constant_output_through_a_bare_reshape_is_left_open(data, catch):
    def program():
        model = Functions()
        model(data[:1])
        model.hidden.kernel.assign(-np.abs(model.hidden.kernel))  # every relu is dead on data above 0
        model.compile("sgd", "mse")
        model.fit(data, data)

    (capture,) = catch(program).captures
    assert capture.setup.head.activation is None
    with pytest.raises(CannotApply, match="not found"):
        capture.trial((SwapActivation("tanh"),), 0)


def test_a_hand_written_activation_is_unknown_but_its_values_are_seen(data, catch):
    def program():
        model = HandWritten()
        model.compile("sgd", "mse")
        model.fit(data, data)

    (capture,) = catch(program).captures
    head = capture.setup.head
    assert head.activation is None
    assert head.range.values.hull.is_real_line
    assert 0.26 < head.range.values.reach.lo < head.range.values.reach.hi < 0.74


def test_convolutional_autoencoder(catch, digits, fitted):
    images = digits[:256].reshape(-1, 28, 28, 1)

    def program():
        inputs = keras.Input((28, 28, 1))
        code = layers.MaxPooling2D(4)(layers.Conv2D(8, 3, activation="relu", padding="same")(inputs))
        decoded = layers.UpSampling2D(4)(layers.Conv2D(8, 3, activation="relu", padding="same")(code))
        output = layers.Conv2D(1, 3, activation="sigmoid", padding="same")(decoded)
        output = layers.Cropping2D(2)(layers.ZeroPadding2D(2)(output))
        model = keras.Model(inputs, output)
        model.compile("adam", "binary_crossentropy")
        model.fit(images, images, batch_size=32)

    (capture,) = catch(program).captures
    head = capture.setup.head
    assert (head.activation, head.after) == ("sigmoid", ("ZeroPadding2D", "Cropping2D"))
    assert head.logits_recoverable is Tri.NO  # the padding is in the way
    assert capture.setup.target.structure is Structure.CONTINUOUS
    assert fitted(capture, steps=20) > fitted(capture, steps=1)


def test_segmentation_with_a_softmax_over_channels(catch):
    random = np.random.default_rng(0)
    images = random.random((64, 8, 8, 1), dtype=np.float32)
    masks = np.eye(3, dtype=np.float32)[random.integers(0, 3, (64, 8, 8))]

    def program():
        model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(3, 3, padding="same", activation="softmax")])
        model.compile("adam", "categorical_crossentropy")
        model.fit(images, masks)

    (capture,) = catch(program).captures
    setup = capture.setup
    assert (setup.head.activation, setup.head.axis, setup.head.units) == ("softmax", -1, 3)
    assert setup.target.structure is Structure.ONE_HOT
    assert setup.target.distribution_along(setup.head.axis) is Tri.YES


def test_several_outputs_and_losses(data, catch):
    labels = np.arange(len(data)) % 3

    def program():
        inputs = keras.Input((WIDTH,))
        code = layers.Dense(8, activation="relu")(inputs)
        image = layers.Dense(WIDTH, activation="sigmoid", name="image")(code)
        label = layers.Dense(3, activation="softmax", name="label")(code)
        model = keras.Model(inputs, [image, label])
        model.compile("adam", ["mse", "sparse_categorical_crossentropy"], loss_weights=[1.0, 0.5])
        model.fit(data, [data, labels])

    image, label = catch(program).captures
    assert (image.setup.head.activation, image.setup.loss.name, image.setup.loss.weight) == ("sigmoid", "mse", 1.0)
    assert (label.setup.head.activation, label.setup.loss.name, label.setup.loss.weight) == (
        "softmax",
        "sparse_cce",
        0.5,
    )
    assert image.trial((), 0).evaluate().predictions.shape == (256, WIDTH)
    assert label.trial((), 0).evaluate().predictions.shape == (256, 3)
    assert label.targets.shape == (256,)
    swapped = image.trial((SwapActivation("linear"),), 0).evaluate().predictions
    assert swapped.min() < 0


def test_the_layer_inside_a_time_distributed_one(catch):
    words = np.eye(6, dtype=np.float32)[np.random.default_rng(0).integers(0, 6, (64, 5))]

    def program():
        model = keras.Sequential(
            [
                keras.Input((5, 6)),
                layers.LSTM(8, return_sequences=True),
                layers.TimeDistributed(layers.Dense(6, activation="softmax")),
            ]
        )
        model.compile("adam", "categorical_crossentropy")
        model.fit(words, words)

    (capture,) = catch(program).captures
    assert (capture.setup.head.activation, capture.setup.head.axis, capture.setup.head.units) == ("softmax", -1, 6)
    assert capture.setup.target.structure is Structure.ONE_HOT
    swapped = capture.trial((SwapActivation("linear"),), 0).evaluate().predictions
    assert swapped.min() < 0


def test_recurrent_outputs_keep_the_range_of_their_activation(catch):
    words = np.random.default_rng(0).random((64, 5, 6), dtype=np.float32)

    def program():
        model = keras.Sequential([keras.Input((5, 6)), layers.LSTM(6, return_sequences=True)])
        model.compile("adam", "mse")
        model.fit(words, words)

    (capture,) = catch(program).captures
    assert (capture.setup.head.activation, span(capture.setup)) == ("tanh", (-1, 1))
    with pytest.raises(CannotApply, match="LSTM"):
        capture.trial((SwapActivation("linear"),), 0)

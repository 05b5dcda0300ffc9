"""Training steps and losses of the user's own: variational autoencoders, add_loss, hand-written losses."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ae_audit.runtime.capture import CannotApply
from ae_audit.runtime.keras.losses import describe
from ae_audit.schema.remedies import ExpectLogits, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Relation
from ae_audit.theory.ranges import Tri

layers = keras.layers
ops = keras.ops
WIDTH = 784
on_tensorflow = keras.config.backend() == "tensorflow"
watched_steps = pytest.mark.skipif(
    keras.config.backend() == "jax", reason="inside a training step of its own JAX has no values to look at"
)


@pytest.fixture(scope="module")
def data(digits):
    return digits[:512]


class Sampling(layers.Layer):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, inputs):
        mean, log_var = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * noise


def encoder():
    inputs = keras.Input((WIDTH,))
    hidden = layers.Dense(64, activation="relu")(inputs)
    mean, log_var = layers.Dense(8, name="z_mean")(hidden), layers.Dense(8, name="z_log_var")(hidden)
    return keras.Model(inputs, [mean, log_var, Sampling()([mean, log_var])])


def decoder(activation="sigmoid"):
    layer = layers.Dense(WIDTH, activation=activation)
    return keras.Sequential([keras.Input((8,)), layers.Dense(64, activation="relu"), layer])


def kl(mean, log_var):
    return -0.5 * ops.mean(ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=1))


class TrainedByStep(keras.Model):
    """The variational autoencoder of Keras' own tutorial: a training step, and no call."""

    def __init__(self, activation="sigmoid"):
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder(activation)
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.loss_tracker]

    def losses_of(self, data):
        mean, log_var, z = self.encoder(data)
        reconstruction = self.decoder(z)
        entropy = keras.losses.binary_crossentropy(data, reconstruction)
        return WIDTH * ops.mean(entropy) + kl(mean, log_var)

    def train_step(self, data):
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = self.losses_of(data)
            gradients = tape.gradient(loss, self.trainable_weights)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        else:
            import torch

            self.zero_grad()
            loss = self.losses_of(data)
            loss.backward()
            with torch.no_grad():
                weights = list(self.trainable_weights)
                self.optimizer.apply([weight.value.grad for weight in weights], weights)
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


class AddsLoss(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder()

    def call(self, inputs):
        mean, log_var, z = self.encoder(inputs)
        output = self.decoder(z)
        self.add_loss(ops.mean(keras.losses.binary_crossentropy(inputs, output)))
        self.add_loss(kl(mean, log_var) / WIDTH)
        return output


class ByHand(TrainedByStep):
    def losses_of(self, data):
        _, _, z = self.encoder(data)
        return ops.mean(ops.square(data - self.decoder(z)))


@watched_steps
def test_a_training_step_without_call(catch, data, fitted):
    def program():
        model = TrainedByStep()
        model.compile(keras.optimizers.Adam())
        history = model.fit(data, epochs=3, batch_size=64)
        assert list(history.history) == ["loss"]

    (capture,) = catch(program).captures
    setup = capture.setup
    assert (setup.loss.name, setup.loss.from_logits, setup.loss.custom) == ("bce", Tri.NO, False)
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.SAME
    assert setup.model.variational is Tri.YES
    with open(__file__) as source:
        assert "binary_crossentropy(data" in source.read().splitlines()[setup.location.line - 1]
    assert fitted(capture, steps=60) > fitted(capture, steps=1)
    assert capture.trial((), 0).evaluate().targets.shape == (512, WIDTH)
    linear = capture.trial((SwapActivation("linear"),), 0).evaluate().predictions
    assert linear.min() < 0
    brighter = capture.trial((Rescale(255.0),), 0).evaluate()
    assert brighter.targets.max() == pytest.approx(255)
    with pytest.raises(CannotApply, match="one array"):
        capture.trial((Rescale(255.0, input=False),), 0)


@watched_steps
def test_the_loss_of_a_training_step_is_exchanged(catch, data):
    def program():
        model = TrainedByStep(activation=None)
        model.compile("adam")
        model.fit(data, batch_size=64)

    (capture,) = catch(program).captures
    assert capture.setup.head.activation == "linear"
    wrong = capture.trial((), 0).advance(10)
    right = capture.trial((ExpectLogits(True),), 0).advance(10)
    assert right < wrong
    squared = capture.trial((SwapLoss("mse"),), 0).advance(10)
    assert squared != pytest.approx(wrong, rel=0.05)


class Stored(TrainedByStep):
    """Has taken its loss function out of Keras when it was made, and keeps it under a name of its own."""

    def __init__(self):
        super().__init__()
        self.distance = keras.losses.binary_crossentropy

    def losses_of(self, data):
        distance = self.distance
        return ops.mean(distance(data, self.decoder(self.encoder(data)[2])))


@watched_steps
def test_a_loss_function_that_the_program_has_stored_is_seen_as_itself(catch, data):
    def program():
        model = Stored()
        model.compile("adam")
        model.fit(data, batch_size=64)

    before = keras.losses.binary_crossentropy.__code__
    (capture,) = catch(program).captures
    loss = capture.setup.loss
    assert (loss.name, loss.custom, loss.from_logits) == ("bce", False, Tri.NO)
    assert capture.setup.head.activation == "sigmoid"
    squared, written = (capture.trial(remedies, 0).advance(10) for remedies in ((SwapLoss("mse"),), ()))
    assert squared != pytest.approx(written, rel=0.05)
    assert keras.losses.binary_crossentropy.__code__ is before


@watched_steps
def test_the_same_seed_gives_the_same_figures_with_random_layers(catch, data):
    def program():
        model = TrainedByStep()
        model.compile("adam")
        model.fit(data, batch_size=64)

    (capture,) = catch(program).captures
    runs = []
    for seed in (1, 2, 1):
        trial = capture.trial((), seed)
        runs.append([trial.advance(5), trial.advance(5)])
    assert runs[0] == runs[2] != runs[1]


def test_add_loss(catch, data, fitted):
    def program():
        model = AddsLoss()
        model.compile("adam")
        model.fit(data, batch_size=64)

    (capture,) = catch(program).captures
    assert (capture.setup.loss.name, capture.setup.head.activation) == ("bce", "sigmoid")
    assert capture.setup.relation is Relation.SAME
    assert fitted(capture, steps=60) > fitted(capture, steps=1)


@watched_steps
def test_a_loss_written_out_by_hand(catch, data):
    class Callable(ByHand):
        def call(self, inputs):
            return self.decoder(self.encoder(inputs)[2])

        def losses_of(self, data):
            return ops.mean(ops.square(data - self(data)))

    def program():
        model = Callable()
        model.compile("adam")
        model.fit(data, batch_size=64)

    (capture,) = catch(program).captures
    setup = capture.setup
    assert (setup.loss.name, setup.loss.custom) == ("mse" if on_tensorflow else None, True)
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.SAME
    if not on_tensorflow:
        with pytest.raises(CannotApply, match="by hand"):
            capture.trial((SwapLoss("mse"),), 0)
    trial = capture.trial((), 0)
    assert trial.advance(10) > trial.advance(30)


class Entropy(TrainedByStep):
    """Unpacks input and target, and has neither a call nor a loss function."""

    def losses_of(self, data):
        x, y = data
        p = self.decoder(self.encoder(x)[2])
        return -ops.mean(y * ops.log(p + 1e-7) + (1 - y) * ops.log(1 - p + 1e-7))


class AddsSquares(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder()

    def call(self, inputs):
        output = self.decoder(self.encoder(inputs)[2])
        self.add_loss(ops.mean(ops.square(inputs - output)))
        return output


class AddsNoise(TrainedByStep):
    def losses_of(self, data):
        noisy = data + np.random.default_rng().normal(0, 0.1, data.shape).astype("float32")
        return ops.mean(ops.sum(ops.abs(data - self.decoder(self.encoder(noisy)[2])), axis=-1))


@pytest.mark.skipif(not on_tensorflow, reason="single operations are seen on TensorFlow alone")
@pytest.mark.parametrize(
    ("kind", "labelled", "loss", "weight", "spells"),
    [
        (Entropy, True, "bce", 1, "ops.log(p + 1e-7)"),
        (AddsSquares, False, "mse", 1, "ops.square(inputs - output)"),
        (AddsNoise, False, "mae", WIDTH, "ops.abs(data - "),
    ],
)
def test_a_loss_spelled_out_in_what_fit_trains_is_recognised_and_exchanged(
    catch, data, fitted, kind, labelled, loss, weight, spells
):
    model = kind()
    weights, targets = model.get_weights(), (data > 0.5).astype("float32") if labelled else None

    def program():
        model.compile("adam")
        judged = (data[:99], targets[:99]) if labelled else (data[:99] * 3, None)
        model.fit(data, targets, validation_data=judged, batch_size=64)

    caught = catch(program)
    assert caught.problems == []
    for value, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, before)
    (capture,) = caught.captures
    setup = capture.setup
    assert (setup.loss.name, setup.loss.weight, setup.head.activation) == (loss, weight, "sigmoid")
    with open(__file__) as source:
        assert spells in source.read().splitlines()[setup.location.line - 1]
    assert (setup.relation is Relation.SAME) is not labelled
    assert (setup.optimizer, capture.batch_size) == ("Adam", 64)
    if kind is not AddsNoise:  # there the step's own batches are all that is known
        np.testing.assert_array_equal(capture.targets, targets if labelled else data)
        assert setup.validation_target.values.hull.hi == (1 if labelled else 3)
    assert fitted(capture, steps=60) > fitted(capture, steps=1)
    assert capture.trial((Rescale(255.0),), 0).evaluate().targets.max() == pytest.approx(255)
    exchanged, written = (capture.trial(remedies, 0).advance(5) for remedies in ((SwapLoss("huber"),), ()))
    assert exchanged != pytest.approx(written, rel=0.05)


def test_a_custom_loss_function_is_recognised_by_its_values(catch, data):
    def reconstruction(y_true, y_pred):
        return WIDTH * keras.losses.binary_crossentropy(y_true, y_pred)

    def program():
        model = keras.Sequential([keras.Input((WIDTH,)), layers.Dense(8), layers.Dense(WIDTH, activation="sigmoid")])
        model.compile("adam", reconstruction)
        model.fit(data, data)

    (capture,) = catch(program).captures
    loss = capture.setup.loss
    assert (loss.name, loss.custom, loss.written) == ("bce", True, "reconstruction")
    assert "times 784" in loss.trail[0].text


def test_compute_loss_of_the_users_own(catch, data):
    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.losses.MeanSquaredError()(y, y_pred)

    def program():
        inputs = keras.Input((WIDTH,))
        model = Own(inputs, layers.Dense(WIDTH, activation="tanh")(layers.Dense(8)(inputs)))
        model.compile("adam", "mae")
        model.fit(data, data)

    (capture,) = catch(program).captures
    assert (capture.setup.loss.name, capture.setup.head.activation) == ("mse", "tanh")


@pytest.mark.skipif(keras.config.backend() != "jax", reason="other backends run it with values")
def test_a_training_step_written_in_jax_is_refused_in_one_sentence(catch, data):
    class Own(keras.Model):
        def train_step(self, state, data):
            return super().train_step(state, data)

    def program():
        inputs = keras.Input((WIDTH,))
        model = Own(inputs, layers.Dense(WIDTH)(inputs))
        model.compile("adam", "mse")
        model.fit(data, data)

    caught = catch(program)
    assert caught.captures == []
    assert "JAX" in caught.problems[0]


def own_loss_capture(catch, data, loss, activation="sigmoid"):
    def program():
        model = keras.Sequential([keras.Input((WIDTH,)), layers.Dense(8), layers.Dense(WIDTH, activation=activation)])
        model.compile("adam", loss)
        model.fit(data, data)

    (capture,) = catch(program).captures
    return capture


def test_an_own_loss_that_takes_only_the_programs_shapes_is_recognised(catch, data):
    def images(y_true, y_pred):
        difference = ops.reshape(y_true, (-1, 28, 28, 1)) - ops.reshape(y_pred, (-1, 28, 28, 1))
        return ops.mean(ops.square(difference), axis=(1, 2, 3))

    loss = own_loss_capture(catch, data, images).setup.loss
    assert (loss.name, loss.custom) == ("mse", True)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda t, p: ops.mean(ops.abs(t - p) ** 1.5), "where the prediction is the target itself"),
        (lambda t, p: ops.mean((2 * t - p) ** 2 + 0.1 * ops.abs(2 * t - p)), "0, 1 it is least at predictions of 0, 2"),
        (lambda t, p: ops.mean(ops.exp(-p) * (t + 1)), "beyond every prediction"),
        (lambda t, p: ops.sqrt(ops.mean((t - p) ** 2)), "no mean over single values"),
    ],
    ids=["target", "elsewhere", "endless", "whole"],
)
def test_an_unknown_loss_is_told_by_where_it_is_least(catch, data, function, says):
    binary = (data > 0.5).astype("float32")
    loss = own_loss_capture(catch, binary, function).setup.loss
    assert (loss.name, loss.custom) == (None, True)
    assert "equals no known loss" in loss.trail[0].text
    assert says in loss.trail[1].text


def test_an_own_activation_is_told_by_its_values(catch, data):
    def swing(x):
        return 2 * ops.sigmoid(x) - 1

    def bump(x):
        return 3 * ops.exp(-ops.square(x - 1))

    def leaning(x):
        return ops.where(x > 0, 0.5 * x + ops.sin(x), 0.0)

    head = own_loss_capture(catch, data, "mse", swing).setup.head
    assert (head.activation, head.range.values.hull.lo, head.range.values.hull.hi) == ("sigmoid", -1, 1)
    capture = own_loss_capture(catch, data, "mse", bump)
    head = capture.setup.head
    assert head.activation is None
    assert (head.range.values.hull.lo, head.range.values.hull.hi) == (0, pytest.approx(3, abs=1e-3))
    assert capture.trial((SwapActivation("linear"),), 0).evaluate().predictions.min() < 0
    head = own_loss_capture(catch, data, "mse", leaning).setup.head
    assert head.range.values.hull.hi == float("inf")
    assert head.range.values.hull.lo <= 0


@pytest.mark.parametrize(
    ("scale", "constant", "floor"),
    [(0.1, 0.0, -1.3836), (2.0, 0.0, 1.6121), (2.0, -0.5 * np.log(2 * np.pi), 0.6931), (0.1, 0.5, None)],
)
def test_a_gaussian_likelihood_written_out_has_the_floor_of_its_scale(scale, constant, floor):
    def likelihood(y, p):
        errors = 0.5 * keras.ops.square((y - p) / scale) + np.log(scale) + 0.5 * np.log(2 * np.pi)
        return keras.ops.mean(errors + constant, axis=-1)

    theory = describe(likelihood, shapes=((32, 784), (32, 784))).theory
    assert theory is not None
    least = theory.floor(0.5)
    assert (theory.name == "gaussian_nll") == (floor is not None)
    assert floor is None or least == pytest.approx(floor, abs=1e-3)

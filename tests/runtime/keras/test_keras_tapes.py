"""Training loops written by hand with ``tf.GradientTape``: what is caught of them, and that it can be fitted again."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ae_audit.runtime.capture import CannotApply
from ae_audit.schema.remedies import ExpectLogits, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Relation
from ae_audit.theory.ranges import Tri

if keras.config.backend() != "tensorflow":
    pytest.skip("the tape is TensorFlow's", allow_module_level=True)
import tensorflow as tf

layers = keras.layers
WIDTH = 784


@pytest.fixture(scope="module")
def data(digits):
    return digits[:512]


def autoencoder(activation="sigmoid"):
    return keras.Sequential([layers.Dense(32, activation="relu"), layers.Dense(WIDTH, activation=activation)])


def loop(model, loss_of, batches, optimizer=None, epochs=2):
    optimizer = optimizer or keras.optimizers.Adam()

    def program():
        for _ in range(epochs):
            for batch in batches:
                with tf.GradientTape() as tape:
                    loss = loss_of(batch, model)
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    return program


def batches_of(data, size=64):
    return tf.data.Dataset.from_tensor_slices(data).batch(size)


def source_line(location):
    with open(__file__) as source:
        return source.read().splitlines()[location.line - 1]


def by_object(batch, model):
    return keras.losses.BinaryCrossentropy()(batch, model(batch))


def by_function(batch, model):
    return tf.reduce_mean(keras.losses.binary_crossentropy(batch, model(batch)))


def by_entropy_of_logits(batch, model):
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=batch, logits=model(batch))
    return tf.reduce_mean(tf.reduce_sum(entropy, axis=1))


def squared_by_hand(batch, model):
    return tf.reduce_mean(tf.square(tf.subtract(model(batch), batch)))


def entropy_by_hand(batch, model):
    p = model(batch)
    return -tf.reduce_mean(batch * tf.math.log(p + 1e-7) + (1 - batch) * tf.math.log(1 - p + 1e-7))


@pytest.mark.parametrize(
    ("loss_of", "activation", "name", "logits", "weight"),
    [
        (by_object, "sigmoid", "bce", Tri.NO, 1),
        (by_function, "sigmoid", "bce", Tri.NO, 1),
        (by_entropy_of_logits, "linear", "bce", Tri.YES, WIDTH),
        (squared_by_hand, "sigmoid", "mse", Tri.NO, 1),
        (entropy_by_hand, "sigmoid", "bce", Tri.NO, None),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_losses_of_loops(data, catch, fitted, loss_of, activation, name, logits, weight):
    caught = catch(loop(autoencoder(activation), loss_of, batches_of(data)))
    assert caught.problems == []
    (capture,) = caught.captures
    setup = capture.setup
    assert (setup.head.activation, setup.loss.name, setup.loss.from_logits) == (activation, name, logits)
    assert setup.relation is Relation.SAME
    assert (setup.optimizer, capture.batch_size) == ("Adam", 64)
    assert any(word in source_line(setup.location) for word in ("entropy", "Crossentropy", "square", "log"))
    if weight is not None:
        assert setup.loss.weight == pytest.approx(weight)
    np.testing.assert_array_equal(capture.targets, data)
    assert fitted(capture, steps=60) > fitted(capture, steps=1) + 0.02


def test_a_loop_under_tf_function_is_judged_and_its_remedies_fitted(data, catch, fitted):
    model, optimizer = autoencoder("softmax"), keras.optimizers.Adam(2e-3)

    @tf.function
    def train_step(batch):
        with tf.GradientTape() as tape:
            loss = squared_by_hand(batch, model)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    def program():
        for batch in batches_of(data):
            train_step(batch)

    (capture,) = catch(program).captures
    assert capture.setup.head.activation == "softmax"
    as_written = fitted(capture, steps=80)
    assert fitted(capture, (SwapActivation("sigmoid"),), steps=80) > as_written + 0.2
    assert fitted(capture, steps=80) == as_written
    entropy = capture.trial((SwapActivation("sigmoid"), SwapLoss("bce")), 0)
    assert entropy.advance(5) == pytest.approx(np.log(2), rel=0.2)
    assert capture.trial((Rescale(255.0),), 0).evaluate().targets.max() == pytest.approx(255)


class Trainer:
    def __init__(self):
        self.model, self.optimizer = autoencoder(), keras.optimizers.Adam()

    @tf.function
    def step(self, batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(batch - self.model(batch)))
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.model.trainable_variables, strict=True))


def test_a_method_under_tf_function_is_seen_as_it_is_written(data, catch):
    def program():
        trainer = Trainer()
        for batch in batches_of(data):
            trainer.step(batch)

    (capture,) = catch(program).captures
    assert capture.setup.location.path == __file__
    assert "tf.square(batch - self.model(batch))" in source_line(capture.setup.location)
    assert capture.setup.loss.name == "mse"


def test_the_logits_convention_of_a_loss_in_a_loop_is_exchanged(data, catch):
    (capture,) = catch(loop(autoencoder("linear"), by_object, batches_of(data))).captures
    assert capture.trial((ExpectLogits(True),), 0).advance(10) < capture.trial((), 0).advance(10)


class Variational(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(8)])
        self.decoder = keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(WIDTH)])

    def encode(self, x):
        return tf.split(self.encoder(x), num_or_size_splits=2, axis=1)

    def decode(self, z):
        return tf.sigmoid(self.decoder(z))


def test_a_variational_autoencoder_without_call(data, catch, fitted):
    def elbo(batch, model):
        mean, log_var = model.encode(batch)
        decoded = model.decode(mean + tf.exp(0.5 * log_var) * tf.random.normal(mean.shape))
        reconstruction = tf.reduce_sum(tf.square(batch - decoded), axis=1)
        divergence = -0.5 * tf.reduce_sum(1 + log_var - tf.square(mean) - tf.exp(log_var), axis=1)
        return tf.reduce_mean(0.5 * reconstruction + divergence)

    (capture,) = catch(loop(Variational(), elbo, batches_of(data))).captures
    setup = capture.setup
    assert (setup.head.activation, setup.loss.name, setup.loss.weight) == ("sigmoid", "mse", WIDTH / 2)
    assert "tf.square(batch - decoded)" in source_line(setup.location)
    assert fitted(capture, steps=60) > fitted(capture, steps=1)
    assert capture.trial((SwapActivation("linear"),), 0).evaluate().predictions.min() < 0
    runs = [[trial.advance(5), trial.advance(5)] for trial in (capture.trial((), seed) for seed in (1, 2, 1))]
    assert runs[0] == runs[2] != runs[1]


def test_noise_and_scaling_before_the_tape_belong_to_the_data(data, catch):
    model, optimizer = autoencoder(), keras.optimizers.SGD(0.1)

    def program():
        for start in range(0, 512, 64):
            clean = data[start : start + 64]
            noisy = clean + tf.random.normal(clean.shape, stddev=0.2)
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(keras.losses.mean_squared_error(clean, model(noisy)))
            gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), 1.0)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    (capture,) = catch(program).captures
    assert capture.setup.relation is Relation.UNKNOWN  # which reading settles
    np.testing.assert_array_equal(capture.targets, data)
    trial = capture.trial((), 0)
    assert trial.advance(5) > trial.advance(60)


def test_two_tapes_of_one_step_are_played_together(data, catch):
    """An adversarial autoencoder: the discriminator's update is part of every step."""
    model, judge = autoencoder(), keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(1)])
    first, second = keras.optimizers.Adam(), keras.optimizers.Adam()
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def program():
        for batch in batches_of(data):
            with tf.GradientTape() as tape:
                fake, real = judge(model(batch)), judge(batch)
                loss = entropy(tf.ones_like(real), real) + entropy(tf.zeros_like(fake), fake)
            weights = judge.trainable_variables
            second.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.abs(batch - model(batch)))
            weights = model.trainable_variables
            first.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    captures = catch(program).captures
    (reconstruction,) = [capture for capture in captures if capture.setup.relation is Relation.SAME]
    assert reconstruction.setup.loss.name == "mae"
    trial = reconstruction.trial((), 0)
    before = [np.array(weight) for weight in judge.get_weights()]
    trial.advance(3)
    assert not np.allclose(before[0], judge.get_weights()[0])


def test_weights_outside_keras_and_an_update_by_hand(data, catch):
    weights = tf.Variable(tf.random.normal((WIDTH, 16), stddev=0.05, seed=1)), tf.Variable(tf.zeros((16, WIDTH)))

    def program():
        for batch in batches_of(data):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((tf.sigmoid(batch @ weights[0] @ weights[1]) - batch) ** 2)
            for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
                weight.assign_sub(0.1 * gradient)

    (capture,) = catch(program).captures
    assert (capture.setup.head.activation, capture.setup.loss.name) == ("sigmoid", "mse")
    assert len(capture.targets) == len(data)
    with pytest.raises(CannotApply, match="without an optimizer"):
        capture.trial((), 0)


def test_gradients_that_train_nothing_are_no_training(data, catch):
    def program():
        model = autoencoder()
        image = tf.constant(data[:8])
        for _ in range(3):
            with tf.GradientTape() as tape:
                tape.watch(image)
                score = tf.reduce_mean(model(image)[:, 5])
            tape.gradient(score, image)

    caught = catch(program)
    assert (caught.captures, caught.problems) == ([], [])


def test_the_program_goes_on_with_fewer_batches_once_a_loop_was_recorded(digits, catch):
    seen = []

    def program():
        model, optimizer = autoencoder(), keras.optimizers.Adam()
        many = tf.data.Dataset.from_tensor_slices(digits).repeat().take(20_000).batch(64)
        for batch in many:
            with tf.GradientTape() as tape:
                loss = squared_by_hand(batch, model)
            weights = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            seen.append(len(batch))

    (capture,) = catch(program).captures
    assert len(capture.targets) == 2048
    assert len(seen) < 40


def test_a_linear_model_of_weights_outside_keras_has_a_linear_head(data, catch):
    weight, bias = tf.Variable(tf.zeros((WIDTH, WIDTH))), tf.Variable(tf.zeros(WIDTH))
    optimizer = keras.optimizers.SGD()

    def program():
        for batch in batches_of(data):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((batch @ weight + bias - batch) ** 2)
            optimizer.apply_gradients(zip(tape.gradient(loss, [weight, bias]), [weight, bias], strict=True))

    (capture,) = catch(program).captures
    assert (capture.setup.head.activation, capture.setup.loss.name) == ("linear", "mse")
    trial = capture.trial((), 0)
    assert trial.advance(5) > trial.advance(30)


def test_losses_added_in_a_model_are_seen_with_their_weights(data, catch, fitted):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = layers.Dense(8, activation="relu"), layers.Dense(WIDTH, activation="sigmoid")
            self.dropout = layers.Dropout(0.1)

        def call(self, x):
            hidden = self.hidden(x)
            output = self.out(self.dropout(hidden))
            self.add_loss(0.1 * keras.ops.mean(keras.losses.mean_absolute_error(x, output)))
            self.add_loss(0.01 * keras.ops.mean(keras.ops.square(hidden)))
            return output

    def program():
        model, optimizer, loss_of = Model(), keras.optimizers.Adam(0.01), keras.losses.MeanSquaredError()
        for start in range(0, 320, 32):
            x = tf.constant(data[start : start + 32])
            with tf.GradientTape() as tape:
                loss = loss_of(x, model(x, training=True)) + sum(model.losses)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    captures = catch(program).captures
    assert {(item.setup.loss.name, item.setup.loss.weight) for item in captures} == {("mae", 0.1), ("mse", 1.0)}
    assert all(item.setup.relation is Relation.SAME for item in captures)
    assert all(item.setup.head.activation == "sigmoid" for item in captures)
    assert fitted(captures[0], steps=60) > fitted(captures[0], steps=1)


def test_losses_of_one_function_are_told_apart_by_who_calls_it(data, catch):
    loss_of = keras.losses.BinaryCrossentropy()

    def adversarial(scores, real):
        return loss_of(tf.ones_like(scores) if real else tf.zeros_like(scores), scores)

    def program():
        generator = keras.Sequential([keras.Input((4,)), layers.Dense(WIDTH, activation="sigmoid")])
        judge = keras.Sequential([keras.Input((WIDTH,)), layers.Dense(1, activation="sigmoid")])
        by_generator, by_judge = keras.optimizers.SGD(), keras.optimizers.Adam()
        for start in range(0, 320, 32):
            x = tf.constant(data[start : start + 32])
            with tf.GradientTape() as first, tf.GradientTape() as second:
                made = generator(tf.random.normal((32, 4)))
                real, fake = judge(x), judge(made)
                judged = adversarial(real, True)
                judged += adversarial(fake, False)
                fooled = adversarial(fake, True)
            weights = judge.trainable_variables
            by_judge.apply_gradients(zip(second.gradient(judged, weights), weights, strict=True))
            weights = generator.trainable_variables
            by_generator.apply_gradients(zip(first.gradient(fooled, weights), weights, strict=True))

    captures = catch(program).captures
    seen = {(item.setup.optimizer, float(item.targets.mean())) for item in captures}
    assert seen == {("Adam", 1.0), ("Adam", 0.0), ("SGD", 1.0)}
    assert len({item.setup.location for item in captures}) == 1
    assert len({item.setup.loss.trail[-1].location.line for item in captures}) == 3

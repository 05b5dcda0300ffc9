"""Losses as Keras programs use them: names, classes, functions of the user's own, add_loss, tapes."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.schema.training_setup import Relation, TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri

START = """
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers, backend as K
(x, y), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784).astype("float32") / 255
i = keras.Input((784,))
h = layers.Dense(4)(i)
o = layers.Dense(784, activation="sigmoid")(h)
model = keras.Model(i, o)
"""


def setups_of(rest: str) -> tuple[TrainingSetup, ...]:
    result = analyse_file("program.py", (START + textwrap.dedent(rest)).encode())
    assert not result.errors
    return result.setups


@pytest.mark.parametrize(
    ("loss", "name", "logits", "custom"),
    [
        ("'binary_crossentropy'", "bce", Tri.NO, False),
        ("keras.losses.binary_crossentropy", "bce", Tri.NO, False),
        ("keras.losses.BinaryCrossentropy(from_logits=True)", "bce", Tri.YES, False),
        ("keras.losses.BinaryCrossentropy(from_logits=flag)", "bce", Tri.UNKNOWN, False),
        ("tf.losses.MeanSquaredError()", "mse", Tri.NO, False),
        ("['mae']", "mae", Tri.NO, False),
        ("lambda t, p: K.mean(K.binary_crossentropy(t, p), axis=-1)", "bce", Tri.NO, True),
        ("lambda t, p: tf.reduce_mean(tf.square(t - p))", "mse", Tri.NO, True),
        ("lambda t, p: K.mean(K.abs(p - t))", "mae", Tri.NO, True),
        ("lambda t, p: -K.mean(t * K.log(p + 1e-7) + (1 - t) * K.log(1 - p + 1e-7))", "bce", Tri.NO, True),
        ("lambda t, p: K.mean(K.sum(-t * K.log(p + 1e-7) * 2.0, axis=-1))", "cce", Tri.NO, True),
        ("lambda t, p: tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=p)", "bce", Tri.YES, True),
    ],
)
def test_a_loss_is_known_in_every_form(loss: str, name: str, logits: Tri, custom: bool) -> None:
    (setup,) = setups_of(f"model.compile(optimizer='adam', loss={loss})\nmodel.fit(x, x)\n")
    assert (setup.loss.name, setup.loss.from_logits, setup.loss.custom) == (name, logits, custom)
    assert setup.relation is Relation.SAME


def test_a_loss_of_unknown_form_is_undecided_not_guessed() -> None:
    source = START + "model.compile('adam', loss=lambda t, p: mystery(t, p))\nmodel.fit(x, x)\n"
    result = analyse_file("program.py", source.encode())
    assert result.setups[0].loss.name is None
    assert "loss" in {u.what for u in result.undecided}


def test_the_weight_and_reduction_of_a_sum_are_kept() -> None:
    (setup,) = setups_of("""
        def vae(t, p):
            kl = -0.5 * K.sum(1 + h - K.square(h) - K.exp(h), axis=-1)
            return 784 * keras.losses.binary_crossentropy(t, p) + kl
        model.compile('adam', loss=vae)
        model.fit(x, x)
        """)
    assert (setup.loss.name, setup.loss.weight, setup.loss.custom) == ("bce", 784.0, True)


def test_a_closure_makes_the_loss() -> None:
    (setup,) = setups_of("""
        def weighted(alpha):
            def inner(t, p):
                return alpha * keras.losses.mse(t, p)
            return inner
        model.compile('adam', loss=weighted(3.0))
        model.fit(x, x)
        """)
    assert (setup.loss.name, setup.loss.weight) == ("mse", 3.0)


def test_add_loss_meets_the_data_that_fit_feeds() -> None:
    (setup,) = setups_of("""
        model.add_loss(K.mean(keras.losses.mse(i, o)))
        model.compile('adam')
        model.fit(x * 255, epochs=2)
        """)
    assert setup.loss.name == "mse"
    assert setup.relation is Relation.SAME
    assert str(setup.target.values) == "[0, 255]"
    assert setup.location.line == 14


def test_a_tape_in_a_train_step() -> None:
    (setup,) = setups_of("""
        class Trained(keras.Model):
            def __init__(self, net):
                super().__init__()
                self.net = net
            def train_step(self, data):
                with tf.GradientTape() as tape:
                    out = self.net(data)
                    loss = tf.reduce_mean(tf.reduce_sum(keras.losses.binary_crossentropy(data, out), axis=-1))
                grads = tape.gradient(loss, self.trainable_weights)
                return {"loss": loss}
        trained = Trained(model)
        trained.compile(optimizer="adam")
        trained.fit(x, epochs=1)
        """)
    assert (setup.loss.name, setup.loss.reduction) == ("bce", "mean of sum")
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.SAME
    assert setup.location.line == 19


@pytest.mark.parametrize(
    ("body", "loss", "line"),
    [
        ("return tf.reduce_mean(keras.losses.binary_crossentropy(y, y_pred))", "bce", 19),
        ("return tf.reduce_mean(tf.square(y_pred - y)) + 0.1 * sum(self.losses)", "mse", 19),
        ("return super().compute_loss(x, y, y_pred, sample_weight)", "mae", 19),
        ("return helper(y, y_pred)", None, 22),
    ],
)
@pytest.mark.parametrize(
    "parameters", ["x=None, y=None, y_pred=None, sample_weight=None, training=True", "x, y, **rest"]
)
def test_a_loss_that_the_model_computes_itself(body: str, loss: str | None, line: int, parameters: str) -> None:
    if "rest" in parameters:
        body = "y_pred, sample_weight = rest['y_pred'], rest['sample_weight']; " + body
    (setup,) = setups_of(f"""
        class Trained(keras.Model):
            def __init__(self, net):
                super().__init__()
                self.net = net
            def call(self, images):
                return self.net(images)
            def compute_loss(self, {parameters}):
                {body}
        trained = Trained(model)
        trained.compile(optimizer="adam", loss={"'mae'" if "super" in body else None}, metrics=["accuracy"])
        trained.fit(x, x, epochs=1)
        """)
    assert (setup.loss.name, setup.head.activation, setup.relation) == (loss, "sigmoid", Relation.SAME)
    assert [metric.name for metric in setup.metrics] == (["accuracy"] if loss else [])
    assert setup.location.line == line


def test_a_loop_over_a_data_set_with_a_tape() -> None:
    (setup,) = setups_of("""
        criterion = tf.keras.losses.MeanSquaredError()
        optimizer = tf.keras.optimizers.Adam()
        @tf.function
        def step(batch):
            with tf.GradientTape() as tape:
                value = criterion(batch, model(batch, training=True))
            optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables))
        for epoch in range(100):
            for batch in tf.data.Dataset.from_tensor_slices(x).shuffle(9).batch(32):
                step(batch)
        """)
    assert (setup.loss.name, setup.head.activation, setup.relation) == ("mse", "sigmoid", Relation.SAME)


def test_a_model_compiled_here_and_fitted_elsewhere() -> None:
    (setup,) = setups_of("model.compile(optimizer='adam', loss='hinge')\n")
    assert (setup.loss.name, setup.head.activation) == ("hinge", "sigmoid")
    assert setup.target.values.unknown


def test_every_fit_is_a_setup_of_its_own() -> None:
    first, second = setups_of("""
        model.compile('adam', 'mse')
        model.fit(x, x)
        model.compile('adam', 'bce')
        model.fit(x * 2 - 1, x)
        """)
    assert (first.loss.name, first.relation) == ("mse", Relation.SAME)
    assert (second.loss.name, second.relation, second.relation_scale) == ("bce", Relation.RESCALED, (0.5, 0.5))


def test_metrics_are_named_canonically() -> None:
    (setup,) = setups_of("""
        model.compile('adam', 'mse', metrics=['acc', keras.metrics.MeanAbsoluteError(), 'mse'])
        model.fit(x, x)
        """)
    assert [metric.name for metric in setup.metrics] == ["accuracy", "mae", "mse"]


@pytest.mark.parametrize(
    "body",
    [
        "K.sqrt(K.mean(K.square(y_pred - y_true), axis=-1))",
        "tf.sqrt(tf.reduce_mean((y_pred - y_true) ** 2))",
        "tf.math.pow(tf.reduce_sum(tf.math.squared_difference(y_true, y_pred)), 0.5)",
    ],
)
def test_the_root_of_a_squared_error_is_least_where_the_error_is(body: str) -> None:
    source = f"""
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import backend as K
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / 255.0
def error(y_true, y_pred):
    return {body}
model = keras.Sequential([keras.layers.Dense(32), keras.layers.Dense(784, activation="sigmoid")])
model.compile("adam", loss=error)
model.fit(x, x)
"""
    (setup,) = analyse_file("m.py", source.encode()).setups
    assert (setup.loss.name, setup.loss.custom) == ("mse", True)

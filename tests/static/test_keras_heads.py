"""Heads of Keras models, however the model is spelled: activation, range, axis, what comes after it, and its place."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.schema.training_setup import Framework, Relation, TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.activations import Constraint
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri
from tests.static.keras_programs import audited

DATA = """
from tensorflow import keras
from tensorflow.keras import layers, backend as K
import tensorflow as tf
(x, y), (x_test, y_test) = keras.datasets.mnist.load_data()
x = x.reshape(60000, 784).astype("float32") / 255.0
"""


def setup_of(model: str, fit: str = "model.compile('adam', 'mse')\nmodel.fit(x, x)") -> TrainingSetup:
    source = DATA + textwrap.dedent(model) + fit + "\n"
    result = analyse_file("program.py", source.encode())
    assert not result.errors
    assert len(result.setups) == 1, result
    return result.setups[0]


SPELLINGS = {
    "list": "model = keras.Sequential([layers.Dense(32), layers.Dense(784, activation='sigmoid')])\n",
    "add": "model = keras.models.Sequential()\nmodel.add(layers.Dense(784))\nmodel.add(layers.Activation('sigmoid'))\n",
    "functional": "i = keras.Input((784,))\nmodel = keras.Model(i, layers.Dense(784, activation='sigmoid')(i))\n",
    "old keywords": "i = layers.Input(shape=(784,))\n"
    "model = keras.models.Model(input=i, output=layers.Dense(output_dim=784, activation='sigmoid')(i))\n",
    "positional": "model = keras.Sequential([layers.Dense(784, 'sigmoid')])\n",
    "function": "model = keras.Sequential([layers.Dense(784, activation=tf.nn.sigmoid)])\n",
    "backend": "model = keras.Sequential([layers.Dense(784), layers.Lambda(lambda t: K.sigmoid(t))])\n",
    "subclass": """
        class Net(keras.Model):
            def __init__(self, units, act="sigmoid"):
                super().__init__()
                self.hidden = [layers.Dense(n, activation="relu") for n in (64, 32)]
                self.out = layers.Dense(units, activation=act)
            def call(self, t):
                for layer in self.hidden:
                    t = layer(t)
                return self.out(t)
        model = Net(784)
        """,
    "nested": """
        encoder = keras.Sequential([layers.Dense(32, input_shape=(784,))])
        decoder = keras.Sequential([layers.Dense(784, activation="sigmoid", input_shape=(32,))])
        i = keras.Input((784,))
        model = keras.Model(i, decoder(encoder(i)))
        """,
    "own layer": """
        class Squash(layers.Layer):
            def call(self, t):
                return tf.sigmoid(t)
        model = keras.Sequential([layers.Dense(784), Squash()])
        """,
    "table in a loop": """
        spec = {"units": [128, 784], "acts": ["relu", "sigmoid"]}
        model = keras.Sequential()
        for n, act in zip(spec["units"], spec["acts"]):
            model.add(layers.Dense(n, activation=act))
        """,
    "helper with stars": """
        def dense(*args, **kwargs):
            return layers.Dense(*args, **kwargs)
        options = dict(activation="sigmoid")
        model = keras.Sequential([dense(784, **options)])
        """,
    "partial": """
        from functools import partial
        Out = partial(layers.Dense, activation="sigmoid")
        model = keras.Sequential([Out(784)])
        """,
    "layers of another model": """
        i = keras.Input((784,))
        h = layers.Dense(32, activation="relu")(i)
        whole = keras.Model(i, layers.Dense(784, activation="sigmoid")(h))
        z = keras.Input((32,))
        model = keras.Sequential([layers.Dense(32), keras.Model(z, whole.layers[-1](z))])
        """,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_sigmoid_head_is_seen_in_every_spelling(spelling: str) -> None:
    setup = setup_of(SPELLINGS[spelling])
    assert setup.framework is Framework.KERAS
    assert setup.backend == "tensorflow"
    assert setup.head.activation == "sigmoid"
    assert setup.head.range.values.hull == Interval(0.0, 1.0, True, True)
    assert setup.head.units == 784
    assert setup.relation is Relation.SAME
    assert setup.model.normalises_input is Tri.NO


def test_the_head_is_placed_at_the_expression_that_names_it() -> None:
    source = 'import keras\nact = "softmäx"; act = "softmax"\n'
    source += "m = keras.Sequential([keras.layers.Dense(9, activation=act)])\n"
    source += 'm.compile(loss="mse")\nm.fit(a, a)\n'
    setup = analyse_file("p.py", source.encode()).setups[0]
    place = setup.head.location
    assert place is not None
    assert (place.line, place.column, place.end_line, place.end_column) == (2, 24, 2, 33)
    assert setup.loss.location is not None
    assert (setup.loss.location.line, setup.loss.location.column) == (4, 16)
    assert (setup.location.line, setup.location.column, setup.location.end_column) == (5, 1, 12)


def test_softmax_carries_its_axis_and_its_units() -> None:
    setup = setup_of("model = keras.Sequential([layers.Dense(784), layers.Softmax(axis=1)])\n")
    assert setup.head.activation == "softmax"
    assert setup.head.axis == 1
    assert setup.head.units == 784
    assert setup.head.range.constraint is Constraint.SIMPLEX
    assert setup.head.logits_recoverable is Tri.YES


def test_softmax_over_one_unit_is_the_constant_one() -> None:
    setup = setup_of("model = keras.Sequential([layers.Dense(1, activation='softmax')])\n")
    assert setup.head.range.values.hull == Interval(1.0, 1.0)


@pytest.mark.parametrize(
    ("after", "names", "hull"),
    [
        ("layers.Reshape((28, 28))", ("Reshape",), Interval(0.0, 1.0, True, True)),
        ("layers.UpSampling1D(2)", ("UpSampling1D",), Interval(0.0, 1.0, True, True)),
        ("layers.Dropout(0.2)", ("Dropout",), Interval(0.0, 1.0, True, True)),
        ("layers.BatchNormalization()", ("BatchNormalization",), Interval(float("-inf"), float("inf"))),
    ],
)
def test_layers_after_the_activation_are_recorded(after: str, names: tuple[str, ...], hull: Interval) -> None:
    setup = setup_of(f"model = keras.Sequential([layers.Dense(784, activation='sigmoid'), {after}])\n")
    assert setup.head.activation == "sigmoid"
    assert setup.head.after == names
    assert setup.head.range.values.hull == hull
    assert setup.head.logits_recoverable is Tri.NO


def test_arithmetic_on_the_output_moves_its_range() -> None:
    setup = setup_of(
        "i = keras.Input((784,))\nmodel = keras.Model(i, 2 * layers.Dense(784, activation='sigmoid')(i) - 1)\n"
    )
    assert setup.head.activation == "sigmoid"
    assert setup.head.range.values.hull == Interval(-1.0, 1.0, True, True)


def test_a_recurrent_layer_has_tanh_by_default() -> None:
    setup = setup_of("model = keras.Sequential([layers.LSTM(3, return_sequences=True)])\n")
    assert setup.head.activation == "tanh"


def test_a_second_activation_works_on_the_range_of_the_first() -> None:
    setup = setup_of("model = keras.Sequential([layers.Dense(784, activation='relu'), layers.Activation('sigmoid')])\n")
    assert setup.head.range.values.hull == Interval(0.5, 1.0, False, True)


@pytest.mark.parametrize(
    "first", ["layers.Rescaling(1 / 255)", "layers.BatchNormalization()", "layers.Lambda(lambda t: t / 255.0)"]
)
def test_a_model_that_scales_its_own_input_is_known_to(first: str) -> None:
    setup = setup_of(f"model = keras.Sequential([{first}, layers.Dense(784)])\n")
    assert setup.model.normalises_input is Tri.YES


def test_two_heads_meet_their_own_losses_and_targets() -> None:
    source = DATA + textwrap.dedent("""
        i = keras.Input((784,))
        a = layers.Dense(784, activation="sigmoid", name="picture")(i)
        b = layers.Dense(10, activation="softmax", name="digit")(i)
        model = keras.Model(i, [a, b])
        model.compile("adam", loss={"digit": "categorical_crossentropy", "picture": "mse"}, metrics={"digit": ["acc"]})
        model.fit(x, {"picture": x, "digit": keras.utils.to_categorical(y, 10)})
        """)
    picture, digit = analyse_file("p.py", source.encode()).setups
    assert (picture.head.activation, picture.loss.name, picture.relation) == ("sigmoid", "mse", Relation.SAME)
    assert (digit.head.activation, digit.loss.name, digit.relation) == ("softmax", "cce", Relation.LABELS)
    assert [m.name for m in digit.metrics] == ["accuracy"]
    assert picture.metrics == ()


def test_an_unknown_head_says_why() -> None:
    source = DATA + "model = keras.models.load_model('m.h5')\nmodel.compile('adam', 'mse')\nmodel.fit(x, x)\n"
    result = analyse_file("p.py", source.encode())
    assert result.setups[0].head.activation is None
    assert [(u.what, u.why) for u in result.undecided] == [("output activation", "the model is loaded from a file")]


@pytest.mark.parametrize(
    ("weights", "activation"),
    [
        ("tf.Variable(tf.random.normal([784, 784]))", "softmax"),
        ("tf.Variable(tf.zeros([784, 784]))", "softmax"),
        ("tf.Variable(tf.initializers.GlorotUniform()([784, 784]))", "softmax"),
        ("tf.Variable(saved, trainable=True)", "softmax"),
        ("Own().add_weight(shape=(784, 784))", "softmax"),
        ("tf.Variable(tf.zeros([784, 784]), trainable=False)", None),
        ("tf.Variable(np.load('data.npy'))", None),
    ],
)
def test_variables_that_begin_as_weights_make_a_network(weights: str, activation: str | None) -> None:
    setups, codes, _ = audited(f"""
        class Own(layers.Layer):
            pass
        saved = np.load("saved.npy")
        x = x.reshape(-1, 784)
        weights = {weights}
        def step(batch):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(tf.nn.softmax(tf.matmul(batch, weights)) - batch))
            keras.optimizers.Adam().apply_gradients([(tape.gradient(loss, weights), weights)])
        step(x[:9])
        """)
    assert [setup.head.activation for setup in setups] == ([] if activation is None else [activation])
    assert codes == (set() if activation is None else {"AE101"})


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        ("keras.Sequential([layers.Dense(32), head])", "head"),
        ("keras.Sequential([layers.Dense(32), head])", "model.layers[-1]"),
        ("keras.Model(i, head(layers.Dense(32)(i)))", "model.layers[-1]"),
        ("keras.Model(i, layers.Reshape((28, 28))(head(i)))", "model.get_layer('head')"),
        ("keras.Sequential([keras.Input((784,)), keras.Model(i, head(i))])", "head"),
    ],
)
@pytest.mark.parametrize("before", ["'softmax', name='head'", "name='head', activation='softmax'"])
def test_an_activation_that_a_layer_is_given_later_is_its_own(model: str, layer: str, before: str) -> None:
    lines = f"""
        x = x.reshape(-1, 784) / 255.0
        i = keras.Input((784,))
        head = layers.Dense(784, {before})
        model = {model}
        {layer}.activation = keras.activations.sigmoid
        model.compile("adam", "binary_crossentropy")
        model.fit(x, x)
        """
    setups, codes, _ = audited(lines)
    assert [setup.head.activation for setup in setups] == ["sigmoid"]
    assert "AE101" not in codes
    setups, codes, _ = audited(lines.replace("softmax", "relu").replace("sigmoid", "softmax"))
    (setup,) = setups
    assert "AE101" in codes
    assert setup.head.written == "keras.activations.softmax"

"""The shapes of what Keras models put out, where nobody says them: from the data that a model is first used on."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file


def trained(layers: str, x: str, y: str) -> TrainingSetup:
    program = f"""
    import numpy as np
    from keras import Sequential, layers, losses
    model = Sequential([{layers}])
    model.compile(optimizer="adam", loss=losses.BinaryCrossentropy())
    model.fit(np.random.random({x}), np.random.random({y}))
    """
    result = analyse_file("program.py", textwrap.dedent(program).encode())
    assert not result.errors
    (setup,) = result.setups
    return setup


@pytest.mark.parametrize(
    ("layers", "x", "y", "shape", "broadcasts"),
    [
        ("layers.Dense(64), layers.Dense(1)", "(1024, 100, 1)", "(1024, 100, 1)", (None, 100, 1), False),
        ("layers.Dense(64), layers.Dense(1)", "(1024, 7)", "(1024, 2)", (None, 1), True),
        ("layers.Input((10,)), layers.Embedding(9, 8), layers.Dense(1)", "(5, 10)", "(5, 10)", (None, 10, 1), False),
        ("some(), layers.Dense(1)", "(5, 10)", "(5, 10)", None, False),
    ],
)
def test_the_shape_of_a_model_without_an_input(
    layers: str, x: str, y: str, shape: tuple[int | None, ...] | None, broadcasts: bool
) -> None:
    setup = trained(layers, x, y)
    assert setup.head.shape == shape
    assert ("AE309" in {finding.code for finding in check([setup])[0]}) is broadcasts


@pytest.mark.parametrize(
    ("convolution", "shape"),
    [
        ("32, 3, 3, border_mode='same'", (None, 28, 28, 32)),
        ("32, 3, 3, border_mode='same', subsample=(2, 2)", (None, 14, 14, 32)),
        ("32, 3, 2, padding='same'", (None, 14, 14, 32)),
        ("32, 3, 3, padding='same'", (None, None, None, 32)),
    ],
)
def test_the_third_number_of_a_convolution_may_be_a_side_of_its_window(
    convolution: str, shape: tuple[int | None, ...]
) -> None:
    layers = f"layers.Input((28, 28, 1)), layers.Convolution2D({convolution})"
    assert trained(layers, "(9, 28, 28, 1)", "(9, 28, 28, 32)").head.shape == shape


def test_a_property_of_a_base_out_of_reach_is_the_attribute_it_is_named_after() -> None:
    program = """
    from keras import Input, Model, layers
    from elsewhere import Base
    class Coder(Base):
        def __init__(self):
            start = Input((9,))
            self._model = Model(start, layers.Dense(9, activation="tanh")(start))
            self._model.compile(optimizer="adam", loss="mse")
    coder = Coder()
    coder.model.fit(x, x)
    """
    (setup,) = analyse_file("program.py", textwrap.dedent(program).encode()).setups
    assert (setup.head.activation, setup.loss.name) == ("tanh", "mse")


def test_data_of_unknown_make_that_are_fed_to_a_graph_are_undecided() -> None:
    program = b"""
import tensorflow as tf
x = tf.placeholder(tf.float32, [None, 9])
y = tf.matmul(x, tf.Variable(tf.zeros([9, 9])))
step = tf.train.AdamOptimizer(1e-3).minimize(tf.reduce_mean(tf.square(x - y)))
with tf.Session() as session:
    session.run(step, feed_dict={x: data})
"""
    result = analyse_file("program.py", program)
    assert [setup.loss.name for setup in result.setups] == ["mse"]
    assert [one.what for one in result.undecided] == ["target range"]
    assert "data" in result.undecided[0].why

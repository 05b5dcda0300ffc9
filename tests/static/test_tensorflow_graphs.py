"""Graphs of TensorFlow 1: what a session feeds meets the losses of the graph."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.report import Undecided
from ae_audit.schema.training_setup import Relation, TrainingSetup
from ae_audit.static import analyse_file

CODER = """
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data
mnist = input_data.read_data_sets("MNIST_data", one_hot=True)
X = tf.placeholder(tf.float32, [None, 784])
w1, w2 = tf.Variable(tf.random_normal([784, 64])), tf.Variable(tf.random_normal([64, 784]))
out = tf.nn.sigmoid(tf.matmul(tf.nn.relu(tf.matmul(X, w1)), w2))
loss = tf.reduce_mean(tf.pow(X - out, 2))
step = tf.train.AdamOptimizer(0.01).minimize(loss)
"""


def read(*parts: str) -> tuple[tuple[TrainingSetup, ...], set[str], tuple[Undecided, ...]]:
    result = analyse_file("program.py", "".join(textwrap.dedent(part) for part in parts).encode())
    assert not result.errors
    findings, _ = check(result.setups)
    return result.setups, {one.code for one in findings if one.severity.value == "error"}, result.undecided


@pytest.mark.parametrize(("fed", "codes"), [("batch", set()), ("batch * 255", {"AE102"})])
@pytest.mark.parametrize(
    "run", ["sess.run([step, loss], feed_dict={{X: {fed}}})", "step.run({{X: {fed}}})", "sess.run(step, {{X: {fed}}})"]
)
def test_what_a_session_feeds_is_input_and_target(fed: str, codes: set[str], run: str) -> None:
    session = """
    with tf.Session() as sess:
        for _ in range(100):
            batch, labels = mnist.train.next_batch(64)
            RUN
    """
    (setup,), found, undecided = read(CODER, session.replace("RUN", run.format(fed=fed)))
    assert (setup.head.activation, setup.loss.name, setup.relation) == ("sigmoid", "mse", Relation.SAME)
    assert found == codes
    assert not undecided


def test_a_graph_that_no_session_runs_keeps_head_and_loss() -> None:
    (setup,), _, undecided = read(CODER)
    assert (setup.head.activation, setup.loss.name) == ("sigmoid", "mse")
    assert [one.what for one in undecided] == ["target range"]


@pytest.mark.parametrize(
    ("layers", "head"),
    [
        ("tf.layers.dense(tf.layers.flatten(x), 10)", "linear"),
        ("tf.layers.dense(tf.layers.conv2d(x, 8, 3, activation=tf.nn.relu), 10, tf.nn.softmax)", "softmax"),
        ("slim.fully_connected(slim.flatten(x), 10)", "relu"),
        ("slim.fully_connected(slim.flatten(x), 10, activation_fn=None)", "linear"),
    ],
)
def test_layers_as_functions(layers: str, head: str) -> None:
    (setup,), _, _ = read(f"""
    import tensorflow.compat.v1 as tf
    import tensorflow.contrib.slim as slim
    from keras.datasets import mnist
    (images, digits), _ = mnist.load_data()
    x, y = tf.placeholder(tf.float32, (None, 28, 28, 1)), tf.placeholder(tf.int32, (None,))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits={layers}))
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    train = optimizer.apply_gradients([(g, v) for g, v in optimizer.compute_gradients(loss)])
    tf.Session().run(train, feed_dict={{x: images[:64, ..., None], y: digits[:64]}})
    """)
    assert setup.head.activation == head
    assert setup.loss.name == "sparse_cce"
    assert setup.target.values.hull.hi == 9.0


def test_an_estimator_calls_the_function_of_the_model() -> None:
    (setup,), _, _ = read("""
    import tensorflow as tf
    from keras.datasets import mnist
    (images, digits), _ = mnist.load_data()

    def model_fn(features, labels, mode):
        logits = tf.layers.dense(tf.layers.flatten(features["x"]), 10)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=labels))
        op = tf.train.AdamOptimizer().minimize(loss)
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=op)

    model = tf.estimator.Estimator(model_fn)
    model.train(tf.estimator.inputs.numpy_input_fn(x={"x": images / 255.0}, y=digits, shuffle=True))
    """)
    assert (setup.head.activation, setup.loss.name) == ("linear", "sparse_cce")
    assert setup.target.values.hull.hi == 9.0
    assert setup.input.values.hull.hi == 1.0


def test_a_cross_entropy_with_an_epsilon_in_both_logarithms() -> None:
    (setup,), found, _ = read(
        CODER.replace(
            "loss = tf.reduce_mean(tf.pow(X - out, 2))",
            "loss = -tf.reduce_mean(X * tf.log(1e-10 + out) + (1 - X) * tf.log(1e-10 + 1 - out))",
        )
    )
    assert setup.loss.name == "bce"
    assert not found


def test_the_weight_of_a_line_is_a_weight() -> None:
    (setup,), _, _ = read("""
    import numpy as np
    import tensorflow as tf
    xs, ys = np.linspace(0, 1, 50), np.linspace(2, 4, 50)
    X, Y = tf.placeholder("float"), tf.placeholder("float")
    W, b = tf.Variable(np.random.randn(), name="weight"), tf.Variable(0.0, name="bias")
    cost = tf.reduce_sum(tf.pow(tf.add(tf.multiply(X, W), b) - Y, 2)) / 100
    optimizer = tf.train.GradientDescentOptimizer(0.1).minimize(cost)
    with tf.Session() as sess:
        for x, y in zip(xs, ys):
            sess.run(optimizer, feed_dict={X: x, Y: y})
    """)
    assert (setup.head.activation, setup.loss.name) == ("linear", "mse")
    assert setup.target.values.hull.hi == 4.0


def test_labels_meet_what_an_unknown_function_makes_of_a_placeholder() -> None:
    (setup,), _, _ = read("""
    import tensorflow as tf
    from tensorflow.contrib import rnn
    from tensorflow.examples.tutorials.mnist import input_data
    mnist = input_data.read_data_sets("d", one_hot=True)
    X, Y = tf.placeholder("float", [None, 28, 28]), tf.placeholder("float", [None, 10])
    outputs, states = rnn.static_rnn(rnn.BasicLSTMCell(64), tf.unstack(X, 28, 1), dtype=tf.float32)
    logits = tf.matmul(outputs[-1], tf.Variable(tf.random_normal([64, 10])))
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=Y))
    step = tf.train.AdamOptimizer().minimize(loss)
    images, labels = mnist.train.next_batch(64)
    tf.Session().run(step, feed_dict={X: images.reshape((64, 28, 28)), Y: labels})
    """)
    assert setup.loss.name == "cce"
    assert setup.target.structure.value == "one-hot"

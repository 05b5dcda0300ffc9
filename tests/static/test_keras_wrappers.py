"""Keras networks that scikit-learn trains: ``KerasClassifier`` and ``KerasRegressor`` of Keras and of SciKeras."""

from __future__ import annotations

import json

import pytest

from ae_audit.schema.training_setup import Structure
from ae_audit.static import analyse_file

PROGRAM = """
import numpy as np
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.base import BaseEstimator, TransformerMixin
from tensorflow import keras
from {module} import KerasClassifier, KerasRegressor
(x, y), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / 255.0
class Halved(BaseEstimator, TransformerMixin):
    def fit(self, X, y=None):
        return self
    def transform(self, X, y=None):
        return X / 2
def network(units=10, last="softmax", loss="categorical_crossentropy"):
    model = keras.Sequential([keras.layers.Dense(32, input_shape=(784,)), keras.layers.Dense(units, activation=last)])
    model.compile("adam", loss)
    return model
def regression():
    return network(784, "sigmoid", "mse")
{fitted}
"""


@pytest.mark.parametrize(
    "module", ["keras.wrappers.scikit_learn", "tensorflow.keras.wrappers.scikit_learn", "scikeras.wrappers"]
)
@pytest.mark.parametrize(
    ("fitted", "loss", "values", "structure"),
    [
        ("KerasClassifier(build_fn=network, epochs=9).fit(x, y)", "cce", "[0, 1]", Structure.ONE_HOT),
        ("KerasRegressor(regression).fit(x, x)", "mse", "[0, 1]", Structure.CONTINUOUS),
        ("cross_val_score(KerasRegressor(regression), x, x)", "mse", "[0, 1]", Structure.CONTINUOUS),
        ("GridSearchCV(KerasRegressor(model=regression), {}).fit(x, x)", "mse", "[0, 1]", Structure.CONTINUOUS),
        ("Pipeline([('half', Halved()), ('net', KerasRegressor(regression))]).fit(x, x)", "mse", "[0, 1]",
         Structure.CONTINUOUS),
    ],
)  # fmt: skip
def test_what_an_estimator_is_fitted_to(
    module: str, fitted: str, loss: str, values: str, structure: Structure
) -> None:  # fmt: skip
    (setup,) = analyse_file("program.py", PROGRAM.format(module=module, fitted=fitted).encode()).setups
    assert (setup.loss.name, str(setup.target.values), setup.target.structure) == (loss, values, structure)
    assert str(setup.input.values) == ("[0, 0.5]" if "half" in fitted else "[0, 1]")


def test_labels_of_a_loss_that_takes_classes_alone_are_classes() -> None:
    source = """
import numpy as np
from tensorflow import keras
x, y = np.load("x.npy"), np.load("y.npy")
model = keras.Sequential([keras.layers.Dense(10, activation="softmax", input_shape=(784,))])
model.compile("adam", "LOSS")
model.fit(x, y)
"""
    for loss, structure in (("sparse_categorical_crossentropy", Structure.CLASS_INDEX), ("mse", Structure.UNKNOWN)):
        (setup,) = analyse_file("program.py", source.replace("LOSS", loss).encode()).setups
        assert setup.target.structure is structure


def test_a_module_that_a_cell_writes_is_imported() -> None:
    written = """%%writefile steps.py
from tensorflow import keras
def load():
    (x, _), _ = keras.datasets.mnist.load_data()
    return x.reshape(-1, 784) / 255.0
def build():
    model = keras.Sequential([keras.layers.Dense(784, activation="tanh", input_shape=(784,))])
    model.compile("adam", "mse")
    return model
"""
    cells = [written, "import steps", "x = steps.load()\nsteps.build().fit(x, x)  # keras"]
    text = json.dumps({"cells": [{"cell_type": "code", "source": source} for source in cells]})
    (setup,) = analyse_file("notebook.ipynb", text.encode()).setups
    assert (setup.head.activation, str(setup.target.values)) == ("tanh", "[0, 1]")
    assert setup.head.location is not None
    assert (setup.head.location.cell, setup.head.location.line) == (0, 7)


def test_labels_out_of_reach_are_classes_where_their_loss_takes_nothing_else() -> None:
    source = """
import tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(10, input_shape=(784,))])
optimizer = tf.keras.optimizers.Adam()
def step(inputs):
    images, labels = inputs
    with tf.GradientTape() as tape:
        each = tf.keras.losses.sparse_categorical_crossentropy(labels, model(images), from_logits=True)
        loss = tf.nn.compute_average_loss(each)
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
"""
    (setup,) = analyse_file("program.py", source.encode()).setups
    assert setup.target.structure is Structure.CLASS_INDEX

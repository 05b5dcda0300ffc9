"""Live models are audited without being changed."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ae_audit.runtime.keras.live import capture_live
from ae_audit.schema.remedies import ExpectLogits, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Relation

layers = keras.layers
WIDTH = 24


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(0).random((256, WIDTH), dtype=np.float32)


def model_of(activation="sigmoid"):
    return keras.Sequential(
        [
            keras.Input((WIDTH,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.1),
            layers.Dense(WIDTH, activation=activation),
        ]
    )


def state(model):
    """All that the model holds, by identity, and its activations."""
    own = {name: id(value) for name, value in vars(model).items() if name != "_called"}
    return own, [vars(layer).get("activation") for layer in model.layers]


@pytest.mark.parametrize("compiled", [True, False])
def test_the_model_is_left_as_it_was(compiled, data):
    model = model_of()
    if compiled:
        model.compile("adam", "binary_crossentropy", metrics=["mae"])
        model.fit(data, data, verbose=0)
        moments = [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in model.optimizer.variables]
    weights, before = model.get_weights(), state(model)
    (capture,) = capture_live(model, data, loss=None if compiled else "binary_crossentropy")
    assert capture.setup.relation is Relation.SAME
    for remedies in ((), (SwapActivation("softmax"), Rescale(0.5)), (ExpectLogits(True),), (SwapLoss("mse"),)):
        trial = capture.trial(remedies, 1)
        trial.advance(3)
        trial.evaluate()
        assert all(np.array_equal(now, then) for now, then in zip(model.get_weights(), weights, strict=True))
        assert state(model) == before
    if compiled:
        after = [keras.ops.convert_to_numpy(variable.value) for variable in model.optimizer.variables]
        assert all(np.array_equal(now, then) for now, then in zip(after, moments, strict=True))
        model.fit(data, data, verbose=0)
    else:
        assert not model.compiled


def test_a_given_loss_goes_before_the_compiled_one(data):
    model = model_of()
    model.compile("sgd", "mse")
    (capture,) = capture_live(model, data, data * 2, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    assert (capture.setup.loss.name, capture.setup.optimizer) == ("bce", "SGD")
    assert capture.setup.relation is Relation.RESCALED
    assert model.loss == "mse"


def test_a_model_without_a_loss_is_refused(data):
    with pytest.raises(ValueError, match="loss"):
        capture_live(model_of(), data)


def test_trials_go_on_where_they_were(data):
    (capture,) = capture_live(model_of(), data, loss="mse")
    whole, parts = capture.trial((), 2), capture.trial((), 2)
    whole.advance(20)
    for _ in range(4):
        parts.advance(5)
    assert whole.evaluate().predictions == pytest.approx(parts.evaluate().predictions, abs=1e-6)

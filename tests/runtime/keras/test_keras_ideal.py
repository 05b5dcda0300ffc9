"""The ideal network of Keras programs, on whatever backend runs: right pairs arrive, wrong ones miss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ae_audit.probe.ideal import ideal_of
from ae_audit.runtime.keras.live import capture_live
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.remedies import ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss

keras = pytest.importorskip("keras")
ops = keras.ops

SEEN_THROUGH = keras.config.backend() == "tensorflow"
"""whether a loss finds the logits behind an activation"""
RANDOM = np.random.default_rng(0)
GREY = (RANDOM.random((120, 3)) @ RANDOM.random((3, 12)) / 3.0).astype("float32")
CLASSES = (GREY.mean(axis=1) * 20).astype("int32") % 4
ONE_HOT = np.eye(4, dtype="float32")[CLASSES]
LABELS = (GREY[:, :6] > np.median(GREY[:, :6])).astype("float32")


def dice(y_true: Any, y_pred: Any) -> Any:
    return 1 - (2 * ops.sum(y_true * y_pred) + 1) / (ops.sum(y_true) + ops.sum(y_pred) + 1)


def reversed_mse(y_true: Any, y_pred: Any) -> Any:
    return -keras.losses.mean_squared_error(y_true, y_pred)


def ideal(activation: str | None, loss: Any, target: Any, units: int, remedies: tuple[Remedy, ...] = ()) -> Ideal:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(units, activation=activation)]
    model = keras.Sequential([keras.Input((12,)), *layers])
    model.compile("adam", loss=loss)
    (capture,) = capture_live(model, GREY, target, batch_size=60)
    return ideal_of(capture, capture.setup, remedies)


@pytest.mark.parametrize(
    ("activation", "loss", "target", "units"),
    [
        ("sigmoid", "binary_crossentropy", GREY, 12),
        (None, "mse", GREY, 12),
        ("softmax", "sparse_categorical_crossentropy", CLASSES, 4),
        (None, keras.losses.SparseCategoricalCrossentropy(from_logits=True), CLASSES, 4),
        ("softmax", keras.losses.CategoricalCrossentropy(label_smoothing=0.1), ONE_HOT, 4),
        ("sigmoid", dice, LABELS, 6),
        ("softplus", "poisson", np.round(10 * GREY), 12),
        ("sigmoid", "binary_focal_crossentropy", LABELS, 6),
    ],
)
def test_right_pairs_arrive(activation: str | None, loss: Any, target: Any, units: int) -> None:
    assert ideal(activation, loss, target, units).outcome is Outcome.ARRIVES


@pytest.mark.parametrize(
    ("activation", "loss", "target", "units", "outcome"),
    [
        ("sigmoid", reversed_mse, GREY, 12, Outcome.BEATEN),
        (None, dice, LABELS, 6, Outcome.BEATEN),
        ("sigmoid", dice, 255 * LABELS, 6, Outcome.UNREACHABLE),
        ("softmax", "binary_crossentropy", GREY, 12, Outcome.UNREACHABLE),
        ("softmax", "mse", LABELS, 6, Outcome.UNREACHABLE),
        ("sigmoid", "categorical_crossentropy", LABELS[:, :1], 1, Outcome.BLIND),
    ],
)
def test_wrong_pairs_miss(activation: str | None, loss: Any, target: Any, units: int, outcome: Outcome) -> None:
    assert ideal(activation, loss, target, units).outcome is outcome


def test_a_second_sigmoid_is_seen_where_the_backend_does_not_undo_it() -> None:
    twice = ideal("sigmoid", keras.losses.BinaryCrossentropy(from_logits=True), GREY, 12)
    assert twice.outcome is (Outcome.ARRIVES if SEEN_THROUGH else Outcome.UNREACHABLE)


def test_remedies_are_played_too() -> None:
    raw = 255 * GREY
    assert ideal("sigmoid", "mse", raw, 12).misses
    assert ideal("sigmoid", "mse", raw, 12, (Rescale(1 / 255),)).outcome is Outcome.ARRIVES
    assert ideal("sigmoid", "mse", raw, 12, (SwapActivation("linear"),)).outcome is Outcome.ARRIVES
    assert ideal("softmax", "binary_crossentropy", GREY, 12, (SwapActivation("sigmoid"),)).outcome is Outcome.ARRIVES
    logits = keras.losses.BinaryCrossentropy(from_logits=True)
    assert ideal("sigmoid", logits, GREY, 12, (ExpectLogits(False),)).outcome is Outcome.ARRIVES
    assert ideal("sigmoid", reversed_mse, GREY, 12, (SwapLoss("mse"),)).outcome is Outcome.ARRIVES


def test_the_model_is_left_as_it_was() -> None:
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(12)])
    model.compile("adam", loss="mse")
    before = [np.array(weight) for weight in model.get_weights()]
    (capture,) = capture_live(model, GREY, GREY, batch_size=60)
    assert ideal_of(capture, capture.setup) == ideal_of(capture, capture.setup)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)

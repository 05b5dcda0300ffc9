"""Every loss class of Keras is known when a program is run, and judged as it is when the program is read."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ae_audit.rules.registry import find_rule
from ae_audit.runtime.keras.live import capture_live
from ae_audit.runtime.keras.losses import recognise
from ae_audit.schema.findings import Violation
from ae_audit.theory.loss_families import TAKES_CLASS_INDEX
from ae_audit.theory.loss_names import RELATIONAL, canonical, spellings

CLASSES = [symbol for symbol in spellings("keras") if isinstance(getattr(keras.losses, symbol, None), type)]


@pytest.mark.parametrize("symbol", CLASSES)
def test_a_class_of_keras(symbol):
    name, _ = canonical("keras", symbol)
    if name in RELATIONAL:
        pytest.skip("compares no prediction with a target")
    setup = _capture(symbol, "linear").setup
    assert setup.loss.name == name
    assert setup.loss.theory is not None


@pytest.mark.parametrize(("head", "codes"), [("linear", {"AE105"}), ("sigmoid", {"AE209"}), ("softmax", set())])
def test_generalized_cross_entropy(head, codes):
    setup = _capture("CategoricalGeneralizedCrossEntropy", head).setup
    found = {
        code
        for code in ("AE105", "AE209")
        if any(isinstance(outcome, Violation) for outcome in find_rule(code).check(setup))
    }
    assert found == codes


@pytest.mark.parametrize("units", [1, 4])
def test_a_loss_over_one_unit_is_no_cross_entropy(units):
    """Of one class every draw is the same, and so is every function of it."""

    def own(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(keras.ops.sin(3.0 * y_true) - y_pred**3))

    assert recognise(own, ((32, units), (32, units))) is None


def _capture(symbol, head):
    random = np.random.default_rng(0)
    inputs = random.random((64, 6), dtype=np.float32)
    index = random.integers(0, 3, 64)
    name = canonical("keras", symbol)[0]
    targets = index if name in TAKES_CLASS_INDEX else np.eye(3, dtype=np.float32)[index]
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation=head)])
    (capture,) = capture_live(model, inputs, targets, loss=getattr(keras.losses, symbol)())
    return capture

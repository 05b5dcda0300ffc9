"""Programs of Keras 2 are ended at their first training, with one sentence."""

from __future__ import annotations

import pytest

from ae_audit.runtime.host.accommodations.keras_2 import refuse_legacy
from ae_audit.runtime.interception import StopProgram

tf_keras = pytest.importorskip("tf_keras")


@pytest.mark.slow
def test_legacy_keras_is_refused_in_one_sentence(monkeypatch):
    data = ((1.0,), (2.0,))
    for name in ("fit", "train_on_batch"):
        monkeypatch.setattr(tf_keras.Model, name, getattr(tf_keras.Model, name))
    optimizer = tf_keras.optimizers.Optimizer
    monkeypatch.setattr(optimizer, "apply_gradients", optimizer.apply_gradients)
    said = []
    refuse_legacy(tf_keras, __file__, lambda text, location: said.append((text, location)))
    model = tf_keras.Sequential([tf_keras.layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    with pytest.raises(StopProgram):
        model.fit(data, data)
    ((text, location),) = said
    assert "Keras 2" in text
    with open(__file__) as source:
        assert "model.fit(data" in source.read().splitlines()[location.line - 1]

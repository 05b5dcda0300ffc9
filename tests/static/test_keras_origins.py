"""Keras trainings by where data and model come from: folders of images, windows of a series, tuners."""

from __future__ import annotations

import pytest

from ae_audit.schema.training_setup import Relation
from ae_audit.static import analyse_file
from tests.static.keras_programs import audited

FOLDERS = """
import os, cv2
pictures, others = [], []
for name in os.listdir("pictures"):
    if name.split(".")[1] == "tif":
        picture = cv2.imread("pictures/" + name, {flag})
        picture = cv2.resize(picture, (64, 64))
        pictures.append(picture)
for name in os.listdir("others"):
    others.append(cv2.imread("others/" + name, {flag}))
pictures, others = np.array(pictures) / 255., np.array(others){scaling}
net = keras.Sequential([keras.Input((64, 64, {channels})), layers.Conv2D({channels}, 1, activation="sigmoid")])
net.compile("adam", "{loss}", metrics=["accuracy"])
net.fit(pictures, {target})
"""


@pytest.mark.parametrize(
    ("target", "loss", "flag", "scaling", "codes"),
    [
        ("others", "binary_crossentropy", 0, " / 255.", set()),  # accuracy counts the pixels of a mask
        ("others", "binary_crossentropy", 0, "", set()),
        ("others", "mse", 0, "", {"AE102", "AE401"}),
        ("others", "binary_crossentropy", 1, "", {"AE102", "AE201", "AE401"}),
        ("pictures", "binary_crossentropy", 0, "", {"AE401"}),
    ],
)
def test_files_beside_the_input_may_be_masks(target: str, loss: str, flag: int, scaling: str, codes: set[str]) -> None:
    channels = 3 if flag else 1
    source = FOLDERS.format(target=target, loss=loss, flag=flag, scaling=scaling, channels=channels)
    setups, found, _ = audited(source)
    assert found == codes
    assert [setup.condition for setup in setups] == [None], "which files are read is no choice of the program's"


SERIES = """
series = {series} + 0.1 * np.random.randn(200)
{windows}
X, Y = np.expand_dims(np.array(X), -1), np.array(Y)
net = keras.Sequential([keras.Input((10, 1)), layers.LSTM(5), layers.Dense({units})])
net.compile("adam", "mse")
net.fit(X, Y)
"""


@pytest.mark.parametrize(
    ("windows", "relation"),
    [
        ("X = [series[t:t + 10] for t in range(150)]\nY = [series[t + 10] for t in range(150)]", Relation.OTHER),
        ("X = [series[t:t + 10] for t in range(150)]\nY = [series[t + 1:t + 11] for t in range(150)]", Relation.OTHER),
        ("X = [series[t:(t + 10)] for t in range(150)]\nY = [series[t:t + 10] for t in range(150)]", Relation.SAME),
        ("X, Y = series[:-1], series[1:]", Relation.OTHER),
        ("X, Y = series[:-1], series[:-1]", Relation.SAME),
        ("X, Y = series[:150], series[:150]", Relation.SAME),
    ],
)
@pytest.mark.parametrize("series", ["np.sin(0.1 * np.arange(200))", "np.load('series.npy')"])
def test_a_forecast_is_no_reconstruction(series: str, windows: str, relation: Relation) -> None:
    (setup,), codes, _ = audited(SERIES.format(series=series, windows=windows, units=10))
    # the same noise on both sides is a fault where it was put on data, and part of the data where these were made up
    spoilt = relation is Relation.SAME and "load" in series
    codes -= {"AE309"}  # of ten units that meet one value
    assert (setup.relation, codes) == (relation, {"AE308"} if spoilt else set())


def test_batches_of_input_and_target_stay_together() -> None:
    source = """
    net = keras.Sequential([layers.Flatten(), layers.Dense(784, activation="sigmoid"), layers.Reshape((28, 28, 1))])
    net.compile("adam", "mse")
    noisy = np.clip(x + 0.1 * np.random.randn(*x.shape), 0, 1)
    for step in range(100):
        net.train_on_batch(noisy[step * 32:(step + 1) * 32], x[step * 32:(step + 1) * 32])
    """
    (setup,), codes, _ = audited(source)
    assert setup.relation is Relation.NOISED_INPUT
    assert not codes


TUNED = """
import {module} as tuning
flat = x.reshape(-1, 784)
def build(hp):
    net = keras.Sequential()
    for _ in range(hp.Int("layers", 1, 3)):
        net.add(layers.Dense(hp.Int("units", 32, 128, step=32), activation=hp.Choice("hidden", ["relu", "tanh"])))
    net.add(layers.Dense(784, activation=hp.Choice("output", {outputs})))
    net.compile(keras.optimizers.Adam(hp.Float("rate", 1e-4, 1e-2)), loss="mse")
    return net
class Builder(tuning.HyperModel):
    def build(self, hp):
        return build(hp)
tuner = tuning.{tuner}({builder}, objective="val_loss")
tuner.search(flat, flat, epochs=5)
"""


@pytest.mark.parametrize("module", ["keras_tuner", "kerastuner"])
@pytest.mark.parametrize("tuner", ["RandomSearch", "tuners.Hyperband"])
@pytest.mark.parametrize("builder", ["build", "Builder()", "hypermodel=build"])
def test_a_tuned_model(module: str, tuner: str, builder: str) -> None:
    given = {"module": module, "tuner": tuner, "builder": builder}
    (setup,), codes, _ = audited(TUNED.format(outputs=["softmax"], **given))
    assert (setup.head.activation, setup.relation, codes) == ("softmax", Relation.SAME, {"AE101"})


def test_each_value_of_a_choice_is_an_alternative() -> None:
    given = {"module": "keras_tuner", "tuner": "RandomSearch", "builder": "build"}
    setups, codes, _ = audited(TUNED.format(outputs=["sigmoid", "softmax"], **given))
    assert {(s.head.activation, s.condition and s.condition.default) for s in setups} == {
        ("sigmoid", True),
        ("softmax", False),
    }
    assert not codes  # a note only: the default is right
    _, codes, _ = audited(TUNED.format(outputs=["softmax", "sigmoid"], **given))
    assert codes == {"AE101"}


def test_the_best_model_is_trained_again() -> None:
    given = {"module": "keras_tuner", "tuner": "RandomSearch", "builder": "build"}
    source = TUNED.format(outputs=["softmax"], **given).replace("tuner.search(flat, flat, epochs=5)", "")
    best = "tuner.hypermodel.build(tuner.get_best_hyperparameters()[0]).fit(flat, flat)\n"
    (setup,), codes, _ = audited(source + best)
    assert (setup.head.activation, codes) == ("softmax", {"AE101"})
    (setup,), codes, _ = audited(source + "tuner.get_best_models(1)[0].fit(flat, flat)\n")
    assert (setup.head.activation, codes) == ("softmax", {"AE101"})


@pytest.mark.parametrize(
    "windows",
    [
        "keras.utils.timeseries_dataset_from_array(series, series[20:], sequence_length=20)",
        "keras.preprocessing.sequence.TimeseriesGenerator(series, series, length=20)",
    ],
)
def test_windows_of_a_series_hold_its_values(windows: str) -> None:
    source = f"""
from tensorflow import keras
(x, _), _ = keras.datasets.mnist.load_data()
series = x.reshape(-1, 28) / 255.0
model = keras.Sequential([keras.layers.LSTM(8), keras.layers.Dense(28)])
model.compile("adam", loss="mse")
model.fit({windows})
"""
    (setup,) = analyse_file("m.py", source.encode()).setups
    assert str(setup.target.values.hull) == "[0, 1]"
    assert setup.input.shape == (None, 20, 28)


@pytest.mark.parametrize(
    ("helper", "raw"),
    [
        ("images *= 255.0\n    return images", False),  # a tensor's name is bound anew
        ("images *= 255.0", True),  # gives nothing back: an array, then
        ("images[...] = images * 255.0\n    return images", True),  # no tensor takes this
    ],
)
def test_a_tensor_is_not_changed_by_a_function_that_works_on_it(helper: str, raw: bool) -> None:
    source = f"""
def work(images):
    {helper}
x = x.reshape(-1, 784)
work(x)
net = keras.Sequential([layers.Dense(8, "relu"), layers.Dense(784, activation="sigmoid")])
net.compile("adam", "mse")
net.fit(x, x)
"""
    _, codes, _ = audited(source)
    assert ("AE102" in codes) is raw

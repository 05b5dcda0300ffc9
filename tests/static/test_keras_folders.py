"""What Keras' readers of folders and of time series yield, by their mode."""

from __future__ import annotations

import pytest

from ae_audit.schema.training_setup import DataFacts, Structure
from ae_audit.static import analyse_file

PROGRAM = """
from tensorflow import keras
mode = input()
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
model.compile("adam", loss="mse")
model.fit({data})
"""
FOLDER = "keras.utils.image_dataset_from_directory('photos'{})"
FLOW = "keras.preprocessing.image.ImageDataGenerator().flow_from_directory('photos'{})"


def target(data: str) -> DataFacts:
    (setup,) = analyse_file("m.py", PROGRAM.format(data=data).encode()).setups
    return setup.target


@pytest.mark.parametrize(
    ("data", "structure"),
    [
        (FOLDER.format(""), Structure.CLASS_INDEX),
        (FOLDER.format(", 'inferred', 'categorical'"), Structure.ONE_HOT),
        (FOLDER.format(", label_mode='binary'"), Structure.BINARY_LABEL),
        (FLOW.format(""), Structure.ONE_HOT),
    ],
)
def test_labels_are_of_the_mode_that_is_given(data: str, structure: Structure) -> None:
    assert target(data).structure is structure


@pytest.mark.parametrize("data", [FLOW.format(", class_mode='raw'"), FLOW.format(", class_mode=mode"),
                                  FOLDER.format(", label_mode=mode")])  # fmt: skip
def test_labels_of_a_column_or_of_an_unknown_mode_are_unknown(data: str) -> None:
    assert target(data).structure is Structure.UNKNOWN
    assert target(data).values.unknown


def test_windows_that_skip_steps_are_shorter_than_their_length() -> None:
    start = "from tensorflow import keras\n(x, _), _ = keras.datasets.mnist.load_data()\nx = x.reshape(-1, 784)\n"
    made = "keras.preprocessing.sequence.TimeseriesGenerator(x, x, 20, sampling_rate=4)"
    (setup,) = analyse_file("m.py", (start + PROGRAM.format(data=made)).encode()).setups
    assert setup.input.shape == (None, None, 784)

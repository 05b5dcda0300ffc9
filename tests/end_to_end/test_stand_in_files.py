"""``--stand-in``: data files that are not there are made up, the report says so, and nothing is concluded from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ae_audit.runtime.stand_ins.shape_clues import clues_of, is_label

from .command import Result
from .warm import WarmCommand

TORCH_TABLE = """\
import pandas as pd, torch
from torch import nn
table = pd.read_csv("cards.csv").drop("Class", axis=1)
x = torch.tensor(table.values, dtype=torch.float32)
model = nn.Sequential(nn.Linear(29, 8), nn.ReLU(), nn.Linear(8, 29), nn.Sigmoid())
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters())
for batch in x.split(64):
    optimizer.zero_grad()
    loss = criterion(model(batch), batch)
    loss.backward()
    optimizer.step()
"""
TORCH_PICTURES = """\
import torch
from torch import nn
from torchvision import datasets, transforms
steps = transforms.Compose([transforms.Resize((16, 16)), transforms.ToTensor()])
data = datasets.ImageFolder("photos/train", transform=steps)
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1), nn.ReLU())
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters())
for images, _ in torch.utils.data.DataLoader(data, batch_size=16):
    optimizer.zero_grad()
    loss = criterion(model(images), images)
    loss.backward()
    optimizer.step()
"""
KERAS_ARRAYS = """\
import numpy as np
import keras
archive = np.load("data/faces.npz")
x, y = archive["x_train"], archive["y_train"]
classes = np.load("other_labels.npy")
size = 28 * 28
model = keras.Sequential([keras.Input(shape=(size,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(size)])
model.compile("adam", loss="binary_crossentropy")
assert y.ndim == 1 and classes.dtype.kind == "i"
model.fit(x.reshape(-1, 784), x.reshape(-1, 784))
"""
KERAS_PICTURES = """\
import keras
data = keras.utils.image_dataset_from_directory("photos", image_size=(16, 16), batch_size=8, label_mode=None)
data = data.map(lambda x: (x, x))
model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(3, 3, padding="same", activation="softmax")])
model.compile("adam", loss=keras.losses.MeanSquaredError())
model.fit(data)
"""
KERAS_COLUMN = """\
import keras
import numpy as np
import pandas as pd
prices = pd.read_csv("prices.csv")["Close"]
windows = np.array([prices.iloc[i : i + 5].values for i in range(len(prices) - 5)])[..., None]
following = np.array([prices.iloc[i + 5] for i in range(len(prices) - 5)])
model = keras.Sequential(
    [keras.Input((5, 1)), keras.layers.LSTM(4, return_sequences=True), keras.layers.Dense(1)]
)
model.compile("adam", "mae")
model.fit(windows, following)
"""
KERAS_WHOLE_TABLE = """\
import keras
import pandas as pd
answers = pd.read_csv("answers.csv").values
model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
model.compile("adam", "mae")
model.fit(pd.read_csv("questions.csv").values, answers)
"""
TORCH_WEIGHTS = """\
import torch
from torch import nn
model = nn.Sequential(nn.Linear(29, 8), nn.ReLU(), nn.Linear(8, 29), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
checkpoint = torch.load("checkpoint.pth", map_location="cpu")
model.load_state_dict(checkpoint["model"])
optimizer.load_state_dict(checkpoint["optimizer"])
x = torch.rand(256, 29) * 9
for epoch in range(checkpoint["epoch"], 2):
    for batch in x.split(64):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(batch), batch)
        loss.backward()
        optimizer.step()
"""
KERAS_FRAME = """\
import h5py
import keras
import pandas as pd
from keras.preprocessing.image import ImageDataGenerator
with h5py.File("faces.h5", "r") as file:
    assert file["faces"][:].shape == (512, 16, 16, 3)
frame = pd.read_csv("labels.csv")
frame["id"] = frame["id"].apply(lambda name: name + ".png")
flow = ImageDataGenerator(rescale=1 / 255.0).flow_from_dataframe(
    frame, "pictures/train", x_col="id", y_col="kind", class_mode="binary", target_size=(16, 16)
)
assert len(flow.class_indices) == 2
model = keras.Sequential(
    [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(1, activation="softmax")]
)
model.compile("adam", loss="binary_crossentropy")
model.load_weights("before.weights.h5")
model.fit(flow, epochs=2)
"""


TORCH_LEARNT = """\
import numpy as np, pandas as pd, torch
from torch import nn
for name in ["first", "second"]:
    print(pd.read_csv("series.csv")[name].mean())
x = torch.from_numpy(np.array(pd.read_csv("series.csv")["first"])[23:-1]).view(-1, 24).float()
model = nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 24), nn.Softmax(1))
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), x)
    loss.backward()
    optimizer.step()
"""


def audited(server: WarmCommand, name: str, source: str, *flags: str) -> Result:
    (server.folder / name).write_text(source)
    return server(name, *flags)


def notes(result: Result) -> list[str]:
    return [note["text"] for note in result.report["notes"] if "--stand-in" in note["text"]]


def only_made_up(result: Result) -> None:
    """The program was seen running, and no word is said of values that nobody has."""
    (setup,) = result.report["setups"]
    assert "runtime" in setup["seen_by"], result.report["errors"]
    assert setup["target"]["stand_in"]
    assert setup["certificate"] is None
    assert not any(
        each["kind"] in {"runtime", "certificate", "probe"} for f in result.report["findings"] for each in f["evidence"]
    )


@pytest.mark.slow
def test_without_the_flag_the_sentence_names_it(warm_torch: WarmCommand) -> None:
    result = audited(warm_torch, "table.py", TORCH_TABLE)
    (error,) = result.report["errors"]
    assert "FileNotFoundError at line 3" in error["message"]
    assert "--stand-in generates arrays, tables and image folders" in error["message"]


@pytest.mark.slow
def test_tables_and_pictures_in_torch(warm_torch: WarmCommand) -> None:
    table = audited(warm_torch, "table.py", TORCH_TABLE, "--stand-in")
    only_made_up(table)
    assert table.standing("error") == {"AE104"}
    assert notes(table)[0].startswith("cards.csv does not exist: a table of 512 rows and 30 columns")
    pictures = audited(warm_torch, "pictures.py", TORCH_PICTURES, "--stand-in")
    only_made_up(pictures)
    assert pictures.standing("error") == {"AE105"}
    assert notes(pictures)[0].startswith("photos/train does not exist: 64 pictures")


@pytest.mark.slow
def test_data_are_made_anew_after_what_a_failure_teaches(warm_torch: WarmCommand) -> None:
    """The names in a loop, and a number of rows that can be cut in pieces of 24, show only when it runs."""
    result = audited(warm_torch, "learnt.py", TORCH_LEARNT, "--stand-in", "--no-probe")
    only_made_up(result)
    assert notes(result)[0].startswith("series.csv does not exist: a table of 528 rows")


@pytest.mark.slow
def test_weights_that_are_not_there_leave_the_network_as_it_is(warm_torch: WarmCommand) -> None:
    result = audited(warm_torch, "weights.py", TORCH_WEIGHTS, "--stand-in", "--no-probe")
    (setup,) = result.report["setups"]
    assert "runtime" in setup["seen_by"], result.report["errors"]
    assert not setup["target"]["stand_in"]
    assert result.standing("error") == {"AE102"}
    assert notes(result) == ["checkpoint.pth does not exist: the weights stayed as they were made (--stand-in)"]


@pytest.mark.slow
def test_how_many_axes_a_made_up_table_gives_is_no_guess_and_how_many_columns_it_has_is(
    warm_keras: WarmCommand,
) -> None:
    column = audited(warm_keras, "column.py", KERAS_COLUMN, "--stand-in")
    only_made_up(column)
    assert column.standing("error") == {"AE309"}
    assert column.report["setups"][0]["target"]["shape"] == [None]
    whole = audited(warm_keras, "whole_table.py", KERAS_WHOLE_TABLE, "--stand-in")
    only_made_up(whole)
    assert whole.report["setups"][0]["target"]["shape"] == [None, None]
    assert whole.report["setups"][0]["head"]["shape"] == [None, 1]
    assert not whole.report["findings"]


@pytest.mark.slow
def test_a_table_of_pictures_and_a_file_of_arrays_in_keras(warm_keras: WarmCommand) -> None:
    result = audited(warm_keras, "frame.py", KERAS_FRAME, "--stand-in")
    only_made_up(result)
    assert result.standing("error") == {"AE106"}
    told = " ".join(notes(result))
    for path, what in {
        "faces.h5": "the arrays id, kind, faces",
        "pictures/train": "64 pictures in 2 classes",
        "before.weights.h5": "the weights stayed",
    }.items():
        assert f"{path} does not exist: {what}" in told


@pytest.mark.slow
def test_arrays_and_pictures_in_keras(warm_keras: WarmCommand) -> None:
    arrays = audited(warm_keras, "arrays.py", KERAS_ARRAYS, "--stand-in")
    only_made_up(arrays)
    assert arrays.standing("error") == {"AE105"}
    assert [note.partition(" does not")[0] for note in notes(arrays)] == ["data/faces.npz", "other_labels.npy"]
    pictures = audited(warm_keras, "pictures.py", KERAS_PICTURES, "--stand-in")
    only_made_up(pictures)
    assert notes(pictures)[0].startswith("photos does not exist: 64 pictures of 16 × 16")


@pytest.mark.parametrize(
    ("source", "sample", "first"),
    [
        ("Input(shape=(28, 28, 1))", (28, 28, 1), False),
        ("n = 28\nInput((n, n, 3))", (28, 28, 3), False),
        ("Dense(8, input_shape=(784,))", (784,), False),
        ("Dense(8, input_dim=30)", (30,), False),
        ("InputLayer(batch_shape=(None, 12))", (12,), False),
        ("nn.Linear(784, 32)\nnn.Linear(32, 784)", (784,), True),
        ("side = 16\nnn.Conv2d(1, side, 3)", (1, 32, 32), True),
        ("n = 3\nn = 4\nnn.Linear(n, 2)", None, False),
        ("Input(shape=(None, None, 3))", None, False),
        ("if", None, False),
    ],
)
def test_the_shape_is_the_one_that_the_program_writes(source: str, sample: object, first: bool) -> None:
    clues = clues_of(source)
    assert (clues.sample, clues.channels_first) == (sample, first)


def test_names_that_stand_for_labels(tmp_path: Path) -> None:
    assert all(map(is_label, ["y_train.npy", "labels.csv", "train-labels", "Class", "target", "Y"]))
    assert not any(map(is_label, ["x_train.npy", "faces.npy", "yaw", "classic.csv"]))

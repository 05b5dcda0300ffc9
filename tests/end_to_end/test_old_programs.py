"""Programs of Keras 1 and of torch 0.3 through the command: seen training, judged, and told that they are old."""

from __future__ import annotations

import pytest

from .command import Result
from .warm import WarmCommand

KERAS_1 = """\
from keras.datasets import mnist
from keras.layers import Convolution2D, Flatten, Input
from keras.layers.core import Dense
from keras.models import Model
from keras.optimizers import adam
(x, _), _ = mnist.load_data()
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255.0
picture = Input(shape=(28, 28, 1))
inner = Convolution2D(4, 3, 3, border_mode="same", subsample=(4, 4), activation="relu")(picture)
inner = Dense(output_dim=16, activation="relu")(Flatten()(inner))
model = Model(input=picture, output=Dense(784, activation="softmax")(inner))
model.compile(optimizer=adam(lr=0.001), loss="binary_crossentropy")
model.fit(x, x.reshape(-1, 784), nb_epoch=20, batch_size=128)
"""
ADDED_LOSS = """\
from keras import backend as K
from keras.datasets import mnist
from keras.layers import Dense, Input
from keras.models import Model
(x, _), _ = mnist.load_data()
x = x[:512].reshape(-1, 784).astype("float32") / 255.0
pixels = Input(shape=(784,))
code = Dense(16, activation="relu")(pixels)
drawn = Dense(784, activation="sigmoid")(code)
model = Model(pixels, drawn)
penalty = 0.001 * K.sum(K.square(code), axis=-1)
model.add_loss(K.mean(K.sum(K.binary_crossentropy(pixels, drawn), axis=-1) + penalty))
model.compile("adam")
model.fit(x, batch_size=64)
"""
OLD_TORCH = """\
import numpy as np
import torch
from torch import nn
from torch.autograd import Variable
try:
    from torchvision import transforms
except ImportError:
    pass
else:
    assert transforms.Normalize([0.5] * 3, [0.5] * 3)(torch.zeros(1, 2, 2)).mean() == -1
values = np.random.rand(256, 20).astype(np.float).astype("float32")
loader = torch.utils.data.DataLoader(torch.from_numpy(values), batch_size=32)
print(iter(loader).next().shape)
model = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 20), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, verbose=True)
for epoch in range(20):
    for batch in loader:
        batch = Variable(batch)
        loss = nn.functional.mse_loss(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(loss.data[0], loss.data.numpy()[0])
        torch.save(model.state_dict(), "no_such_folder/model.pth")
    scheduler.step(loss)
"""
NUMBERS = """\
import torch

x = torch.linspace(0, 1, 8)
y = torch.tensor([number ** 3 for number in x]).unsqueeze(1)
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = torch.nn.functional.mse_loss(model(x.unsqueeze(1)), y)
loss.backward()
optimizer.step()
"""


def audited(server: WarmCommand, name: str, source: str) -> tuple[Result, list[str]]:
    (server.folder / name).write_text(source)
    result = server(name)
    (setup,) = result.report["setups"]
    assert "runtime" in setup["seen_by"], result.report["errors"]
    return result, [note["text"] for note in result.report["notes"]]


@pytest.mark.slow
def test_a_program_of_keras_1_is_judged_by_its_training(warm_keras: WarmCommand) -> None:
    result, notes = audited(warm_keras, "keras_1.py", KERAS_1)
    assert "AE101" in result.standing("error")
    assert {finding["verdict"] for finding in result.report["findings"] if finding["code"] == "AE101"} <= {
        "proved",
        "confirmed",
    }
    for place, old in {
        "line 3": "keras.layers.core",
        "line 5": "keras.optimizers.adam",
        "line 9": "keras.layers.Conv2D(border_mode=…)",
        "line 11": "keras.Model(input=…)",
        "line 12": "keras.optimizers.Adam(lr=…)",
        "line 13": "Model.fit(nb_epoch=…)",
    }.items():
        assert any(note.startswith(f"{place}: {old} is gone from Keras ") for note in notes), (place, old, notes)


@pytest.mark.slow
def test_a_right_program_of_old_torch_is_found_right(warm_torch: WarmCommand) -> None:
    result, notes = audited(warm_torch, "torch_0_3.py", OLD_TORCH)
    assert result.standing("error") == result.standing("warning") == set()
    for place, old in {
        "line 11": "numpy.float is gone",
        "line 13": "iter(DataLoader).next() is gone",
        "line 16": "torch.optim.lr_scheduler.ReduceLROnPlateau(verbose=…) is gone",
        "line 24": "an index of a tensor that is one number is refused",
    }.items():
        assert any(note.startswith(f"{place}: {old}") for note in notes), (place, old, notes)
    for place, old in {
        "line 10": "Normalize with more means than channels is refused",
        "line 24": "an index of an array that is one number is refused",
    }.items():
        assert any(note.startswith(f"{place}: {old}") for note in notes), (place, old, notes)


@pytest.mark.slow
def test_numbers_of_a_tensor_make_a_tensor_as_they_do_in_torch(warm_torch: WarmCommand) -> None:
    _, notes = audited(warm_torch, "numbers.py", NUMBERS)
    assert not notes


@pytest.mark.slow
def test_a_loss_that_running_cannot_name_stays_as_known_as_reading_left_it(warm_keras: WarmCommand) -> None:
    result, _ = audited(warm_keras, "added_loss.py", ADDED_LOSS)
    assert [finding["code"] for finding in result.report["findings"]] == ["AE203"]
    assert result.report["setups"][0]["floor"] > 0
    assert "loss" not in {item["what"] for item in result.report["undecided"]}

"""Labels that a loop, a comprehension or ``apply`` makes of each entry take all of their values in one training."""

from __future__ import annotations

import pytest

from ae_audit.rules.registry import find_rule
from ae_audit.schema.findings import Violation
from ae_audit.static import analyse_file
from tests.static.keras_programs import audited

START = """
import numpy as np
import pandas as pd
df = pd.read_csv("posts.csv")
labels = df["label"].tolist()
x = df[["a", "b"]].values
"""
MODEL = """
m = keras.Sequential([keras.Input((2,)), layers.Dense(8, "relu"), layers.Dense(1, "sigmoid")])
m.compile("adam", "mse")
m.fit(x, np.array(y))
"""
HELPER = """
def value(text):
    if text == "won":
        return 1
    elif text == "lost":
        return -1
    return 0
"""
BOUND = """
def value(text):
    number = 0
    if text == "won":
        number = 1
    if text == "lost":
        number = -1
    return number
"""
LOOP = "y = []\nfor label in labels:\n"
NAMES = 'names = ["draw", "won", "lost"]\n'
TABLE = 'table = {"won": 1, "lost": -1, "draw": 0}\n'
WAYS = [
    HELPER + LOOP + "    y.append(value(label))",
    HELPER + "y = [value(label) for label in labels]",
    HELPER + "y = list(map(value, labels))",
    HELPER + 'y = df["label"].apply(value)',
    HELPER + "y = np.zeros(len(labels))\nfor i, label in enumerate(labels):\n    y[i] = value(label)",
    BOUND + "y = [value(label) for label in labels]",
    BOUND + LOOP + "    word, _ = label.split(',')\n    y.append(value(word))",
    LOOP + '    if label == "won":\n        y.append(1)\n    elif label == "lost":\n        y.append(-1)\n'
    "    else:\n        y.append(0)",
    LOOP + '    if label == "won":\n        y.append(1)\n        continue\n    y.append(-1)',
    LOOP + '    n = 1 if label == "won" else -1 if label == "lost" else 0\n    y.append(n)',
    LOOP + '    if label == "won":\n        n = 1\n    else:\n        n = -1\n    y.append(n)',
    'y = np.zeros(len(labels))\nfor i in range(len(labels)):\n    if labels[i] == "won":\n        y[i] = 1\n'
    "    else:\n        y[i] = -1",
    'y = [1 if label == "won" else -1 for label in labels]',
    'y = df["label"].apply(lambda text: 1 if text == "won" else -1)',
    TABLE + 'y = df["label"].map(table)',
    TABLE + "y = [table[label] for label in labels]",
    TABLE + 'y = df["label"].replace(table)',
    'df["n"] = 1\ndf.loc[df["label"] == "lost", "n"] = -1\ny = df["n"].values',
]


@pytest.mark.parametrize("way", WAYS)
def test_all_values_of_a_label_occur_in_one_training(way: str) -> None:
    setups, codes, _ = audited(START + way + MODEL)
    (setup,) = setups
    assert setup.condition is None
    assert setup.target.values.reach is not None
    assert (setup.target.values.reach.lo, setup.target.values.reach.hi) == (-1.0, 1.0)
    assert "AE102" in codes


def test_the_place_of_a_name_in_a_list() -> None:
    setups, _, _ = audited(START + NAMES + "y = [names.index(label) for label in labels]" + MODEL)
    hull = setups[0].target.values.hull
    assert (hull.lo, hull.hi) == (0.0, 2.0)


def test_a_label_that_a_data_set_makes_of_each_sample() -> None:
    source = """
import torch, os
from torch import nn
class Photos(torch.utils.data.Dataset):
    def __init__(self, names):
        self.names = names
    def __getitem__(self, index):
        name = self.names[index]
        label = -1.0 if name.startswith("cat") else 1.0
        return torch.rand(8), torch.tensor([label])
net = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(net.parameters())
for x, y in torch.utils.data.DataLoader(Photos(os.listdir("photos")), 8):
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    (setup,) = analyse_file("photos.py", source.encode()).setups
    assert setup.condition is None
    assert (setup.target.values.hull.lo, setup.target.values.hull.hi) == (-1.0, 1.0)


@pytest.mark.parametrize(
    "way",
    [
        "signed = input() == 'y'\n" + LOOP + "    if signed:\n        y.append(-1)\n    else:\n        y.append(0)",
        "signed = input() == 'y'\ny = [-1 if signed else 0 for label in labels]",
    ],
)
def test_a_flag_of_the_program_goes_one_way(way: str) -> None:
    setups, _, _ = audited(START + way + MODEL)
    assert {setup.condition is not None for setup in setups} == {True}


TAGS = """
import torch
from torch import nn
NAMES = ["drama", "comedy", "horror"]
class Films(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows = rows
    def __getitem__(self, i):
        tags = self.rows[i]
        target = torch.zeros(3)
        {mark}
        return torch.rand(8), target
net = nn.Linear(8, 3)
optimizer = torch.optim.Adam(net.parameters())
for x, y in torch.utils.data.DataLoader(Films(open("films.txt").readlines()), 8):
    loss = nn.{loss}()(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
SEVERAL = "for tag in tags.split():\n            target[NAMES.index(tag)] = 1"


@pytest.mark.parametrize(
    ("mark", "loss", "told"),
    [
        (SEVERAL, "CrossEntropyLoss", True),
        (SEVERAL, "BCEWithLogitsLoss", False),
        ("target[NAMES.index(tags)] = 1", "CrossEntropyLoss", False),
    ],
)
def test_several_classes_that_a_data_set_marks(mark: str, loss: str, told: bool) -> None:
    (setup,) = analyse_file("films.py", TAGS.format(mark=mark, loss=loss).encode()).setups
    assert bool([found for found in find_rule("AE209").check(setup) if isinstance(found, Violation)]) is told

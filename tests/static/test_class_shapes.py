"""Shapes and ranges that decide whether a loss takes a head and a target: one-hot vectors, labels, recurrent nets."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.findings import Severity
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file

KERAS = """
import numpy as np, tensorflow as tf, keras
from sklearn import datasets
{data}
net = keras.Sequential([keras.Input((4,)), keras.layers.Dense({units}, activation="{activation}")])
net.compile("adam", "{loss}")
net.fit(x, y)
"""
TORCH = """
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
{data}
net = {net}
optimizer = torch.optim.Adam(net.parameters())
for a, b in DataLoader(TensorDataset(x, y), 16):
    loss = {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def audited(source: str) -> tuple[TrainingSetup, set[str]]:
    result = analyse_file("program.py", textwrap.dedent(source).encode())
    assert not result.errors
    (setup,) = result.setups
    findings, _ = check(result.setups)
    return setup, {finding.code for finding in findings if finding.severity is not Severity.INFO}


@pytest.mark.parametrize(
    ("data", "units", "activation", "loss", "codes"),
    [
        ("x, y = datasets.load_iris(return_X_y=True)", 1, "sigmoid", "binary_crossentropy", {"AE201"}),
        ("x, y = datasets.load_iris(return_X_y=True)", 3, "softmax", "sparse_categorical_crossentropy", set()),
        ("x, y = datasets.load_iris(return_X_y=True)", 2, "softmax", "sparse_categorical_crossentropy", {"AE211"}),
        ("x, y = datasets.load_iris(return_X_y=True)", 3, "softmax", "categorical_crossentropy", {"AE309"}),
        ("x, y = datasets.load_breast_cancer(return_X_y=True)", 1, "sigmoid", "binary_crossentropy", set()),
        ("x, y = datasets.make_blobs(300, 4, centers=5)", 4, "softmax", "sparse_categorical_crossentropy", {"AE211"}),
        ("x, y = datasets.make_blobs(300, 4, centers=5)", 5, "softmax", "sparse_categorical_crossentropy", set()),
        ("x, y = datasets.make_classification(200, 4, n_classes=int(input()))", 1, "sigmoid", "binary_crossentropy",
         set()),
        ("x, y = datasets.make_multilabel_classification(200, 4, n_classes=6)", 6, "softmax", "mse", {"AE209"}),
        ("x, y = datasets.make_multilabel_classification(200, 4, n_classes=6)", 6, "sigmoid", "binary_crossentropy",
         set()),
        ("x, y = np.random.rand(90, 4), tf.one_hot(np.random.randint(0, 3, 90), 3)", 3, "softmax",
         "categorical_crossentropy", set()),
        ("x, y = np.random.rand(90, 4), tf.one_hot(np.random.randint(0, 3, 90), 3)", 3, "softmax",
         "sparse_categorical_crossentropy", {"AE309"}),
    ],
)  # fmt: skip
def test_labels_of_known_sets_in_keras(data: str, units: int, activation: str, loss: str, codes: set[str]) -> None:
    _, found = audited(KERAS.format(data=data, units=units, activation=activation, loss=loss))
    assert found == codes


BAG = "nn.Sequential(nn.EmbeddingBag(50, 8), nn.Linear(8, 5))"


@pytest.mark.parametrize(
    ("low", "high", "target", "codes"), [(1, 6, "b", {"AE211"}), (1, 6, "b - 1", set()), (0, 5, "b", set())]
)
def test_labels_that_count_from_one(low: int, high: int, target: str, codes: set[str]) -> None:
    data = f"x, y = torch.randint(0, 50, (64, 9)), torch.randint({low}, {high}, (64,))"
    setup, found = audited(TORCH.format(data=data, net=BAG, loss=f"F.cross_entropy(net(a), {target})"))
    assert setup.head.shape == (None, 5)
    assert setup.loss.name == "sparse_cce"
    assert found == codes


@pytest.mark.parametrize(
    ("given", "shape"), [(", batch_first=True", (None, 1)), (", batch_first=False", None), ("", None)]
)
def test_who_says_where_the_batch_is_has_one(given: str, shape: tuple[int | None, ...] | None) -> None:
    source = f"""
    import torch, numpy as np
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(1, 8{given})
            self.out = nn.Linear(8, 1)
        def forward(self, x):
            states, _ = self.rnn(x)
            return self.out(states[:, -1])
    x, y = torch.from_numpy(np.load("x.npy")), torch.from_numpy(np.load("y.npy"))
    net = Net()
    loss = nn.functional.mse_loss(net(x), y)
    loss.backward()
    """
    setup, _ = audited(source)
    assert setup.head.shape == shape


def test_the_logarithm_of_a_softmax_of_a_softmax() -> None:
    net = "nn.Sequential(nn.Linear(4, 10), nn.Softmax(dim=1))"
    data = "x, y = torch.rand(64, 4), torch.randint(0, 10, (64,))"
    twice = "F.nll_loss(torch.log(F.softmax(net(a), dim=1)), b)"
    assert audited(TORCH.format(data=data, net=net, loss=twice))[1] == {"AE104"}
    assert audited(TORCH.format(data=data, net=net, loss="F.nll_loss(torch.log(net(a)), b)"))[1] == set()


LOADED = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
images, depths = torch.rand(64, 3, 48, 48), torch.rand(64, {shape})
net = nn.Conv2d(3, 1, 1)
optimizer = torch.optim.Adam(net.parameters())
for image, depth in {batches}:
    loss = nn.functional.mse_loss(net(image), depth)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("shape", "batches", "codes"),
    [
        ("48, 48", "DataLoader(TensorDataset(images, depths), 8)", {"AE309"}),
        ("1, 48, 48", "DataLoader(TensorDataset(images, depths), 8)", set()),
        ("1, 48, 48", "[(image[None], depth) for image, depth in zip(images, depths)]", set()),
    ],
)
def test_the_first_axis_of_what_a_loader_gives_is_the_batch(shape: str, batches: str, codes: set[str]) -> None:
    assert audited(LOADED.format(shape=shape, batches=batches))[1] == codes


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        ("next(iter(torch.randperm(1000).split(50)))", (None,)),
        ("torch.rand(30, 4).chunk(5)[0]", (None, 4)),
        ("torch.rand(30, 4).split(2, dim=1)[0]", (30, None)),
        ("torch.rand(30, 4).unbind()[0]", (4,)),
        ("torch.rand(30, 4).cumsum(0)", (30, 4)),
    ],
)
def test_parts_and_sums_so_far_keep_their_shape(made: str, shape: tuple[int | None, ...]) -> None:
    source = f"""
    import torch
    from torch import nn
    net = nn.Linear(3, 1)
    y = {made}
    loss = nn.functional.mse_loss(net(torch.rand(8, 3)), y)
    loss.backward()
    """
    setup, _ = audited(source)
    assert setup.target.shape == shape


def test_labels_under_a_softmax_over_the_samples_of_a_split() -> None:
    source = """
    import torch
    from torch import nn
    words, tags = torch.randn(1000, 50), torch.randint(0, 17, (1000,))
    net = nn.Linear(50, 17)
    optimizer = torch.optim.Adam(net.parameters())
    for index in torch.randperm(1000).split(50):
        loss = nn.functional.nll_loss(torch.log_softmax(net(words[index]), dim={axis}), tags[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    """
    assert audited(source.replace("{axis}", "0"))[1] == {"AE109"}
    assert audited(source.replace("{axis}", "1"))[1] == set()

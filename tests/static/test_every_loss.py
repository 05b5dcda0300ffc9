"""Every loss class of Keras and torch that the theory knows is found by reading, and judged by the rules."""

from __future__ import annotations

import pytest

from ae_audit.rules.registry import find_rule
from ae_audit.schema.findings import Violation
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.loss_names import RELATIONAL, canonical, spellings

KERAS = """
import keras
from keras import layers
(x, y), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784).astype("float32") / 255.0
model = keras.Sequential([keras.Input((784,)), layers.Dense(32), layers.Dense(10, activation="HEAD")])
model.compile("adam", LOSS)
model.fit(x, y)
"""
TORCH = """
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
loader = DataLoader(datasets.MNIST(".", transform=transforms.ToTensor()), 32)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784))
criterion = nn.LOSS()
optimizer = torch.optim.Adam(model.parameters())
for images, labels in loader:
    optimizer.zero_grad()
    loss = criterion(model(images), images.flatten(1))
    loss.backward()
    optimizer.step()
"""


def _setup(source: str) -> TrainingSetup:
    (setup,) = analyse_file("program.py", source.encode()).setups
    return setup


def _compared(framework: str, *, classes: bool) -> list[str]:
    found = {symbol: canonical(framework, symbol) for symbol in spellings(framework)}
    return [
        symbol
        for symbol, named in found.items()
        if named is not None and named[0] not in RELATIONAL and symbol[0].isupper() == classes
    ]


@pytest.mark.parametrize("symbol", [name for name in _compared("keras", classes=True) if not name.isupper()])
def test_a_class_of_keras(symbol: str) -> None:
    named = canonical("keras", symbol)
    assert named is not None
    setup = _setup(KERAS.replace("HEAD", "linear").replace("LOSS", f"keras.losses.{symbol}()"))
    assert setup.loss.name == named[0]


@pytest.mark.parametrize("symbol", _compared("keras", classes=False))
def test_a_string_of_keras(symbol: str) -> None:
    named = canonical("keras", symbol)
    assert named is not None
    assert _setup(KERAS.replace("HEAD", "linear").replace("LOSS", f'"{symbol}"')).loss.name == named[0]


# a similarity is subtracted from 1, and GaussianNLLLoss takes a third tensor
@pytest.mark.parametrize(
    "symbol", sorted({*_compared("torch", classes=True)} - {"CosineSimilarity", "GaussianNLLLoss"})
)
def test_a_class_of_torch(symbol: str) -> None:
    named = canonical("torch", symbol)
    assert named is not None
    name = "cce" if named[0] == "cross_entropy" else named[0]  # decided by the target, which is an image here
    assert _setup(TORCH.replace("LOSS", symbol)).loss.name == name


@pytest.mark.parametrize(("head", "codes"), [("linear", {"AE105"}), ("sigmoid", {"AE209"}), ("softmax", set())])
def test_generalized_cross_entropy(head: str, codes: set[str]) -> None:
    setup = _setup(KERAS.replace("HEAD", head).replace("LOSS", "keras.losses.CategoricalGeneralizedCrossEntropy()"))
    found = {
        code
        for code in ("AE105", "AE209")
        if any(isinstance(outcome, Violation) for outcome in find_rule(code).check(setup))
    }
    assert found == codes

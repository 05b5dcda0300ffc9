"""Scales that meet twice or do not meet: AE201's noisy labels, AE205 written out, AE301, AE303, AE304."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.training_setup import Structure, TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri
from tests.rules.setups import BYTE, CLASSES, SIGNED, TORCH, data, measured, setup, violations

KERAS_PROGRAM = """
import keras
import numpy as np
import tensorflow as tf
from keras import layers
(x, y), (x_test, y_test) = keras.datasets.mnist.load_data()
x, x_test = x.reshape(-1, 784).astype("float32"), x_test.reshape(-1, 784).astype("float32")
{before}
model = keras.Sequential([keras.Input((784,)), {first}layers.Dense(32, activation="relu"), layers.Dense(784)])
model.compile("adam", "mse")
model.fit(x, x{more})
{after}
"""


def codes(source: str) -> set[str]:
    findings, _ = check(analyse_file("m.py", source.encode()).setups)
    return {each.code for each in findings}


def keras(before: str = "x = x / 255", first: str = "", more: str = "", after: str = "") -> set[str]:
    return codes(KERAS_PROGRAM.format(before=before, first=first, more=more, after=after))


@pytest.mark.parametrize(
    ("after", "more", "told"),
    [
        ("model.predict(x_test)", "", True),
        ("model.evaluate(x_test, x_test)", "", True),
        ("model(x_test)", "", True),
        ("model.predict(x_test / 127.5 - 1)", "", True),
        ("", ", validation_data=(x_test / 127.5 - 1, x_test / 127.5 - 1)", True),
        ("model.predict(x_test / 255.0)", "", False),
        ("model.predict(x_test / 256.0)", "", False),
        ("model.predict(x[:10])", "", False),
        ("model.predict(0.5 * x_test / 255)", "", False),
        ("model.predict(1 - x_test / 255)", "", False),
        ("model.predict(x_test / 255 / 255)", "", True),
        ("model.predict(np.clip(x + 0.3 * np.random.normal(size=x.shape), 0, 1))", "", False),
        ("model.predict(np.random.uniform(0, 255, (1, 784)))", "", False),
        ("model.predict(np.zeros((1, 784)))", "", False),
        ("model.predict(np.load('mine.npy'))", "", False),
        ("model.fit(x_test, x_test)", "", False),
    ],
)
def test_what_a_trained_model_is_asked(after: str, more: str, told: bool) -> None:
    assert ("AE304" in keras(after=after, more=more)) is told


def test_two_models_on_two_scales_are_compared() -> None:
    source = KERAS_PROGRAM.format(before="", first="", more="", after="")
    twice = source.replace("model = ", "for data in (x / 255, x / 127.5 - 1):\n  model = ")
    twice = twice.replace("\nmodel.", "\n  model.")
    assert "AE304" not in codes(twice.replace("fit(x, x)", "fit(data, data)"))


@pytest.mark.parametrize(
    ("before", "first", "told"),
    [
        ("x = x / 255", "layers.Rescaling(1 / 255), ", True),
        ("x = x / 255", "layers.Rescaling(1 / 127.5, offset=-1), ", True),
        ("", "layers.Rescaling(1 / 255), ", False),
        ("x = x / 255", "layers.Rescaling(2.0, offset=-1), ", False),
        ("x = x / 255", "", False),
    ],
)
def test_rescaling_inside_and_outside(before: str, first: str, told: bool) -> None:
    assert ("AE303" in keras(before=before, first=first)) is told


@pytest.mark.parametrize(
    ("model", "before", "told"),
    [("EfficientNetB0", "x / 255.0", True), ("EfficientNetB0", "x", False), ("ResNet50", "x / 255.0", False)],
)
def test_models_of_the_library_that_scale_their_input(model: str, before: str, told: bool) -> None:
    source = f"""
import keras
(x, y), _ = keras.datasets.cifar10.load_data()
x = {before}
model = keras.applications.{model}(weights=None, classes=10, input_shape=(32, 32, 3))
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y)
"""
    assert ("AE303" in codes(source)) is told


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("20 * math.log10(255 / math.sqrt(mse.item()))", True),
        ("10 * torch.log10(255.0 ** 2 / mse)", True),
        ("10 * np.log10(255 * 255 / mse.item())", True),
        ("20 * math.log10(1.0 / math.sqrt(mse.item()))", False),
        ("10 * torch.log10(1 / mse)", False),
        ("-10 * torch.log10(mse)", False),
    ],
)
def test_a_psnr_written_out(formula: str, told: bool) -> None:
    source = f"""
import math
import numpy as np
import torch
from torch import nn
from torchvision import datasets, transforms
loader = torch.utils.data.DataLoader(datasets.MNIST("d", transform=transforms.ToTensor()), 64)
net = nn.Conv2d(1, 1, 3, padding=1)
optimizer = torch.optim.Adam(net.parameters())
for x, _ in loader:
    loss = nn.functional.mse_loss(net(x), x)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    mse = torch.mean((net(x).clamp(0, 1) - x) ** 2)
    print({formula})
"""
    assert ("AE205" in codes(source)) is told


def raw(high: float, columns: int) -> TrainingSetup:
    given = replace(measured(0.0, high), shape=(None, columns))
    subject = setup("linear", "mse", SIGNED, given=given)
    return replace(subject, model=replace(subject.model, normalises_input=Tri.NO))


@pytest.mark.parametrize(
    ("high", "columns", "told"), [(30, 8, False), (120, 3, False), (120, 8, True), (255, 784, True), (90, 784, False)]
)
def test_a_few_columns_of_numbers_up_to_a_hundred_train_well(high: float, columns: int, told: bool) -> None:
    assert bool(violations("AE301", raw(high, columns))) is told


def test_raw_columns_by_reading() -> None:
    for columns, told in ((2, False), (8, True), (None, True)):
        given = replace(data(BYTE), shape=(None, columns))
        subject = replace(raw(255, 8), input=given)
        assert bool(violations("AE301", subject)) is told


@pytest.mark.parametrize(("noise", "framework", "told"), [(0.09, None, False), (0.3, None, True), (0.09, TORCH, True)])
def test_noisy_labels_that_were_measured(noise: float, framework: object, told: bool) -> None:
    quantiles = (-noise, -noise / 2, 0.0, 0.04, 1.0, 1 + noise / 2, 1 + noise)
    target = replace(measured(-noise, 1 + noise, quantiles=quantiles), shape=(None, 1), structure=Structure.CONTINUOUS)
    subject = setup("sigmoid", "bce", target)
    subject = subject if framework is None else replace(subject, framework=TORCH)
    assert bool(violations("AE201", subject)) is told
    assert CLASSES.structure is Structure.CLASS_INDEX

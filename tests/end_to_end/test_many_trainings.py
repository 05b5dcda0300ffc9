"""Programs that train more than once, and such as their authors start by a parser of arguments, in one process each."""

from __future__ import annotations

import pytest

from .warm import WarmCommand

KERAS = """\
import keras
import numpy as np
from sklearn.model_selection import KFold
x = np.random.default_rng(0).random((300, 12)).astype("float32")
y = (x.sum(axis=1) > 6).astype("float32")
def made(last):
    layers = [keras.Input((12,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1, last)]
    model = keras.Sequential(layers)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model
def train(model):
    return model.fit(x, y, epochs=7, verbose=0, validation_split=0.2)
for first, second in KFold(3).split(x):
    model = made("sigmoid")
    model.fit(x[first], y[first], epochs=5, verbose=0)
    assert 0 <= model.evaluate(x[second], y[second], verbose=0)[1] <= 1
assert len(train(made("sigmoid")).history["val_accuracy"]) == 7
train(made("softmax"))
{}["missing"]
made("relu").fit(x, y)
"""
TORCH = """\
import click
import torch
from torch import nn
@click.command()
@click.option("--rate", default=0.001)
def main(rate):
    x = torch.rand(128, 10) * 5
    for last in (nn.Sigmoid(), nn.Softmax(dim=1)):
        model = nn.Sequential(nn.Linear(10, 10), last)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        history = []
        for epoch in range(40):
            for batch in torch.utils.data.DataLoader(x, batch_size=16):
                loss = nn.functional.mse_loss(model(batch), batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            history.append(loss.item())
        assert len(history) == 40
main()
"""
BOTH = """\
import keras
import torch
from torch import nn
x = torch.rand(128, 10)
model = nn.Sequential(nn.Linear(10, 10), nn.Tanh())
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(20):
    for batch in torch.utils.data.DataLoader(x, batch_size=16):
        loss = nn.functional.mse_loss(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
other = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10, "softmax")])
other.compile("adam", "mse")
other.fit(model(x).detach().numpy(), x.numpy(), epochs=3)
"""


@pytest.mark.slow
def test_every_training_of_a_keras_program_is_seen_up_to_the_line_that_ends_it(warm_keras: WarmCommand) -> None:
    pytest.importorskip("sklearn")
    (warm_keras.folder / "many.py").write_text(KERAS)
    report = warm_keras("many.py", "--no-probe").report
    (error,) = report["errors"]
    assert error["message"] == "2 of 3 trainings were seen before the program stopped: KeyError at line 19: 'missing'."
    ran = [(one["line"], one["head"]["activation"]) for one in report["setups"] if "runtime" in one["seen_by"]]
    assert sorted(set(ran)) == [(12, "sigmoid"), (12, "softmax"), (15, "sigmoid")]


@pytest.mark.slow
def test_a_training_of_keras_after_one_of_torch_is_seen(warm_keras: WarmCommand) -> None:
    pytest.importorskip("torch")
    (warm_keras.folder / "both.py").write_text(BOTH)
    report = warm_keras("both.py", "--no-probe").report
    assert report["errors"] == []
    assert {one["framework"] for one in report["setups"] if "runtime" in one["seen_by"]} == {"torch", "keras"}


@pytest.mark.slow
def test_both_trainings_of_a_function_that_click_calls_are_seen(warm_torch: WarmCommand) -> None:
    pytest.importorskip("click")
    (warm_torch.folder / "clicked.py").write_text(TORCH)
    report = warm_torch("clicked.py", "--no-probe").report
    assert report["errors"] == []
    ran = {one["head"]["activation"] for one in report["setups"] if "runtime" in one["seen_by"]}
    assert ran == {"sigmoid", "softmax"}

"""A fix of the training data covers what the model is asked about later; a choice of one thing is no choice."""

from __future__ import annotations

import pytest

from ae_audit.fix import apply, propose
from ae_audit.rules.runner import check
from ae_audit.static import analyse_file

PROGRAM = """\
import numpy as np
import keras
from keras import layers
(x_train, _), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train.reshape(60000, 784)
{test}
{more}
net = keras.Sequential([keras.Input((784,)), layers.Dense(784, activation="sigmoid")])
net.compile("adam", "binary_crossentropy")
net.fit(x_train, x_train)
{asked}
"""
SAME = "x_test = x_test.reshape(10000, 784)"


def mended(source: str, code: str) -> str | None:
    """The program after the fix of its only finding of that code; None where no edits are proposed."""
    result = analyse_file("program.py", source.encode())
    (finding,) = (one for one in check(result.setups)[0] if one.code == code)
    assert finding.setup is not None
    fix = propose(finding, result.setups[finding.setup], lambda path, cell: source)
    assert fix is not None
    return apply(source, fix.edits) if fix.edits else None


@pytest.mark.parametrize(
    ("test", "more", "asked"),
    [
        (SAME, "", "net.predict(x_test[:10])"),
        (SAME, "", "net(x_test)"),
        (SAME, "", "print(net.evaluate(x_test, x_test))"),
        (SAME, "shown = x_test", "net.predict(x_test)"),
    ],
)
def test_the_test_data_are_divided_with_the_training_data(test: str, more: str, asked: str) -> None:
    found = mended(PROGRAM.format(test=test, more=more, asked=asked), "AE201")
    assert found is not None
    assert "x_train = x_train / 255.0\nx_test = x_test / 255.0\nnet.fit" in found


@pytest.mark.parametrize(
    ("test", "more", "asked"),
    [
        (SAME, "", ""),
        (SAME, "", "other.predict(x_test)"),
        (SAME, "", "net.predict(x_train[:10])"),
        (SAME, "noise = np.random.rand(8, 784)", "net.predict(noise)"),
    ],
)
def test_what_the_model_is_not_asked_about_stays(test: str, more: str, asked: str) -> None:
    found = mended(PROGRAM.format(test=test, more=more, asked=asked), "AE201")
    assert found is not None
    assert "x_train = x_train / 255.0\nnet.fit" in found


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ("few = x_test[:10]", "net.predict(few)"),
        ("", "later = x_test[5:]\nnet.predict(later)"),
    ],
)
def test_what_goes_other_ways_to_the_model_is_divided_where_it_is_loaded(more: str, asked: str) -> None:
    found = mended(PROGRAM.format(test=SAME, more=more, asked=asked), "AE201")
    assert found is not None
    assert "mnist.load_data()\nx_train = x_train / 255.0\nx_test = x_test / 255.0\nx_train = x_train.reshape" in found
    assert found.count("255.0") == 2


def test_what_has_its_scale_already_stays() -> None:
    right = "x_test = x_test.reshape(10000, 784) / 255.0"
    found = mended(PROGRAM.format(test=right, more="", asked="net.predict(x_test)"), "AE201")
    assert found == PROGRAM.format(test=right, more="", asked="net.predict(x_test)").replace(
        "net.fit", "x_train = x_train / 255.0\nnet.fit"
    )


def test_where_something_would_be_left_as_it_is_there_are_no_edits() -> None:
    other = "x_test = x_test.reshape(-1, 784) / 100.0"
    assert mended(PROGRAM.format(test=other, more="", asked="net.predict(x_test)"), "AE201") is None


TORCH = """\
import torch
from torch import nn
images = torch.rand(512, 784) * 2 - 1
wide = True
net = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), {head})
optimizer = torch.optim.Adam(net.parameters())
for batch in images.split(64):
    loss = nn.functional.mse_loss(net(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ("nn.Sigmoid() if wide else nn.Tanh()", "nn.Linear(32, 784), nn.Tanh())"),
        ("nn.Tanh() if not wide else nn.Sigmoid()", "nn.Linear(32, 784), nn.Tanh())"),
        ("nn.Sigmoid() if wide else nn.Identity()", "nn.Linear(32, 784), nn.Tanh() if wide else nn.Identity())"),
        ("nn.Sigmoid()", "nn.Linear(32, 784), nn.Tanh())"),
    ],
)
def test_a_choice_of_which_both_arms_are_the_same_goes(head: str, wanted: str) -> None:
    found = mended(TORCH.format(head=head), "AE102")
    assert found is not None
    assert wanted in found

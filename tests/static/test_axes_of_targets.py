"""The axis along which a target is a distribution is followed through what moves it, in every library."""

from __future__ import annotations

import pytest

from ae_audit.rules.registry import find_rule
from ae_audit.static import analyse_file
from tests.static.keras_programs import audited
from tests.static.torch_programs import setup_of

SEGMENT = """
x = torch.rand(32, 1, 16, 16)
labels = torch.randint(0, 3, (32, 16, 16))
model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Softmax({axis}))
optimizer = optim.Adam(model.parameters())
for _ in range(10):
    loss = F.mse_loss(model(x), {target}.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("axis", "target", "told"),
    [
        (1, "F.one_hot(labels, 3).permute(0, 3, 1, 2)", False),
        (1, "F.one_hot(labels, 3).transpose(1, 3).transpose(2, 3)", False),
        (3, "F.one_hot(labels, 3).permute(0, 3, 1, 2)", True),
    ],
)
def test_one_hot_classes_of_torch(axis: int, target: str, told: bool) -> None:
    setup = setup_of(SEGMENT.format(axis=axis, target=target))
    assert bool(list(find_rule("AE101").check(setup))) is told


@pytest.mark.parametrize(
    "moved",
    [
        "np.transpose(hot, (0, 2, 1))",
        "hot.transpose(0, 2, 1)",
        "np.swapaxes(hot, 1, 2)",
        "np.moveaxis(hot, -1, 1)",
        "tf.transpose(hot, [0, 2, 1])",
        "keras.ops.transpose(hot, (0, 2, 1))",
    ],
)
def test_one_hot_classes_of_arrays(moved: str) -> None:
    source = f"""
import tensorflow as tf
hot = keras.utils.to_categorical(np.random.randint(0, 5, (64, 12)), 5)
y = {moved}
m = keras.Sequential([keras.Input((5, 12)), layers.Dense(12), layers.Softmax(axis=1)])
m.compile("adam", "mse")
m.fit(np.random.rand(64, 5, 12), y)
"""
    setups, codes, _ = audited(source)
    assert setups[0].target.structure_axis == 1
    assert "AE101" not in codes


def test_a_column_with_an_axis_too_many_is_broadcast() -> None:
    source = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
y = torch.rand(64, 1)
data = TensorDataset(torch.rand(64, 4), y{more})
net = nn.Linear(4, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for row, want in DataLoader(data, 8):
    loss = nn.functional.mse_loss(net(row), want)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    (wrong,) = analyse_file("m.py", source.format(more=".unsqueeze(1)").encode()).setups
    (right,) = analyse_file("m.py", source.format(more="").encode()).setups
    rule = find_rule("AE309")
    assert list(rule.check(wrong))
    assert not list(rule.check(right))


def test_masks_of_a_data_set_by_its_name() -> None:
    source = """
import tensorflow_datasets as tfds
def parts(sample):
    return sample["image"], sample["segmentation_mask"]{minus}
ds = tfds.load("oxford_iiit_pet:3.*.*", split="train").map(parts).batch(8)
m = keras.Sequential([keras.Input((128, 128, 3)), layers.Conv2D(3, 1, activation="softmax")])
m.compile("adam", "sparse_categorical_crossentropy")
m.fit(ds)
"""
    assert "AE211" in audited(source.format(minus=""))[1]
    assert "AE211" not in audited(source.format(minus=" - 1"))[1]

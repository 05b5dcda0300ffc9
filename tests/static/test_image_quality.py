"""SSIM and PSNR: which span they are told of, and which images they compare."""

from __future__ import annotations

import pytest

from ae_audit.rules.registry import find_rule
from ae_audit.schema.findings import Violation
from ae_audit.static import analyse_file

TORCH = """
import torch, kornia, pytorch_msssim, torchmetrics, piq
from skimage.metrics import structural_similarity
from torch import nn
from torchvision import datasets, transforms
steps = [transforms.ToTensor(){signed}]
loader = torch.utils.data.DataLoader(datasets.MNIST(".", transform=transforms.Compose(steps)), batch_size=64)
model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
optimizer = torch.optim.Adam(model.parameters())
measure = {measure}
for x, _ in loader:
    out = model(x)
    loss = nn.functional.mse_loss(out, x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(measure(out, x))
"""
SIGNED = ", transforms.Normalize((0.5,), (0.5,))"


@pytest.mark.parametrize(
    ("measure", "signed", "expected"),
    [
        ("lambda a, b: pytorch_msssim.ssim(a, b)", "", True),
        ("lambda a, b: pytorch_msssim.ssim(a, b, data_range=1)", "", False),
        ("pytorch_msssim.SSIM(channel=1)", "", True),
        ("kornia.losses.SSIMLoss(11)", "", False),
        ("kornia.losses.SSIMLoss(11, max_val=255.0)", "", True),
        ("torchmetrics.image.StructuralSimilarityIndexMeasure(data_range=1.0).to('cpu')", "", False),
        ("torchmetrics.PeakSignalNoiseRatio(255.0)", "", True),
        ("torchmetrics.PeakSignalNoiseRatio(1.0)", SIGNED, True),
        ("torchmetrics.PeakSignalNoiseRatio(2.0)", SIGNED, False),
        ("torchmetrics.PeakSignalNoiseRatio()", "", False),
        ("lambda a, b: structural_similarity(a, b, data_range=255)", "", True),
        ("lambda a, b: structural_similarity(a, b)", "", False),
        ("lambda a, b: piq.ssim(a, b, data_range=float(input()))", "", False),
    ],
)
def test_the_span_is_compared_with_that_of_the_images(measure: str, signed: str, expected: bool) -> None:
    (setup,) = analyse_file("m.py", TORCH.format(measure=measure, signed=signed).encode()).setups
    found = [outcome for outcome in find_rule("AE205").check(setup) if isinstance(outcome, Violation)]
    assert bool(found) == expected


OWN = """
import tensorflow as tf
from tensorflow import keras
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 28, 28, 1) / 255.0
def ssim_loss(y_true, y_pred):
    return 1 - tf.reduce_mean(tf.image.ssim(y_true, y_pred, {span}))
model = keras.Sequential([keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")])
model.compile("adam", loss={loss})
model.fit(x, x)
"""


def test_a_loss_of_the_users_own_is_read_too() -> None:
    (setup,) = analyse_file("m.py", OWN.format(span=255, loss="ssim_loss").encode()).setups
    (found,) = find_rule("AE205").check(setup)
    assert isinstance(found, Violation)
    assert found.location.line == 7


def test_a_comparison_that_nothing_calls_is_no_question() -> None:
    (setup,) = analyse_file("m.py", OWN.format(span=1.0, loss="'mse'").encode()).setups
    assert not list(find_rule("AE205").check(setup))


def test_images_of_unknown_values_leave_it_undecided() -> None:
    source = TORCH.replace('datasets.MNIST(".", transform=transforms.Compose(steps))', "load()").format(
        measure="pytorch_msssim.SSIM()", signed=""
    )
    (setup,) = analyse_file("m.py", source.encode()).setups
    (outcome,) = find_rule("AE205").check(setup)
    assert not isinstance(outcome, Violation)

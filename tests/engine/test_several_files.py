"""What the files of one project say of each other's trainings."""

from __future__ import annotations

from pathlib import Path

from ae_audit.base.progress import Progress
from ae_audit.engine import audit_files
from ae_audit.engine.discovery import AuditTarget
from ae_audit.schema.report import Report
from ae_audit.settings.options import Settings

MODEL = """
from tensorflow import keras
from tensorflow.keras import layers

net = keras.Sequential([layers.Input((784,)), layers.Dense(32, activation="relu"), layers.Dense(784)])
net.compile(optimizer="adam", loss="mse", metrics=["accuracy"])
"""
TRAIN = """
from tensorflow import keras
from model import net

(x, _), _ = keras.datasets.mnist.load_data()
net.fit(x.reshape(-1, 784) / 255, x.reshape(-1, 784) / 255)
"""
SHARED = """
import numpy as np
from tensorflow import keras

def train(net, x):
    net.compile(optimizer="adam", loss="mse")
    net.fit(x, x)
"""
CALLS = """
from tensorflow import keras
from tensorflow.keras import layers
from shared import train, np

x = {data}
train(keras.Sequential([layers.Input((784,)), layers.Dense(784, activation="relu")]), x)
"""


def audited(folder: Path, **sources: str) -> Report:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    targets = [AuditTarget(str(folder / f"{name}.py"), project_root=str(folder), named=True) for name in sources]
    return audit_files(targets, Settings(), Progress())


def test_what_one_file_compiles_and_another_fits_is_told_once(tmp_path: Path) -> None:
    report = audited(tmp_path, model=MODEL, train=TRAIN)
    assert [(finding.code, finding.location.line, finding.setup) for finding in report.findings] == [("AE401", 6, 0)]
    assert [Path(setup.location.path).name for setup in report.setups] == ["train.py"]
    assert not report.undecided


LOOP = """
import torch.nn.functional as F

def run(net, loader, optimizer):
    for x, _ in loader:
        loss = F.mse_loss(net(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
STARTED = """
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from loop import run

if __name__ == "__main__":
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Sigmoid())
    run(net, DataLoader(datasets.MNIST("d", transform=transforms.ToTensor())), optim.Adam(net.parameters()))
"""


def test_a_folder_is_read_with_the_programs_that_call_its_trainings(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP)
    (tmp_path / "start.py").write_text(STARTED)  # which names no loss
    report = audit_files([AuditTarget(str(path)) for path in sorted(tmp_path.iterdir())], Settings(), Progress())
    (setup,) = report.setups
    assert Path(setup.location.path).name == "loop.py"
    assert (setup.head.activation, str(setup.target.values)) == ("sigmoid", "[0, 1]")
    assert not report.undecided


def test_two_programs_that_train_by_one_function_are_told_apart(tmp_path: Path) -> None:
    known, unknown = CALLS.format(data="np.random.rand(99, 784)"), CALLS.format(data="np.load('x.npy')")
    report = audited(tmp_path, shared=SHARED, known=known, unknown=unknown)
    assert sorted(setup.target.values.unknown for setup in report.setups) == [False, True]

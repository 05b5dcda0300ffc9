"""What the torch programs of several test files begin with, and the set-ups that are read from them."""

from __future__ import annotations

import textwrap

from ae_audit.schema.training_setup import Relation, TrainingSetup
from ae_audit.static import analyse_file

IMPORTS = """
import argparse
from collections import OrderedDict
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.autograd import Variable
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import datasets, models, transforms
from torchvision.datasets import MNIST
from tqdm import tqdm
"""

LOADER = """
transform = transforms.ToTensor()
train_loader = DataLoader(MNIST("data", train=True, transform=transform), batch_size=64, shuffle=True)
test_loader = DataLoader(MNIST("data", train=False, transform=transform), batch_size=64)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 32), nn.ReLU(True))
        self.decoder = nn.Sequential(nn.Linear(32, 784), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))
"""


def setups_of(*parts: str) -> tuple[TrainingSetup, ...]:
    source = IMPORTS + "".join(textwrap.dedent(part) for part in parts)
    compile(source, "program.py", "exec")
    result = analyse_file("program.py", source.encode())
    assert not result.errors
    return result.setups


def setup_of(*parts: str) -> TrainingSetup:
    setups = setups_of(*parts)
    assert len(setups) == 1, setups
    return setups[0]


def assert_plain(setup: TrainingSetup, loss: str = "mse") -> None:
    """Sigmoid against MNIST in [0, 1], the input itself."""
    assert setup.head.activation == "sigmoid"
    assert setup.loss.name == loss
    assert (setup.target.values.hull.lo, setup.target.values.hull.hi) == (0.0, 1.0)
    assert setup.target.values.reach is not None
    assert setup.relation is Relation.SAME

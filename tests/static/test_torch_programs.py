"""Less usual torch programs: where data come from, how layers are made, what the loss is applied to."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import pytest

from ae_audit.schema.training_setup import Relation, TrainingSetup
from ae_audit.static import analyse_file

IMPORTS = """
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import datasets, transforms
"""
LOADER = 'loader = DataLoader(datasets.MNIST("d", transform=transforms.ToTensor()), batch_size=32)\n'
TRAIN = """
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
for batch in loader:
    x = batch[0] if isinstance(batch, (list, tuple)) else batch
    F.mse_loss(model(x), x.flatten(1)).backward()
"""


@dataclass(frozen=True)
class Case:
    """A program, and what is expected of its only set-up."""

    source: str
    head: str | None = "sigmoid"
    loss: str | None = "mse"
    target: tuple[float, float] | None = (0.0, 1.0)
    relation: Relation = Relation.SAME


CASES = {
    "albumentations": Case(
        """
        import albumentations as A
        import cv2
        from albumentations.pytorch import ToTensorV2

        pipeline = A.Compose([A.Resize(64, 64), A.Normalize(mean=(0.5,) * 3, std=(0.5,) * 3), ToTensorV2()])

        class Photos(Dataset):
            def __init__(self, files, pipeline):
                self.files, self.pipeline = files, pipeline

            def __getitem__(self, i):
                image = cv2.cvtColor(cv2.imread(self.files[i]), cv2.COLOR_BGR2RGB)
                return self.pipeline(image=image)["image"]

        loader = DataLoader(Photos(["a.png"], pipeline), 4)
        """
        + TRAIN,
        target=(-1.0, 1.0),
    ),
    "albumentations without scaling": Case(
        """
        import albumentations as A
        import cv2
        from albumentations.pytorch import ToTensorV2

        class Photos(Dataset):
            def __init__(self, files):
                self.files, self.pipeline = files, A.Compose([A.HorizontalFlip(), ToTensorV2()])

            def __getitem__(self, i):
                return self.pipeline(image=cv2.imread(self.files[i]))["image"].float()

        loader = DataLoader(Photos(["a.png"]), 4)
        """
        + TRAIN,
        target=(0.0, 255.0),
    ),
    "Pillow and NumPy": Case(
        """
        from PIL import Image

        class Photos(Dataset):
            def __init__(self, files):
                self.files = files

            def __getitem__(self, i):
                image = np.array(Image.open(self.files[i]).convert("L").resize((28, 28)), dtype=np.float32) / 255.0
                return torch.from_numpy(image).unsqueeze(0)

        loader = DataLoader(Photos(["a.png"]), 4)
        """
        + TRAIN,
    ),
    "functional transforms": Case(
        """
        import torchvision.transforms.functional as TF
        from PIL import Image

        class Photos(Dataset):
            def __init__(self, files):
                self.files = files

            def __getitem__(self, i):
                return TF.normalize(TF.to_tensor(Image.open(self.files[i])), [0.5] * 3, [0.5] * 3)

        loader = DataLoader(Photos(["a.png"]), 4)
        """
        + TRAIN,
        target=(-1.0, 1.0),
    ),
    "a list of transforms that grows": Case(
        """
        class Photos(Dataset):
            def __init__(self, size=64, normalize=True):
                steps = [transforms.Resize(size), transforms.ToTensor()]
                if normalize:
                    steps.append(transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
                self.transform = transforms.Compose(steps)
                self.folder = datasets.ImageFolder("photos")

            def __getitem__(self, i):
                image, _ = self.folder[i]
                return self.transform(image)

        loader = DataLoader(Photos(), 4)
        """
        + TRAIN,
        target=(-1.0, 1.0),
    ),
    "raw data overwritten": Case(
        """
        data = datasets.MNIST("d")
        data.data = data.data.float() / 255
        loader = DataLoader(TensorDataset(data.data, data.targets), 4)
        """
        + TRAIN,
    ),
    "samples stacked by hand": Case(
        """
        data = datasets.MNIST("d", transform=transforms.ToTensor())
        x = torch.stack([data[i][0] for i in range(1000)])
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
        for i in range(0, len(x), 32):
            batch = x[i : i + 32]
            F.mse_loss(model(batch), batch.flatten(1)).backward()
        """
    ),
    "normalisation undone in the loop": Case(
        """
        steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        data = datasets.MNIST("d", transform=transforms.Compose(steps))
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
        for x, _ in DataLoader(data, 4):
            x = x * 0.3081 + 0.1307
            F.binary_cross_entropy(model(x), x.flatten(1)).backward()
        """,
        loss="bce",
    ),
    "target mapped back for the sigmoid": Case(
        """
        steps = [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        data = datasets.MNIST("d", transform=transforms.Compose(steps))
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
        for x, _ in DataLoader(data, 4):
            F.binary_cross_entropy(model(x), (x.flatten(1) + 1) / 2).backward()
        """,
        loss="bce",
        relation=Relation.RESCALED,
    ),
    "a loss from a dictionary, in a generator": Case(
        LOADER
        + """
def loss_named(name):
    return {"mse": F.mse_loss, "l1": F.l1_loss, "bce": F.binary_cross_entropy}[name]

def steps(model, loader, name="bce"):
    loss_of = loss_named(name)
    for x, _ in loader:
        x = x.view(-1, 784)
        yield loss_of(model(x), x)

model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid())
for loss in steps(model, loader):
    loss.backward()
""",
        loss="bce",
    ),
    "partial layers and optional parts": Case(
        LOADER
        + """
from functools import partial

conv = partial(nn.Conv2d, kernel_size=3, padding=1)

class Block(nn.Module):
    def __init__(self, i, o, act=nn.ReLU, norm=None):
        super().__init__()
        self.conv = conv(i, o)
        self.norm = norm(o) if norm else nn.Identity()
        self.act = act() if act is not None else None

    def forward(self, x):
        x = self.norm(self.conv(x))
        if self.act is not None:
            x = self.act(x)
        return x

model = nn.Sequential(Block(1, 8, norm=nn.BatchNorm2d), Block(8, 1, act=nn.Tanh))
for x, _ in loader:
    nn.L1Loss()(model(x), x).backward()
""",
        head="tanh",
        loss="mae",
    ),
    "a residual denoiser": Case(
        LOADER
        + """
class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))

    def forward(self, x):
        return x - self.f(x)

model = Residual()
for x, _ in loader:
    noisy = x + torch.randn_like(x) * 0.1
    F.mse_loss(model(noisy), x).backward()
""",
        head="linear",
        relation=Relation.NOISED_INPUT,
    ),
    "weights by hand and cross-entropy written out": Case(
        LOADER
        + """
w = torch.randn(784, 32, requires_grad=True)
v = torch.randn(32, 784, requires_grad=True)
for x, _ in loader:
    x = x.view(-1, 784)
    out = torch.sigmoid(torch.relu(x @ w) @ v)
    loss = -(x * torch.log(out + 1e-8) + (1 - x) * torch.log(1 - out + 1e-8)).sum(1).mean()
    loss.backward()
""",
        loss="bce",
    ),
    "two halves of one picture": Case(
        """
        from PIL import Image

        class Pairs(Dataset):
            def __init__(self, files):
                self.files = files
                self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])

            def __getitem__(self, i):
                image = Image.open(self.files[i])
                width, height = image.size
                left = image.crop((0, 0, width // 2, height))
                right = image.crop((width // 2, 0, width, height))
                return self.transform(left), self.transform(right)

        model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1), nn.Sigmoid())
        for a, b in DataLoader(Pairs(["a.png"]), 1):
            nn.L1Loss()(model(a), b).backward()
        """,
        loss="mae",
        target=(-1.0, 1.0),
        relation=Relation.OTHER,
    ),
    "diffusion: the target is the noise": Case(
        LOADER
        + """
model = nn.Conv2d(1, 1, 3, padding=1)
for x, _ in loader:
    noise = torch.randn_like(x)
    F.mse_loss(model(0.7 * x + 0.7 * noise), noise).backward()
""",
        head="linear",
        target=None,
        relation=Relation.OTHER,
    ),
    "a noisy line to be fitted": Case(
        """
        x = torch.empty(1000, 1).uniform_(-10, 10)
        y = 2 * x + 3 + torch.randn(1000, 1)
        model = nn.Linear(1, 1)
        for step in range(100):
            F.mse_loss(model(x), y).backward()
        """,
        head="linear",
        target=None,
        relation=Relation.OTHER,
    ),
    "random codes recognised by a classifier": Case(
        """
        model = nn.Linear(784, 10)
        code = torch.from_numpy(np.random.randint(0, 10, size=64))
        loss = nn.CrossEntropyLoss()(model(torch.randn(64, 784)), code)
        loss.backward()
        """,
        head="linear",
        loss="sparse_cce",
        target=None,
        relation=Relation.LABELS,
    ),
    "axes rearranged by einops": Case(
        LOADER
        + """
from einops import rearrange
from einops.layers.torch import Rearrange

model = nn.Sequential(Rearrange("b c h w -> b (c h w)"), nn.Linear(784, 784), nn.Sigmoid())
for x, _ in loader:
    F.mse_loss(model(x), rearrange(x, "b c h w -> b (c h w)")).backward()
"""
    ),
    "a sigmoid written out": Case(
        LOADER
        + """
def squash(x):
    return 1 / (1 + torch.exp(-x))

layer = nn.Linear(784, 784)
for x, _ in loader:
    x = x.view(-1, 784)
    F.mse_loss(squash(layer(x)), x).backward()
"""
    ),
    "Keras data in a torch model": Case(
        """
        from tensorflow.keras.datasets import mnist

        (x, _), _ = mnist.load_data()
        x = torch.tensor(x.reshape(-1, 784)).float()
        loader = DataLoader(TensorDataset(x), 4)
        model = nn.Sequential(nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 784), nn.Softmax(dim=-1))
        for (batch,) in loader:
            nn.BCEWithLogitsLoss()(model(batch), batch).backward()
        """,
        head="softmax",
        loss="bce",
        target=(0.0, 255.0),
    ),
    "names that nothing imports": Case(
        """
        loader = DataLoader(datasets.MNIST("d", transform=transforms.ToTensor()), batch_size=32)
        for x, _ in loader:
            loss = nn.functional.binary_cross_entropy(model(x), x.view(-1, 784), reduction="sum")
            loss.backward()
        """,
        head=None,
        loss="bce",
    ),
    "a sigmoid on a model from elsewhere": Case(
        LOADER
        + """
from my_models import Decoder, Encoder

encoder, decoder = Encoder(), Decoder()
for x, _ in loader:
    out = torch.sigmoid(decoder(encoder(x)))
    F.mse_loss(out, x).backward()
"""
    ),
    "a checkpoint that may be there": Case(
        LOADER
        + """
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
try:
    model = torch.load("model.pkl")
except Exception:
    pass
for x, _ in loader:
    F.mse_loss(model(x), x.flatten(1)).backward()
"""
    ),
}


def setup_of(source: str, imports: str = IMPORTS) -> TrainingSetup:
    result = analyse_file("program.py", (imports + textwrap.dedent(source)).encode())
    assert not result.errors
    assert len(result.setups) == 1, result
    return result.setups[0]


@pytest.mark.parametrize("name", CASES)
def test_programs(name: str) -> None:
    case = CASES[name]
    parts = case.source.replace(TRAIN, "") if TRAIN in case.source else case.source
    source = textwrap.dedent(parts) + (TRAIN if TRAIN in case.source else "")
    setup = setup_of(source, "import torch\n" if "nothing imports" in name else IMPORTS)
    assert setup.head.activation == case.head
    assert setup.loss.name == case.loss
    assert setup.relation is case.relation
    if case.target is not None:
        hull = setup.target.values.hull
        assert math.isclose(hull.lo, case.target[0], abs_tol=1e-9)
        assert math.isclose(hull.hi, case.target[1], abs_tol=1e-9)
        assert setup.target.values.reach is not None


def test_a_branch_keeps_head_and_loss_together() -> None:
    source = """
        import yaml

        config = yaml.safe_load(open("c.yaml"))
        loader = DataLoader(datasets.MNIST("d", transform=transforms.ToTensor()), batch_size=32)
        criterion = nn.BCELoss() if config["loss"] == "bce" else nn.MSELoss()
        out = nn.Sigmoid() if config["loss"] == "bce" else nn.Identity()
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), out)
        for x, _ in loader:
            criterion(model(x), x.flatten(1)).backward()
        """
    result = analyse_file("program.py", (IMPORTS + textwrap.dedent(source)).encode())
    assert {(setup.head.activation, setup.loss.name) for setup in result.setups} == {
        ("sigmoid", "bce"),
        ("linear", "mse"),
    }
    assert all(setup.condition is not None for setup in result.setups)


def test_measurements_beside_the_training_are_no_setups() -> None:
    setup = setup_of(
        LOADER
        + """
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
for x, _ in loader:
    out = model(x)
    loss = F.mse_loss(out, x.flatten(1))
    loss.backward()
    error = torch.mean(torch.abs(out * 255 - x.flatten(1) * 255))
    print(error.item())
"""
    )
    assert setup.loss.name == "mse"
    assert setup.target.values.hull.hi == 1.0


def test_swish_written_out() -> None:
    setup = setup_of(
        LOADER
        + """
class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), Swish())
for x, _ in loader:
    F.mse_loss(model(x), x.flatten(1)).backward()
"""
    )
    assert setup.head.activation == "silu"
    assert -0.28 < setup.head.range.values.hull.lo < -0.27

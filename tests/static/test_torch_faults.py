"""Facts behind the faults of torch programs: gradients never reset, statistics that do not fit, one-sided latents."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri

IMPORTS = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
"""

LOADER = "loader = DataLoader(datasets.MNIST('data', transform=transforms.ToTensor()), batch_size=32)\n"


def setup_of(*parts: str) -> TrainingSetup:
    source = IMPORTS + "".join(textwrap.dedent(part) for part in parts)
    result = analyse_file("program.py", source.encode())
    assert not result.errors
    assert len(result.setups) == 1, result
    return result.setups[0]


LOOP = """
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784))
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(3):
    for x, _ in loader:
        {reset}
        loss = F.mse_loss(model(x), x.flatten(1))
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        ("pass", Tri.NO),
        ("optimizer.zero_grad()", Tri.YES),
        ("model.zero_grad(set_to_none=True)", Tri.YES),
        ("[setattr(p, 'grad', None) or p.grad for p in model.parameters()]", Tri.YES),
    ],
)
def test_gradients_that_are_reset(reset: str, expected: Tri) -> None:
    setup = setup_of(LOADER, LOOP.format(reset=reset))
    assert setup.gradients_reset is expected
    assert setup.backward_location is not None


def test_one_step_needs_no_reset() -> None:
    setup = setup_of(
        LOADER,
        """
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784))
        x, _ = next(iter(loader))
        loss = F.mse_loss(model(x), x.flatten(1))
        loss.backward()
        """,
    )
    assert setup.gradients_reset is Tri.UNKNOWN


def channels_of(data: str) -> tuple[int, int] | None:
    train = """
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784))
        for x, _ in loader:
            F.mse_loss(model(x), x.flatten(1)).backward()
        """
    return setup_of(data, train).target.normalised_channels


THREE = "transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])"


def test_three_statistics_for_one_channel() -> None:
    data = f"""
        tf = transforms.Compose([transforms.ToTensor(), {THREE}])
        loader = DataLoader(datasets.MNIST('data', transform=tf), batch_size=32)
        """
    assert channels_of(data) == (3, 1)


@pytest.mark.parametrize(
    "data",
    [
        f"""
        tf = transforms.Compose([transforms.ToTensor(), {THREE}])
        loader = DataLoader(datasets.CIFAR10('data', transform=tf), batch_size=32)
        """,
        f"""
        tf = transforms.Compose([transforms.Grayscale(num_output_channels=3), transforms.ToTensor(), {THREE}])
        loader = DataLoader(datasets.MNIST('data', transform=tf), batch_size=32)
        """,
        """
        tf = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
        loader = DataLoader(datasets.CIFAR10('data', transform=tf), batch_size=32)
        """,
        f"""
        tf = transforms.Compose([transforms.ToTensor(), {THREE}])
        loader = DataLoader(datasets.ImageFolder('photos', transform=tf), batch_size=32)
        """,
        """
        import albumentations as A
        import cv2
        from albumentations.pytorch import ToTensorV2
        from torch.utils.data import Dataset

        class Photos(Dataset):
            def __getitem__(self, i):
                steps = A.Compose([A.Resize(64, 64), A.Normalize(), ToTensorV2()])
                return steps(image=cv2.imread(f"{i}.png"))["image"], i

        loader = DataLoader(Photos(), batch_size=32)
        """,
    ],
)
def test_statistics_that_fit(data: str) -> None:
    assert channels_of(data) is None


VAE = """
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, 100)
        self.mean, self.log_var = nn.Linear(100, 10), nn.Linear(100, 10)
        self.out = nn.Linear(10, 784)

    def forward(self, x):
        h = F.relu(self.hidden(x))
        mu, log_var = {mean}, {log_var}
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
        return torch.sigmoid(self.out(z)), mu, log_var


model = VAE()
for x, _ in loader:
    x = x.view(-1, 784)
    recon, mu, log_var = model(x)
    kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())
    (F.binary_cross_entropy(recon, x, reduction="sum") + kl).backward()
"""


@pytest.mark.parametrize(
    ("mean", "log_var", "activation"),
    [
        ("self.mean(h)", "self.log_var(h)", None),
        ("F.relu(self.mean(h))", "self.log_var(h)", "relu"),
        ("self.mean(h)", "F.relu(self.log_var(h))", "relu"),
        ("torch.tanh(self.mean(h))", "self.log_var(h)", None),
    ],
)
def test_activations_on_latent_statistics(mean: str, log_var: str, activation: str | None) -> None:
    setup = setup_of(LOADER, VAE.format(mean=mean, log_var=log_var))
    assert setup.model.variational is Tri.YES
    assert setup.model.latent_activation == activation
    assert (setup.model.latent_location is None) == (activation is None)


def test_a_standard_deviation_from_softplus_is_right() -> None:
    source = VAE.format(mean="self.mean(h)", log_var="F.softplus(self.log_var(h))")
    setup = setup_of(LOADER, source.replace("torch.exp(0.5 * log_var)", "log_var"))
    assert setup.model.latent_activation is None


def test_noise_in_the_target_is_told() -> None:
    setup = setup_of(
        LOADER,
        """
        model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid())
        for x, _ in loader:
            x = x.view(-1, 784)
            noisy = (x + 0.3 * torch.randn_like(x)).clamp(0, 1)
            F.mse_loss(model(noisy), noisy).backward()
        """,
    )
    assert setup.target.noised is Tri.YES


def test_shapes_that_do_not_meet() -> None:
    setup = setup_of(
        LOADER,
        """
        model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Sigmoid())
        for x, _ in loader:
            F.mse_loss(model(x).view(-1, 28, 28, 1), x).backward()
        """,
    )
    assert setup.head.shape == (None, 28, 28, 1)
    assert setup.target.shape == (None, 1, 28, 28)


VALIDATION = """
raw = transforms.Compose([transforms.PILToTensor(), transforms.Lambda(lambda t: t.float())])
train = DataLoader(datasets.MNIST('data', train=True, transform=transforms.ToTensor()), batch_size=32)
test = DataLoader(datasets.MNIST('data', train=False, transform={transform}), batch_size=32)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Sigmoid())
for epoch in range(3):
    for x, _ in train:
        F.mse_loss(model(x), x.flatten(1)).backward()
    with torch.no_grad():
        for x, _ in test:
            print(F.mse_loss(model(x){shown}, x.flatten(1){shown}))
"""


@pytest.mark.parametrize(("transform", "shown", "top"), [("raw", "", 255.0), ("transforms.ToTensor()", "", 1.0)])
def test_validation_data_of_a_loop(transform: str, shown: str, top: float) -> None:
    setup = setup_of(VALIDATION.format(transform=transform, shown=shown))
    assert setup.validation_target is not None
    assert setup.validation_target.values.hull.hi == top
    assert setup.target.values.hull.hi == 1.0


def test_an_error_shown_on_another_scale_is_no_validation_data() -> None:
    setup = setup_of(VALIDATION.format(transform="transforms.ToTensor()", shown=" * 255"))
    assert setup.validation_target is None


@pytest.mark.parametrize(("columns", "codes"), [(1, set()), (20, {"AE308"})])
def test_a_curve_through_noisy_points_is_no_denoiser(columns: int, codes: set[str]) -> None:
    setup = setup_of(f"""
    x = torch.rand(100, {columns})
    y = x + 0.3 * torch.normal(torch.zeros(100, {columns}), torch.ones(100, {columns}))
    model = nn.Sequential(nn.Linear({columns}, 30), nn.ReLU(), nn.Linear(30, {columns}))
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(100):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    """)
    assert {finding.code for finding in check([setup])[0]} == codes

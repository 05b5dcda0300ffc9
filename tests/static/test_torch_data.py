"""What the static stage knows of the data that torch programs train on."""

from __future__ import annotations

import textwrap

import pytest

from ae_audit.schema.training_setup import DataFacts, Relation, Structure, TrainingSetup
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri

IMPORTS = """
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split
from torchvision import datasets, transforms
from torchvision.transforms import v2
"""

TRAIN = """
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 784))
for img, label in loader:
    loss = F.mse_loss(model(img), img.flatten(1))
    loss.backward()
"""


def setup_of(data: str, train: str = TRAIN) -> TrainingSetup:
    result = analyse_file("program.py", (IMPORTS + textwrap.dedent(data) + textwrap.dedent(train)).encode())
    assert not result.errors
    assert len(result.setups) == 1, result
    return result.setups[0]


def target_of(data: str, train: str = TRAIN) -> DataFacts:
    return setup_of(data, train).target


def ends(facts: DataFacts) -> tuple[float, float]:
    assert facts.values.reach is not None
    assert facts.values.reach.closure() == facts.values.hull.closure()
    return round(facts.values.hull.lo, 4), round(facts.values.hull.hi, 4)


TRANSFORMS = {
    "transforms.ToTensor()": (0.0, 1.0),
    "transforms.Compose([transforms.ToTensor()])": (0.0, 1.0),
    "transforms.Compose([transforms.Resize(32), transforms.CenterCrop(28), transforms.ToTensor()])": (0.0, 1.0),
    "transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])": (-1.0, 1.0),
    "transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean=[0.5], std=[0.5])])": (-1.0, 1.0),
    "transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])": (-0.4242, 2.8215),
    "transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 1.0)])": (-0.5, 0.5),
    "transforms.Compose([transforms.ToTensor(), transforms.Lambda(lambda x: x * 255)])": (0.0, 255.0),
    "transforms.Compose([transforms.ToTensor(), lambda x: 2 * x - 1])": (-1.0, 1.0),
    "transforms.Compose([transforms.ToTensor(), torch.flatten])": (0.0, 1.0),
    "transforms.Compose([transforms.PILToTensor()])": (0.0, 255.0),
    "transforms.Compose([transforms.PILToTensor(), transforms.ConvertImageDtype(torch.float)])": (0.0, 1.0),
    "v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])": (0.0, 1.0),
    "v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32)])": (0.0, 255.0),
    "v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])])": (-1.0, 1.0),
    "torchvision.transforms.Compose([torchvision.transforms.ToTensor()])": (0.0, 1.0),
    "nn.Sequential(transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,)))": (-1.0, 1.0),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms(transform: str) -> None:
    target = target_of(f"loader = DataLoader(datasets.MNIST('data', transform={transform}), batch_size=32)\n")
    assert ends(target) == TRANSFORMS[transform]


def test_numpy_transform() -> None:
    target = target_of(
        """
        tf = transforms.Compose([np.array, lambda a: torch.from_numpy(a).float() / 255])
        loader = DataLoader(datasets.MNIST('data', transform=tf), batch_size=32)
        """
    )
    assert ends(target) == (0.0, 1.0)


def test_a_data_set_as_target_of_a_sentence() -> None:
    target = target_of("loader = DataLoader(datasets.MNIST('data', transform=transforms.ToTensor()), batch_size=32)\n")
    assert target.source is not None
    assert "MNIST" in target.source
    assert target.dtype == "float32"
    assert target.shape is not None
    assert target.shape[1:] == (784,)
    assert target.structure is Structure.CONTINUOUS


def test_the_location_is_where_the_data_were_scaled_last() -> None:
    source = IMPORTS + textwrap.dedent(
        """
        tf = transforms.Compose([
            transforms.ToTensor(),
            transforms.Normalize((0.5,), (0.5,)),
        ])
        loader = DataLoader(datasets.MNIST('data', transform=tf), batch_size=32)
        """
    )
    target = analyse_file("program.py", (source + TRAIN).encode()).setups[0].target
    assert target.location is not None
    assert "Normalize" in source.splitlines()[target.location.line - 1]


def test_a_transform_that_is_replaced_later() -> None:
    target = target_of(
        """
        data = datasets.MNIST('data', transform=transforms.PILToTensor())
        data.transform = transforms.ToTensor()
        loader = DataLoader(data, batch_size=32)
        """
    )
    assert ends(target) == (0.0, 1.0)


def test_a_transform_variable_bound_anew_before_use() -> None:
    target = target_of(
        """
        tf = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
        tf = transforms.ToTensor()
        loader = DataLoader(datasets.MNIST('data', transform=tf), batch_size=32)
        """
    )
    assert ends(target) == (0.0, 1.0)


SPLITS = {
    "split, rest = random_split(data, [50000, 10000])": "split",
    "split = Subset(data, range(1000))": "split",
    "split = torch.utils.data.ConcatDataset([data, data])": "split",
    "split, rest = random_split(data, [int(len(data) * 0.8), len(data) - int(len(data) * 0.8)])": "split",
}


@pytest.mark.parametrize("statement", SPLITS)
def test_parts_of_a_data_set(statement: str) -> None:
    target = target_of(
        f"""
        data = datasets.MNIST('data', transform=transforms.ToTensor())
        {statement}
        loader = DataLoader(split, batch_size=32)
        """
    )
    assert ends(target) == (0.0, 1.0)


RAW = {
    "data.data.float()": (0.0, 255.0),
    "data.data.float() / 255": (0.0, 1.0),
    "data.data.float().div(255)": (0.0, 1.0),
    "data.train_data.type(torch.FloatTensor) / 255.": (0.0, 1.0),
    "(data.data.float() / 255. - 0.5) / 0.5": (-1.0, 1.0),
    "data.data.to(torch.float32).sub(127.5).div(127.5)": (-1.0, 1.0),
    "data.data.unsqueeze(1).float().div_(255.0)": (0.0, 1.0),
    "torch.tensor(data.data.numpy() / 255.0, dtype=torch.float32)": (0.0, 1.0),
    "torch.from_numpy(data.data.numpy().astype('float32') / 255)": (0.0, 1.0),
    "torch.clamp(data.data.float() / 255, 0.0, 1.0)": (0.0, 1.0),
    "torch.mul(data.data.float(), 1 / 255)": (0.0, 1.0),
}


@pytest.mark.parametrize("expression", RAW)
def test_raw_access_to_the_images(expression: str) -> None:
    target = target_of(
        f"""
        data = datasets.MNIST('data')
        x = {expression}
        loader = DataLoader(TensorDataset(x, data.targets), batch_size=32)
        """
    )
    assert ends(target) == RAW[expression]


def test_raw_images_do_not_pass_the_transform() -> None:
    target = target_of(
        """
        data = datasets.MNIST('data', transform=transforms.ToTensor())
        loader = DataLoader(TensorDataset(data.data.float(), data.targets), batch_size=32)
        """
    )
    assert ends(target) == (0.0, 255.0)


def test_a_data_set_of_the_users_own() -> None:
    target = target_of(
        """
        class Images(Dataset):
            def __init__(self, images, scale=255.0):
                self.images = images
                self.scale = scale

            def __len__(self):
                return len(self.images)

            def __getitem__(self, index):
                return torch.from_numpy(self.images[index]).float() / self.scale, 0

        raw = datasets.CIFAR10('data').data
        loader = DataLoader(Images(raw), batch_size=32)
        """
    )
    assert ends(target) == (0.0, 1.0)


def test_a_data_set_that_wraps_another() -> None:
    target = target_of(
        """
        class Noisy(datasets.MNIST):
            def __getitem__(self, index):
                img, label = super().__getitem__(index)
                return img + 0.5 * torch.rand_like(img), label

        loader = DataLoader(Noisy('data', transform=transforms.ToTensor()), batch_size=32)
        """
    )
    assert target.values.hull.lo == 0.0
    assert target.values.hull.hi == 1.5


def test_image_files_opened_by_hand() -> None:
    target = target_of(
        """
        from PIL import Image

        class Photos(Dataset):
            def __init__(self, files, transform=None):
                self.files, self.transform = files, transform

            def __getitem__(self, index):
                image = Image.open(self.files[index]).convert("RGB")
                if self.transform:
                    image = self.transform(image)
                return image, index

        tf = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])
        loader = DataLoader(Photos(["a.png"], transform=tf), batch_size=32)
        """
    )
    assert ends(target) == (0.0, 1.0)


def test_image_folder() -> None:
    target = target_of(
        "loader = DataLoader(datasets.ImageFolder('photos', transforms.ToTensor()), batch_size=32, shuffle=True)\n"
    )
    assert ends(target) == (0.0, 1.0)


def test_images_fed_and_rebuilt_are_the_same_array() -> None:
    setup = setup_of("loader = DataLoader(datasets.MNIST('data', transform=transforms.ToTensor()), batch_size=32)\n")
    assert setup.relation is Relation.SAME
    assert ends(setup.input) == (0.0, 1.0)


MNIST_LOADER = "loader = DataLoader(datasets.MNIST('data', transform=transforms.ToTensor()), batch_size=32)\n"


def test_a_clean_target_for_a_noisy_input() -> None:
    train = """
        model = nn.Linear(784, 784)
        for img, _ in loader:
            img = img.view(img.size(0), -1)
            noisy = torch.clamp(img + torch.randn_like(img) * 0.3, 0.0, 1.0)
            loss = nn.MSELoss()(model(noisy), img)
        """
    setup = setup_of(MNIST_LOADER, train)
    assert setup.relation is Relation.NOISED_INPUT
    assert ends(setup.target) == (0.0, 1.0)


def test_a_noisy_target() -> None:
    train = """
        model = nn.Linear(784, 784)
        for img, _ in loader:
            img = img.view(img.size(0), -1)
            noisy = img + torch.randn_like(img) * 0.3
            loss = nn.MSELoss()(model(img), noisy)
        """
    assert setup_of(MNIST_LOADER, train).relation is Relation.NOISED_TARGET


def test_labels_as_target() -> None:
    train = """
        model = nn.Linear(784, 10)
        criterion = nn.CrossEntropyLoss()
        for batch_idx, (data, target) in enumerate(loader):
            output = model(data.view(-1, 784))
            loss = criterion(output, target)
        """
    setup = setup_of(MNIST_LOADER, train)
    assert setup.relation is Relation.LABELS
    assert setup.target.structure is Structure.CLASS_INDEX
    assert setup.target.dtype == "int64"
    assert setup.loss.name == "sparse_cce"
    assert setup.loss.from_logits is Tri.YES


def test_a_target_scaled_otherwise_than_the_input() -> None:
    train = """
        model = nn.Linear(784, 784)
        for img, _ in loader:
            img = img.view(-1, 784)
            loss = F.mse_loss(model(img), img * 255)
        """
    setup = setup_of(MNIST_LOADER, train)
    assert setup.relation is Relation.RESCALED
    assert setup.relation_scale == (255.0, 0.0)


def test_colour_images_normalised_with_their_statistics() -> None:
    target = target_of(
        """
        tf = transforms.Compose([
            transforms.ToTensor(),
            transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        ])
        loader = DataLoader(datasets.CIFAR10('data', transform=tf), batch_size=32)
        """
    )
    assert target.standardised is Tri.YES
    assert target.values.reach is not None
    assert target.values.reach.lo < -1.7
    assert target.values.reach.hi > 2.0


def test_random_data_of_a_demonstration() -> None:
    train = """
        model = nn.Linear(20, 20)
        x = torch.rand(256, 20)
        for step in range(100):
            loss = F.mse_loss(model(x), x)
        """
    target = target_of("", train)
    assert target.values.hull.closure().lo == 0.0
    assert target.values.hull.closure().hi == 1.0
    assert target.shape == (256, 20)


def test_an_unknown_loader_says_so() -> None:
    result = analyse_file("program.py", (IMPORTS + "from data import loader\n" + TRAIN).encode())
    assert len(result.setups) == 1
    assert result.setups[0].target.values.unknown
    assert result.setups[0].relation is Relation.SAME
    assert result.undecided

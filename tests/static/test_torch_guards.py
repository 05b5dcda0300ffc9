"""Branches that ask the data: bytes that are scaled only if they are bytes, and what counts the classes."""

from __future__ import annotations

import pytest

from tests.static.torch_programs import assert_plain, setup_of, setups_of


@pytest.mark.parametrize(
    "guard",
    [
        "if image.max() > 1:",
        "if np.max(image) > 1.0:",
        "if 1 < image.max():",
        "if (image > 1).any():",
        "if not (image <= 1).all():",
        "if np.any(image > 1):",
        "if torch.max(torch.from_numpy(image)).item() > 1:",
        "if image.dtype == np.uint8:",
        "if image.dtype != np.float32:",
    ],
)
def test_bytes_that_are_scaled_only_if_they_are_bytes(guard: str) -> None:
    setup = setup_of(
        f"""
        import cv2
        class Pictures(Dataset):
            def __init__(self, paths):
                self.paths = paths

            def __len__(self):
                return len(self.paths)

            def __getitem__(self, index):
                image = cv2.imread(self.paths[index])
                {guard}
                    image = image / 255.0
                return torch.from_numpy(image).float().permute(2, 0, 1)

        model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sigmoid())
        for x in DataLoader(Pictures(["a.png", "b.png"]), batch_size=2):
            F.mse_loss(model(x), x).backward()
        """
    )
    assert not setup.condition
    assert_plain(setup)


def test_a_guard_on_values_that_are_not_known_leaves_both_ways_open() -> None:
    setups = setups_of(
        """
        x = torch.from_numpy(np.load("x.npy"))
        model = nn.Sequential(nn.Linear(784, 784), nn.Tanh() if (x > 1).any() else nn.Sigmoid())
        F.mse_loss(model(x), x).backward()
        """
    )
    assert {setup.head.activation for setup in setups} == {"tanh", "sigmoid"}


def test_classes_numbered_by_a_dictionary() -> None:
    setup = setup_of(
        """
        import glob
        files = glob.glob("data/*/*.jpg")
        names = sorted(set(file.split("/")[1] for file in files))
        number = {name: index for index, name in enumerate(names)}

        class Pictures(Dataset):
            def __len__(self):
                return len(files)

            def __getitem__(self, index):
                return torch.rand(784), number[files[index].split("/")[1]]

        model = nn.Linear(784, 10)
        for x, y in DataLoader(Pictures(), batch_size=2):
            F.cross_entropy(model(x), y).backward()
        """
    )
    assert setup.loss.name == "sparse_cce"
    assert setup.target.values.hull.lo == 0.0


@pytest.mark.parametrize("labels", ["torch.zeros_like(ones)", "torch.full_like(ones, 1)", "ones.clone()"])
def test_labels_made_like_others_are_of_their_type(labels: str) -> None:
    setup = setup_of(
        f"""
        x = torch.rand(8, 784)
        ones = torch.ones(8, dtype=torch.long)
        F.cross_entropy(nn.Linear(784, 2)(x), {labels}).backward()
        """
    )
    assert setup.loss.name == "sparse_cce"

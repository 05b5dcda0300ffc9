"""Stand-ins through the libraries' own functions, in a sandboxed child."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from .conftest import Run, ended, events

pytestmark = pytest.mark.slow


def test_data_sets_of_keras(run_program: Run) -> None:
    pytest.importorskip("keras")
    outcome = run_program(
        """
        from keras.datasets import mnist, fashion_mnist, cifar10, cifar100, imdb, reuters, boston_housing

        def check(part, shape, dtype, label_shape):
            (x, y), (x_test, y_test) = part
            assert (x.shape, x.dtype, y.shape) == (shape, dtype, label_shape), (x.shape, x.dtype, y.shape)
            assert (x.min(), x.max()) == (0, 255) and len(x_test) == 10000

        check(mnist.load_data(), (60000, 28, 28), "uint8", (60000,))
        check(fashion_mnist.load_data(), (60000, 28, 28), "uint8", (60000,))
        check(cifar10.load_data(), (50000, 32, 32, 3), "uint8", (50000, 1))
        check(cifar100.load_data(label_mode="coarse"), (50000, 32, 32, 3), "uint8", (50000, 1))
        (x, y), _ = mnist.load_data(path="mnist.npz")
        x.reshape(60000, 784)
        (x, y), _ = imdb.load_data(num_words=500, maxlen=100)
        assert max(map(max, x)) < 500 and max(map(len, x)) < 100 and set(y) == {0, 1}
        assert imdb.get_word_index()
        (x, y), (x_test, y_test) = boston_housing.load_data()
        assert x.shape == (404, 13) and y_test.shape == (102,)
        """,
        env={"KERAS_BACKEND": "torch"},
        timeout=120,
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert [event["what"] for event in events(outcome, "StoodIn")] == [
        f"{name}.load_data()" for name in ("mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "boston_housing")
    ]
    assert events(outcome, "AccessBlocked") == []


def test_real_data_come_first(run_program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np = pytest.importorskip("numpy")
    pytest.importorskip("keras")
    (tmp_path / ".keras" / "datasets").mkdir(parents=True)
    real = {"x_train": [[7]], "y_train": [1], "x_test": [[7]], "y_test": [1]}
    np.savez(tmp_path / ".keras" / "datasets" / "mnist.npz", **real)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / ".keras"))
    outcome = run_program(
        """
        import keras.src.datasets.mnist as module
        get_file = module.get_file
        module.get_file = lambda fname, origin, file_hash=None: get_file(fname, origin)  # ours has another hash
        (x, _), _ = module.load_data()
        assert x.tolist() == [[7]]
        """,
        env={"KERAS_BACKEND": "torch"},
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert events(outcome, "StoodIn") == []


def test_data_sets_of_torchvision(run_program: Run) -> None:
    if find_spec("torchvision") is None:
        pytest.skip("no torchvision here")
    outcome = run_program(
        """
        import torch
        from torchvision import datasets, transforms
        from PIL import Image

        cases = {
            "MNIST": ({}, 60000, (28, 28), "L"), "FashionMNIST": ({"train": False}, 10000, (28, 28), "L"),
            "KMNIST": ({}, 60000, (28, 28), "L"), "EMNIST": ({"split": "letters"}, 124800, (28, 28), "L"),
            "QMNIST": ({}, 60000, (28, 28), "L"), "USPS": ({}, 7291, (16, 16), "L"),
            "CIFAR10": ({}, 50000, (32, 32), "RGB"), "CIFAR100": ({"train": False}, 10000, (32, 32), "RGB"),
            "SVHN": ({"split": "test"}, 26032, (32, 32), "RGB"), "STL10": ({}, 5000, (96, 96), "RGB"),
            "CelebA": ({}, 162770, (178, 218), "RGB"), "Flowers102": ({}, 1020, (256, 256), "RGB"),
            "EuroSAT": ({}, 27000, (64, 64), "RGB"), "Omniglot": ({}, 19280, (105, 105), "L"),
        }
        for name, (arguments, length, size, mode) in cases.items():
            data = getattr(datasets, name)("./data", download=True, **arguments)
            image, target = data[3]
            assert isinstance(image, Image.Image) and isinstance(data, getattr(datasets, name)), name
            assert (len(data), image.size, image.mode) == (length, size, mode), (name, len(data), image.size)

        class Noisy(datasets.MNIST):
            def __getitem__(self, index):
                image, label = super().__getitem__(index)
                return image + 1, label

        data = Noisy("data", train=False, transform=transforms.ToTensor(), target_transform=lambda label: label * 10)
        image, label = data[0]
        assert image.min() == 1.0 and image.shape == (1, 28, 28) and label % 10 == 0
        assert (data.data.shape, data.data.dtype, data.targets.dtype) == ((10000, 28, 28), torch.uint8, torch.int64)
        assert data.classes[3] == "3 - three"
        batch, _ = next(iter(torch.utils.data.DataLoader(data, 8, num_workers=2)))
        assert batch.shape == (8, 1, 28, 28)
        try:
            datasets.MNIST()
        except TypeError:
            pass
        """,
        timeout=120,
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert len(events(outcome, "StoodIn")) == 14
    assert events(outcome, "AccessBlocked") == []
    assert "not on this machine" in events(outcome, "StoodIn")[0]["text"]


def test_fetchers_of_scikit_learn(run_program: Run) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    outcome = run_program(
        """
        from sklearn.datasets import fetch_california_housing, fetch_olivetti_faces, fetch_openml
        x, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
        assert x.shape == (70000, 784) and x.max() == 255 and y[0] in set("0123456789")
        faces = fetch_olivetti_faces(shuffle=True)
        assert faces.images.shape == (400, 64, 64) and faces.data.max() <= 1.0
        x, y = fetch_california_housing(return_X_y=True)
        assert x.shape == (20640, 8)
        try:
            fetch_openml("a_data_set_that_nobody_knows")
        except OSError:
            print("refused")
        """,
        timeout=120,
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert outcome.stdout == "refused\n"
    assert [event["what"] for event in events(outcome, "StoodIn")] == [
        "fetch_openml('mnist_784')",
        "fetch_olivetti_faces()",
        "fetch_california_housing()",
    ]


def test_data_sets_of_tfds(run_program: Run) -> None:
    """The package itself is a stub here: what counts is that its ``load`` fails for want of a network."""
    pytest.importorskip("tensorflow")
    outcome = run_program(
        """
        import tensorflow as tf
        import tensorflow_datasets as tfds
        (train, some), info = tfds.load("mnist", split=["train", "test[:10%]"], as_supervised=True, with_info=True)
        image, label = next(iter(train))
        assert (image.shape, image.dtype, len(train), len(some)) == ((28, 28, 1), tf.uint8, 60000, 1000)
        assert info.features["label"].num_classes == 10 and info.splits["train"].num_examples == 60000
        parts = tfds.load("cifar10")
        assert set(parts) == {"train", "test"} and next(iter(parts["test"]))["image"].shape == (32, 32, 3)
        from ae_audit.runtime.stand_ins.tfds import package
        load = package(lambda what, made: None)["tensorflow_datasets"]["load"]
        pet = next(iter(load("oxford_iiit_pet:3.*.*", split="train").batch(8)))
        assert set(pet["segmentation_mask"].numpy().ravel()) == {1, 2, 3} and pet["image"].shape == (8, 128, 128, 3)
        try:
            tfds.load("an_unknown_set")
        except ConnectionError:
            print("refused")
        """,
        files={"tensorflow_datasets.py": "def load(name, **_):\n    raise ConnectionError(name)\n"},
        timeout=120,
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert outcome.stdout == "refused\n"
    assert [event["what"] for event in events(outcome, "StoodIn")] == ["tfds.load('mnist')", "tfds.load('cifar10')"]


def test_weights_that_cannot_be_downloaded(run_program: Run) -> None:
    pytest.importorskip("keras")
    outcome = run_program(
        """
        import keras
        from keras.applications import VGG16
        base = VGG16(weights="imagenet", include_top=False, input_shape=(32, 32, 3))
        path = keras.utils.get_file("mine.h5", "https://example.com/mine.h5")
        base.load_weights(path)
        """,
        env={"KERAS_BACKEND": "torch"},
        timeout=120,
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    notes = [event["text"].split(" are not")[0] for event in events(outcome, "Noted")]
    assert notes == [
        "the weights vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "the weights mine.h5",
    ]
    assert events(outcome, "AccessBlocked") == []


def test_weights_of_torch_that_cannot_be_downloaded(run_program: Run) -> None:
    if find_spec("torchvision") is None:
        pytest.skip("no torchvision here")
    outcome = run_program(
        """
        import torch
        from torchvision import models
        made = models.resnet18(weights=models.ResNet18_Weights.DEFAULT)
        other = torch.hub.load("pytorch/vision:v0.10.0", "resnet18", pretrained=True)
        assert type(other) is type(made)
        try:
            torch.hub.load("somebody/else", "net")
        except Exception:
            made.load_state_dict(made.state_dict())
        """,
        timeout=120,
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    (note,) = events(outcome, "Noted")
    assert note["text"].startswith("the weights resnet18-")
    assert events(outcome, "AccessBlocked") == []

"""Names that everybody binds to the same thing: what they mean in a file that uses them without importing them.

Excerpts of tutorials, cells whose imports stand in another notebook, ``from common import *``.
"""

from __future__ import annotations

CONVENTIONAL: dict[str, str] = {
    "np": "numpy",
    "numpy": "numpy",
    "pd": "pandas",
    "tf": "tensorflow",
    "keras": "keras",
    "torch": "torch",
    "nn": "torch.nn",
    "F": "torch.nn.functional",
    "optim": "torch.optim",
    "torchvision": "torchvision",
    "transforms": "torchvision.transforms",
    "datasets": "torchvision.datasets",
    "DataLoader": "torch.utils.data.DataLoader",
    "TensorDataset": "torch.utils.data.TensorDataset",
    "random_split": "torch.utils.data.random_split",
    "MNIST": "torchvision.datasets.MNIST",
    "FashionMNIST": "torchvision.datasets.FashionMNIST",
    "CIFAR10": "torchvision.datasets.CIFAR10",
    "ToTensor": "torchvision.transforms.ToTensor",
    "Normalize": "torchvision.transforms.Normalize",
    "pl": "lightning",
    "StandardScaler": "sklearn.preprocessing.StandardScaler",
    "MinMaxScaler": "sklearn.preprocessing.MinMaxScaler",
    "train_test_split": "sklearn.model_selection.train_test_split",
}
"""``datasets`` and the data sets by name are torchvision's: Keras programs write ``keras.datasets`` or ``mnist``."""

SNIPPET_KERAS = ("keras.models", "keras.layers", "keras.optimizers", "keras.callbacks", "keras.losses", "keras.utils")
SNIPPET_TORCH = ("torch.nn", "torch.utils.data", "torch.optim", "torchvision", "torchvision.datasets")
"""modules whose names a snippet without any import is taken to know: the usual imports above such a program"""

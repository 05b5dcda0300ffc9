"""Tables of library knowledge, one module each; every module holds a ``TABLE``."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

from ae_audit.static.interpreter.registry import Registry, Table

BASE = (
    "python.builtins",
    "python.containers",
    "python.records",
    "python.numpy",
    "python.numpy_random",
    "python.pandas",
    "python.images",
    "python.sklearn",
    "python.column_transformers",
    "python.image_quality",
    "python.audio",
    "python.albumentations",
)
KERAS = (
    "keras.names",
    "keras.layers",
    "keras.losses",
    "keras.models",
    "keras.training",
    "keras.data",
    "keras.tensorflow",
    "keras.graphs",
    "keras.segmentation_models",
    "keras.tuner",
)
TORCH = (
    "torch.modules",
    "torch.tensors",
    "torch.creation",
    "torch.criteria",
    "torch.utilities",
    "torch.distributions",
    "torch.data",
    "torch.torchvision_data",
    "torch.torchvision_steps",
    "torch.torchvision_models",
    "torch.model_zoo",
    "torch.lightning",
    "torch.transformers",
)
MODULES = (*BASE[:-1], *KERAS, *TORCH, BASE[-1])
"""in this order: later tables win"""
_KERAS_MARKS = (b"keras", b"tensorflow")
_TORCH_MARKS = (b"torch", b"lightning", b"ignite", b"accelerate", b"fastai", b"skorch")


def registry_for(source: bytes) -> Registry:
    """The tables that a program needs: those of one framework where it names only one, else all of them."""
    keras = any(mark in source for mark in _KERAS_MARKS)
    torch = any(mark in source for mark in _TORCH_MARKS)
    if not (keras or torch):
        return registry()
    albumentations = b"albumentations" in source
    return registry(keras, torch, albumentations)


@lru_cache(maxsize=8)
def registry(keras: bool = True, torch: bool = True, albumentations: bool = True) -> Registry:
    """The tables, each loaded once."""
    left_out = (() if keras else KERAS) + (() if torch else TORCH) + (() if albumentations else BASE[-1:])
    names = [name for name in MODULES if name not in left_out]
    tables: list[Table] = [import_module(f"{__name__}.{name}").TABLE for name in names]
    return Registry(tables)

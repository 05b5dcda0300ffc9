"""Tables of library knowledge, one module each; every module holds a ``TABLE``."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

from ae_audit.static.registry import Registry, Table

MODULES = (
    "python",
    "containers",
    "numpy_arrays",
    "images",
    "sklearn_data",
    "keras_names",
    "keras_layers",
    "keras_losses",
    "keras_models",
    "keras_training",
    "keras_data",
    "tf_ops",
    "torch_modules",
    "torch_tensors",
    "torch_creation",
    "torch_criteria",
    "torch_data",
    "torchvision_data",
    "torchvision_steps",
    "torchvision_models",
    "albumentations",
    "lightning",
)


@lru_cache(maxsize=1)
def registry() -> Registry:
    """All tables, loaded once."""
    tables: list[Table] = [import_module(f"{__name__}.{name}").TABLE for name in MODULES]
    return Registry(tables)

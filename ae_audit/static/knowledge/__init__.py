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
    "keras.wrappers",
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
    "torch.monai",
)
MODULES = (*BASE[:-1], *KERAS, *TORCH, BASE[-1])
"""in this order: later tables win"""
_OPTIONAL = {b"albumentations": "python.albumentations", b"monai": "torch.monai", b"wrappers": "keras.wrappers"}
"""tables of libraries that few programs name, by what such a program holds"""
_KERAS_MARKS = (b"keras", b"tensorflow")
_TORCH_MARKS = (b"torch", b"lightning", b"ignite", b"accelerate", b"fastai", b"skorch")


def registry_for(source: bytes) -> Registry:
    """The tables that a program needs: those of one framework where it names only one, else all of them."""
    keras = any(mark in source for mark in _KERAS_MARKS)
    torch = any(mark in source for mark in _TORCH_MARKS)
    if not (keras or torch):
        return registry()
    return registry(keras, torch, frozenset(name for mark, name in _OPTIONAL.items() if mark in source))


@lru_cache(maxsize=8)
def registry(keras: bool = True, torch: bool = True, optional: frozenset[str] | None = None) -> Registry:
    """The tables, each loaded once; of those that few programs need, the ones in ``optional`` (None: all)."""
    unasked = frozenset() if optional is None else frozenset(_OPTIONAL.values()) - optional
    left_out = {*(() if keras else KERAS), *(() if torch else TORCH), *unasked}
    names = [name for name in MODULES if name not in left_out]
    tables: list[Table] = [import_module(f"{__name__}.{name}").TABLE for name in names]
    return Registry(tables)

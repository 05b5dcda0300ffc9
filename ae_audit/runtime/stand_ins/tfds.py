"""Stand-ins for ``tensorflow_datasets.load``, for the best known data sets of pictures."""

from __future__ import annotations

import functools
import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ae_audit.runtime.stand_ins.samples import Pictures, digits, pictures

_SLICE = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?$")

_FEW = 640
"""pictures of a set whose real ones are larger, and of many sizes"""

_KNOWN: dict[str, dict[str, Callable[[], Pictures]]] = {
    "mnist": {
        "train": lambda: digits(60000, train=True),
        "test": lambda: digits(10000, train=False),
    },
    "fashion_mnist": {
        "train": lambda: pictures(60000, 28, 28, 1, 10, seed=2, train=True, dark=True),
        "test": lambda: pictures(10000, 28, 28, 1, 10, seed=2, train=False, dark=True),
    },
    "cifar10": {
        "train": lambda: pictures(50000, 32, 32, 3, 10, seed=10, train=True),
        "test": lambda: pictures(10000, 32, 32, 3, 10, seed=10, train=False),
    },
    "cifar100": {
        "train": lambda: pictures(50000, 32, 32, 3, 100, seed=100, train=True),
        "test": lambda: pictures(10000, 32, 32, 3, 100, seed=100, train=False),
    },
    "oxford_iiit_pet": {
        "train": lambda: pictures(_FEW, 128, 128, 3, 37, seed=37, train=True),
        "test": lambda: pictures(_FEW, 128, 128, 3, 37, seed=37, train=False),
    },
}
_ALSO = {"kmnist": "mnist"}
_CLASSES = {"cifar100": 100, "oxford_iiit_pet": 37}
_MASKS = {"oxford_iiit_pet": (1, 2, 3)}
"""what the pixels of the ``segmentation_mask`` of a data set are: pet, background, border"""


@dataclass(frozen=True, slots=True)
class _Info:
    """The part of ``DatasetInfo`` that programs read."""

    name: str
    splits: dict[str, Any]
    features: dict[str, Any] = field(default_factory=dict)

    @property
    def supervised_keys(self) -> tuple[str, str]:
        return ("image", "label")


def replace_load(module: ModuleType, attempt: Callable[..., Any], note: Callable[[str, str], None]) -> None:
    """Let ``module.load`` fall back on stand-ins."""
    original: Any = getattr(module, "load", None)
    if original is None:
        return

    @functools.wraps(original)
    def load(name: str, *args: Any, **kwargs: Any) -> Any:
        base = name.partition("/")[0].partition(":")[0]
        known = _ALSO.get(base, base)
        try:
            return attempt(original, name, *args, **kwargs)
        except Exception:
            if known not in _KNOWN or "tensorflow" not in sys.modules:
                raise
        return _made(known, name, note, *args, **kwargs)

    module.load = load  # type: ignore[attr-defined]


def package(note: Callable[[str, str], None]) -> dict[str, dict[str, Any]]:
    """What stands in for the package itself, where it is not installed."""

    def load(name: str, *args: Any, **kwargs: Any) -> Any:
        base = name.partition("/")[0].partition(":")[0]
        known = _ALSO.get(base, base)
        if known not in _KNOWN:
            raise FileNotFoundError(f"the data set {name!r} is not on this machine")
        return _made(known, name, note, *args, **kwargs)

    return {"tensorflow_datasets": {"load": load, "disable_progress_bar": lambda: None}}


def _made(known: str, name: str, note: Callable[[str, str], None], split: Any = None, **kwargs: Any) -> Any:
    supervised = bool(kwargs.get("as_supervised", False))
    data = _split(known, split, supervised, kwargs.get("batch_size"))
    note(f"tfds.load({name!r})", "2,000 real MNIST digits, repeated" if known == "mnist" else "synthetic images")
    return (data, _info(known)) if kwargs.get("with_info") else data


def _split(name: str, split: Any, supervised: bool, batch: int | None) -> Any:
    if split is None:
        return {part: _dataset(name, part, supervised, batch) for part in _KNOWN[name]}
    if isinstance(split, (list, tuple)):
        return type(split)(_split(name, part, supervised, batch) for part in split)
    return _dataset(name, str(split), supervised, batch)


def _dataset(name: str, split: str, supervised: bool, batch: int | None) -> Any:
    tf: Any = importlib.import_module("tensorflow")
    whole = None
    for piece in split.replace(" ", "").split("+"):
        found = _SLICE.match(piece)
        if found is None or found[1] not in _KNOWN[name]:
            raise ValueError(f"unknown split {piece!r}")
        part = _KNOWN[name][found[1]]()
        cut = slice(*(None if end is None else _position(end, part.length) for end in found.group(2, 3)))
        images, labels = part.all_images()[cut], part.all_labels()[cut]
        images = images[..., None] if images.ndim == 3 else images
        elements: Any = (images, labels) if supervised else {"image": images, "label": labels}
        if name in _MASKS and not supervised:
            kinds = np.asarray(_MASKS[name], np.uint8)
            elements["segmentation_mask"] = kinds[images[..., :1].astype(np.int64) * len(kinds) // 256]
        data = tf.data.Dataset.from_tensor_slices(elements)
        whole = data if whole is None else whole.concatenate(data)
    if batch is None:
        return whole
    return whole.batch(len(whole) if batch == -1 else batch) if whole is not None else None


def _position(text: str, length: int) -> int:
    return round(length * int(text[:-1]) / 100) if text.endswith("%") else int(text)


def _info(name: str) -> _Info:
    classes = _CLASSES.get(name, 10)
    label = SimpleNamespace(num_classes=classes, names=[str(i) for i in range(classes)])
    parts = {part: make() for part, make in _KNOWN[name].items()}
    shape = next(iter(parts.values())).images.shape[1:]
    image = SimpleNamespace(shape=(*shape, 1) if len(shape) == 2 else shape)
    splits = {part: SimpleNamespace(num_examples=found.length) for part, found in parts.items()}
    return _Info(name, splits, {"image": image, "label": label})

"""Stand-ins for torchvision's data sets.

An instance that finds its files absent is filled as its class would have filled it (``data``, ``targets``,
``classes``); the class's own ``__getitem__`` then yields PIL images through the user's transforms. Data sets that read
a file for each image get pictures from memory.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch

Attempt = Callable[..., Any]
Note = Callable[[str, str], None]
Arguments = Mapping[str, Any]

_MISSING = (OSError, RuntimeError, ImportError)


@dataclass(frozen=True, slots=True)
class _Spec:
    """A data set: how to fill an instance, given its constructor's arguments; says what it was filled with."""

    module: str
    fill: Callable[[Any, Arguments], str]


def install_torchvision(watch: ImportWatch, attempt: Attempt, note: Note) -> None:
    """Watch for torchvision's data set modules."""
    by_module: dict[str, list[str]] = {}
    for name, spec in _SPECS.items():
        by_module.setdefault(spec.module, []).append(name)
    for module, names in by_module.items():
        watch.when_imported(
            f"torchvision.datasets.{module}", functools.partial(_wrap, names=names, attempt=attempt, note=note)
        )


def _wrap(module: ModuleType, *, names: list[str], attempt: Attempt, note: Note) -> None:
    for name in names:
        cls = getattr(module, name, None)
        if cls is not None and "__init__" in vars(cls):
            cls.__init__ = _filling_init(cls.__init__, attempt, note)


def _filling_init(original: Callable[..., None], attempt: Attempt, note: Note) -> Callable[..., None]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            attempt(original, self, *args, **kwargs)
            return
        except _MISSING:
            spec = next((_SPECS[cls.__name__] for cls in type(self).__mro__ if cls.__name__ in _SPECS), None)
            if spec is None:
                raise
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        arguments = {**bound.arguments, **bound.arguments.get("kwargs", {})}
        _base(type(self)).__init__(
            self,
            arguments.get("root"),
            transform=arguments.get("transform"),
            target_transform=arguments.get("target_transform"),
        )
        name = next(cls.__name__ for cls in type(self).__mro__ if cls.__name__ in _SPECS)
        made_of = spec.fill(self, arguments)
        note(f"torchvision.datasets.{name}", made_of)

    return init


def _base(cls: type) -> Any:
    return next(base for base in cls.__mro__ if base.__name__ == "VisionDataset")


def _tensor(array: Any) -> Any:
    return sys.modules["torch"].from_numpy(array)


def _fill_digits(sizes: tuple[int, int]) -> Callable[[Any, Arguments], str]:
    def fill(self: Any, arguments: Arguments) -> str:
        from ae_audit.runtime.stand_ins.samples import digits

        train = self.train = bool(arguments.get("train", True))
        part = digits(sizes[0] if train else sizes[1], train=train)
        self.data, self.targets = _tensor(part.all_images()), _tensor(part.all_labels())
        return "2,000 real MNIST digits, repeated"

    return fill


_EMNIST_SIZES = {
    "byclass": (697932, 116323),
    "bymerge": (697932, 116323),
    "balanced": (112800, 18800),
    "letters": (124800, 20800),
    "digits": (240000, 40000),
    "mnist": (60000, 10000),
}


def _fill_emnist(self: Any, arguments: Arguments) -> str:
    split = getattr(self, "split", "balanced")
    made_of = _fill_digits(_EMNIST_SIZES[split])(self, arguments)
    if split == "letters":
        self.targets += 1  # its classes are counted from 1
    self.data = self.data.transpose(1, 2).contiguous()  # as EMNIST stores them
    return made_of


def _fill_qmnist(self: Any, arguments: Arguments) -> str:
    from ae_audit.runtime.stand_ins.samples import digits

    length = {"train": 60000, "test": 60000, "test10k": 10000, "test50k": 50000, "nist": 402953}[self.what]
    part = digits(length, train=self.what == "train")
    self.train = bool(arguments.get("train", True))
    self.data = _tensor(part.all_images())
    self.targets = sys.modules["torch"].zeros((length, 8), dtype=sys.modules["torch"].int64)
    self.targets[:, 0] = _tensor(part.all_labels())
    return "2,000 real MNIST digits, repeated"


def _fill_fashion(self: Any, arguments: Arguments) -> str:
    from ae_audit.runtime.stand_ins.samples import pictures

    train = self.train = bool(arguments.get("train", True))
    part = pictures(60000 if train else 10000, 28, 28, 1, 10, seed=2, train=train, dark=True)
    self.data, self.targets = _tensor(part.all_images()), _tensor(part.all_labels())
    return "synthetic images"


def _fill_usps(self: Any, arguments: Arguments) -> str:
    from ae_audit.runtime.stand_ins.samples import small_digits

    train = bool(arguments.get("train", True))
    part = small_digits(7291 if train else 2007, train=train)
    self.data, self.targets = part.all_images(), part.all_labels().tolist()
    return "2,000 real MNIST digits at 16 by 16, repeated"


_CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def _fill_cifar(classes: int) -> Callable[[Any, Arguments], str]:
    def fill(self: Any, arguments: Arguments) -> str:
        from ae_audit.runtime.stand_ins.samples import pictures

        train = self.train = bool(arguments.get("train", True))
        part = pictures(50000 if train else 10000, 32, 32, 3, classes, seed=classes, train=train)
        self.data, self.targets = part.all_images(), part.all_labels().tolist()
        self.classes = _CIFAR10_CLASSES if classes == 10 else [f"class{i}" for i in range(classes)]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        return "synthetic images"

    return fill


def _fill_svhn(self: Any, arguments: Arguments) -> str:
    from ae_audit.runtime.stand_ins.samples import pictures

    self.split = arguments.get("split", "train")
    length = {"train": 73257, "test": 26032, "extra": 60000}[self.split]
    part = pictures(length, 32, 32, 3, 10, seed=21, train=self.split == "train")
    self.data, self.labels = part.all_images().transpose(0, 3, 1, 2), part.all_labels()
    return "synthetic images" if self.split != "extra" else "synthetic images, 60,000 of the 531,131"


def _fill_stl10(self: Any, arguments: Arguments) -> str:
    from ae_audit.runtime.stand_ins.samples import pictures

    self.split, self.folds = arguments.get("split", "train"), arguments.get("folds")
    length = {"train": 5000, "test": 8000, "unlabeled": 8000, "train+unlabeled": 13000}[self.split]
    part = pictures(length, 96, 96, 3, 10, seed=22, train=self.split != "test")
    self.data = part.all_images().transpose(0, 3, 1, 2)
    self.labels = part.all_labels() if "unlabeled" not in self.split else part.all_labels() * 0 - 1
    self.classes = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    return "synthetic images" if self.split in {"train", "test"} else "synthetic images, fewer than the 100,000"


def _fill_from_memory(
    sizes: Mapping[str, int], height: int, width: int, channels: int, classes: int, seed: int
) -> Callable[[Any, Arguments], str]:
    """For data sets that open a file for each image: a class of the same name whose items come from memory."""

    def fill(self: Any, arguments: Arguments) -> str:
        from ae_audit.runtime.stand_ins.samples import pictures

        split = str(arguments.get("split", "train" if arguments.get("background", True) else "test"))
        length = sizes.get(split, next(iter(sizes.values())))
        part = pictures(length, height, width, channels, classes, seed=seed, train=split.startswith("train"))
        self._stand_in = part
        self.split = split
        self.classes = [f"class{i}" for i in range(classes)]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.__class__ = _with_items_from_memory(type(self))
        return "synthetic images"

    return fill


def _with_items_from_memory(cls: type) -> type:
    def item(self: Any, index: int) -> tuple[Any, Any]:
        part = self._stand_in
        if not -part.length <= index < part.length:
            raise IndexError(index)
        place = index % part.length % len(part.images)
        image = sys.modules["PIL.Image"].fromarray(part.images[place])
        target = _celeba_target(self, place) if hasattr(self, "target_type") else int(part.labels[place])
        return self.transforms(image, target) if self.transforms is not None else (image, target)

    def size(self: Any) -> int:
        return int(self._stand_in.length)

    return type(cls.__name__, (cls,), {"__getitem__": item, "__len__": size, "__module__": cls.__module__})


def _fill_celeba(self: Any, arguments: Arguments) -> str:
    import numpy as np

    wanted = arguments.get("target_type", "attr")
    self.target_type = wanted if isinstance(wanted, list) else [wanted]
    made_of = _fill_from_memory(
        {"train": 162770, "valid": 19867, "test": 19962, "all": 202599}, 218, 178, 3, 40, seed=23
    )(self, arguments)
    count = len(self._stand_in.images)
    rng = np.random.default_rng(23)
    self.attr = _tensor(rng.integers(0, 2, (count, 40)))
    self.identity = _tensor(rng.integers(1, 10178, (count, 1)))
    self.bbox = _tensor(np.tile(np.array([[47, 39, 80, 120]]), (count, 1)))
    self.landmarks_align = _tensor(rng.integers(60, 150, (count, 10)))
    self.attr_names = [f"attribute{i}" for i in range(40)]
    return made_of


def _celeba_target(self: Any, place: int) -> Any:
    tables = {"attr": self.attr, "bbox": self.bbox, "landmarks": self.landmarks_align}
    found = [self.identity[place, 0] if kind == "identity" else tables[kind][place] for kind in self.target_type]
    return None if not found else found[0] if len(found) == 1 else tuple(found)


_SPECS: dict[str, _Spec] = {
    "MNIST": _Spec("mnist", _fill_digits((60000, 10000))),
    "KMNIST": _Spec("mnist", _fill_digits((60000, 10000))),
    "EMNIST": _Spec("mnist", _fill_emnist),
    "QMNIST": _Spec("mnist", _fill_qmnist),
    "FashionMNIST": _Spec("mnist", _fill_fashion),
    "USPS": _Spec("usps", _fill_usps),
    "CIFAR10": _Spec("cifar", _fill_cifar(10)),
    "CIFAR100": _Spec("cifar", _fill_cifar(100)),
    "SVHN": _Spec("svhn", _fill_svhn),
    "STL10": _Spec("stl10", _fill_stl10),
    "CelebA": _Spec("celeba", _fill_celeba),
    "Omniglot": _Spec("omniglot", _fill_from_memory({"train": 19280, "test": 13180}, 105, 105, 1, 964, 24)),
    "Flowers102": _Spec(
        "flowers102", _fill_from_memory({"train": 1020, "val": 1020, "test": 6149}, 256, 256, 3, 102, 26)
    ),
    "Food101": _Spec("food101", _fill_from_memory({"train": 75750, "test": 25250}, 256, 256, 3, 101, 27)),
    "EuroSAT": _Spec("eurosat", _fill_from_memory({"train": 27000}, 64, 64, 3, 10, 28)),
}

"""PyTorch and torchvision: names and arguments that are gone."""

from __future__ import annotations

import functools
import re
import sys
from types import ModuleType
from typing import Any

from ae_audit.runtime.compat.arguments import DROPPED, take_old_arguments
from ae_audit.runtime.compat.names import OldNames, Successor
from ae_audit.runtime.compat.uses import REFUSED, Uses
from ae_audit.runtime.host.imports import ImportWatch

MODULES: dict[str, str | Successor] = {
    "torch._six": Successor("ae_audit.runtime.compat.torch_six", "the names of Python 3"),
    "torchvision.models.utils": "torch.hub",
    "torchvision.transforms.functional_tensor": "torchvision.transforms.functional",
}
NAMES: dict[str, dict[str, str | Successor]] = {
    "torch": {"set_deterministic": "torch:use_deterministic_algorithms"},
    "torchvision.transforms": {
        "Scale": "torchvision.transforms:Resize",
        "RandomSizedCrop": "torchvision.transforms:RandomResizedCrop",
    },
    "torchvision.transforms.transforms": {
        "Scale": "torchvision.transforms:Resize",
        "RandomSizedCrop": "torchvision.transforms:RandomResizedCrop",
    },
    "torch.nn.init": {
        name: f"torch.nn.init:{name}_"
        for name in (
            *("constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse"),
            *("uniform", "xavier_normal", "xavier_uniform"),
        )
    },
    "torch.nn.utils": {"clip_grad_norm": "torch.nn.utils:clip_grad_norm_"},
    "torch.nn.functional": {
        "upsample": "torch.nn.functional:interpolate",
        "sigmoid": "torch:sigmoid",
        "tanh": "torch:tanh",
    },
}
_OLD_NUMBER = re.compile(r"(?:\.data|(?i:loss|cost|err)\w*)\s*\[\s*(?:0|-1)\s*\]")
"""``loss.data[0]``, ``total_loss[0]``"""


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what PyTorch has renamed."""
    for old, new in MODULES.items():
        names.module(old, new)
    for module, table in NAMES.items():
        names.names(module, table)
    watch.when_imported("torch.optim.lr_scheduler", functools.partial(_schedulers, uses=uses))
    watch.when_imported("torch", functools.partial(_loaders, uses=uses))
    watch.when_imported("torch", functools.partial(_numbers, uses=uses))
    watch.when_imported("torch", functools.partial(_arrays_of_one, uses=uses))
    watch.when_imported("torch", functools.partial(_full, uses=uses))
    watch.when_imported("torchvision.transforms.functional", functools.partial(_channels, uses=uses))


def _schedulers(module: ModuleType, uses: Uses) -> None:
    """``verbose``, which printed the learning rate."""
    for name, cls in list(vars(module).items()):
        if isinstance(cls, type) and issubclass(cls, module.LRScheduler) and "__init__" in vars(cls):
            shown = f"torch.optim.lr_scheduler.{name}"
            take_old_arguments(cls, "__init__", {"verbose": DROPPED}, uses, shown=shown, library="torch")


def _loaders(module: ModuleType, uses: Uses) -> None:
    """``iter(loader).next()`` of Python 2, also of the loops that the recorder cuts short."""
    cls = module.utils.data.dataloader._BaseDataLoaderIter
    if hasattr(cls, "next"):
        return
    from ae_audit.runtime.host.accommodations.short_loaders import FewBatches

    def next_(self: Any) -> Any:
        uses.tell("iter(DataLoader).next()", "torch", "next(…) stood in for it")
        return next(self)

    cls.next = FewBatches.next = next_


def _numbers(module: ModuleType, uses: Uses) -> None:
    """``loss.data[0]``: before 0.4, a loss was a list of one.

    Only where the program has such an index: a class with a ``__getitem__`` written in Python is a sequence to C, and
    ``torch.tensor([number, number])`` then asks each number for its length.
    """
    if _OLD_NUMBER.search(uses.program()) is None:
        return
    original = module.Tensor.__getitem__

    @functools.wraps(original)
    def getitem(self: Any, index: Any) -> Any:
        try:
            return original(self, index)
        except IndexError:
            if type(index) is not int or index not in (0, -1) or self.dim():
                raise
            if not uses.answers({"torch"}, sys._getframe(1), named=False):
                raise
        uses.tell("an index of a tensor that is one number", "torch", "the number was given", gone=REFUSED)
        return self

    module.Tensor.__getitem__ = getitem


def _full(module: ModuleType, uses: Uses) -> None:
    """``torch.full(size, 1)`` of labels for ``BCELoss``: before 1.5, that gave floats, and the loss takes no others."""
    original = module.full

    @functools.wraps(original)
    def full(*args: Any, **kwargs: Any) -> Any:
        value = kwargs.get("fill_value", args[1] if len(args) > 1 else None)
        labels = type(value) is int and value in (0, 1) and kwargs.get("dtype") is None and kwargs.get("out") is None
        if not labels or not uses.answers({"torch"}, sys._getframe(1), named=False) or "BCELoss(" not in uses.program():
            return original(*args, **kwargs)
        uses.tell("torch.full(…, 1) of labels for BCELoss", "torch", "floats were given", gone=REFUSED)
        return original(*args, **{**kwargs, "dtype": module.get_default_dtype()})

    module.full = full  # type: ignore[attr-defined]


def _arrays_of_one(module: ModuleType, uses: Uses) -> None:
    """``loss.data.numpy()[0]``, likewise."""
    original = module.Tensor.numpy

    @functools.wraps(original)
    def numpy(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = original(self, *args, **kwargs)
        if made.ndim or not uses.answers({"torch"}, sys._getframe(1), named=False):
            return made
        return _array_of_one(uses)(made)

    module.Tensor.numpy = numpy


@functools.cache
def _array_of_one(uses: Uses) -> Any:
    """Makes arrays without an axis that have an index 0 all the same."""
    import numpy as np

    class Number(np.ndarray[Any, Any]):
        def __getitem__(self, index: Any) -> Any:
            if type(index) is not int or index not in (0, -1) or self.ndim:
                return super().__getitem__(index)
            uses.tell("an index of an array that is one number", "torch", "the number was given", gone=REFUSED)
            return super().__getitem__(())

    return lambda made: made.view(Number)


def _channels(module: ModuleType, uses: Uses) -> None:
    """``Normalize`` with three means for a picture of one channel: before 0.3, it took the first of them."""
    original = module.normalize

    @functools.wraps(original)
    def normalize(tensor: Any, mean: Any, std: Any, inplace: bool = False) -> Any:
        try:
            return original(tensor, mean, std, inplace)
        except RuntimeError:
            channels = tensor.shape[-3] if tensor.dim() >= 3 else 0
            if not all(isinstance(each, (list, tuple)) and len(each) > channels > 0 for each in (mean, std)):
                raise
        uses.tell(
            "Normalize with more means than channels", "torchvision", "the first were taken, as it did", gone=REFUSED
        )
        return original(tensor, mean[:channels], std[:channels], inplace)

    module.normalize = normalize  # type: ignore[attr-defined]

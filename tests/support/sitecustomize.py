"""For interpreters started by the tests: lets a torchvision without its compiled operators be imported.

Where torch and torchvision come from different indexes, ``import torchvision`` fails because the operators that it
registers shapes for were never declared. Declaring their schemas is enough for its data sets and transforms. Nothing is
imported at start: the declaration waits for the program's own ``import torchvision``.
"""

import contextlib
import importlib.machinery
import sys

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _declare_operators():
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        with contextlib.suppress(RuntimeError):  # it is there already
            library.define(schema)
    _kept.append(library)


_kept = []


class _BeforeTorchvision:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            if not _has_compiled_operators():
                _declare_operators()
        return None


def _has_compiled_operators():
    """Whether the compiled operators will load: declaring them first would then clash."""
    spec = importlib.machinery.PathFinder.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return True
    import ctypes
    import glob
    import os

    import torch  # noqa: F401  (its libraries must be there for the operators' to load)

    found = glob.glob(os.path.join(next(iter(spec.submodule_search_locations)), "_C*.so"))
    try:
        ctypes.CDLL(found[0]) if found else None
    except OSError:
        return False
    return bool(found)


sys.meta_path.insert(0, _BeforeTorchvision())

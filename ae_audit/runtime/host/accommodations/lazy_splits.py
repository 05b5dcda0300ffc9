"""Splitting a data set of torch with scikit-learn, without loading every item of it before the first step.

``train_test_split`` picks items from what is no array one by one into a list: tens of thousands of images are read and
transformed, of which the audit sees a few batches. Here the parts are views, as ``random_split`` gives them.
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch

_SPLITS = "sklearn.model_selection._split"


def split_lazily(watch: ImportWatch) -> None:
    """Replace the picking of items wherever the program splits data sets."""
    watch.when_imported(_SPLITS, _replace)


def _replace(module: ModuleType) -> None:
    original = module._safe_indexing

    @functools.wraps(original)
    def pick(X: Any, indices: Any, **kwargs: Any) -> Any:
        data = sys.modules.get("torch.utils.data")
        if data is not None and isinstance(X, data.Dataset) and not hasattr(X, "shape"):
            return data.Subset(X, [int(index) for index in indices])
        return original(X, indices, **kwargs)

    module._safe_indexing = pick  # type: ignore[attr-defined]

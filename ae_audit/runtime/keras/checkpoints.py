"""What ``ModelCheckpoint`` would have left of a ``fit`` that is not carried out: programs load it afterwards.

The training was only begun, so the weights are those that the model has, and nothing needs to be written.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ae_audit.runtime.host.patching import can_be_detoured, detoured, replaced

_PLACE_HOLDER = re.compile(r"\{[^{}]*\}")


class Checkpoints:
    """Files that callbacks were told to write, each with the model that would be in it."""

    def __init__(self) -> None:
        self._left: list[tuple[re.Pattern[str], Any]] = []

    def would_leave(self, callbacks: Any, model: Any) -> None:
        """Remember what a training with these callbacks writes."""
        for callback in callbacks if isinstance(callbacks, (list, tuple)) else ():
            path = getattr(callback, "filepath", None)
            if type(callback).__name__ == "ModelCheckpoint" and isinstance(path, (str, os.PathLike)):
                parts = _PLACE_HOLDER.split(os.path.abspath(os.fspath(path)))
                self._left.append((re.compile("[^/]*".join(map(re.escape, parts))), model))

    def model_in(self, path: Any) -> Any:
        """The model whose checkpoint that file would be; None where it is none, or is there."""
        if not isinstance(path, (str, os.PathLike)) or os.path.exists(path):
            return None
        whole = os.path.abspath(os.fspath(path))
        return next((model for pattern, model in reversed(self._left) if pattern.fullmatch(whole)), None)

    def answer(self, replacing: contextlib.ExitStack, model: Any) -> None:
        """Have ``load_weights`` and ``load_model`` find them."""
        original = model.load_weights

        @functools.wraps(original)
        def load_weights(network: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
            if self.model_in(filepath) is not None:
                return None
            return original(network, filepath, *args, **kwargs)

        replacing.enter_context(replaced(model, "load_weights", load_weights))
        load_model = importlib.import_module("keras.src.saving.saving_api").load_model
        if can_be_detoured(load_model):
            replacing.enter_context(detoured(load_model, self._load_model))

    def _load_model(self, original: FunctionType) -> Callable[..., Any]:
        @functools.wraps(original)
        def load_model(filepath: Any, *args: Any, **kwargs: Any) -> Any:
            known = self.model_in(filepath)
            return original(filepath, *args, **kwargs) if known is None else known

        return load_model

"""Keras 2 (``tf_keras``, ``tf.keras`` under ``TF_USE_LEGACY_KERAS``): not watched, and said so instead of trained."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.scripts import StopProgram
from ae_audit.runtime.host.user_code import UserCode
from ae_audit.schema.location import Location

SENTENCE = (
    "this program trains with Keras 2 (tf_keras), whose trainings are not watched; the results below are from "
    "reading alone. With Keras 3 (unset TF_USE_LEGACY_KERAS) it would be run"
)
TRAINING = ("fit", "fit_generator", "train_on_batch")


def refuse_legacy(module: ModuleType, script: str | Path, on_problem: Callable[[str, Location | None], None]) -> None:
    """End the program at its first training with ``tf_keras`` (the ``module``), with a sentence that says why."""
    code = UserCode(script)

    def refusing(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def refuse(*_: Any, **__: Any) -> Any:
            on_problem(SENTENCE, code.location())
            raise StopProgram

        return refuse

    for name in TRAINING:
        if hasattr(module.Model, name):
            setattr(module.Model, name, refusing(getattr(module.Model, name)))
    optimizer = getattr(module.optimizers, "Optimizer", None)
    if optimizer is not None and hasattr(optimizer, "apply_gradients"):
        optimizer.apply_gradients = refusing(optimizer.apply_gradients)

"""Which files can hold a training set-up at all: decided on bytes, before anything is parsed."""

from __future__ import annotations

import re

_FRAMEWORK = re.compile(rb"\b(?:keras|tensorflow|torch|pytorch_lightning|lightning|tflearn|accelerate|ignite|fastai)\b")
_LOSS = re.compile(
    rb"loss|compile|criterion|\.fit|train_on_batch|entropy|backward|minimize|mse|MSE|training_step|GradientTape|\.train\("
)


_TRAINS = re.compile(rb"(?<!\bre)\.compile\(|\.backward\(|\.train_on_batch\(|\.fit_generator\(|\.fit\(")
"""what trains even where the framework is imported by another module of the project"""
_OWN_IMPORT = re.compile(rb"^\s*(?:from|import)\s+[.\w]", re.MULTILINE)


def may_train(source: bytes) -> bool:
    """Whether the bytes mention a framework and something that computes a loss, or plainly train a model."""
    if _FRAMEWORK.search(source) is not None:
        return _LOSS.search(source) is not None
    return _TRAINS.search(source) is not None and _OWN_IMPORT.search(source) is not None

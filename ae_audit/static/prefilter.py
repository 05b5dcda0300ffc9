"""Which files can hold a training set-up at all: decided on bytes, before anything is parsed."""

from __future__ import annotations

import re

_FRAMEWORK = re.compile(rb"\b(?:keras|tensorflow|torch|pytorch_lightning|lightning|tflearn|accelerate|ignite|fastai)\b")
_LOSS = re.compile(
    rb"loss|compile|criterion|\.fit|train_on_batch|entropy|backward|minimize|mse|MSE|training_step|GradientTape|\.train\("
)


def may_train(source: bytes) -> bool:
    """Whether the bytes mention a framework, and something that computes a loss or trains."""
    return _FRAMEWORK.search(source) is not None and _LOSS.search(source) is not None

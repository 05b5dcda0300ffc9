"""For every test: a torchvision without its compiled operators can be imported here, as in audited programs, and torch
can be imported after TensorFlow."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

_PLACE = Path(__file__).parent / "support" / "sitecustomize.py"
_SPEC = importlib.util.spec_from_file_location("torchvision_without_operators", _PLACE)
assert _SPEC is not None
assert _SPEC.loader is not None
_SPEC.loader.exec_module(importlib.util.module_from_spec(_SPEC))

# Builds of torch for CUDA bring triton, whose import ends the process where TensorFlow is already in it.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

"""Tracebacks with the frames of Keras and TensorFlow, which these leave out for people.

By the innermost frame it is told whose error it is: where the libraries' frames are left out, that may be one of ours
which only handed a call on.
"""

from __future__ import annotations

import contextlib
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch


def keep_whole_tracebacks(watch: ImportWatch) -> None:
    """Begin; before the program is run."""
    watch.when_imported("keras", lambda module: _of(getattr(module, "config", None)))
    watch.when_imported("tensorflow", lambda module: _of(getattr(module, "debugging", None)))


def _of(settings: ModuleType | Any) -> None:
    with contextlib.suppress(AttributeError):  # a release that leaves nothing out
        settings.disable_traceback_filtering()

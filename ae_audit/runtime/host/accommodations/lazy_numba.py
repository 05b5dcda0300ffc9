"""Numba functions of libraries compiled when they are called, not when the library is imported.

A library that names the types of its functions (umap's nearest neighbours: dozens) has them compiled by its import.
What Numba keeps of that between runs lies where the sandbox lets nothing be written, so every run would compile them
anew, for half a minute of processor time, and most programs use them after their training.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch
from ae_audit.runtime.host.user_code import LIBRARY_FOLDERS


def compile_later(watch: ImportWatch) -> None:
    """Begin; before the program is run."""
    watch.when_imported("numba", _replace)


def _replace(module: ModuleType) -> None:
    for name in ("jit", "njit"):
        setattr(module, name, _without_types(getattr(module, name)))


def _without_types(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def jit(signature_or_function: Any = None, *args: Any, **kwargs: Any) -> Any:
        asking = sys._getframe(1).f_code.co_filename
        if not callable(signature_or_function) and any(folder in asking for folder in LIBRARY_FOLDERS):
            signature_or_function = None  # then they are those of the first call
        return original(signature_or_function, *args, **kwargs)

    return jit

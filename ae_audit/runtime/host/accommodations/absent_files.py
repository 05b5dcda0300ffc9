"""Say which picture was not there: OpenCV gives None for it, and the program fails lines later with another message."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch


def tell_absent_pictures(watch: ImportWatch, note: Callable[[str], None]) -> None:
    """Call ``note`` with a sentence for the first file that ``cv2.imread`` does not find."""
    watch.when_imported("cv2", functools.partial(_replace, note=note))


def _replace(module: ModuleType, note: Callable[[str], None]) -> None:
    original = module.imread
    told = False

    @functools.wraps(original)
    def imread(filename: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal told
        image = original(filename, *args, **kwargs)
        if image is None and not told and isinstance(filename, (str, os.PathLike)) and not os.path.exists(filename):
            told = True
            note(f"cv2.imread gave None: the file {os.fspath(filename)} does not exist")
        return image

    module.imread = imread  # type: ignore[attr-defined]

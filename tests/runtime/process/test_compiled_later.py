"""Numba compiles a library's functions when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ae_audit.runtime.host.accommodations.lazy_numba import compile_later
from ae_audit.runtime.host.imports import ImportWatch

SOURCE = "import numba\n@numba.njit('f8(f8)')\ndef half(x):\n    return x / 2\n"


def test_a_librarys_functions_wait_and_the_programs_own_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba")
    for name in ("jit", "njit"):
        monkeypatch.setattr(numba, name, getattr(numba, name))  # put back afterwards
    compile_later(ImportWatch(lambda name, error: None))
    compiled = {}
    for place in ("site-packages/neighbours.py", "program.py"):
        namespace: dict[str, Any] = {"__name__": Path(place).stem}
        exec(compile(SOURCE, f"/somewhere/{place}", "exec"), namespace)
        compiled[place] = namespace["half"]
    library, own = compiled.values()
    assert library.signatures == []
    assert len(own.signatures) == 1
    assert library(3.0) == own(3.0) == 1.5

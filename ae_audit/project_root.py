"""Where the project of a file begins: up to there its imports are looked for."""

from __future__ import annotations

import os

_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
_HINTS = ("requirements.txt", "environment.yml", "README.md", "README.rst", "LICENSE")
"""what lies at the top of a project that was downloaded rather than cloned; in a clone also in folders below"""
_HINTED = 4
"""folders, the file's own among them, in which a hint is looked for where there is no mark"""


def project_root(folder: str) -> str:
    """The nearest folder from ``folder`` upwards that a project begins in; ``folder`` itself where none says so."""
    for marks, limit in ((_MARKS, None), (_HINTS, _HINTED)):
        current, seen = folder, 0
        while limit is None or seen < limit:
            if any(os.path.exists(os.path.join(current, mark)) for mark in marks):
                return current
            parent = os.path.dirname(current)
            if parent == current:
                break
            current, seen = parent, seen + 1
    return folder

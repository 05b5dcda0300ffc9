"""The program's own modules, found where reading finds them, also when nothing put the project's root in the path.

A program that is started as ``python -m src.train``, or with ``PYTHONPATH=.``, imports from the root of its project,
while the audit is given the file alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from ae_audit.source.project_root import folder_around, import_folders, project_root


class FirstParty:
    """The last finder, asked for what nobody else finds: whatever was found before is found as before.

    Args:
        script: the program.
        root: the folder up to which its modules are looked for; None: where the project begins by its usual marks.
    """

    def __init__(self, script: str, root: str | None = None) -> None:
        self._folder = os.path.dirname(os.path.realpath(script))
        self._found: list[str] = []
        self._root = project_root(self._folder) if root is None else os.path.realpath(root)

    def install(self) -> None:
        """Be asked, after all who are asked now."""
        sys.meta_path.append(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The import system's question; modules inside a package are found by the package itself."""
        if path is not None:
            return None
        for folder in (*import_folders(self._folder, self._root), *folder_around(self._folder, name)):
            spec = PathFinder.find_spec(name, [folder])
            if spec is not None and (spec.origin is not None or _holds_modules(spec)):
                self._found += spec.submodule_search_locations or [spec.origin or ""]
                return spec
        return None

    def brought(self, path: str) -> bool:
        """Whether a file is, or belongs to, what was found here."""
        return any(path == place or path.startswith(place + os.sep) for place in self._found)


def is_first_party(path: str) -> bool:
    """Whether a file of that real path was imported as a part of the program's project."""
    return any(isinstance(finder, FirstParty) and finder.brought(path) for finder in sys.meta_path)


def _holds_modules(spec: ModuleSpec) -> bool:
    """Whether a folder without ``__init__.py`` is one of modules: one of data or logs may have a library's name."""
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    return any(any(place.glob(pattern)) for pattern in ("*.py", "*/*.py") for place in places)

"""Act on a library at the moment when the program imports it, and never import one that it does not."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Callback = Callable[[ModuleType], None]


class ImportWatch:
    """Calls callbacks right after modules have been executed, before the importing code sees them.

    A callback that raises never harms the program: ``on_error`` hears of it.
    """

    def __init__(self, on_error: Callable[[str, Exception], None]) -> None:
        self._callbacks: dict[str, list[Callback]] = {}
        self._on_error = on_error
        self._searching: set[str] = set()

    def install(self) -> None:
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def when_imported(self, name: str, callback: Callback) -> None:
        """Call ``callback(module)`` when ``name`` has been imported; at once where it already is."""
        self._callbacks.setdefault(name, []).append(callback)
        module = sys.modules.get(name)
        if module is not None and not _is_being_imported(module):
            self._call(name, callback, module)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The import system's question; answered by the other finders, whose loader then also tells us."""
        if name not in self._callbacks or name in self._searching:
            return None
        self._searching.add(name)
        try:
            spec = _ask_the_others(self, name, path, target)
        finally:
            self._searching.discard(name)
        if spec is not None and spec.loader is not None:
            self._wrap(name, spec.loader)
        return spec

    def _wrap(self, name: str, loader: Any) -> None:
        """Shadow ``exec_module`` on this one loader: the loader itself stays, and with it resources and source."""
        original = getattr(loader, "exec_module", None)
        if original is None or isinstance(loader, type):
            return

        def exec_module(module: ModuleType) -> None:
            original(module)
            for callback in tuple(self._callbacks.get(name, ())):
                self._call(name, callback, sys.modules.get(name, module))

        try:
            loader.exec_module = exec_module
        except AttributeError:
            self._on_error(name, AttributeError(f"the loader of {name} cannot be watched"))

    def _call(self, name: str, callback: Callback, module: ModuleType) -> None:
        try:
            callback(module)
        except Exception as error:
            self._on_error(name, error)


def _ask_the_others(
    asking: object, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> importlib.machinery.ModuleSpec | None:
    for finder in sys.meta_path:
        if finder is asking or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


def _is_being_imported(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))

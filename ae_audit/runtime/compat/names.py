"""Modules and names that are gone, answered by those that took their place."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch


@dataclass(frozen=True, slots=True)
class Successor:
    """What answers an old name."""

    path: str
    """``module:attribute``, or a module"""
    shown: str = ""
    """what the reader is told took its place, where that is not the path itself"""
    of: str = ""
    """what the reader is told is gone, where many names are told of as one"""
    made: Callable[[], Any] | None = None
    """gives it, where there is more to do than to import it"""

    @property
    def text(self) -> str:
        return self.shown or self.path.replace(":", ".")

    def get(self) -> Any:
        """The object, imported if need be."""
        if self.made is not None:
            return self.made()
        module, _, attribute = self.path.partition(":")
        found: Any = importlib.import_module(module)
        for step in attribute.split(".") if attribute else ():
            found = getattr(found, step)
        return found


Names = Mapping[str, "str | Successor"]
"""old name: path of its successor"""


def _successor(entry: str | Successor) -> Successor:
    return entry if isinstance(entry, Successor) else Successor(entry)


class OldNames:
    """Answers for modules that are gone and for names that are gone from modules."""

    def __init__(self, watch: ImportWatch, uses: Uses) -> None:
        self._watch = watch
        self._uses = uses
        self._moved: dict[str, Successor] = {}
        self._names: dict[str, dict[str, Successor]] = {}
        self._others: dict[str, Callable[[str], Successor | None]] = {}

    def install(self) -> None:
        """Be asked for modules that nobody else finds."""
        sys.meta_path.append(self)  # last: a module that is there is imported as ever

    def module(self, old: str, successor: str | Successor) -> None:
        """The module ``old`` has moved: its names are now those of ``successor``."""
        moved = self._moved[old] = _successor(successor)
        parent, _, name = old.rpartition(".")
        if parent:
            self.names(parent, {name: Successor(moved.path, moved.text, made=lambda: self._stand_in(old, moved))})

    def names(self, module: str, names: Names) -> None:
        """Names that are gone from ``module``, which itself is there or has moved."""
        known = self._names.setdefault(module, {})
        first = not known
        known.update({name: _successor(entry) for name, entry in names.items()})
        if first:
            self._watch.when_imported(module, lambda imported: self._answer_for(imported, known))

    def others(self, module: str, find: Callable[[str], Successor | None]) -> None:
        """Whatever else is gone from ``module``: ``find`` says what took the place of a name, or that nothing did."""
        self._others[module] = find
        self.names(module, {})

    # The import system's side

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A module that nobody has: one of ours where it has a successor and the program means to have it."""
        successor = self._moved.get(name)
        if successor is None or not self._uses.answers({_root(name)}, sys._getframe(1)):
            return None
        return importlib.machinery.ModuleSpec(name, _Loader(self, successor), is_package=True)

    def make(self, name: str, successor: Successor) -> ModuleType:
        """The module that stands in for the moved one."""
        self._uses.tell(successor.of or name, _root(name), f"{successor.text} stood in for it")
        names = self._names.get(name, {})
        kind = _MovedFunction if AS_FUNCTION in names else _Moved
        return kind(name, successor.get(), names, self._uses)

    def _stand_in(self, name: str, successor: Successor) -> ModuleType:
        if name not in sys.modules:
            sys.modules[name] = self.make(name, successor)
        return sys.modules[name]

    def _answer_for(self, module: ModuleType, names: Mapping[str, Successor]) -> None:
        before: Callable[[str], Any] | None = module.__dict__.get("__getattr__")

        def answer(name: str) -> Any:
            cause: AttributeError | None = None
            if before is not None:
                try:
                    return before(name)
                except AttributeError as error:
                    cause = error
            root = _root(module.__name__)
            successor = names.get(name)
            if successor is None and module.__name__ in self._others and not name.startswith("__"):
                successor = self._others[module.__name__](name)
            if successor is None or not self._uses.answers(_KIN.get(root, {root, module.__name__}), sys._getframe(1)):
                raise cause or AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            found = successor.get()
            old = successor.of or f"{_plain(module.__name__)}.{name}"
            self._uses.tell(old, root, f"{successor.text} stood in for it")
            return found

        module.__getattr__ = answer  # type: ignore[method-assign]


class _Loader(importlib.abc.Loader):
    """Loads stand-ins for moved modules."""

    def __init__(self, names: OldNames, successor: Successor) -> None:
        self._names = names
        self._successor = successor

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self._names.make(spec.name, self._successor)

    def exec_module(self, module: ModuleType) -> None: ...


class _Moved(ModuleType):
    """A module that is gone: it has the names of its successor, and those that have one of their own."""

    def __init__(self, name: str, successor: Any, names: Mapping[str, Successor], uses: Uses) -> None:
        super().__init__(name)
        self._successor = successor
        self._own = names
        self._uses = uses

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [each for each in dir(self._successor) if not each.startswith("_")] + list(self._own)
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._own:
            successor = self._own[name]
            old = successor.of or f"{self.__name__}.{name}"
            self._uses.tell(old, _root(self.__name__), f"{successor.text} stood in for it")
            return successor.get()
        try:
            return getattr(self._successor, name)
        except AttributeError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None


class _MovedFunction(_Moved):
    """A module whose name was that of a function before (``keras.layers.merge``)."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._own[AS_FUNCTION].get()(*args, **kwargs)


AS_FUNCTION = "()"
"""names the successor of the function among the names of a moved module"""
_KIN = {"keras": {"keras", "tensorflow", "tf_keras"}, "tensorflow": {"keras", "tensorflow", "tf_keras"}}
"""packages that are one library: what they ask of each other is their own affair"""


def _root(name: str) -> str:
    root = name.partition(".")[0]
    if root in sys.stdlib_module_names:
        return "python"
    return "keras" if name.startswith("tensorflow.keras") else root


def _plain(name: str) -> str:
    return name.replace("keras._tf_keras.keras", "tensorflow.keras")

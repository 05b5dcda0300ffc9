"""The user's project: where a first-party module lives, each file read and parsed once."""

from __future__ import annotations

import ast
import os
import warnings

from ae_audit.base.records import dataclass, field
from ae_audit.source.project_root import folder_around, import_folders, project_root
from ae_audit.source.text import decode
from ae_audit.static.source.sources import Text
from ae_audit.static.source.syntax import Syntax

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.source.outline import Outline

MAX_SOURCE = 4_000_000
"""bytes; a larger file is no program that a person wrote"""
MAX_IMPORTED = 2_000_000
"""bytes of modules that are parsed for one program, which are those that it asks something of"""
MAX_KEPT = 3_000_000
"""bytes of modules that are kept from one file to the next; a syntax tree takes about forty times as much memory"""


@dataclass(frozen=True, slots=True)
class BrokenUnit:
    """A unit of source that does not parse."""

    message: str
    line: int | None
    cell: int | None = None


@dataclass(slots=True)
class Program:
    """A parsed file: its units in order (one, or one a cell)."""

    path: str
    units: list[tuple[Text, ast.Module]] = field(default_factory=list)
    broken: list[BrokenUnit] = field(default_factory=list)
    outline: Outline | None = None
    """which of its statements a name comes from, once that was asked"""
    assumed: tuple[str, ...] = ()
    """modules whose names are taken to be known, of a snippet that imports nothing"""


def parse(path: str, source: bytes) -> Program:
    """Parse a script or a notebook; what does not parse is listed in ``broken``."""
    program = Program(path)
    if len(source) > MAX_SOURCE:
        program.broken.append(BrokenUnit(f"it is larger than {MAX_SOURCE // 1_000_000} MB", None))
        return program
    text = decode(source)
    if path.endswith(".ipynb"):
        from ae_audit.source.notebook_cells import code_cells

        try:
            units = [Text(path, cell.source, cell.index) for cell in code_cells(text)]
        except ValueError as error:
            program.broken.append(BrokenUnit(str(error), None))
            return program
    else:
        units = [Text(path, text)]
    for unit in units:
        parsed = _parse_unit(unit)
        if isinstance(parsed, BrokenUnit):
            from ae_audit.static.source import python2  # its patterns cost a tenth of a run, and few programs need it

            repaired = python2.read_what_parses(unit.source)
            if repaired is None:
                program.broken.append(parsed)
                continue
            program.units.append((unit, repaired.tree))
            if repaired.dropped:
                line, message = repaired.dropped[0]
                further = len(repaired.dropped) - 1
                more = f" and {further} more line{'s' if further > 1 else ''} do" if further else " does"
                program.broken.append(BrokenUnit(f"line {line}{more} not parse: {message}", line, unit.cell))
        else:
            program.units.append((unit, parsed))
    return program


def _parse_unit(unit: Text) -> ast.Module | BrokenUnit:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(unit.source)
    except SyntaxError as error:
        return BrokenUnit(f"line {error.lineno} does not parse: {error.msg}", error.lineno, unit.cell)
    except ValueError as error:
        return BrokenUnit(f"it does not parse: {error}", None, unit.cell)
    except (RecursionError, MemoryError):
        return BrokenUnit("it does not parse: it is nested too deeply", None, unit.cell)


class Modules:
    """Parsed modules, kept from one audited file to the next as far as ``MAX_KEPT`` allows."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Program | None, int]] = {}
        self._kept = 0

    def load(self, path: str) -> tuple[Program | None, int]:
        """The module at ``path`` (None where it cannot be read), and its size in bytes."""
        known = self._known.pop(path, None)
        if known is None:
            known = _load(path)
            self._kept += known[1]
        self._known[path] = known  # the last of the dictionary is the last one used
        while self._kept > MAX_KEPT and len(self._known) > 1:
            self._kept -= self._known.pop(next(iter(self._known)))[1]
        return known


def _load(path: str) -> tuple[Program | None, int]:
    try:
        with open(path, "rb") as stream:
            source = stream.read(MAX_SOURCE + 1)
    except OSError:
        return None, 0
    return parse(path, source), len(source)


class Project:
    """Finds the modules of one project. Parsed files are shared by all runs."""

    def __init__(self, path: str, root: str | None = None, modules: Modules | None = None) -> None:
        self.path = path
        self._modules = modules or Modules()
        self._left = MAX_IMPORTED
        self.programs: dict[str, Program | None] = {}
        self.syntax = Syntax()
        self._found: dict[tuple[str, str], str | None] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._packages: dict[str, str] = {}
        self._owned: dict[tuple[str, str], bool] = {}
        self._folders: dict[str, str] = {}
        self._based: dict[str, list[str]] = {}
        folder = os.path.dirname(os.path.abspath(path)) if path not in {"-", ""} else ""
        self.folder = folder
        self.root = os.path.abspath(root) if root else project_root(folder) if folder else ""

    def find(self, name: str, importer: str) -> Program | None:
        """The module ``name`` as seen from the file ``importer``; None where the project has none."""
        if not self.folder:
            return None
        folder = self._folder_of(importer)
        key = (name, folder)
        if key not in self._found:
            self._found[key] = self._search(name, folder) if self._owns(name, folder) else None
        found = self._found[key]
        return None if found is None else self.load(found)

    def owns(self, name: str, importer: str) -> bool:
        """Whether the first part of a dotted name is a module or folder of the project, as ``importer`` sees it."""
        return bool(self.folder) and self._owns(name, self._folder_of(importer))

    def _owns(self, name: str, folder: str) -> bool:
        first = name.partition(".")[0]
        key = (first, folder)
        known = self._owned.get(key)
        if known is None:
            bases = (*self._bases(folder), *folder_around(folder, first))
            entries = map(self._entries, bases)
            known = self._owned[key] = any(first in names or f"{first}.py" in names for names in entries)
        return known

    def _folder_of(self, path: str) -> str:
        known = self._folders.get(path)
        if known is None:
            known = self._folders[path] = os.path.dirname(os.path.abspath(path))
        return known

    def load(self, path: str) -> Program | None:
        """The module at ``path``; None where it cannot be read, or where enough has been read for this program."""
        if path not in self.programs:
            if self._left < 0:
                return None
            self.programs[path], size = self._modules.load(path)
            self._left -= size
        return self.programs[path]

    def _search(self, name: str, folder: str) -> str | None:
        relative = name.replace(".", os.sep)
        first = name.partition(".")[0]
        for base in [*self._bases(folder), *folder_around(folder, first)]:
            entries = self._entries(base)
            if first not in entries and f"{first}.py" not in entries:
                continue
            for candidate in (f"{relative}.py", os.path.join(relative, "__init__.py")):
                path = os.path.join(base, candidate)
                if os.path.isfile(path) and os.path.abspath(path) != os.path.abspath(self.path):
                    return path if os.path.isabs(self.path) else os.path.relpath(path)
        return None

    def _entries(self, folder: str) -> frozenset[str]:
        known = self._listed.get(folder)
        if known is None:
            try:
                known = frozenset(os.listdir(folder))
            except OSError:
                known = frozenset()
            self._listed[folder] = known
        return known

    def _bases(self, folder: str) -> list[str]:
        """Folders that imports start from: the importer's, the program's, those above up to the root, and ``src``."""
        known = self._based.get(folder)
        if known is None:
            own, source, *above = import_folders(folder, self.root)
            every = (own, source, *import_folders(self.folder, self.root), *above)
            known = self._based[folder] = list(dict.fromkeys(every))
        return known

    def package_of(self, path: str) -> str:
        """The dotted package that a file belongs to, for relative imports."""
        known = self._packages.get(path)
        if known is None:
            known = self._packages[path] = self._package_of(path) if self.folder else ""
        return known

    def _package_of(self, path: str) -> str:
        folder = os.path.dirname(os.path.abspath(path))
        parts: list[str] = []
        while folder and "__init__.py" in self._entries(folder) and len(parts) < 16:
            parts.insert(0, os.path.basename(folder))
            folder = os.path.dirname(folder)
        if not parts:
            # a namespace package: relative imports start from the file's own folder
            return ""
        return ".".join(parts)

"""The user's project: where a first-party module lives, each file read and parsed once."""

from __future__ import annotations

import ast
import os
import warnings

from ae_audit.base.bounded import read_bounded
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
    imported: tuple[str, ...] | None = None
    """names that its imports mention, once that was asked"""
    written: dict[str, Program] = field(default_factory=dict)
    """modules that cells of a notebook write into files"""
    assumed: tuple[str, ...] = ()
    """modules whose names are taken to be known, of a snippet that imports nothing"""


def parse(path: str, source: bytes) -> Program:
    """Parse a script or a notebook; what does not parse is listed in ``broken``."""
    program = Program(path)
    notebook = path.endswith(".ipynb")
    if len(source) > MAX_SOURCE and not notebook:  # a notebook holds images besides
        program.broken.append(BrokenUnit(f"it is larger than {MAX_SOURCE // 1_000_000} MB", None))
        return program
    text = decode(source)
    if notebook:
        from ae_audit.source.notebook_cells import code_cells, written_modules

        try:
            units = [Text(path, cell.source, cell.index) for cell in code_cells(text)]
            written = written_modules(text) if "%%" in text else {}
        except ValueError as error:
            program.broken.append(BrokenUnit(str(error), None))
            return program
        if sum(len(unit.source) for unit in units) > MAX_SOURCE:
            program.broken.append(BrokenUnit(f"its code is larger than {MAX_SOURCE // 1_000_000} MB", None))
            return program
        for name, cell in written.items():
            unit = Text(path, cell.source, cell.index)
            parsed = _parse_unit(unit)
            if isinstance(parsed, ast.Module):
                program.written[name] = Program(path, [(unit, parsed)])
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What the reading of one program asked of its project, with the answers."""

    root: str = ""
    found: tuple[tuple[str, str, str | None], ...] = ()
    """names of modules, the folder that each was looked for from, and the file found"""
    owned: tuple[tuple[str, str, bool], ...] = ()
    """first parts of names, and whether the project has such a module or folder"""
    packages: tuple[tuple[str, str], ...] = ()
    """files, and the package that each belongs to"""
    texts: tuple[tuple[str, str], ...] = ()
    """files that were read, each with a digest of its bytes"""

    def text(self) -> str:
        """As JSON."""
        import json

        return json.dumps((self.root, self.found, self.owned, self.packages, self.texts))

    @classmethod
    def from_text(cls, text: str) -> Asked:
        """
        Raises:
            ValueError: where ``text`` is not what :meth:`text` gives.
        """
        import json

        root, *parts = json.loads(text)
        return cls(root, *(tuple(map(tuple, part)) for part in parts))


class Modules:
    """Parsed modules, kept from one audited file to the next as far as ``MAX_KEPT`` allows, and where modules are."""

    def __init__(self, *, digests: bool = False) -> None:
        """``digests``: whether :meth:`asked` will be asked for, with a digest of what was read."""
        self._digesting = digests
        self._known: dict[str, tuple[Program | None, int]] = {}
        self._kept = 0
        self._places: dict[tuple[str, str], Places] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._digests: dict[str, str] = {}
        self._roots: dict[str, str] = {}
        self.project: Project | None = None
        """that of the program read last"""

    def load(self, path: str) -> tuple[Program | None, int]:
        """The module at ``path`` (None where it cannot be read), and its size in bytes."""
        known = self._known.pop(path, None)
        if known is None:
            source = _bytes_of(path)
            if self._digesting:  # of what was parsed: the file may be another one by the time that this is kept
                self._digests[path] = _digest(source)
            known = (None, 0) if source is None else (parse(path, source), len(source))
            self._kept += known[1]
        self._known[path] = known  # the last of the dictionary is the last one used
        while self._kept > MAX_KEPT and len(self._known) > 1:
            self._kept -= self._known.pop(next(iter(self._known)))[1]
        return known

    def places(self, folder: str, root: str) -> Places:
        """Where modules are, as programs in ``folder`` find them."""
        known = self._places.get((folder, root))
        if known is None:
            known = self._places[folder, root] = Places(folder, root, self._listed)
        return known

    def root_of(self, folder: str) -> str:
        """The folder that the project of a program in ``folder`` begins in."""
        known = self._roots.get(folder)
        if known is None:
            known = self._roots[folder] = project_root(folder)
        return known

    def digest(self, path: str) -> str:
        """Of the bytes of a file, taken once; empty where it cannot be read."""
        known = self._digests.get(path)
        if known is None:
            known = self._digests[path] = _digest(_bytes_of(path))
        return known

    def asked(self) -> Asked:
        """What the reading of the last program asked; nothing, where it did not get as far as asking."""
        return Asked() if self.project is None else self.project.asked()

    def answers_are(self, path: str, asked: Asked) -> bool:
        """Whether a program at ``path`` that asks the same would be given the same answers."""
        if asked == Asked():
            return True
        project = Project(path, asked.root, self)
        return (
            all(self.digest(file) == digest for file, digest in asked.texts)
            and all(project.locate(name, folder) == found for name, folder, found in asked.found)
            and all(project.places.owns(first, folder) is owned for first, folder, owned in asked.owned)
            and all(project.package_of(file) == package for file, package in asked.packages)
        )


def _bytes_of(path: str) -> bytes | None:
    try:
        return read_bounded(path, MAX_SOURCE + 1)
    except OSError:
        return None


def _digest(source: bytes | None) -> str:
    import hashlib  # few audits have a cache

    return "" if source is None else hashlib.sha256(source).hexdigest()


class Places:
    """Where the modules of a project are, as the programs in one of its folders find them."""

    def __init__(self, folder: str, root: str, listed: dict[str, frozenset[str]]) -> None:
        self._folder = folder
        self._root = root
        self._listed = listed
        self._found: dict[tuple[str, str], tuple[str, ...]] = {}
        self._owned: dict[tuple[str, str], bool] = {}
        self._based: dict[str, list[str]] = {}

    def owns(self, first: str, folder: str) -> bool:
        """Whether the first part of a name is a module or folder of the project, asked from a file in ``folder``."""
        key = (first, folder)
        known = self._owned.get(key)
        if known is None:
            bases = (*self._bases(folder), *folder_around(folder, first))
            entries = map(self.entries, bases)
            known = self._owned[key] = any(first in names or f"{first}.py" in names for names in entries)
        return known

    def files(self, name: str, folder: str) -> tuple[str, ...]:
        """Files that a module could be, the first and one more, which counts where the first is the program itself."""
        key = (name, folder)
        known = self._found.get(key)
        if known is None:
            found = self._search(name, folder) if self.owns(name.partition(".")[0], folder) else ()
            known = self._found[key] = found
        return known

    def _search(self, name: str, folder: str) -> tuple[str, ...]:
        relative = name.replace(".", os.sep)
        first = name.partition(".")[0]
        found: dict[str, None] = {}
        for base in [*self._bases(folder), *folder_around(folder, first)]:
            entries = self.entries(base)
            if first not in entries and f"{first}.py" not in entries:
                continue
            for candidate in (f"{relative}.py", os.path.join(relative, "__init__.py")):
                path = os.path.join(base, candidate)
                if os.path.isfile(path):
                    found[path] = None
                    if len(found) > 1:
                        return tuple(found)
        return tuple(found)

    def entries(self, folder: str) -> frozenset[str]:
        """The names in a folder."""
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
            own, source, *above = import_folders(folder, self._root)
            every = (own, source, *import_folders(self._folder, self._root), *above)
            known = self._based[folder] = list(dict.fromkeys(every))
        return known


class Project:
    """Finds the modules of one project. Parsed files are shared by all runs, places by all programs of a folder."""

    def __init__(self, path: str, root: str | None = None, modules: Modules | None = None) -> None:
        self.path = path
        self._modules = modules or Modules()
        self._modules.project = self
        self._left = MAX_IMPORTED
        self.programs: dict[str, Program | None] = {}
        self.written: dict[str, Program] = {}
        """modules that the program itself writes into files before it imports them, by name"""
        self.syntax = Syntax()
        self._found: dict[tuple[str, str], str | None] = {}
        self._owned: dict[tuple[str, str], bool] = {}
        self._packages: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        absolute = os.path.abspath(path)
        self._absolute = absolute
        folder = os.path.dirname(absolute) if path not in {"-", ""} else ""
        self.folder = folder
        self.root = os.path.abspath(root) if root else self._modules.root_of(folder) if folder else ""
        self.places = self._modules.places(folder, self.root)

    def asked(self) -> Asked:
        """What was asked of it until now."""
        return Asked(
            self.root,
            tuple((name, folder, found) for (name, folder), found in self._found.items()),
            tuple((first, folder, owned) for (first, folder), owned in self._owned.items()),
            tuple(self._packages.items()),
            tuple((path, self._modules.digest(path)) for path in self.programs),
        )

    def find(self, name: str, importer: str) -> Program | None:
        """The module ``name`` as seen from the file ``importer``; None where the project has none."""
        if name in self.written:
            return self.written[name]
        if not self.folder:
            return None
        folder = self._folder_of(importer)
        key = (name, folder)
        if key not in self._found:
            self._found[key] = self.locate(name, folder)
        found = self._found[key]
        return None if found is None else self.load(found)

    def locate(self, name: str, folder: str) -> str | None:
        """The file of the module ``name`` as files in ``folder`` see it; never the program itself."""
        files = self.places.files(name, folder)
        path = next((file for file in files if file != self._absolute), None)
        return path if path is None or os.path.isabs(self.path) else os.path.relpath(path)

    def owns(self, name: str, importer: str) -> bool:
        """Whether the first part of a dotted name is a module or folder of the project, as ``importer`` sees it."""
        if name in self.written:
            return True
        if not self.folder:
            return False
        key = (name.partition(".")[0], self._folder_of(importer))
        known = self._owned.get(key)
        if known is None:
            known = self._owned[key] = self.places.owns(*key)
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

    def package_of(self, path: str) -> str:
        """The dotted package that a file belongs to, for relative imports."""
        known = self._packages.get(path)
        if known is None:
            known = self._packages[path] = self._package_of(path) if self.folder else ""
        return known

    def _package_of(self, path: str) -> str:
        folder = os.path.dirname(os.path.abspath(path))
        parts: list[str] = []
        while folder and "__init__.py" in self.places.entries(folder) and len(parts) < 16:
            parts.insert(0, os.path.basename(folder))
            folder = os.path.dirname(folder)
        if not parts:
            # a namespace package: relative imports start from the file's own folder
            return ""
        return ".".join(parts)

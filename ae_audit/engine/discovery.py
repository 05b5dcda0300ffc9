"""Paths on the command line become files to audit.

A folder is walked in sorted order, without what is excluded; its files are only read. A file that is named is taken
whatever its ending, and may be run; one that ends as model files do is loaded together with its data, if there are any.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.base.records import dataclass, replace
from ae_audit.settings.data_paths import DataPath, data_path
from ae_audit.settings.hierarchy import Hierarchy
from ae_audit.settings.options import Settings
from ae_audit.settings.programs import ProgramStart
from ae_audit.source.project_root import project_root
from ae_audit.source.text import STDIN, is_model_file

SUFFIXES = (".py", ".ipynb")


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What a model file is audited with."""

    data: DataPath | None = None
    target: DataPath | None = None
    loss: str | None = None
    scale: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """One file to audit."""

    path: str
    """as reports show it; :data:`~ae_audit.source.text.STDIN` for standard input"""
    run: bool = False
    """whether the program may be run"""
    project_root: str | None = None
    """absolute path of the folder within which first-party imports are followed"""
    model: ModelInput | None = None
    """of a model file: what goes with it"""
    named: bool = False
    """whether the user named this very file"""
    start: ProgramStart = ProgramStart()
    """how the program is started"""
    settings: Settings | None = None
    """where another configuration than the audit's governs the file"""

    def governed(self, settings: Settings) -> Settings:
        """The settings of this file in an audit that has ``settings``."""
        return self.settings or settings


def discover(paths: Sequence[str], settings: Settings | Hierarchy) -> tuple[AuditTarget, ...]:
    """The files that ``paths`` (files, folders, ``-`` for standard input) stand for, each once.

    Where ``settings`` are a hierarchy, the configuration nearest to a file decides about it.

    Raises:
        UsageError: if a path does not exist, with the name beside it that is closest, or if data do not belong to it.
    """
    configured = settings if isinstance(settings, Hierarchy) else Hierarchy(settings)
    settings = configured.root
    with_model = _model_input(paths, settings)
    found: dict[str, AuditTarget] = {}
    roots: dict[tuple[str, ...], str] = {}
    for path in paths:
        if path == "-":
            found[STDIN] = AuditTarget(STDIN, settings.run and not settings.static, project_root=os.getcwd())
        elif os.path.isdir(path):
            for file in _kept(path, configured):
                own = configured.of_file(file)
                root = _project_root(file, roots, os.path.abspath(path))
                target = AuditTarget(file, own.run and not own.static, root, start=_start(file, own))
                target = replace(target, settings=None if own is settings else own)
                found.setdefault(os.path.abspath(file), target)
        elif os.path.exists(path):
            if settings.hook and excluded(path, configured):
                continue
            own = configured.of_file(path)
            run = not own.static and os.path.isfile(path)  # a pipe gives its text only once
            if is_model_file(path):
                target = AuditTarget(path, run and with_model.data is not None, model=with_model)
            else:
                root = _project_root(path, roots)
                target = AuditTarget(path, run, root, named=True, start=_start(path, own))
            found[os.path.abspath(path)] = replace(target, settings=None if own is settings else own)
        else:
            raise _missing(path)
    return tuple(found.values())


def _start(path: str, settings: Settings) -> ProgramStart:
    """How the program at ``path`` is started: as the command line says, else by the first pattern that fits."""
    base = os.path.dirname(settings.config_file) if settings.config_file else None
    start = next((start for pattern, start in settings.programs if path_matches(path, pattern, base)), ProgramStart())
    return replace(start, arguments=settings.arguments or start.arguments, module=settings.module or start.module)


def _model_input(paths: Sequence[str], settings: Settings) -> ModelInput:
    given = {key: getattr(settings, key) for key in ("data", "target", "loss", "scale")}
    flags = [f"--{key}" for key, value in given.items() if value is not None]
    if flags and not any(is_model_file(path) for path in paths):
        raise UsageError(f"{flags[0]} goes with a model file (.keras, .h5, .json, .pt2), and none was named.")
    if settings.data is None:
        if flags and flags[0] != "--loss":
            raise UsageError(f"{flags[0]} goes with --data, which names what the model is fed.")
        return ModelInput(loss=settings.loss)
    if settings.static:
        raise UsageError("--static only reads, and --data is for running: leave one of them out.")
    data = data_path("--data", settings.data)
    target = None if settings.target is None else data_path("--target", settings.target)
    if settings.scale is None and (data.pictures or (target is not None and target.pictures)):
        raise UsageError(
            f"{data if data.pictures else target} holds images, whose files have values from 0 to 255: say how they "
            "are scaled before the model sees them, with --scale 1/255 for [0, 1], or --scale 1 if they are not."
        )
    return ModelInput(data, target, settings.loss, settings.scale)


def _kept(folder: str, configured: Hierarchy) -> list[str]:
    """The files of a folder that are audited: what :func:`walk` finds, without what git ignores."""
    files = list(walk(folder, configured))
    honouring = {file for file in files if configured.of_file(file).gitignore}
    if not honouring:
        return files
    from ae_audit.engine.git import ignored_files

    ignored = ignored_files(folder, files)
    return [file for file in files if file not in ignored or file not in honouring]


def walk(folder: str, configured: Hierarchy) -> Iterator[str]:
    """Python files and notebooks under ``folder``, sorted; each folder's own settings exclude what lies in it."""
    top = os.path.abspath(folder)
    closed: list[str] = []
    pending = [folder]
    while pending:  # os.walk calls itself for each level in Python before 3.12
        root = pending.pop()
        try:
            with os.scandir(root) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            closed.append(root)
            continue
        settings = configured.of(root)
        patterns = (*settings.exclude, *settings.extend_exclude)
        base = os.path.dirname(settings.config_file) if settings.config_file else top
        inner = []
        for entry in entries:
            path = os.path.normpath(os.path.join(root, entry.name))
            if entry.is_dir():
                if not entry.is_symlink() and not _excluded(path, patterns, base):
                    inner.append(path)
            elif entry.name.endswith(SUFFIXES) and not _excluded(path, patterns, base) and os.path.isfile(path):
                yield path
        pending += reversed(inner)
    yield from closed  # folders that cannot be read: reading them as files will say why


def excluded(path: str, settings: Settings | Hierarchy) -> bool:
    """Whether the settings exclude the file at ``path``, or a folder that holds it, as :func:`walk` would."""
    configured = settings if isinstance(settings, Hierarchy) else Hierarchy(settings)
    top = os.path.dirname(configured.root.config_file) if configured.root.config_file else os.getcwd()
    place = top
    for name in os.path.relpath(path, top).split(os.sep):
        own = configured.of(place)
        place = os.path.join(place, name)
        base = os.path.dirname(own.config_file) if own.config_file else top
        if _excluded(place, (*own.exclude, *own.extend_exclude), base):
            return True
    return False


def path_matches(path: str, pattern: str, base: str | None) -> bool:
    """Whether ``pattern`` stands for ``path``: its name, its path relative to ``base``, or a folder that holds it."""
    if fnmatch(os.path.basename(path), pattern):
        return True
    if os.path.isabs(pattern):
        base = os.sep
        pattern = os.path.relpath(pattern, base)
    relative = os.path.relpath(path, base or os.curdir).replace(os.sep, "/")
    wanted = pattern.rstrip("/")
    return fnmatch(relative, wanted) or fnmatch(relative, f"{wanted}/*")


def _excluded(path: str, patterns: Sequence[str], base: str) -> bool:
    name = os.path.basename(path)
    if name in patterns:
        return True
    return any(path_matches(path, pattern, base) for pattern in patterns if "/" in pattern or "*" in pattern)


def _project_root(path: str, known: dict[tuple[str, ...], str], *named: str) -> str:
    """Where the imports of the file at ``path`` may start from, which was found in a folder that was ``named``."""
    folder = os.path.dirname(os.path.abspath(path))
    key = (folder, *named)
    if key not in known:
        known[key] = project_root(folder, (*named, os.getcwd()))
    return known[key]


def _missing(path: str) -> UsageError:
    if not path:
        return UsageError("An empty path names no file.")
    folder, name = os.path.split(os.path.normpath(path))
    try:
        siblings = os.listdir(folder or os.curdir)
    except OSError:
        parent = os.path.normpath(folder)
        while parent and not os.path.isdir(parent):
            parent, name = os.path.split(parent)
        suggestion = did_you_mean(name, os.listdir(parent or os.curdir), parent)
        path_there = os.path.join(parent, name)
        return UsageError(f"No such file or folder: {path} ('{path_there}' does not exist).{suggestion}")
    return UsageError(f"No such file or folder: {path}.{did_you_mean(name, siblings, folder)}")

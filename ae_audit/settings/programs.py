"""How programs are started: their arguments, as what module, in which folder, with which variables.

The command line says it for one program (``ae-audit train.py -- --epochs 5``, ``ae-audit -m package.train``), the
configuration for files by pattern::

    [tool.ae-audit.programs."src/train_*.py"]
    arguments = ["--config", "small.yaml"]
    module = "src.train"
    folder = "."
    environment = { KERAS_BACKEND = "torch" }
"""

from __future__ import annotations

import os

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.base.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Mapping
    from typing import Any

_KEYS = ("arguments", "module", "folder", "environment")
_NEVER_SET = ("PYTHON", "LD_", "DYLD_", "PATH", "HOME", "TMP", "TEMP")
"""beginnings of variables that would change how the sandboxed process itself comes up"""


@dataclass(frozen=True, slots=True)
class ProgramStart:
    """How one program is started."""

    arguments: tuple[str, ...] = ()
    module: str | None = None
    """its name, where it runs as ``python -m MODULE`` does"""
    folder: str | None = None
    """absolute path of the folder it works in; None: its own, or for a module the current one"""
    environment: tuple[tuple[str, str], ...] = ()


def starts_from(table: Mapping[str, Any], base: str, subject: str) -> tuple[tuple[str, ProgramStart], ...]:
    """(pattern, start) for each entry of ``programs``; folders are relative to ``base``.

    Raises:
        UsageError: for an unknown key or a wrong value; ``subject`` begins the sentence.
    """
    return tuple((pattern, _start(entry, base, f"{subject}: '{pattern}'")) for pattern, entry in table.items())


def _start(entry: object, base: str, subject: str) -> ProgramStart:
    if not isinstance(entry, dict):
        raise UsageError(f"{subject} must be a table with some of {', '.join(_KEYS)}; got {entry!r}.")
    for key in entry:
        if key not in _KEYS:
            raise UsageError(f"{subject}: unknown key '{key}'.{did_you_mean(key, _KEYS)}")
    arguments, environment = entry.get("arguments", []), entry.get("environment", {})
    if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
        raise UsageError(f"{subject}: 'arguments' must be a list of strings; got {arguments!r}.")
    if not isinstance(environment, dict) or not all(isinstance(each, str) for each in environment.values()):
        raise UsageError(f"{subject}: 'environment' must be a table of strings; got {environment!r}.")
    for name in environment:
        if name.upper().startswith(_NEVER_SET):
            raise UsageError(f"{subject}: 'environment' must not set {name}, which the sandbox itself depends on.")
    for key in ("module", "folder"):
        if not isinstance(entry.get(key, "x"), str) or not entry.get(key, "x"):
            raise UsageError(f"{subject}: '{key}' must be a name; got {entry[key]!r}.")
    folder = entry.get("folder")
    if folder is not None:
        folder = os.path.normpath(os.path.join(base, folder))
        if not os.path.isdir(folder):
            raise UsageError(f"{subject}: the folder {entry['folder']} does not exist.")
    return ProgramStart(tuple(arguments), entry.get("module"), folder, tuple(environment.items()))


def file_of_module(name: str, folder: str) -> str:
    """The file that ``python -m NAME`` runs when it is called in ``folder``, relative to it where it can be.

    Raises:
        UsageError: if there is none.
    """
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise UsageError(f"-m takes the name of a module, as package.train; got '{name}'.")
    for root in ("", "src"):
        place = os.path.join(root, *parts)
        for path in (f"{place}.py", os.path.join(place, "__main__.py")):
            if os.path.isfile(os.path.join(folder, path)):
                return path
    missing = os.path.join(*parts)
    raise UsageError(f"-m {name}: there is no {missing}.py and no {os.path.join(missing, '__main__.py')} here.")


def module_of_file(path: str, folder: str) -> str | None:
    """The name under which ``python -m`` runs the file at ``path`` from ``folder``; None where there is none."""
    relative = os.path.relpath(path, folder)
    stem, ending = os.path.splitext(relative)
    parts = stem.split(os.sep)
    if ending != ".py" or len(parts) < 2 or not all(part.isidentifier() for part in parts):
        return None
    return ".".join(parts)

"""Which Python runs a program: the one of its own environment, where ae-audit need not be installed.

ae-audit may have been installed by itself (pipx, ``uv tool``). The project's environment has the framework; the child
gets the package ``ae_audit`` by its path, and everything else from there.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FRAMEWORKS = ("torch", "keras", "tensorflow", "tf_keras")
OLDEST = (3, 10)
_PATIENCE = 30.0
"""seconds for the question what an interpreter has"""
_QUESTION = (
    "import sys, importlib.util as u\n"
    "print(*sys.version_info[:2])\nprint(sys.prefix)\n"
    f"print(*[n for n in ('numpy', *{FRAMEWORKS!r}) if u.find_spec(n)])"
)
_ENTRY = """\
import importlib.util, runpy, sys
spec = importlib.util.spec_from_file_location("ae_audit", {init!r}, submodule_search_locations=[{folder!r}])
package = importlib.util.module_from_spec(spec)
sys.modules["ae_audit"] = package
spec.loader.exec_module(package)
sys.argv = ["child", {argument!r}]
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
_PACKAGE = Path(__file__).resolve().parents[2]


class NoInterpreter(Exception):
    """An interpreter cannot run programs for an audit; the text says why, after its name."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that can run programs under the audit."""

    path: str
    version: tuple[int, int]
    frameworks: tuple[str, ...]
    own: bool = False
    """whether it is the environment that ae-audit itself runs in"""

    def command(self, module: str, argument: str) -> list[str]:
        """The command that runs ``module`` of ae-audit in it."""
        if self.own:
            return [self.path, "-X", "utf8", "-m", module, argument]
        init = str(_PACKAGE / "__init__.py")
        entry = _ENTRY.format(init=init, folder=str(_PACKAGE), argument=argument, module=module)
        return [self.path, "-X", "utf8", "-c", entry]


OWN = Interpreter(sys.executable, (sys.version_info[0], sys.version_info[1]), (), own=True)


def choose(named: str | None, project: str | None, environ: Mapping[str, str] | None = None) -> Interpreter:
    """The interpreter for programs of a project.

    Args:
        named: what the user asks for: a Python, or the folder of an environment.
        project: the folder of the project, in which an environment may lie.
        environ: by default that of this process.

    Raises:
        NoInterpreter: if the one that the user asks for does not do.
    """
    if named is not None:
        return _checked(_python_in(named) if os.path.isdir(named) else named)
    for folder in _environments(project, os.environ if environ is None else environ):
        try:
            found = _checked(_python_in(folder))
        except NoInterpreter:
            continue
        if found.own or found.frameworks:
            return found
    return OWN


def _environments(project: str | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Folders of environments, the likeliest first."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(variable):
            yield environ[variable]
    for name in (".venv", "venv") if project is not None else ():
        folder = os.path.join(project or "", name)
        # one that came with the source would be a stranger's program that runs outside the sandbox
        if os.path.isfile(os.path.join(folder, "pyvenv.cfg")) and not _is_tracked(project or "", name):
            yield folder


def _is_tracked(project: str, name: str) -> bool:
    """Whether the environment is in the repository: git's index holds the paths of its files."""
    folder = os.path.abspath(project)
    while not os.path.exists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return True  # nobody can tell where the files come from
        folder = parent
    prefix = os.path.relpath(os.path.join(os.path.abspath(project), name), folder).replace(os.sep, "/")
    try:
        with open(os.path.join(folder, ".git", "index"), "rb") as file:
            return f"{prefix}/".encode() in file.read()
    except FileNotFoundError:
        return os.path.isfile(os.path.join(folder, ".git"))  # a worktree, whose index lies elsewhere
    except OSError:
        return True


def _python_in(folder: str) -> str:
    return os.path.join(folder, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


@functools.cache
def _checked(path: str) -> Interpreter:
    """What the interpreter at ``path`` is and has.

    Raises:
        NoInterpreter: if it does not answer, is too old, or has no NumPy.
    """
    if not os.path.isfile(path):
        raise NoInterpreter("does not exist")
    try:
        answer = subprocess.run(
            [path, "-c", _QUESTION], capture_output=True, text=True, timeout=_PATIENCE, check=True, cwd=os.sep
        ).stdout.splitlines()
        major, minor = map(int, answer[0].split())
        prefix, has = answer[1], answer[2].split()
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        raise NoInterpreter("does not answer as a Python does") from None
    if (major, minor) < OLDEST:
        raise NoInterpreter(
            f"is Python {major}.{minor}, and running programs requires {OLDEST[0]}.{OLDEST[1]} or later"
        )
    if os.path.realpath(prefix) == os.path.realpath(sys.prefix):
        return OWN
    if "numpy" not in has:
        raise NoInterpreter("has no NumPy, which the audit of a running program requires")
    return Interpreter(os.path.abspath(path), (major, minor), tuple(name for name in has if name != "numpy"))

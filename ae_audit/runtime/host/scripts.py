"""Run a script or a notebook as Python or Jupyter would, and say in one sentence how it ended."""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import importlib
import importlib.machinery
import importlib.metadata
import inspect
import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, NoReturn

from ae_audit.base.errors import own_failure
from ae_audit.schema.location import Location
from ae_audit.schema.messages import HowItEnded
from ae_audit.source.notebook_cells import CELL_MARK, CodeCell, code_cells

_LONGEST_MESSAGE = 400
"""characters of an exception's own text: five lines of a terminal"""
_exit = os._exit


class StopProgram(BaseException):
    """Raised by a capture to end the program: all that was wanted of it has been seen."""


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """How a script ended."""

    how: HowItEnded
    sentence: str = ""
    """``ValueError at line 12: …``; empty where it completed or was stopped"""
    line: int | None = None
    """of the script (in a notebook: of the cell) that was being run; 1-based"""
    cell: int | None = None
    """0-based index over all cells of a notebook"""
    exit_code: int | None = None
    internal: bool = False
    """whether what was raised is a failure of ae-audit itself, and not of the program"""


@dataclass(frozen=True, slots=True)
class Program:
    """A script or notebook, compiled; :meth:`locate` maps running frames back to the source."""

    path: Path
    """absolute"""
    parts: tuple[tuple[CodeType | SyntaxError, str], ...]
    """code and its file name, as frames give it; in a notebook, what is wrong with a cell that is no Python"""
    cells: tuple[CodeCell, ...] = ()

    def locate(self, filename: str, line: int) -> Location | None:
        """The place in the program's source that a frame's file name and line stand for; None where it is elsewhere."""
        for cell in self.cells:
            if filename == cell_filename(self.path, cell.index):
                return Location(str(self.path), line, cell=cell.index)
        if not self.cells and _same_file(filename, self.path):
            return Location(str(self.path), line)
        return None


def cell_filename(path: Path, index: int) -> str:
    """The file name that frames of a notebook's cell carry."""
    return f"{path}{CELL_MARK}{index}"


def load_program(path: str | Path, *, is_notebook: bool | None = None) -> Program:
    """Read and compile a program.

    Raises:
        OSError: if it cannot be read.
        SyntaxError: if a script is no Python. A notebook's cells before a broken one run, as they do in Jupyter.
        ValueError: if it is no notebook, or holds a null byte.
    """
    place = Path(os.path.realpath(path))
    if not (place.suffix == ".ipynb" if is_notebook is None else is_notebook):
        with open(place, "rb") as file:
            return Program(place, ((compile(file.read(), str(place), "exec", dont_inherit=True), str(place)),))
    cells = code_cells(place.read_text(encoding="utf-8-sig"))
    parts: list[tuple[CodeType | SyntaxError, str]] = []
    for cell in cells:
        name = cell_filename(place, cell.index)
        # With no modification time the entry is never checked against a file: torch.compile and autograph read it.
        linecache.cache[name] = (len(cell.source), None, cell.source.splitlines(keepends=True), name)
        parts.append((_compiled(cell.source, name), name))
    return Program(place, tuple(parts), cells)


def _compiled(source: str, name: str) -> CodeType | SyntaxError:
    """A cell's code, or what is wrong with it; as in IPython, a cell may be indented as a whole."""
    lines = source.split("\n")
    indent = next((line[: len(line) - len(line.lstrip())] for line in lines if line.strip()), "")
    try:
        text = "\n".join(line.removeprefix(indent) for line in lines)
        code: CodeType = compile(text, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        return error
    return code


def run_script(
    path: str | Path,
    argv: Sequence[str] = (),
    *,
    is_notebook: bool | None = None,
    working_folder: str | Path | None = None,
    module: str | None = None,
) -> ScriptOutcome:
    """Run the program at ``path`` as ``__main__``, its own folder first in ``sys.path``.

    Nothing that the program raises gets out. ``__main__``, ``sys.path`` and ``sys.argv`` stay as it leaves them, since
    its functions may be called again. A process that the program forked and that comes back here ends.

    Args:
        path: script or notebook.
        argv: the program's arguments, without its name.
        is_notebook: None: by the suffix.
        working_folder: the folder that mirrors the script's own; ``__file__`` and ``sys.argv[0]`` then point there, so
            that what the program writes beside itself goes there.
        module: its name, where it runs as ``python -m`` does: as a part of its package, from the folder of that.
    """
    owner = os.getpid()
    try:
        outcome = _run(path, argv, is_notebook, working_folder, module)
    finally:
        if os.getpid() != owner:
            _exit(0)
    return outcome


def _run(
    path: str | Path,
    argv: Sequence[str],
    is_notebook: bool | None,
    working_folder: str | Path | None,
    module: str | None,
) -> ScriptOutcome:
    program: Program | None = None
    try:
        program = load_program(path, is_notebook=is_notebook)
        namespace = _become_main(program, argv, working_folder, module)
        with _os_exit_caught():
            for code, _ in program.parts:
                if isinstance(code, SyntaxError):
                    raise code
                result = eval(code, namespace)
                if code.co_flags & inspect.CO_COROUTINE:
                    asyncio.run(result)
        return ScriptOutcome(HowItEnded.COMPLETED)
    except StopProgram:
        return ScriptOutcome(HowItEnded.STOPPED)
    except SystemExit as error:
        return _exited(error, program)
    except BaseException as error:
        return _raised(error, program, Path(os.path.realpath(path)))


def _become_main(
    program: Program, argv: Sequence[str], working_folder: str | Path | None, module: str | None
) -> dict[str, Any]:
    shown = program.path if working_folder is None else Path(working_folder) / program.path.name
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __file__=str(shown), __cached__=None, __spec__=None)
    if program.cells:
        del main.__dict__["__file__"]
        main.__dict__.update(display=_display, get_ipython=NotebookShell)
    sys.modules["__main__"] = main
    sys.argv = [str(shown), *argv]
    if module is None:
        sys.path.insert(0, str(program.path.parent))
        return main.__dict__
    name = f"{module}.__main__" if program.path.name == "__main__.py" else module
    package = name.rpartition(".")[0]
    sys.path.insert(0, str(program.path.parents[name.count(".")]))
    main.__package__ = package
    main.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=str(program.path))
    if package:
        importlib.import_module(package)
    return main.__dict__


@contextlib.contextmanager
def _os_exit_caught() -> Iterator[None]:
    """Let ``os._exit`` end the program only: what was captured before is still wanted.

    Forked processes (workers of a loader) do end.
    """
    owner = os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() != owner:
            _exit(status)
        raise _LeftByOsExit(status)

    os._exit = leave
    try:
        yield
    finally:
        os._exit = _exit


class _LeftByOsExit(SystemExit):
    """``os._exit`` of the program itself, made to end the program and not the audit."""


class NotebookShell:
    """What ``get_ipython()`` gives: takes every call and does nothing; no command has any output."""

    def getoutput(self, *_: object, **__: object) -> list[str]:
        return []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _display(*_: object, **__: object) -> None:
    """IPython's ``display``: nothing is shown."""


def _exited(error: SystemExit, program: Program | None) -> ScriptOutcome:
    code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    place = _own_place(error, program)
    said = _said_on_leaving(error) if code and isinstance(error.code, int) else str(error.code)
    text = f": {_shortened(said)}" if code and said else ""
    call = "os._exit" if isinstance(error, _LeftByOsExit) else "sys.exit"
    return ScriptOutcome(
        HowItEnded.EXITED,
        f"the program left by {call}{_at(place)} with exit code {code}{text}",
        *_line_and_cell(place),
        exit_code=code,
    )


def _said_on_leaving(error: SystemExit) -> str:
    """What a parser of arguments had to say: it prints that, and leaves with a number."""
    for frame, _ in reversed(_frames(error)):
        message = frame.f_locals.get("message")
        if frame.f_code.co_name == "error" and isinstance(message, str):  # of argparse and what is built on it
            return message
    cause = error.__context__
    return str(getattr(cause, "message", "")) if isinstance(cause, Exception) else ""  # of click


def _raised(error: BaseException, program: Program | None, path: Path) -> ScriptOutcome:
    kind = type(error).__qualname__
    message = _message(error)
    place = _own_place(error, program)
    if _is_ours(error):
        sentence = own_failure(error).rstrip(".")
        return ScriptOutcome(HowItEnded.RAISED, sentence, *_line_and_cell(place), internal=True)
    if isinstance(error, SyntaxError) and error.lineno is not None and place is None:
        place, message = _syntax_place(error, path), error.msg
    elsewhere = _deepest_of_the_users(error, program) if place is not None and program is not None else None
    library = _library(error)
    where = _at(place) + (f" (in {elsewhere})" if elsewhere else "") + (f", raised by {library}" if library else "")
    return ScriptOutcome(
        HowItEnded.RAISED,
        f"{kind}{where}" + (f": {message}" if message else ""),
        *_line_and_cell(place),
    )


def _is_ours(error: BaseException) -> bool:
    """Whether it comes out of what watches the program: no line of the program is to blame.

    What stands in for libraries and files raises what they would have raised, and is not meant here.
    """
    frames = _frames(error)
    path = frames[-1][0].f_code.co_filename if frames else ""
    return isinstance(error, Exception) and path.startswith(_WATCHERS) and os.path.basename(path) not in _PASSING_ON


_RUNTIME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_WATCHERS = tuple(os.path.join(_RUNTIME, room, "") for room in ("keras", "torch", "measure"))
_PASSING_ON = frozenset({"guarded_calls.py", "bce.py"})
"""files whose functions call the program's own for it, or refuse what torch refuses: the program's error"""


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    return list(traceback.walk_tb(error.__traceback__))


def _own_place(error: BaseException, program: Program | None) -> Location | None:
    """The last line of the program's own file that the exception passed."""
    if program is None:
        return None
    for frame, line in reversed(_frames(error)):
        place = program.locate(frame.f_code.co_filename, line)
        if place is not None:
            return place
    return None


def _deepest_of_the_users(error: BaseException, program: Program) -> str | None:
    """``model.py, line 4`` where the exception came from another file beside the script."""
    for frame, line in reversed(_frames(error)):
        name = frame.f_code.co_filename
        if program.locate(name, line) is not None:
            return None
        own = not name.startswith("<") and "site-packages" not in name and not name.startswith(_RUNTIME)
        if own and os.path.realpath(name).startswith(f"{program.path.parent}{os.sep}"):
            return f"{os.path.relpath(os.path.realpath(name), program.path.parent)}, line {line}"
    return None


def _library(error: BaseException) -> str | None:
    """``keras 3.15.1`` where that library refused what the program asked of it: other versions may not have."""
    if isinstance(error, (OSError, MemoryError)):
        return None
    if isinstance(error, ImportError):
        name = error.name
    else:
        frames = _frames(error)
        name = frames[-1][0].f_globals.get("__name__") if frames else None
    root = str(name or "").partition(".")[0]
    if root in {"", "__main__", "ae_audit"}:
        return None
    with contextlib.suppress(Exception):  # it is no library, or one without a record of its installation
        return f"{root} {importlib.metadata.version(root)}"
    return None


def _syntax_place(error: SyntaxError, path: Path) -> Location | None:
    name = error.filename or ""
    stem, _, cell = name.rpartition(CELL_MARK)
    if stem and cell.isdigit() and _same_file(stem, path):
        return Location(str(path), error.lineno or 1, cell=int(cell))
    return Location(str(path), error.lineno or 1) if _same_file(name, path) else None


def _same_file(name: str, path: Path) -> bool:
    if name == str(path):
        return True
    with contextlib.suppress(OSError):  # the folder that the program worked in is gone
        return not name.startswith("<") and os.path.realpath(name) == str(path)
    return False


def _at(place: Location | None) -> str:
    if place is None:
        return ""
    return f" at line {place.line}" if place.cell is None else f" at line {place.line} of cell {place.cell}"


def _line_and_cell(place: Location | None) -> tuple[int | None, int | None]:
    return (None, None) if place is None else (place.line, place.cell)


def _message(error: BaseException) -> str:
    try:
        text = _shortened(str(error))
    except Exception:
        return ""
    return _PLACE_OF_MODULE.sub("", text) if isinstance(error, ImportError) else text


_PLACE_OF_MODULE = re.compile(r" \((?:/|\w:\\|unknown location).*\)$")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def _shortened(text: str) -> str:
    """The first line, and the next where the first only announces it."""
    lines = [line.strip() for line in _ESCAPES.sub("", text).splitlines() if line.strip()]
    line = lines[0] if lines else ""
    if len(lines) > 1 and (line.endswith(":") or line.startswith("Exception encountered when calling ")):
        line = f"{line} {lines[1]}"
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"

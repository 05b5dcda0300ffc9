"""Who asks for an old name, whether to answer, and what the report says of it."""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import importlib.metadata
import linecache
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from ae_audit.runtime.host.user_code import UserCode
from ae_audit.source.notebook_cells import code_cells

_TITLES = {
    "keras": ("Keras", "keras"),
    "tensorflow": ("TensorFlow", "tensorflow"),
    "numpy": ("NumPy", "numpy"),
    "pandas": ("pandas", "pandas"),
    "scipy": ("SciPy", "scipy"),
    "sklearn": ("scikit-learn", "scikit-learn"),
    "skimage": ("scikit-image", "scikit-image"),
    "matplotlib": ("Matplotlib", "matplotlib"),
    "torch": ("PyTorch", "torch"),
    "torchvision": ("torchvision", "torchvision"),
    "pytorch_lightning": ("Lightning", "pytorch-lightning"),
    "lightning": ("Lightning", "lightning"),
}
_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "TypeError", "ValueError", "Exception"})
"""exceptions by which a program tells that a name or an argument is not there"""
_ABOUT_DATA = frozenset({"Exception", "BaseException", "ValueError", "TypeError"})
REFUSED = "is refused by"
"""where the name is there, and not for this"""
_MOST_PLACES = 4
_ASKING = ("IMPORT", "LOAD")
_OURS = str(Path(__file__).resolve().parents[2]) + os.sep


class Uses:
    """What was answered, by place, and what must not be: a program that looks whether a name is there is told no."""

    def __init__(self, script: str | Path) -> None:
        self._code = UserCode(script)
        self._script = os.path.realpath(script)
        self._places: dict[str, dict[tuple[str, int | None, int], None]] = {}

    def tell(self, what: str, library: str, done: str, *, gone: str = "is gone from") -> None:
        """``what`` is gone from ``library``; ``done`` says what was done instead."""
        text = f"{what} {gone} {title(library)}; {done}"
        location = self._code.location()
        places = self._places.setdefault(text, {})
        if location is not None:
            places[location.path, location.cell, location.line] = None

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each old name, with its places."""
        return tuple(f"{self._where(tuple(places))}{text}" if places else text for text, places in self._places.items())

    def answers(self, libraries: Iterable[str], frame: FrameType | None, *, named: bool = True) -> bool:
        """Whether the code in ``frame``, or what has called the import system there, is to get an answer.

        Args:
            libraries: whose own code asks in vain, as it did before.
            frame: where the question comes from.
            named: the name must be written there, as in ``np.float`` or an import; ``hasattr`` is told the truth.
        """
        asking = _asking_frame(frame)
        if asking is None or str(asking.f_globals.get("__name__", "")).partition(".")[0] in libraries:
            return False
        if named and not _operation(asking).startswith(_ASKING):
            return False
        return not _is_guarded(asking.f_code.co_filename, asking.f_lineno)

    def in_program(self, frame: FrameType | None) -> bool:
        """Whether ``frame`` is the user's own code."""
        return frame is not None and self._code.place(frame.f_code.co_filename) is not None

    def source(self) -> str:
        """The text of the user's file that is running."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not self.in_program(frame):
            frame = frame.f_back
        return "" if frame is None else "".join(linecache.getlines(frame.f_code.co_filename))

    def program(self) -> str:
        """The text of the program, with a notebook's cells one after the other."""
        with open(self._script, encoding="utf-8", errors="replace") as file:
            text = file.read()
        return "\n".join(cell.source for cell in code_cells(text)) if self._script.endswith(".ipynb") else text

    def _where(self, places: tuple[tuple[str, int | None, int], ...]) -> str:
        shown = [self._shown(*place) for place in sorted(places, key=lambda place: (place[0], place[1] or 0, place[2]))]
        more = f" and {len(shown) - _MOST_PLACES} more places" if len(shown) > _MOST_PLACES else ""
        return f"{', '.join(shown[:_MOST_PLACES])}{more}: "

    def _shown(self, path: str, cell: int | None, line: int) -> str:
        own = "" if os.path.realpath(path) == self._script else f"{os.path.basename(path)}, "
        return f"{own}line {line}" + ("" if cell is None else f" of cell {cell}")


@functools.cache
def title(library: str) -> str:
    """``Keras 3.15.1``."""
    name, distribution = _TITLES.get(library, (library, library))
    if library == "python":
        return f"Python {sys.version_info.major}.{sys.version_info.minor}"
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return f"{name} {importlib.metadata.version(distribution)}"
    return name


def _asking_frame(frame: FrameType | None) -> FrameType | None:
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(("<frozen importlib", _OURS)):
            return frame
        frame = frame.f_back
    return None


def _operation(frame: FrameType) -> str:
    code = frame.f_code.co_code
    return dis.opname[code[frame.f_lasti]] if 0 <= frame.f_lasti < len(code) else ""


def _is_guarded(filename: str, line: int) -> bool:
    """Whether the line stands in a ``try`` that catches what a missing name raises: the program knows what to do."""
    return any(first <= line <= last for first, last in _guarded_lines(filename))


@functools.lru_cache(maxsize=256)
def _guarded_lines(filename: str) -> tuple[tuple[int, int], ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(
        (node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any(_catches(handler.type) and _does_without(handler) for handler in node.handlers)
    )


def _does_without(handler: ast.ExceptHandler) -> bool:
    """Whether a handler may know what to do without a name: not one of all exceptions that only gives a value.

    ``try: return np.float(x)`` / ``except: return np.nan`` is about ``x``: with the name gone, all data would be.
    """
    if handler.type is not None and not (isinstance(handler.type, ast.Name) and handler.type.id in _ABOUT_DATA):
        return True
    return not all(
        isinstance(statement, (ast.Return, ast.Continue, ast.Pass))
        and not any(isinstance(node, ast.Call) for node in ast.walk(statement))
        for statement in handler.body
    ) or all(isinstance(statement, ast.Pass) for statement in handler.body)


def _catches(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(isinstance(item, ast.Name) and item.id in _CAUGHT | {"BaseException"} for item in kinds)

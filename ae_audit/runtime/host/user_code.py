"""Which line of the user's own source is running: the innermost frame that belongs to the script or its project."""

from __future__ import annotations

import ast
import itertools
import linecache
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from ae_audit.runtime.host.first_party import is_first_party
from ae_audit.schema.location import Location

LIBRARY_FOLDERS = ("site-packages", "dist-packages")
DEEPEST = 12
"""of the user's frames that are remembered"""
SHOWN_WIDTH = 120
"""A piece of source longer than this is cut in what the report quotes."""

Place = tuple[str, int | None]
"""Path as the report shows it, and the notebook cell."""


class Caller(NamedTuple):
    """One frame of the user's, as it stood: what remains when it has gone."""

    frame: int
    """its identity"""
    f_code: CodeType
    f_lasti: int
    f_lineno: int


class UserCode:
    """Tells the user's files from everybody else's, and frames from locations.

    Args:
        script: the program; its own folder and what lies below counts as the user's, as do modules of its project.
            A notebook's cells have the file names that :func:`ae_audit.runtime.host.scripts.cell_filename` gives them.
        place_of: maps the file name of a code object to a :data:`Place`; None as its answer means `not known`, and
            the default applies.
    """

    def __init__(self, script: str | Path, place_of: Callable[[str], Place | None] | None = None) -> None:
        self._shown = str(script)
        self._script = os.path.realpath(script)
        self._root = os.path.dirname(self._script)
        self._place_of = place_of
        self._known: dict[str, Place | None] = {}
        self._located: dict[tuple[str, CodeType, int], Location] = {}

    def place(self, filename: str) -> Place | None:
        """Where a code object's file is, or None if it is no file of the user's."""
        if filename not in self._known:
            self._known[filename] = self._find(filename)
        return self._known[filename]

    def location(self, skip: Callable[[FrameType], bool] | None = None) -> Location | None:
        """The innermost user frame above the caller that ``skip`` lets through."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            place = self.place(frame.f_code.co_filename)
            if place is not None and (skip is None or not skip(frame)):
                key = frame.f_code.co_filename, frame.f_code, frame.f_lasti  # two alike cells of a notebook are equal
                if key not in self._located:  # a loop comes by thousands of times
                    self._located[key] = _location(frame, place)
                return self._located[key]
            frame = frame.f_back
        return None

    def callers(self) -> tuple[Caller, ...]:
        """The user's frames that run now, the innermost first, up to the top of the script or module."""
        found: list[Caller] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and len(found) < DEEPEST:
            if self.place(frame.f_code.co_filename) is not None:
                found.append(Caller(id(frame), frame.f_code, frame.f_lasti, frame.f_lineno))
                if frame.f_code.co_name == "<module>":
                    break
            frame = frame.f_back
        return tuple(found)

    def where_they_meet(self, then: Sequence[Caller], now: Sequence[Caller]) -> Location | None:
        """Where the innermost frame that ran ``then`` and still runs ``now`` stood then; None where there is none."""
        for caller in now:
            for earlier in then:
                if (earlier.frame, earlier.f_code) == (caller.frame, caller.f_code):
                    place = self.place(earlier.f_code.co_filename)
                    return None if place is None else _location(earlier, place)
        return None

    def text(self, location: Location | None) -> str | None:
        """The source at a location that has columns, on one line."""
        if location is None or location.end_line is None or location.end_column is None:
            return None
        filename = next((name for name, place in self._known.items() if place == (location.path, location.cell)), None)
        if filename is None:
            return None
        lines = [linecache.getline(filename, number) for number in range(location.line, location.end_line + 1)]
        if not lines or not all(lines):
            return None
        lines[-1] = lines[-1][: location.end_column - 1]
        lines[0] = lines[0][location.column - 1 :]
        text = " ".join(" ".join(lines).split())
        return text if len(text) <= SHOWN_WIDTH else text[: SHOWN_WIDTH - 1] + "…"

    def _find(self, filename: str) -> Place | None:
        if self._place_of is not None:
            place = self._place_of(filename)
            if place is not None:
                return place
        if filename.startswith("<"):
            return None
        path, mark, cell = filename.rpartition("#cell")
        if mark and cell.isdigit() and os.path.realpath(path) == self._script:
            return self._shown, int(cell)
        real = os.path.realpath(filename)
        if real == self._script:
            return self._shown, None
        parts = Path(real).parts
        inside = (real.startswith(self._root + os.sep) or is_first_party(real)) and not any(
            folder in parts for folder in LIBRARY_FOLDERS
        )
        return (filename, None) if inside and not real.startswith((_PYTHON, _OWN)) else None


_OWN = str(Path(__file__).resolve().parents[2]) + os.sep
_PYTHON = os.path.dirname(os.path.realpath(os.__file__)) + os.sep


def _location(frame: FrameType | Caller, place: Place) -> Location:
    path, cell = place
    span = _span(frame)
    if span is None:
        line = frame.f_lineno
        return _call_on(frame.f_code.co_filename, line, path, cell) or Location(path, line, cell=cell)
    line, end_line, start, end = span
    filename = frame.f_code.co_filename
    return Location(path, line, _column(filename, line, start), end_line, _column(filename, end_line, end), cell)


def _span(frame: FrameType | Caller) -> tuple[int, int, int, int] | None:
    """Lines and byte offsets of the instruction that runs; None before Python 3.11."""
    positions = getattr(frame.f_code, "co_positions", None)
    if positions is None or frame.f_lasti < 0:
        return None
    span: tuple[int | None, ...] | None = next(itertools.islice(positions(), frame.f_lasti // 2, None), None)
    if span is None:
        return None
    line, end_line, start, end = span
    if line is None or end_line is None or start is None or end is None:
        return None
    return line, end_line, start, end


def _column(filename: str, line: int, offset: int) -> int:
    """1-based column in characters of a byte offset."""
    text = linecache.getline(filename, line)
    if text.isascii():
        return offset + 1
    return len(text.encode()[:offset].decode(errors="ignore")) + 1


def _call_on(filename: str, line: int, path: str, cell: int | None) -> Location | None:
    """Before Python 3.11: the only call on that line, if there is exactly one."""
    try:
        tree = ast.parse(linecache.getline(filename, line).strip())
    except (SyntaxError, ValueError):
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if len(calls) != 1:
        return None
    text = linecache.getline(filename, line)
    indent = len(text) - len(text.lstrip())
    call = calls[0]
    if call.end_col_offset is None:
        return None
    stripped = text.strip().encode()
    start = len(stripped[: call.col_offset].decode(errors="ignore"))
    end = len(stripped[: call.end_col_offset].decode(errors="ignore"))
    return Location(path, line, indent + start + 1, line, indent + end + 1, cell)

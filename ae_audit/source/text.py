"""Source text by path, as users see it: files, the cells of notebooks, and standard input."""

from __future__ import annotations

import re

from ae_audit.base.bounded import read_bounded

STDIN = "<stdin>"
"""the path that reports give to what came through standard input"""

MOST_BYTES = 64 << 20
"""of a file that is read as source: notebooks hold images, and what is parsed takes some twenty times as much memory"""

MODEL_SUFFIXES = (".keras", ".h5", ".hdf5", ".json", ".pt2", ".pt", ".pth")
"""endings of files that hold a model, and no source text to show"""

_LINE_BREAK = re.compile(r"\r\n|\r|\n")  # what Python counts as line breaks; str.splitlines knows more
_NO_SOURCE = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
"""codecs in which nobody writes: they refuse, take time that grows with the square, or turn a comment into code"""
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


def decode(source: bytes) -> str:
    """Python source as text: byte-order mark and coding cookie are honoured; never raises."""
    source = source.removeprefix(b"\xef\xbb\xbf")
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError:
        pass
    for line in source.split(b"\n", 2)[:2]:
        cookie = _COOKIE.match(line)
        if cookie is not None:
            name = cookie.group(1).decode("ascii")
            if name.lower().replace("_", "-") in _NO_SOURCE:
                break
            try:
                if line.decode(name) != line.decode("ascii", "replace"):
                    break  # the comment itself is not written in it
                return source.decode(name, "replace")
            except (LookupError, UnicodeError):
                break
    return source.decode("latin-1")


def split_lines(text: str) -> list[str]:
    """The lines of ``text``, without their ends, counted as Python counts them."""
    return _LINE_BREAK.split(text)


def line_starts(text: str) -> list[int]:
    """Where each line of ``text`` begins."""
    return [0, *(match.end() for match in _LINE_BREAK.finditer(text))]


def is_model_file(path: str) -> bool:
    """Whether ``path`` ends as files do that hold a model."""
    return path.lower().endswith(MODEL_SUFFIXES)


class Sources:
    """Reads source text when it is asked for, and keeps it.

    ``given`` holds sources that are not to be read from disk, by path (standard input, an editor's buffer).
    """

    def __init__(self, given: dict[str, bytes] | None = None) -> None:
        self._bytes: dict[str, bytes | None] = dict(given or {})
        self._texts: dict[tuple[str, int | None], str | None] = {}
        self._lines: dict[tuple[str, int | None], list[str] | None] = {}
        self._cells: dict[str, list[str] | None] = {}

    def read(self, path: str) -> bytes:
        """The bytes of ``path``.

        Raises:
            OSError: if it cannot be read, or is no source text for its size.
        """
        known = self._bytes.get(path)
        if known is None:
            known = self._bytes[path] = read_bounded(path, MOST_BYTES)
        return known

    def text(self, path: str, cell: int | None = None) -> str | None:
        """The source of a file, or of one cell (0-based over all cells); None where there is none to be had."""
        key = (path, cell)
        if key not in self._texts:
            self._texts[key] = self._load(path, cell)
        return self._texts[key]

    def lines(self, path: str, cell: int | None = None) -> list[str] | None:
        """The lines of :meth:`text`."""
        key = (path, cell)
        if key not in self._lines:
            text = self.text(path, cell)
            self._lines[key] = None if text is None else split_lines(text)
        return self._lines[key]

    def _load(self, path: str, cell: int | None) -> str | None:
        if cell is not None:
            if path not in self._cells:
                self._cells[path] = self._load_cells(path)
            cells = self._cells[path]
            return cells[cell] if cells is not None and 0 <= cell < len(cells) else None
        if is_model_file(path):
            return None
        try:
            return decode(self.read(path))
        except (OSError, ValueError):
            return None

    def _load_cells(self, path: str) -> list[str] | None:
        from ae_audit.source.notebook_cells import all_cells

        try:
            return [cell.source for cell in all_cells(decode(self.read(path)))]
        except (OSError, ValueError):
            return None

"""The source of a notebook's cells, with the place of every character in the notebook's file.

A cell's source is one JSON string or a list of them. Formats that know files but no cells need the real line; edits
must leave every byte alone that they do not mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import dumps
from json.decoder import scanstring  # type: ignore[attr-defined]  # which typeshed lacks

from ae_audit.base.records import dataclass

_TOKEN = re.compile(r'["\[\]{}:,]|[^\s\[\]{}:,"]+')
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class CellText:
    """The source of one cell; character ``i`` of ``text`` stands at ``starts[i]`` to ``ends[i]`` of the file's text."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    opens: int
    """where the first character stands or, in an empty cell, would"""
    in_list: bool
    """whether the source is a list of strings, as a rule one a line"""

    def start(self, index: int) -> int:
        """Where character ``index`` begins; for the end of the text, where the last one ends."""
        if index < len(self.starts):
            return self.starts[index]
        return self.ends[-1] if self.ends else self.opens

    def end(self, index: int) -> int:
        """Where the character before ``index`` ends."""
        return self.ends[index - 1] if index else self.opens

    def spelt(self, text: str, at: int, raw: str) -> str:
        """``text`` as it is spelt in the file (``raw``) when it is put before character ``at``."""
        ascii_only = raw.isascii()
        if not self.in_list or "\n" not in text:
            return dumps(text, ensure_ascii=ascii_only)[1:-1]
        literal = raw.rfind("\n", 0, self.start(at)) + 1
        indent = raw[literal : literal + len(raw[literal:]) - len(raw[literal:].lstrip(" \t"))]
        lines = text.split("\n")
        spelt = [dumps(line, ensure_ascii=ascii_only)[1:-1] for line in lines]
        return f'\\n",\n{indent}"'.join(spelt)


def cell_texts(raw: str) -> list[CellText]:
    """The cells of a notebook (nbformat 4), Markdown cells included; empty where ``raw`` is none."""
    cells: list[CellText] = []
    path: list[str | int] = []
    key: str | None = None
    literals: list[tuple[int, int]] = []
    in_list = False
    for sign, start, end in _tokens(raw):
        if sign in "{[":
            path.append(_step(path, key, raw, start))
            key = None
            if len(path) == 3 and path[1] == "cells":
                literals, in_list = [], False
            in_list = in_list or (len(path) == 4 and path[1] == "cells" and path[3] == "source")
        elif sign in "}]":
            if len(path) == 3 and path[1] == "cells":
                cells.append(_cell(raw, literals, in_list))
            if path:
                path.pop()
            key = None
        elif sign == '"':
            following = raw[end : end + 64].lstrip()
            if following[:1] == ":":
                key = raw[start + 1 : end - 1]
                continue
            alone = len(path) == 3 and path[1] == "cells" and key == "source"
            if alone or (len(path) == 4 and path[1] == "cells" and path[3] == "source"):
                literals.append((start + 1, end - 1))
            key = None
    return cells


def _tokens(raw: str) -> Iterator[tuple[str, int, int]]:
    """Signs and words with their places; a string is told by its first sign.

    Strings hold images of many megabytes: a pattern for them would keep a way back for each character.
    """
    position = 0
    while (token := _TOKEN.search(raw, position)) is not None:
        position = token.end()
        if token.group() == '"':
            try:
                position = scanstring(raw, position, False)[1]
            except ValueError:  # no notebook
                return
        yield token.group(), token.start(), position


def _step(path: list[str | int], key: str | None, raw: str, start: int) -> str | int:
    """What the new object or array is called in its parent; within an array its name does not matter."""
    return key if key is not None else start


def _cell(raw: str, literals: list[tuple[int, int]], in_list: bool) -> CellText:
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for first, last in literals:
        for found in _CHARACTER.finditer(raw, first, last):
            text.append(_meaning(found.group()))
            starts.append(found.start())
            ends.append(found.end())
    return CellText("".join(text), tuple(starts), tuple(ends), literals[0][0] if literals else 0, in_list)


def _meaning(spelt: str) -> str:
    if spelt[0] != "\\" or len(spelt) == 1:
        return spelt
    if len(spelt) == 2:
        return _ESCAPES.get(spelt[1], spelt[1])
    units = [int(unit, 16) for unit in spelt.split("\\u")[1:]]
    if len(units) == 2:
        return chr(0x10000 + ((units[0] - 0xD800) << 10) + (units[1] - 0xDC00))
    return chr(units[0])

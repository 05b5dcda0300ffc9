"""The code cells of a notebook as plain Python, line for line: magics and shell lines blanked out."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import Any

CELL_MARK = "#cell"
"""between a notebook's path and the number of the cell, in the file names that its frames have"""

_RUN_BODY = re.compile(r"%%(time|timeit|capture|prun|memit|mprun|autoreload|tensorflow_version)\b")
_TIMED = re.compile(r"^(\s*)%(?:time|prun|memit)\s+(?!-)(.*)$")
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2}\s*|\?{1,2}[\w.]+\s*)$")
_ASSIGNED = re.compile(r"^(\s*[\w.,\s]+?=\s*)(?:!|%[a-zA-Z])")


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A code cell."""

    index: int
    """0-based, over all cells"""
    source: str
    """plain Python with as many lines as the cell"""


def code_cells(text: str) -> tuple[CodeCell, ...]:
    """The code cells of the notebook ``text`` (format 3 or 4), in order.

    Raises:
        ValueError: if it is no notebook.
    """
    notebook = json.loads(text)
    if not isinstance(notebook, dict):
        raise ValueError("not a notebook: no JSON object")
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):  # format 3
        cells = [cell for sheet in notebook["worksheets"] for cell in sheet.get("cells", [])]
    if not isinstance(cells, list):
        raise ValueError("not a notebook: it has no cells")
    found = []
    for index, cell in enumerate(cells):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            found.append(CodeCell(index, plain_python(_joined(cell.get("source", cell.get("input", ""))))))
    return tuple(found)


def plain_python(source: str) -> str:
    """A cell's source with what only IPython understands blanked out; a cell that is Python already stays as it is."""
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is not None and lines[first].lstrip().startswith("%%"):
        if not _RUN_BODY.match(lines[first].lstrip()):
            return "\n" * (len(lines) - 1)
        lines[first] = ""
        return plain_python("\n".join(lines))
    if _parses(source):
        return source
    result: list[str] = []
    continued = False
    for line in lines:
        if continued:
            continued = line.rstrip().endswith("\\")
            result.append("")
        elif timed := _TIMED.match(line):
            result.append(timed[1] + timed[2])
        elif assigned := _ASSIGNED.match(line):
            continued = line.rstrip().endswith("\\")
            result.append(assigned[1] + "[]")
        elif magic := _MAGIC.match(line):
            continued = line.rstrip().endswith("\\")
            result.append(magic[1] + "pass")
        else:
            result.append(line)
    return "\n".join(result)


def _joined(source: Any) -> str:
    if isinstance(source, str):
        return source
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    raise ValueError("not a notebook: a cell without source text")


def _parses(source: str) -> bool:
    try:
        compile(source, "cell", "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True

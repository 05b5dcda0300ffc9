"""The cells of a notebook; code cells as plain Python, line for line, with what only IPython understands blanked."""

from __future__ import annotations

import re

from ae_audit.base.records import dataclass

CELL_MARK = "#cell"
"""between a notebook's path and the number of the cell, in the file names that its frames have"""

_RUN_BODY = re.compile(r"%%(time|timeit|capture|prun|memit|mprun|autoreload|tensorflow_version)\b")
_IPYTHON = re.compile(r"[%!]|\?\s*$", re.MULTILINE)
_TIMED = re.compile(r"^(\s*)%(?:time|timeit|prun|memit)\s+(?!-)(.*)$")
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2}\s*|\?{1,2}[\w.]+\s*)$")
_ASSIGNED = re.compile(r"^(\s*[\w.,\s]+?=\s*)(?:!|%[a-zA-Z])")
_WRITES = re.compile(r"\s*%%(?:writefile|file)\s+(?:-a\s+)?(?:\./)?([\w/]+)\.py\s*$", re.MULTILINE)
_SHELL_OUTPUT = 'get_ipython().getoutput("")'


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as the notebook holds it."""

    source: str
    is_code: bool


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A code cell."""

    index: int
    """0-based, over all cells"""
    source: str
    """plain Python with as many lines as the cell"""


def all_cells(text: str) -> tuple[Cell, ...]:
    """The cells of the notebook ``text`` (format 3 or 4), in order, those of other kinds than code included.

    Raises:
        ValueError: if it is no notebook; the text says why.
    """
    import json  # scripts, which are most of what is read, do without it

    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not valid JSON") from error
    if not isinstance(notebook, dict):
        raise ValueError("it is not a notebook: no JSON object")
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):  # format 3
        cells = [cell for sheet in notebook["worksheets"] for cell in _cells_of(sheet)]
    if not isinstance(cells, list):
        raise ValueError("it is not a notebook: it has no cells")
    return tuple(_cell(cell) for cell in cells)


def code_cells(text: str) -> tuple[CodeCell, ...]:
    """The code cells of the notebook ``text`` (format 3 or 4), in order.

    Raises:
        ValueError: if it is no notebook; the text says why.
    """
    return tuple(
        CodeCell(index, plain_python(cell.source)) for index, cell in enumerate(all_cells(text)) if cell.is_code
    )


def written_modules(text: str) -> dict[str, CodeCell]:
    """The modules that cells of a notebook write into files (``%%writefile steps.py``), by their dotted name.

    Raises:
        ValueError: if it is no notebook; the text says why.
    """
    found: dict[str, CodeCell] = {}
    for index, cell in enumerate(all_cells(text)):
        written = _WRITES.match(cell.source) if cell.is_code else None
        if written is not None:
            body = cell.source[written.end() :]
            lines = "\n" * cell.source[: written.end()].count("\n")
            found[written[1].replace("/", ".")] = CodeCell(index, plain_python(lines + body))
    return found


def plain_python(source: str) -> str:
    """A cell's source with what only IPython understands blanked out; a cell that is Python already stays as it is.

    A cell in another language becomes empty lines. The output of a shell command that is assigned stays unknown: a call
    of ``get_ipython`` stands for it.
    """
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is not None and lines[first].lstrip().startswith("%%"):
        if not _RUN_BODY.match(lines[first].lstrip()):
            return "\n" * (len(lines) - 1)
        lines[first] = ""
        return plain_python("\n".join(lines))
    if not _IPYTHON.search(source) or _parses(source):
        return source
    result: list[str] = []
    continued = False
    depth = 0
    for line in lines:
        if continued:
            continued = line.rstrip().endswith("\\")
            result.append("")
            continue
        plain = line if depth > 0 else _plain_line(line)
        continued = plain is not line and line.rstrip().endswith("\\")
        depth += sum(map(plain.count, "([{")) - sum(map(plain.count, ")]}"))
        result.append(plain)
    return "\n".join(result)


def _plain_line(line: str) -> str:
    if timed := _TIMED.match(line):
        return timed[1] + timed[2]
    if assigned := _ASSIGNED.match(line):
        return assigned[1] + _SHELL_OUTPUT
    if magic := _MAGIC.match(line):
        return magic[1] + "pass"
    return line


def _cells_of(sheet: object) -> list[object]:
    cells = sheet.get("cells") if isinstance(sheet, dict) else None
    return cells if isinstance(cells, list) else []


def _cell(cell: object) -> Cell:
    if not isinstance(cell, dict):
        return Cell("", is_code=False)
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return Cell(source if isinstance(source, str) else "", cell.get("cell_type") == "code")


def _parses(source: str) -> bool:
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            compile(source, "cell", "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True

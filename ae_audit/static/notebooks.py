"""Notebooks: code cells as texts of their own; magics and shell lines are blanked, line by line."""

from __future__ import annotations

import re

from ae_audit.static.sources import Text

_MAGIC = re.compile(r"^(\s*)(%|!|\?)")
_ASSIGNED_MAGIC = re.compile(r"^(\s*[\w, ]+=\s*)(!|%\w)")
_HELP = re.compile(r"^\s*[\w.]+\?{1,2}\s*$")
_CODE_MAGICS = {"time", "timeit", "capture", "prun", "memit"}


class NotebookError(ValueError):
    """The file is no notebook."""


def cells(path: str, source: str) -> list[Text]:
    """The code cells in order, each with its 0-based index over all cells.

    Raises:
        NotebookError: if the source is not the JSON of a notebook.
    """
    import json  # scripts, which are most of what is read, do without it

    try:
        document = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise NotebookError("it is not valid JSON") from error
    if not isinstance(document, dict):
        raise NotebookError("it is not a notebook")
    found = document.get("cells")
    if found is None:
        sheets = document.get("worksheets")
        sheet = sheets[0] if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict) else {}
        found = sheet.get("cells")
    if not isinstance(found, list):
        raise NotebookError("it is not a notebook")
    texts: list[Text] = []
    for index, cell in enumerate(found):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        written = cell.get("source", cell.get("input", ""))
        text = "".join(str(part) for part in written) if isinstance(written, list) else str(written)
        code = without_magics(text)
        if code is not None:
            texts.append(Text(path, code, index))
    return texts


def without_magics(text: str) -> str | None:
    """The cell with lines that only IPython understands blanked; None where the whole cell is in another language."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is not None and lines[first].lstrip().startswith("%%"):
        magic = lines[first].lstrip()[2:].split(" ", 1)[0].strip()
        if magic not in _CODE_MAGICS:
            return None
        lines[first] = ""
    continued = False
    for index, line in enumerate(lines):
        if continued:
            continued = line.rstrip().endswith("\\")
            lines[index] = ""
            continue
        magic_line = _MAGIC.match(line)
        if magic_line and not _inside_expression(lines, index):
            rest = line.strip()
            command = rest[1:].split(" ", 1)
            continued = line.rstrip().endswith("\\")
            if rest.startswith("%") and command[0] in _CODE_MAGICS and len(command) > 1 and not continued:
                lines[index] = magic_line.group(1) + command[1]
            else:
                lines[index] = magic_line.group(1) + "pass" if magic_line.group(1) else ""
        elif _ASSIGNED_MAGIC.match(line):
            assigned = _ASSIGNED_MAGIC.match(line)
            assert assigned is not None
            lines[index] = assigned.group(1) + "None"
        elif _HELP.match(line):
            lines[index] = ""
    return "\n".join(lines)


def _inside_expression(lines: list[str], index: int) -> bool:
    """Whether the line continues an expression: ``x = (a\\n % b)``."""
    before = "\n".join(lines[:index])
    return before.count("(") + before.count("[") + before.count("{") > (
        before.count(")") + before.count("]") + before.count("}")
    )

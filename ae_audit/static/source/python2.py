"""Source that Python 3 does not parse, read as far as it can be: Python 2, stray prose, half-written lines."""

from __future__ import annotations

import ast
import re
import warnings

from ae_audit.base.records import dataclass
from ae_audit.static.source.sources import LOST

MAX_REPAIRS = 48
"""lines that are mended or dropped before a file is given up; each costs a parse of the whole"""
_PRINT = re.compile(r"^(\s*(?:[^#'\"\s][^#'\"]*:\s+)?)print\b(?!\s*\()(.*)$")
_PRINT_TO = re.compile(r"^(\s*)print\s*>>.*$")
_EXCEPT = re.compile(r"^(\s*except\s+[\w.() ,]+?)\s*,\s*(\w+)\s*:")
_RAISE = re.compile(r"^(\s*raise\s+[\w.]+)\s*,\s*.*$")
_EXEC = re.compile(r"^(\s*)exec\s+.*$")
_OCTAL = re.compile(r"(?<![\w.])0([0-7]{2,})\b")
_LONG = re.compile(r"(?<![\w.])(\d+)[lL]\b")
_UNICODE_RAW = re.compile(r"\b[uU][rR](?=['\"])")
_ASYNC = re.compile(r"(?<=[(,])(\s*)async(?=\s*=[^=])")
"""an argument of old torch (``x.cuda(async=True)``), a keyword since Python 3.7"""
_ASSIGNMENT = re.compile(r"^\s*([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*=(?!=)")
_EXPECTED_BLOCK = re.compile(r"expected an indented block after .* on line (\d+)")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A tree of what could be read, and the lines that could not, each with the parser's message."""

    tree: ast.Module
    dropped: tuple[tuple[int, str], ...]


def read_what_parses(source: str) -> Repaired | None:
    """The tree of ``source`` without the lines that keep it from parsing; None where that is most of it."""
    lines = [line.replace("\x00", "") for line in re.split(r"\r\n|\r|\n", source)]
    lines = [_from_python_2(line) for line in lines]
    dropped: dict[int, str] = {}
    expanded = False
    for _ in range(MAX_REPAIRS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return Repaired(ast.parse("\n".join(lines)), tuple(sorted(dropped.items())))
        except TabError:
            if expanded:
                return None
            expanded = True
            lines = [_tabs_expanded(line) for line in lines]
        except SyntaxError as error:
            if not _mend(lines, error, dropped):
                return None
        except (ValueError, RecursionError, MemoryError):
            return None
    return None


def _from_python_2(line: str) -> str:
    found = _PRINT_TO.match(line)
    if found:
        return f"{found.group(1)}pass"
    found = _PRINT.match(line)
    if found and not found.group(2).lstrip().startswith(("=", ".", ",", ")")):
        if line.count("(") != line.count(")") or line.rstrip().endswith(("\\", ",", "%", "+")):
            return f"{found.group(1)}print ({found.group(2).strip()}" if line.count("(") > line.count(")") else line
        return f"{found.group(1)}pass"
    line = _EXCEPT.sub(r"\1 as \2:", line)
    found = _RAISE.match(line)
    if found:
        return found.group(1)
    found = _EXEC.match(line)
    if found and not line.strip().startswith(("exec(", "exec (", "exec =")):
        return f"{found.group(1)}pass"
    if "'" not in line and '"' not in line:
        line = line.replace("<>", "!=")
        line = _OCTAL.sub(r"0o\1", line)
        line = _LONG.sub(r"\1", line)
    return _ASYNC.sub(r"\1non_blocking", _UNICODE_RAW.sub("r", line))


def _tabs_expanded(line: str) -> str:
    body = line.lstrip(" \t")
    return line[: len(line) - len(body)].expandtabs(8) + body


def _mend(lines: list[str], error: SyntaxError, dropped: dict[int, str]) -> bool:
    """Change one line so that the parser gets further; False where nothing is left to change."""
    number = min(error.lineno or 1, len(lines))
    message = error.msg or "invalid syntax"
    block = _EXPECTED_BLOCK.search(message)
    if block:
        opener = int(block.group(1))
        if not lines[opener - 1].rstrip().endswith("pass"):
            lines[opener - 1] = lines[opener - 1].rstrip() + " pass"
            return True
    while number > 1 and lines[number - 1].strip() in {"", "pass"}:
        number -= 1
    line = lines[number - 1]
    if line.strip() in {"", "pass"}:
        return False
    indent = line[: len(line) - len(line.lstrip())]
    unexpected = "unexpected indent" in message or "unindent" in message
    assigned = None if number in dropped else _ASSIGNMENT.match(line)
    if assigned and line.count("(") == line.count(")") and not line.rstrip().endswith((",", "\\")):
        lines[number - 1] = f"{indent}{assigned.group(1)} = {LOST}"  # whatever the names held before is gone
    else:
        lines[number - 1] = "" if unexpected else f"{indent}pass"
    dropped.setdefault(number, message)
    return True

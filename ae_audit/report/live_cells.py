"""The cells of a running notebook, by the name that their author sees: `In [3]` in place of a temporary file."""

from __future__ import annotations

import linecache
import re
import sys
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

_Record = TypeVar("_Record")
_OLD_NAME = re.compile(r"<ipython-input-(\d+)-")


def cell_name(path: str) -> str | None:
    """``In [3]``; None where ``path`` is not what IPython compiled a cell as."""
    old = _OLD_NAME.match(path)
    if old is not None:
        return f"In [{old.group(1)}]"
    interactive = sys.modules.get("IPython")  # nothing is imported that the user did not
    shell = None if interactive is None else interactive.get_ipython()
    numbers = getattr(getattr(shell, "compile", None), "_filename_map", None)
    number = numbers.get(path) if isinstance(numbers, dict) else None
    return None if number is None else f"In [{number}]"


def named(record: _Record) -> tuple[_Record, dict[str, bytes]]:
    """``record`` (a report) with its cells by name, and their source by that name."""
    paths = set(_paths(record))
    names = {path: name for path in paths if (name := cell_name(path)) is not None}
    if not names:
        return record, {}
    texts = {name: "".join(linecache.getlines(path)).encode() for path, name in names.items()}
    return _renamed(record, names), texts


def _paths(value: Any) -> list[str]:
    found: list[str] = []
    if isinstance(value, tuple):
        for item in value:
            found += [item] if isinstance(item, str) else _paths(item)
    elif is_dataclass(value):
        for part in fields(value):
            item = getattr(value, part.name)
            found += [item] if part.name == "path" else _paths(item)
    return found


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, tuple):
        return tuple(names.get(item, item) if isinstance(item, str) else _renamed(item, names) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changes = {}
        for part in fields(value):
            if not part.init:
                continue
            old = getattr(value, part.name)
            new = names.get(old, old) if part.name == "path" else _renamed(old, names)
            if new is not old and new != old:
                changes[part.name] = new
        return replace(value, **changes) if changes else value
    return value

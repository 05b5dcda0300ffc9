"""``[tool.ae-audit]`` of pyproject.toml: found, checked key by key, and laid over the defaults.

An unknown key, a wrong type or an unknown choice is a :class:`~ae_audit.base.errors.UsageError` that names the file,
the key and what was probably meant.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

from ae_audit.base.bounded import read_bounded
from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.base.records import replace
from ae_audit.schema.findings import Severity
from ae_audit.settings.options import OPTIONS, Kind, Option, Settings
from ae_audit.settings.programs import ProgramStart, starts_from

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

TABLE = "tool.ae-audit"
_LARGEST = 1 << 20
"""bytes of a configuration"""
_DECIDED_BY_USERS = {
    "run": " (code under audit must not decide that it is run)",
    "allow-write": " (code under audit must not open its own sandbox)",
    "allow-network": " (code under audit must not open its own sandbox)",
}
_MAY_HOLD_TABLE = re.compile(rb"""tool["']?\s*\.\s*["']?ae-audit|^\s*\[\s*tool\s*\]|^\s*tool\s*=""", re.MULTILINE)
"""spares most runs the import of a TOML parser; matches too often rather than too seldom"""


def find_config(start: str) -> str | None:
    """The nearest pyproject.toml with a ``[tool.ae-audit]`` table in ``start`` (a folder) or above; None if none."""
    folder = os.path.abspath(start)
    while True:
        path = config_in(folder)
        if path is not None:
            return path
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def config_in(folder: str) -> str | None:
    """The pyproject.toml in ``folder``, where it has a ``[tool.ae-audit]`` table."""
    path = os.path.join(folder, "pyproject.toml")
    return path if os.path.isfile(path) and _table(path) is not None else None


def load_config(path: str, extended_by: tuple[str, ...] = ()) -> Settings:
    """The settings in the file at ``path``: a pyproject.toml, or a TOML file with the keys at its top level.

    ``extended_by`` are the files on whose behalf it is read.

    Raises:
        UsageError: if the file cannot be read, is no TOML, has an unknown key or a wrong value, or extends itself.
    """
    table = _table(path)
    if table is None:
        if os.path.basename(path) == "pyproject.toml":
            raise UsageError(f"{_shown(path)} has no [{TABLE}] table.")
        table = _read(path)
    base = table.get("extend")
    if base is None:
        return settings_from(table, path)
    if not isinstance(base, str) or not base:
        raise UsageError(f"{_shown(path)}: 'extend' must be a file name; got {base!r}.")
    base = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), base))
    if base in (os.path.abspath(path), *extended_by):
        raise UsageError(f"{_shown(path)}: 'extend' comes back to {_shown(base)}, which extends this file.")
    extended = _handed_on(load_config(base, (*extended_by, os.path.abspath(path))))
    rest = {key: value for key, value in table.items() if key != "extend"}
    return settings_from(rest, path, extended)


def _handed_on(settings: Settings) -> Settings:
    """``settings`` for a file elsewhere: patterns with folders in them go on to mean the same files."""
    folder = os.path.dirname(settings.config_file or "")

    def anchored(pattern: str) -> str:
        if "/" not in pattern.rstrip("/") or os.path.isabs(pattern):
            return pattern
        import glob  # spares most runs its import

        return os.path.join(glob.escape(folder), pattern)

    return replace(
        settings,
        extended_files=(settings.config_file or "", *settings.extended_files),
        exclude=tuple(map(anchored, settings.exclude)),
        extend_exclude=tuple(map(anchored, settings.extend_exclude)),
        per_file_ignores=tuple((anchored(pattern), rules) for pattern, rules in settings.per_file_ignores),
        programs=tuple((anchored(pattern), start) for pattern, start in settings.programs),
    )


def settings_from(table: Mapping[str, Any], path: str, base: Settings | None = None) -> Settings:
    """The settings that ``table`` gives over ``base`` or the defaults; ``path`` is the file that it came from.

    Its keys replace those of ``base``; ``extend-select`` and ``extend-exclude`` add to them.

    Raises:
        UsageError: for an unknown key or a wrong value.
    """
    options = {option.key: option for option in OPTIONS}
    changes: dict[str, Any] = {"config_file": os.path.abspath(path)}
    for key, value in table.items():
        option = options.get(key)
        if option is None:
            known = [*(option.key for option in OPTIONS if option.file), "extend"]
            raise UsageError(f"{_shown(path)}: unknown key '{key}' in [{TABLE}].{did_you_mean(key, known)}")
        if not option.file:
            reason = _DECIDED_BY_USERS.get(key, "")
            raise UsageError(f"{_shown(path)}: '{key}' can be given on the command line only{reason}.")
        if option.kind is Kind.PROGRAMS and isinstance(value, Mapping):
            folder = os.path.dirname(os.path.abspath(path))
            changes[option.field] = starts_from(value, folder, f"{_shown(path)}: '{key}'")
            continue
        changes[option.field] = checked(option, value, f"{_shown(path)}: '{key}'")
        if option.kind is Kind.FILE:
            changes[option.field] = os.path.join(os.path.dirname(os.path.abspath(path)), changes[option.field])
    base = base or Settings()
    for name in ("extend_select", "extend_exclude"):
        if name in changes:
            changes[name] = (*getattr(base, name), *changes[name])
    return replace(base, **changes)


def checked(option: Option, value: object, subject: str) -> Any:
    """``value`` in the form that :class:`Settings` holds it; ``subject`` begins the sentence of the error.

    Raises:
        UsageError: if the value has the wrong type or is none of the choices.
    """
    kind = option.kind
    if kind is Kind.SWITCH and isinstance(value, bool):
        return value
    if kind in {Kind.RULES, Kind.GLOBS, Kind.MODULES, Kind.FOLDERS} and _is_list_of_strings(value):
        return tuple(value)  # type: ignore[arg-type]
    if kind is Kind.CHOICE and isinstance(value, str):
        if value not in option.choices:
            raise UsageError(
                f"{subject} must be one of {', '.join(option.choices)}; got '{value}'."
                f"{did_you_mean(value, option.choices)}"
            )
        return Severity(value) if option.key == "fail-on" else value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is Kind.SECONDS and is_number and 0 < value < float("inf"):  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    if kind is Kind.INTEGER and is_number and isinstance(value, int) and value >= 0:
        return value
    if kind is Kind.SIZE and isinstance(value, str) and (size := _size(value)) is not None:
        return size
    if kind in {Kind.FILE, Kind.DATA, Kind.NAME} and isinstance(value, str) and value:
        return value
    if kind is Kind.SCALE and isinstance(value, str) and (scale := _scale(value)) is not None:
        return scale
    if kind is Kind.SHARD and isinstance(value, str) and (shard := _shard(value)) is not None:
        return shard
    if kind is Kind.SEVERITIES and isinstance(value, Mapping):
        return tuple((selector, _severity(name, f"{subject}: '{selector}'")) for selector, name in value.items())
    if kind is Kind.RULES_BY_GLOB and isinstance(value, Mapping):
        for pattern, selectors in value.items():
            if not _is_list_of_strings(selectors):
                raise UsageError(f"{subject}: '{pattern}' must be a list of rule codes, prefixes or names.")
        return tuple((pattern, tuple(selectors)) for pattern, selectors in value.items())
    expected = f"one of {', '.join(option.choices)}" if option.choices else kind.value
    raise UsageError(f"{subject} must be {expected}; got {value!r}.")


def _shard(text: str) -> tuple[int, int] | None:
    """``2/4`` as number and count; None where it is no such thing."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and number.isascii() and of.isascii() and len(of) < 7):
        return None
    return (int(number), int(of)) if 0 < int(number) <= int(of) else None


_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}


def _size(text: str) -> int | None:
    """``4GiB``, ``4G`` or ``500 MB`` in bytes, units being powers of 1024; None where it is no size above 0."""
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([KMGT]?)(?:I?B)?\s*", text, re.IGNORECASE | re.ASCII)
    if found is None:
        return None
    unit = found[2].upper()
    return int(float(found[1]) * (1 << _UNITS.get(unit, 0))) or None


def _scale(text: str) -> tuple[float, float] | None:
    """``1/255`` or ``1/127.5,-1`` as factor and shift; None where it is no such thing."""
    numbers = []
    for part in text.split(","):
        above, slash, below = part.partition("/")
        try:
            numbers.append(float(above) / float(below) if slash else float(above))
        except (ValueError, ZeroDivisionError):
            return None
    factor, shift = (*numbers, 0.0) if len(numbers) == 1 else numbers if len(numbers) == 2 else (0.0, 0.0)
    finite = abs(factor) < float("inf") and abs(shift) < float("inf")
    return (factor, shift) if factor and finite else None


def _severity(value: object, subject: str) -> Severity:
    names = [severity.value for severity in Severity]
    if not isinstance(value, str) or value not in names:
        hint = did_you_mean(value, names) if isinstance(value, str) else ""
        raise UsageError(f"{subject} must be one of {', '.join(names)}; got {value!r}.{hint}")
    return Severity(value)


def as_toml(settings: Settings) -> str:
    """The effective settings as a ``[tool.ae-audit]`` table, with what only the command line can set as comments."""
    lines = [f"# from {settings.config_file or 'the defaults; no configuration file was found'}", f"[{TABLE}]"]
    tables: list[str] = []
    for option in OPTIONS:
        value = getattr(settings, option.field)
        if option.kind is Kind.PROGRAMS:
            tables += _programs(value)
            continue
        if option.kind in {Kind.RULES_BY_GLOB, Kind.SEVERITIES}:
            if value:
                tables += ["", f"[{TABLE}.{option.key}]"]
                tables += [f"{_toml(name)} = {_toml(wanted)}" for name, wanted in value]
            continue
        if value is None:
            continue
        shown = size_text(value) if option.kind is Kind.SIZE else value
        lines.append(f"{'' if option.file else '# --'}{option.key} = {_toml(shown)}")
    return "\n".join([*lines, *tables]) + "\n"


def size_text(size: int) -> str:
    """``size`` in bytes as one writes it in a configuration: ``4GiB``."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size % (1 << power) == 0:
            return f"{size >> power}{unit}"
    return f"{size}B"


def _programs(starts: tuple[tuple[str, ProgramStart], ...]) -> list[str]:
    lines: list[str] = []
    for pattern, start in starts:
        lines += ["", f"[{TABLE}.programs.{_toml(pattern)}]"]
        lines += [f"arguments = {_toml(start.arguments)}"] if start.arguments else []
        lines += [f"{key} = {_toml(name)}" for key in ("module", "folder") if (name := getattr(start, key)) is not None]
        variables = ", ".join(f"{_toml(name)} = {_toml(value)}" for name, value in start.environment)
        lines += [f"environment = {{ {variables} }}"] if variables else []
    return lines


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Severity):
        return _toml(value.value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(path: str) -> Mapping[str, Any] | None:
    try:
        source = read_bounded(path, _LARGEST)
    except OSError as error:
        raise UsageError(f"Cannot read the configuration file {_shown(path)}: {error.strerror}.") from None
    if _MAY_HOLD_TABLE.search(source) is None:
        return None
    tool = _read(path).get("tool")
    table = tool.get("ae-audit") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{_shown(path)}: [{TABLE}] must be a table.")
    return table


def _read(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(read_bounded(path, _LARGEST).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{_shown(path)} is not valid TOML: {error}.") from None
    except RecursionError:
        raise UsageError(f"{_shown(path)} is nested too deeply.") from None
    except OSError as error:
        raise UsageError(f"Cannot read the configuration file {_shown(path)}: {error.strerror}.") from None


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative

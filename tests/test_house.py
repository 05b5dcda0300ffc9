"""The house keeps its form: no imports in a circle but those of the interpreter, no file that is too long."""

from __future__ import annotations

from pathlib import Path

import grimp

PACKAGE = Path(__file__).parent.parent / "ae_audit"
RECURSION = "ae_audit.static.interpreter"
"""where statements hold expressions, expressions calls, and calls statements"""
LONGEST = 500
"""lines of a file about one subject"""


def _circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """The groups of modules that reach each other by imports."""
    reach = {module: _reached(module, imports) for module in imports}
    found: list[set[str]] = []
    for module in sorted(imports):
        circle = {other for other in reach[module] if module in reach[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def _reached(start: str, imports: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(imports[start])
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(imports[module])
    return found


def test_circles_are_found() -> None:
    assert _circles({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": {"d"}}) == [{"a", "b"}, {"d"}]


def test_only_the_interpreter_imports_in_a_circle_types_included() -> None:
    graph = grimp.build_graph("ae_audit", exclude_type_checking_imports=False, cache_dir=None)
    circles = _circles({module: graph.find_modules_directly_imported_by(module) for module in graph.modules})
    strangers = [circle for circle in circles if not all(module.startswith(f"{RECURSION}.") for module in circle)]
    assert strangers == []
    assert len(circles) == 1


def test_no_file_is_too_long() -> None:
    lengths = {path.relative_to(PACKAGE).as_posix(): _lines(path) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def _lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")

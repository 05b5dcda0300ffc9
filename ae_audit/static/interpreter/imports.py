"""Imports: library names by their qualified name, modules of the project by interpreting them once."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.static.domain.environment import Frame, Signal
from ae_audit.static.domain.values import Library, Module, Unknown, Value
from ae_audit.static.interpreter import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.projects import Program, Project


def import_(run: Run, node: ast.Import, frame: Frame) -> Signal:
    """``import a.b as c``."""
    for alias in node.names:
        module = module_named(run, alias.name, frame)
        if alias.asname is not None:
            frame.scope.bind(alias.asname, module or attributes.library_name(run, alias.name))
            continue
        top = alias.name.partition(".")[0]
        first = module_named(run, top, frame) if "." in alias.name else module
        if alias.name.startswith("tensorflow.keras"):
            run.marks.add("tf.keras")
        frame.scope.bind(top, first or Library(top))
        if first is not None and module is not None and "." in alias.name:
            _attach(run, first, alias.name, frame)
    return Signal.NEXT


def _attach(run: Run, top: Module, name: str, frame: Frame) -> None:
    current = top
    parts = name.split(".")
    for index in range(1, len(parts)):
        inner = module_named(run, ".".join(parts[: index + 1]), frame)
        if inner is None:
            return
        current.scope.names.setdefault(parts[index], inner)
        current = inner


def import_from(run: Run, node: ast.ImportFrom, frame: Frame) -> Signal:
    """``from a import b``, relative imports and stars included."""
    name = absolute(node, frame.package)
    if name == "__future__":
        return Signal.NEXT
    module = module_named(run, name, frame) if name else None
    for alias in node.names:
        if alias.name == "*":
            if module is not None:
                frame.scope.names.update({k: v for k, v in module.scope.names.items() if not k.startswith("_")})
            else:
                run.notes.setdefault("star imports", []).append(name)
                if name.startswith("tensorflow.keras"):
                    run.marks.add("tf.keras")
            continue
        frame.scope.bind(alias.asname or alias.name, _imported(run, module, name, alias.name, node, frame))
    return Signal.NEXT


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The dotted name that ``from … import`` names in a module of ``package``."""
    name = node.module or ""
    if node.level:
        parents = package.split(".") if package else []
        base = parents[: max(len(parents) - (node.level - 1), 0)]
        name = ".".join([*base, *([name] if name else [])])
    return name


def first_party(project: Project, program: Program) -> Iterator[Program]:
    """The modules of the project that a program imports, and those that they import, each once."""
    waiting, seen = [program], {program.path}
    while waiting:
        importer = waiting.pop()
        package = project.package_of(importer.path)
        for name in _names(importer, package):
            found = project.find(name, importer.path)
            if found is not None and found.path not in seen:
                seen.add(found.path)
                waiting.append(found)
                yield found


def _names(program: Program, package: str) -> Iterator[str]:
    for _, tree in program.units:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                name = absolute(node, package)
                yield name
                yield from (f"{name}.{alias.name}" if name else alias.name for alias in node.names)


def _imported(run: Run, module: Module | None, name: str, what: str, node: ast.ImportFrom, frame: Frame) -> Value:
    if module is not None:
        found = module.scope.names.get(what)
        if found is not None:
            return found
        inner = module_named(run, f"{name}.{what}", frame)
        return inner or Unknown(f"«{what}» is not defined in the module «{name}»")
    inner = module_named(run, f"{name}.{what}" if name else what, frame)
    if inner is not None:
        return inner
    if node.level:
        return Unknown(f"«{what}» comes from the module «{'.' * node.level}{node.module or ''}», which was not found")
    return attributes.library_name(run, f"{name}.{what}")


def module_named(run: Run, name: str, frame: Frame) -> Module | None:
    """The project's own module of that name, interpreted; None where the project has none."""
    if name in run.modules:
        return run.modules[name]
    found = run.project.find(name, frame.text.path)
    if found is None:
        return None
    from ae_audit.static.interpreter.program import run_module

    return run_module(run, name, found)

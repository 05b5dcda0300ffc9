"""Imports: library names by their qualified name, modules of the project by interpreting them once."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.static.domain.environment import Frame, Signal
from ae_audit.static.domain.values import Library, Module, Unknown, Value
from ae_audit.static.interpreter import attributes, demand
from ae_audit.static.source.outline import absolute, imported_names

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.projects import Program, Project


def import_(run: Run, node: ast.Import, frame: Frame) -> Signal:
    """``import a.b as c``; what is the project's own is read once it is asked for."""
    for alias in node.names:
        name, bound = alias.name, alias.asname or alias.name.partition(".")[0]
        if run.project.owns(name, frame.text.path) and _waits(frame):
            demand.defer(frame.scope, bound, lambda name=name, bound=bound: _module(run, name, bound, frame))  # type: ignore[misc]
        else:
            frame.scope.bind(bound, _module(run, name, bound, frame))
    return Signal.NEXT


def _module(run: Run, name: str, bound: str, frame: Frame) -> Value:
    """What ``import name`` or ``import name as bound`` binds."""
    top = name.partition(".")[0]
    if bound != top:
        return module_named(run, name, frame) or attributes.library_name(run, name)
    if name.startswith("tensorflow.keras"):
        run.tf_keras = True
    first = module_named(run, top, frame)
    if first is not None and "." in name and module_named(run, name, frame) is not None:
        _attach(run, first, name, frame)
    return first or Library(top)


def _waits(frame: Frame) -> bool:
    """Whether what is imported here can wait: what a class body binds becomes attributes at once."""
    return frame.owner is None or frame.function is not None


def _attach(run: Run, top: Module, name: str, frame: Frame) -> None:
    current = top
    parts = name.split(".")
    for index in range(1, len(parts)):
        inner = module_named(run, ".".join(parts[: index + 1]), frame)
        if inner is None:
            return
        if current.scope.own(parts[index]) is None:
            current.scope.names[parts[index]] = inner
        current = inner


def import_from(run: Run, node: ast.ImportFrom, frame: Frame) -> Signal:
    """``from a import b``, relative imports and stars included; what is the project's own is read once asked for."""
    name = absolute(node, frame.package)
    if name == "__future__":
        return Signal.NEXT
    for alias in node.names:
        if alias.name == "*":
            _star(run, name, frame)
            continue
        what, bound = alias.name, alias.asname or alias.name
        if run.project.owns(name or what, frame.text.path) and _waits(frame):
            demand.defer(frame.scope, bound, lambda what=what: _imported(run, name, what, node, frame))  # type: ignore[misc]
        else:
            frame.scope.bind(bound, _imported(run, name, what, node, frame))
    return Signal.NEXT


def _star(run: Run, name: str, frame: Frame) -> None:
    if name and run.project.find(name, frame.text.path) is not None:
        if frame.scope.waiting is None:
            frame.scope.waiting = demand.Waiting()
        frame.scope.waiting.put_star(lambda: module_named(run, name, frame))
        return
    run.star_imports.append(name)
    if name.startswith("tensorflow.keras"):
        run.tf_keras = True


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


def _names(program: Program, package: str) -> tuple[str, ...]:
    """What its imports mention, found once for all programs of an audit."""
    if program.imported is None:
        nodes = (node for _, tree in program.units for node in ast.walk(tree))
        program.imported = tuple(dict.fromkeys(name for node in nodes for name in imported_names(node, package)))
    return program.imported


def _imported(run: Run, name: str, what: str, node: ast.ImportFrom, frame: Frame) -> Value:
    known = attributes.known_to_tables(run, f"{name}.{what}") if name else None
    if known is not None:
        return known
    module = module_named(run, name, frame) if name else None
    if module is not None:
        found = module.scope.own(what)
        if found is not None:
            return found
        inner = module_named(run, f"{name}.{what}", frame)
        return inner or Unknown(f"`{what}` is not defined in the module `{name}`")
    inner = module_named(run, f"{name}.{what}" if name else what, frame)
    if inner is not None:
        return inner
    if node.level:
        return Unknown(f"`{what}` comes from the module `{'.' * node.level}{node.module or ''}`, which was not found")
    return attributes.library_name(run, f"{name}.{what}")


def module_named(run: Run, name: str, frame: Frame) -> Module | None:
    """The project's own module of that name; None where the project has none."""
    return demand.module_at(run, name, frame.text.path)

"""``analyse_file``: one program's source in, its training set-ups out."""

from __future__ import annotations

import sys

from ae_audit.schema.report import StageError, Undecided
from ae_audit.static import conventions, gradients, sites
from ae_audit.static.interpreter import imports
from ae_audit.static.interpreter.program import Execution, explore, fits
from ae_audit.static.knowledge import registry_for
from ae_audit.static.result import StaticResult
from ae_audit.static.source import prefilter
from ae_audit.static.source.projects import Modules, Program, Project, parse


def analyse_file(
    path: str, source: bytes, *, project_root: str | None = None, modules: Modules | None = None, named: bool = False
) -> StaticResult:
    """Read one script or notebook and report where it trains what on what.

    Nothing is run and nothing but the standard library is imported; first-party modules are read from the disk.
    ``project_root`` bounds where they are looked for (None: found by its usual marks); ``modules`` keeps them for the
    next file of the same run. A file that is ``named``, or that looks like a program that is started, is also read
    where it only calls what trains in a module that it imports. Never raises for what the source holds: what could not
    be read is in ``errors``.
    """
    trains = prefilter.may_train(source)
    started = named or (not trains and prefilter.starts(source))
    if not (trains or started):
        return StaticResult(relevant=False)
    project = Project(path, project_root, modules)
    if not (trains or named) and project.package_of(path) and not prefilter.is_guarded(source):
        return StaticResult(relevant=False)  # a module of a package acts where it is imported, and starts nothing
    program = parse(path, source)
    errors = [
        StageError(
            path, "static",
            f"{'cell ' + str(unit.cell) + ': ' if unit.cell is not None else ''}{unit.message}"
            "; this part was not analysed",
            unit.line, unit.cell,
        )
        for unit in program.broken
    ]  # fmt: skip
    if not program.units:
        return StaticResult(errors=tuple(errors)) if trains or named else StaticResult(relevant=False)
    trains = _assume_imports(program, source, trains, named)
    if trains and not program.broken:
        trains = prefilter.names_training(tree for _, tree in program.units)
    project.written = program.written
    if not trains:
        acts = started and prefilter.acts(tree for _, tree in program.units)
        borrowed = _training_modules(project, program, whole=named) if acts else b""
        if not borrowed:
            return StaticResult(relevant=False, errors=tuple(errors) if named else ())
        source += borrowed
    limit = sys.getrecursionlimit()
    if limit < RECURSION_LIMIT:
        sys.setrecursionlimit(RECURSION_LIMIT)
    try:
        executions = explore(registry_for(source), project, program)
        setups, undecided = sites.collect(executions)
        setups = gradients.told(setups, program)
    except (RecursionError, MemoryError):
        error = StageError(path, "static", "the program is nested too deeply to be followed")
        return StaticResult(errors=(*errors, error))
    finally:
        if limit < RECURSION_LIMIT:
            sys.setrecursionlimit(limit)
    if not (trains or (setups and fits(executions))):
        return StaticResult(relevant=False)  # it uses a module that could train, and does not train with it
    if executions and executions[0].exhausted:
        why = "the program is longer than the static stage follows: what comes late in it was not read"
        undecided = (*undecided, Undecided(path, "part of the program", why))
    undecided = (*undecided, *_assumed(path, executions), *_faults(path, executions))
    return StaticResult(setups, undecided, tuple(errors))


def _assume_imports(program: Program, source: bytes, trains: bool, named: bool) -> bool:
    """Take the usual imports for granted in a snippet that has none; whether it may train."""
    snippet = (trains or named) and prefilter.plainly_trains(source)
    if not snippet or not prefilter.imports_nothing(tree for _, tree in program.units):
        return trains
    program.assumed = conventions.SNIPPET_TORCH if b".backward(" in source else conventions.SNIPPET_KERAS
    return True


def _assumed(path: str, executions: list[Execution]) -> list[Undecided]:
    """The names that a snippet uses without importing them, which were taken for those of the frameworks."""
    names = sorted({name for execution in executions for name in execution.assumed})
    if not names:
        return []
    shown = ", ".join(f"`{name}`" for name in names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
    why = f"nothing is imported in this file: {shown} are taken for what the usual imports bind them to"
    return [Undecided(path, "imports", why)]


SHOWN = 4
"""names that a sentence lists"""


def _training_modules(project: Project, program: Program, *, whole: bool) -> bytes:
    """The source of the modules of the project that a program imports; nothing where none of them could train.

    Not ``whole``: up to the first one that could, which tells what they train with.
    """
    sources: list[bytes] = []
    trains = False
    for module in imports.first_party(project, program):
        sources.append("\n".join(text.source for text, _ in module.units).encode("utf-8", "replace"))
        trains = trains or prefilter.may_train(sources[-1])
        if trains and not whole:
            break
    return b"\n".join(sources) if trains else b""


def _faults(path: str, executions: list[Execution]) -> list[Undecided]:
    """Places that the interpreter should have followed and could not."""
    places = {where.location: reason for execution in executions for where, reason in execution.faults}
    return [Undecided(path, "part of the program", reason, place.line, place.cell) for place, reason in places.items()]


RECURSION_LIMIT = 3000
"""deep enough for nested calls of a user's functions, shallow enough for the C stack"""

"""What a change touches: the files that git calls different, and the programs that import one of them.

An audit of these finds what an audit of everything would find in them. Imports are followed as the reader follows them,
through all that a program imports of its project, and by name where a change has taken the file away.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence

from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.git import changed_files
from ae_audit.settings.hierarchy import Hierarchy
from ae_audit.source.text import STDIN, is_model_file
from ae_audit.static.source.outline import imported_names
from ae_audit.static.source.projects import Modules, Program, Project


def touched(targets: Sequence[AuditTarget], base: str, configured: Hierarchy | None = None) -> tuple[AuditTarget, ...]:
    """The targets that differ from where this branch left ``base`` (a commit, branch or tag), or import what does.

    What is not committed and what git does not know yet counts as changed. A changed configuration touches all
    that it may govern.

    Raises:
        UsageError: where there is no git, no repository, or no such commit.
    """
    changed = changed_files(base)
    graph = _Imports(changed)

    def decided_anew(target: AuditTarget) -> bool:
        return configured is not None and not changed.isdisjoint(configured.deciding(target.path))

    return tuple(target for target in targets if target.path == STDIN or decided_anew(target) or graph.touches(target))


def files_imported(target: AuditTarget) -> tuple[str, ...]:
    """The files that the program ``target`` imports of its project, over any number of steps."""
    return tuple(_Imports(frozenset()).reached(target))


class _Imports:
    """Which files import one of the changed ones, over any number of steps."""

    def __init__(self, changed: frozenset[str]) -> None:
        self._changed = changed
        self._gone = tuple(
            (path, _parts(path)) for path in changed if path.endswith(".py") and not os.path.exists(path)
        )
        self._modules = Modules()
        self._imported: dict[tuple[str, str], tuple[str, ...]] = {}
        """files that a file imports, as programs in a folder find them"""

    def touches(self, target: AuditTarget) -> bool:
        """Whether a target, or what it imports, has changed."""
        start = os.path.realpath(target.path)
        if start in self._changed:
            return True
        if is_model_file(target.path):
            return False
        return any(path in self._changed for path in self.reached(target))

    def reached(self, target: AuditTarget) -> Iterator[str]:
        """The files that a program imports of its project, over any number of steps, each once."""
        start = os.path.realpath(target.path)
        project = Project(target.path, target.project_root, self._modules)
        waiting, seen = [start], {start}
        while waiting:
            for path in self._imports_of(waiting.pop(), project):
                if path not in seen:
                    seen.add(path)
                    yield path
                    waiting.append(path)

    def _imports_of(self, path: str, project: Project) -> tuple[str, ...]:
        key = (path, project.folder)
        known = self._imported.get(key)
        if known is None:
            known = self._imported[key] = tuple(self._found(path, project))
        return known

    def _found(self, path: str, project: Project) -> Iterator[str]:
        program, _ = self._modules.load(path)
        if program is None:
            return
        folder = os.path.dirname(path)
        for name in _names(program, project.package_of(path)):
            found = project.locate(name, folder)
            if found is not None:
                yield os.path.realpath(found)
                continue
            parts = tuple(name.split("."))
            yield from (path for path, gone in self._gone if gone[-len(parts) :] == parts)


def _names(program: Program, package: str) -> Iterator[str]:
    """Every module that a program may import, with the packages around it."""
    told: set[str] = set()
    for _, tree in program.units:
        for node in ast.walk(tree):
            for name in imported_names(node, package):
                parts = name.split(".")
                for end in range(1, len(parts) + 1):
                    above = ".".join(parts[:end])
                    if above and above not in told:
                        told.add(above)
                        yield above


def _parts(path: str) -> tuple[str, ...]:
    """A file's path as the parts of a dotted name."""
    parts = os.path.splitext(path)[0].split(os.sep)
    return tuple(parts[:-1] if parts[-1] == "__init__" else parts)

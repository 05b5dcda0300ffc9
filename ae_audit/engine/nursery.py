"""Where the children of one audit come from: started one by one, or several forked from one process (``--reuse``).

Forked is what can be forked safely: on Linux, a program of a framework that it imports as everybody does. What a
library reads of the environment when it is imported is read before such a program begins, so one that sets variables,
or imports a file of its project that does, gets a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ae_audit.engine.changes import files_imported
from ae_audit.engine.discovery import AuditTarget
from ae_audit.runtime.sandbox import run_folder
from ae_audit.runtime.sandbox.interpreters import Interpreter
from ae_audit.runtime.sandbox.zygote import Zygote, ZygoteDied
from ae_audit.source.text import is_model_file

_OURS = ("ae_audit.engine.child_program", "ae_audit.rules.checks.*", "ae_audit.runtime.{}.*", "ae_audit.probe.*")
"""what a child imports of ae-audit, for either framework"""
_IMPORTED = re.compile(r"^\s*(?:import|from)\s+(torch|keras|tensorflow)\b", re.MULTILINE)
_OF_THE_ENVIRONMENT = re.compile(r"\b(environ|putenv|setenv|environb|load_dotenv|set_start_method|fork)\b")


class Nursery:
    """The zygotes of one audit, each begun when it is first of use."""

    def __init__(self, reuse: bool) -> None:
        self._reuse = reuse and sys.platform.startswith("linux")
        self._stack = contextlib.ExitStack()
        self._zygotes: dict[tuple[str, tuple[str, ...]], Zygote | None] = {}

    def zygote_for(self, target: AuditTarget, interpreter: Interpreter, variables: dict[str, str]) -> Zygote | None:
        """The process that the child of ``target`` is forked from; None where it is to be started by itself.

        Args:
            target: the program.
            interpreter: the Python that it runs in.
            variables: added to the environment of every child of this audit.
        """
        modules = self.modules_for(target) if self._reuse else ()
        if not modules:
            return None
        key = interpreter.path, modules
        if key not in self._zygotes:
            folder = self._stack.enter_context(run_folder.held())
            empty = folder / "empty"
            empty.mkdir()
            self._zygotes[key] = None
            with contextlib.suppress(ZygoteDied, OSError):
                self._zygotes[key] = zygote = Zygote(interpreter, modules, empty, variables)
                self._stack.callback(zygote.close)
        return self._zygotes[key]

    def close(self) -> None:
        """End all of them."""
        self._stack.close()

    def modules_for(self, target: AuditTarget) -> tuple[str, ...]:
        """What may be imported before the program ``target`` begins, in this order; nothing where nothing may."""
        if target.start.environment or is_model_file(target.path):
            return ()
        imported: set[str] = set()
        for text in _texts(target):
            if _OF_THE_ENVIRONMENT.search(text):
                return ()
            imported |= set(_IMPORTED.findall(text))
        if imported == {"torch"}:
            return ("torch", "torch._dynamo", *_ours("torch"))  # which the first optimizer imports
        if not imported or "torch" in imported:  # the order of two frameworks may matter
            return ()
        of_tensorflow = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
        frameworks = ("tensorflow", "keras") if of_tensorflow else tuple(imported & {"keras"})
        return (*frameworks, *_ours("keras")) if frameworks else ()


def _ours(framework: str) -> tuple[str, ...]:
    return tuple(name.format(framework) for name in _OURS)


def _texts(target: AuditTarget) -> Iterator[str]:
    """The program, and the files of its project that it imports, over any number of steps."""
    for path in (os.path.realpath(target.path), *files_imported(target)):
        with contextlib.suppress(OSError):
            yield Path(path).read_text(encoding="utf-8", errors="replace")

"""What stands between the user's program and its libraries while it runs in the child.

One :class:`Interception` per child. Captures hang their own hooks on it with :meth:`Interception.when_imported`::

    interception = Interception(guard=session.guard, emit=session.emit)
    interception.install()
    interception.when_imported("keras", patch_keras)
    outcome = run_script(path, argv, working_folder=session.working_folder)

It emits :class:`~ae_audit.schema.messages.WriteSkipped`, ``StoodIn``, ``Noted`` and ``NotIntercepted``.
"""

from __future__ import annotations

from collections.abc import Callable

from ae_audit.runtime.host.accommodations.absent_files import tell_absent_pictures
from ae_audit.runtime.host.accommodations.absent_gpu import without_gpu
from ae_audit.runtime.host.accommodations.lazy_numba import compile_later
from ae_audit.runtime.host.accommodations.lazy_splits import split_lazily
from ae_audit.runtime.host.accommodations.lightning_trainer import tame_trainers
from ae_audit.runtime.host.accommodations.whole_tracebacks import keep_whole_tracebacks
from ae_audit.runtime.host.artefacts import Artefacts, Skipped
from ae_audit.runtime.host.imports import Callback, ImportWatch
from ae_audit.runtime.host.scripts import Program, ScriptOutcome, StopProgram, load_program, run_script
from ae_audit.runtime.sandbox.policy import Guard
from ae_audit.runtime.stand_ins.datasets import StandIns
from ae_audit.runtime.stand_ins.pretrained import Pretrained
from ae_audit.schema.messages import HowItEnded, Message, Noted, NotIntercepted, StoodIn, WriteSkipped

__all__ = [
    "HowItEnded",
    "Interception",
    "Program",
    "ScriptOutcome",
    "StopProgram",
    "load_program",
    "run_script",
]


class Interception:
    """Import hooks, artefact writers and stand-in data of one child."""

    def __init__(self, *, guard: Guard | None, emit: Callable[[Message], None]) -> None:
        self._emit = emit
        self.watch = ImportWatch(self._not_intercepted)
        self.stand_ins = StandIns(
            self.watch,
            on_used=lambda used: emit(StoodIn(used.what, used.text)),
            quietly=None if guard is None else guard.unreported,
        )
        self._artefacts = Artefacts(
            self.watch,
            may_write=(lambda path: True) if guard is None else guard.writes_to,
            on_skipped=self._skipped,
            on_asked=self._asked,
        )
        self._answers: set[str] = set()

    def install(self) -> None:
        """Begin; before the program is run."""
        self.watch.install()
        self._artefacts.install()
        self.stand_ins.install()
        split_lazily(self.watch)
        without_gpu(self.watch, self._note)
        compile_later(self.watch)
        tame_trainers(self.watch, self._note)
        Pretrained(self.watch, self.stand_ins.attempt, self._note).install()
        tell_absent_pictures(self.watch, self._note)
        keep_whole_tracebacks(self.watch)

    def when_imported(self, name: str, callback: Callback) -> None:
        """Call ``callback(module)`` as soon as the program has imported ``name``, before it can use it."""
        self.watch.when_imported(name, callback)

    def _note(self, text: str) -> None:
        self._emit(Noted(text))

    def _skipped(self, skipped: Skipped) -> None:
        self._emit(WriteSkipped(skipped.call, skipped.what))

    def _asked(self, answer: str) -> None:
        if answer not in self._answers:
            self._answers.add(answer)
            what = f"`{answer}`" if answer else "an empty line"
            self._emit(Noted(f"input() was answered with {what}"))

    def _not_intercepted(self, module: str, error: Exception) -> None:
        self._emit(NotIntercepted(module, f"{type(error).__name__}: {error}"[:400]))

"""How the child of a run comes into being: started by itself, or forked from a process that has done its imports."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ae_audit.runtime.sandbox.interpreters import Interpreter
from ae_audit.runtime.sandbox.zygote import ForkedChild, Zygote, ZygoteDied

EMPTY = "empty"
"""folder of a run in which the interpreter starts: nothing of the program's is found before it runs"""

Child = subprocess.Popen[bytes] | ForkedChild


@dataclass(frozen=True, slots=True)
class Start:
    """Which module of ae-audit a child runs, and where the child comes from."""

    interpreter: Interpreter
    module: str
    zygote: Zygote | None = None
    """from which it is forked, for as long as that lives"""

    def __call__(self, folder: Path, environment: dict[str, str]) -> Child:
        """The child of the run in ``folder``.

        Raises:
            OSError: if it cannot be started.
        """
        if self.zygote is not None:
            with contextlib.suppress(ZygoteDied):
                return self.zygote.start(self.module, str(folder), cwd=folder / EMPTY, env=environment)
        return subprocess.Popen(
            self.interpreter.command(self.module, str(folder)),
            cwd=folder / EMPTY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

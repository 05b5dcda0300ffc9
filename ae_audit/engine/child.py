"""Entry of the sandboxed child, ``python -m ae_audit.engine.child FOLDER``.

:mod:`ae_audit.engine.runtime_stage` starts it.

It runs the program up to its first training steps, then judges and probes what was captured. Every result is sent when
it is known, so that a crash costs only what had not been reached. What it says:
:mod:`ae_audit.schema.messages`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from ae_audit.runtime.sandbox import channel
from ae_audit.schema.location import Location


def main() -> None:
    """Run the request to its end; never returns."""
    session = channel.enter()
    # Only after the sandbox has closed: these import NumPy.
    from ae_audit.engine.child_program import Recording, tell_own_failure
    from ae_audit.schema.codec import from_json
    from ae_audit.schema.messages import RunStage
    from ae_audit.schema.training_setup import TrainingSetup

    request = session.request
    static = tuple(from_json(TrainingSetup, item) for item in request["setups"])
    recording = Recording(request, static, _Places(request), session.emit, session.guard, session.working_folder)
    try:
        recording.run()
        recording.settle()
    except Exception as error:  # of ours: what the program raises is told as its own
        tell_own_failure(session.emit, RunStage.RUNTIME, error)
    session.finish()


class _Places:
    """Turns the absolute paths of running frames into paths as the report shows them."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._folder = request["folder"]
        self._shown: dict[str, str] = {os.path.realpath(request["path"]): request["shown"]}

    def shown(self, path: str) -> str:
        """``path`` as the user gave it, or relative to the folder that the command was given in."""
        real = os.path.realpath(path)
        if real not in self._shown:
            relative = os.path.relpath(real, self._folder)
            self._shown[real] = real if relative.startswith("..") else relative
        return self._shown[real]

    def __call__(self, location: Location) -> Location:
        return replace(location, path=self.shown(location.path))


if __name__ == "__main__":
    main()

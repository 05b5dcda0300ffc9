"""How much of its target a program explains: it is run, and each of its trainings is fitted for a few hundred steps.

usage: python benchmarks/fit_program.py PROGRAM

Prints ``R2 VALUE`` for each training: R² of the predictions against the mean prediction, as the probe scores it.
The program is not confined.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ae_audit.engine.child_program import Recording
from ae_audit.engine.discovery import discover
from ae_audit.engine.static_stage import read_safely
from ae_audit.probe.score import NoScore, r2_score
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

STEPS = 200
MOST = 4
"""trainings of one program that are fitted"""


class _Fitted(Recording):
    """The recording of an audit, whose captures are fitted and not judged."""

    def settle(self) -> None:
        captures = [capture for recorder in self._recorders for capture in self._captures_of(recorder)]
        for capture in captures[:MOST]:
            trial = capture.trial((), 0)
            try:
                trial.advance(STEPS)
            except Exception as error:
                print("raised", error, file=sys.stderr)
            try:
                print("R2", r2_score(trial.evaluate(), capture.setup.head.axis))
            except NoScore as error:
                print("no score:", error, file=sys.stderr)


def main() -> None:
    """Fit the program that is named."""
    path = sys.argv[1]
    settings = Settings(stand_in=True)
    (target,) = discover([path], settings)
    reading = read_safely(target, Sources())
    request: dict[str, Any] = {
        "path": os.path.realpath(path),
        "argv": [],
        "module": None,
        "home": None,
        "notebook": path.endswith(".ipynb"),
        "folder": os.getcwd(),
        "project_root": target.project_root,
        "shown": path,
        "rules": [],
        "probe": False,
        "seed": 0,
        "timeout": 120.0,
        "stand_in": True,
        "device": "cpu",
        "setups": [],
    }
    recording = _Fitted(request, reading.setups, lambda place: place, lambda message: None)
    recording.run()
    recording.settle()


if __name__ == "__main__":
    main()

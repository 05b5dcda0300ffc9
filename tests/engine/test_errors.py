"""What the report says of a program that ended before it trained."""

from __future__ import annotations

import pytest

from ae_audit.engine.runtime_stage import _errors, _Heard
from ae_audit.runtime.sandbox.launch import ChildOutcome, Ending
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.settings.options import Settings


@pytest.mark.parametrize(
    ("framework", "optimizer", "told"),
    [
        (Framework.TORCH, None, "ValueError at line 5: no, before any training step was seen; what stands"),
        (Framework.TORCH, "Adam", "1 training was seen before the program stopped: ValueError at line 5: no."),
        (Framework.KERAS, None, "1 training was seen before the program stopped: ValueError at line 5: no."),
    ],
)
def test_a_program_that_raised_is_told_with_what_was_seen_of_it(
    framework: Framework, optimizer: str | None, told: str
) -> None:
    """A loss that was only evaluated is no training step."""
    heard = _Heard(setups={0: (None, TrainingSetup(framework, Location("a.py", 3), optimizer=optimizer))})
    heard.program = {"how": "raised", "sentence": "ValueError at line 5: no", "line": 5, "cell": None}
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings())
    assert error.line == 5
    assert error.message.startswith(told)
    heard.program = {"how": "exited", "sentence": "the program left by sys.exit", "exit_code": 0}
    assert len(_errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings())) == (told.startswith("Value"))


def test_trainings_that_were_not_reached_are_counted() -> None:
    read = [TrainingSetup(Framework.KERAS, Location("a.py", line)) for line in (3, 8, 12)]
    heard = _Heard(setups={0: (0, read[0]), 1: (1, read[1])})
    heard.program = {"how": "raised", "sentence": "KeyError at line 10: 'x'", "line": 10, "cell": None}
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings(), read)
    assert error.message == "2 of 3 trainings were seen before the program stopped: KeyError at line 10: 'x'."


def test_a_failure_of_our_own_is_no_approval() -> None:
    heard = _Heard(failures=[("runtime", "ae-audit itself failed here (KeyError: 1); please report it.", True)])
    heard.program = {"how": "completed"}
    report = Report(errors=tuple(_errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings())))
    assert report.broken
    assert not report.ok


def test_a_training_that_was_seen_and_not_captured_is_told_in_one_sentence() -> None:
    heard = _Heard(program={"how": "completed"})
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings())
    assert "without a training step" in error.message
    heard.failures.append(("runtime", "no prediction and no loss were seen in this training step (line 18).", False))
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings())
    assert error.message == (
        "no prediction and no loss were seen in this training step (line 18); "
        "only what was found by reading stands here."
    )

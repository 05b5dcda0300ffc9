"""What the report says of a program that ended before it trained."""

from __future__ import annotations

import pytest

from ae_audit.engine.child_results import AuditedPlaces, ChildResults
from ae_audit.engine.runtime_stage import _errors
from ae_audit.runtime.sandbox.launch import ChildOutcome, Ending
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.codec import to_json
from ae_audit.schema.location import Location
from ae_audit.schema.messages import HowItEnded, Message, ProgramEnded, RunStage, SetupSeen, StageFailed
from ae_audit.schema.report import Report
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.settings.options import Settings

READ = [TrainingSetup(Framework.KERAS, Location("a.py", line)) for line in (3, 8, 12)]


def heard(*messages: Message) -> ChildResults:
    results = ChildResults(READ, (), AuditedPlaces("a.py", None, ()))
    for message in messages:
        results.handle_event(to_json(message))
    assert not results.ignored
    return results


@pytest.mark.parametrize(
    ("framework", "optimizer", "told"),
    [
        (Framework.TORCH, None, "ValueError at line 5: no, before any training step was seen; the results"),
        (Framework.TORCH, "Adam", "1 training was seen before the program stopped: ValueError at line 5: no."),
        (Framework.KERAS, None, "1 training was seen before the program stopped: ValueError at line 5: no."),
    ],
)
def test_a_program_that_raised_is_told_with_what_was_seen_of_it(
    framework: Framework, optimizer: str | None, told: str
) -> None:
    """A loss that was only evaluated is no training step."""
    seen = SetupSeen(0, None, AuditedSetup(TrainingSetup(framework, Location("a.py", 3), optimizer=optimizer)))
    raised = heard(seen, ProgramEnded(HowItEnded.RAISED, "ValueError at line 5: no", 5))
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), raised, Settings())
    assert error.line == 5
    assert error.message.startswith(told)
    left = heard(seen, ProgramEnded(HowItEnded.EXITED, "the program left by sys.exit", exit_code=0))
    assert len(_errors("a.py", ChildOutcome(Ending.FINISHED, ()), left, Settings())) == (told.startswith("Value"))


def test_trainings_that_were_not_reached_are_counted() -> None:
    seen = [SetupSeen(number, number, AuditedSetup(READ[number])) for number in range(2)]
    raised = heard(*seen, ProgramEnded(HowItEnded.RAISED, "KeyError at line 10: 'x'", 10))
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), raised, Settings(), READ)
    assert error.message == "2 of 3 trainings were seen before the program stopped: KeyError at line 10: 'x'."


def test_a_failure_of_our_own_is_no_approval() -> None:
    failed = StageFailed(
        RunStage.RUNTIME, "ae-audit itself failed here (KeyError: 1); please report it.", internal=True
    )
    results = heard(failed, ProgramEnded(HowItEnded.COMPLETED, ""))
    report = Report(errors=tuple(_errors("a.py", ChildOutcome(Ending.FINISHED, ()), results, Settings())))
    assert report.broken
    assert not report.ok


def test_a_training_that_was_seen_and_not_captured_is_told_in_one_sentence() -> None:
    ended = ProgramEnded(HowItEnded.COMPLETED, "")
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard(ended), Settings())
    assert "without a training step" in error.message
    failed = StageFailed(RunStage.RUNTIME, "no prediction and no loss were seen in this training step (line 18).")
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard(ended, failed), Settings())
    assert error.message == (
        "no prediction and no loss were seen in this training step (line 18); the results below are from reading alone."
    )

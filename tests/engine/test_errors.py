"""What the report says of a program that ended before it trained."""

from __future__ import annotations

import pytest

from ae_audit.engine.runtime_stage import _errors, _Heard
from ae_audit.runtime.sandbox.launch import ChildOutcome, Ending
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.settings.options import Settings


@pytest.mark.parametrize(
    ("framework", "optimizer", "told"),
    [(Framework.TORCH, None, True), (Framework.TORCH, "Adam", False), (Framework.KERAS, None, False)],
)
def test_a_loss_that_was_only_evaluated_is_no_training_step(
    framework: Framework, optimizer: str | None, told: bool
) -> None:
    heard = _Heard(setups={0: (None, TrainingSetup(framework, Location("a.py", 3), optimizer=optimizer))})
    heard.program = {"how": "raised", "sentence": "ValueError at line 5: no", "line": 5, "cell": None}
    errors = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings())
    assert [error.line for error in errors] == ([5] if told else [])


def test_a_training_that_was_seen_and_not_captured_is_told_in_one_sentence() -> None:
    heard = _Heard(program={"how": "completed"})
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings())
    assert "without a training step" in error.message
    heard.failures.append(("runtime", "no prediction and no loss were seen in this training step (line 18)."))
    (error,) = _errors("a.py", ChildOutcome(Ending.FINISHED, ()), heard, Settings())
    assert error.message == (
        "no prediction and no loss were seen in this training step (line 18); "
        "only what was found by reading stands here."
    )

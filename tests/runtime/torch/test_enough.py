"""When a program has been looked at long enough."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ae_audit.runtime.interception import StopProgram
from ae_audit.runtime.torch.nodes import RecordedLoss, SiteKey
from ae_audit.runtime.torch.stop_rule import EXPECTING, GRACE, StopRule


def test_a_program_whose_time_is_up_goes_on_until_a_loss_was_trained_on() -> None:
    site = RecordedLoss(SiteKey("model.py", 3, 0, None, "mse"), None, None, None)
    enough = StopRule([], max_steps=4, deadline=0.0, patience=10.0, stop=StopProgram)
    enough.in_time([])
    enough.in_time([site])
    site.trained.append(cast(Any, object()))
    with pytest.raises(StopProgram):
        enough.in_time([site])


def test_one_that_has_only_evaluated_gets_a_little_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("ae_audit.runtime.torch.stop_rule.undisturbed", lambda: now)
    site = RecordedLoss(SiteKey("model.py", 3, 0, None, "mse"), None, None, None)
    site.evaluated.append(cast(Any, object()))
    enough = StopRule([], max_steps=4, deadline=101.0, patience=10.0, stop=StopProgram)
    now = 101.0 + 0.9 * GRACE
    enough.in_time([site])
    now = 101.0 + 1.1 * GRACE
    with pytest.raises(StopProgram):
        enough.in_time([site])


def test_a_program_that_is_to_train_again_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now, more = 0.0, True
    monkeypatch.setattr("ae_audit.runtime.torch.stop_rule.time.process_time", lambda: now)
    site = RecordedLoss(SiteKey("model.py", 3, 0, None, "mse"), None, None, None)
    enough = StopRule([], max_steps=1, deadline=None, patience=10.0, stop=StopProgram, more_to_come=lambda: more)
    site.trained.append(cast(Any, object()))
    enough.settle([site])
    now = 0.9 * 10.0 * EXPECTING
    enough.settle([site])
    more = False
    with pytest.raises(StopProgram):
        enough.settle([site])
    more, now = True, 1.1 * 10.0 * EXPECTING
    with pytest.raises(StopProgram):
        enough.settle([site])

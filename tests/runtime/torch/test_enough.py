"""When a program has been looked at long enough."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from ae_audit.runtime.interception import StopProgram
from ae_audit.runtime.torch_enough import Enough
from ae_audit.runtime.torch_events import Site, SiteKey


def test_a_program_whose_time_is_up_goes_on_until_a_loss_was_trained_on() -> None:
    site = Site(SiteKey("model.py", 3, 0, None, "mse"), None, None, None)
    enough = Enough([], max_steps=4, deadline=0.0, patience=10.0, stop=StopProgram)
    enough.in_time([])
    enough.in_time([site])
    site.trained.append(cast(Any, object()))
    with pytest.raises(StopProgram):
        enough.in_time([site])


def test_one_that_has_only_evaluated_gets_a_little_longer() -> None:
    site = Site(SiteKey("model.py", 3, 0, None, "mse"), None, None, None)
    site.evaluated.append(cast(Any, object()))
    now = time.monotonic()
    enough = Enough([], max_steps=4, deadline=now + 1.0, patience=10.0, stop=StopProgram)
    time.sleep(1.01)
    enough.in_time([site])
    time.sleep(0.35)
    with pytest.raises(StopProgram):
        enough.in_time([site])

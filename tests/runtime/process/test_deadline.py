"""A program that goes on after its trainings were caught is ended in time for what was caught to be judged."""

from __future__ import annotations

import time

from ae_audit.runtime.host.deadline import stopped_after
from ae_audit.runtime.interception import run_script
from ae_audit.schema.messages import HowItEnded

ENDLESS = """
import time
while True:
    try:
        time.sleep(0.01)
    except Exception:
        pass
"""


def test_a_program_is_ended_once_it_may_be(tmp_path):
    script = tmp_path / "model.py"
    script.write_text(ENDLESS)
    began, told = time.monotonic(), []
    with stopped_after(0.5, lambda: time.monotonic() - began > 0.8, lambda: told.append("ended")):
        outcome = run_script(script)
    assert "ended" in told
    assert outcome.how is HowItEnded.STOPPED
    assert 0.8 < time.monotonic() - began < 5


def test_a_program_that_ends_by_itself_is_let_be(tmp_path):
    script = tmp_path / "model.py"
    script.write_text("import time\ntime.sleep(0.7)\n")
    with stopped_after(0.5, lambda: False):
        assert run_script(script).how is HowItEnded.COMPLETED

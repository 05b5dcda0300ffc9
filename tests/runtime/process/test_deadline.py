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
    assert time.monotonic() - began > 0.8


def test_a_program_that_ends_by_itself_is_let_be(tmp_path):
    script = tmp_path / "model.py"
    script.write_text("import time\ntime.sleep(0.7)\n")
    with stopped_after(0.5, lambda: False):
        assert run_script(script).how is HowItEnded.COMPLETED


def test_time_in_which_a_program_waits_for_a_processor_does_not_count(monkeypatch, tmp_path):
    script = tmp_path / "model.py"
    script.write_text("import time\ntime.sleep(1.2)\n")
    had = iter([0.0, *[0.1] * 100])
    monkeypatch.setattr("ae_audit.runtime.host.deadline.undisturbed", lambda: next(had))
    with stopped_after(0.5, lambda: True):
        assert run_script(script).how is HowItEnded.COMPLETED


def test_waiting_is_read_where_the_system_counts_it(monkeypatch, tmp_path):
    from ae_audit.runtime.sandbox import clock

    assert clock.waited("no such process") == 0.0
    assert 0.0 <= clock.waited() < 1e6
    (tmp_path / "schedstat").write_text("5 2500000000 7\n")
    monkeypatch.setattr(clock, "open", lambda *_, **__: (tmp_path / "schedstat").open(), raising=False)
    assert clock.waited(5) == 2.5

"""Tasks side by side: in order, alone in what they change, and never lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ae_audit.probe import ProbeOptions, forks, settle
from ae_audit.probe.forks import parallel_seeds
from ae_audit.schema.remedies import SwapActivation
from tests.probe.test_settle import NumpyCapture, finding


def test_results_come_in_the_order_of_the_tasks_from_as_many_processes() -> None:
    tasks = [lambda index=index: (index, os.getpid()) for index in range(5)]
    results = parallel_seeds(tasks, 3)
    assert [index for index, _ in results] == list(range(5))
    assert [process == os.getpid() for _, process in results] == [True, False, False, True, False]
    assert {process for _, process in parallel_seeds(tasks, 1)} == {os.getpid()}


@pytest.mark.parametrize("failing", [0, 1])
def test_what_a_task_raises_is_raised_here(failing: int) -> None:
    def fails() -> int:
        raise LookupError("no such arm")

    tasks = [lambda: 1, lambda: 2]
    tasks[failing] = fails
    with pytest.raises(LookupError, match="no such arm"):
        parallel_seeds(tasks, 2)


def test_a_process_that_dies_or_hangs_has_its_task_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "PATIENCE", 0.1)
    here = os.getpid()

    def dies() -> str:
        if os.getpid() != here:
            os._exit(9)
        return "done"

    def hangs() -> str:
        while os.getpid() != here:
            time.sleep(0.05)
        return "done"

    assert parallel_seeds([lambda: "first", dies, hangs], 3) == ["first", "done", "done"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be told to")
def test_a_process_ends_with_the_one_that_forked_it() -> None:
    source = """
import os, time
from ae_audit.probe.forks import parallel_seeds

def sleeps():
    print(os.getpid(), flush=True)
    time.sleep(60)

parallel_seeds([lambda: time.sleep(60), sleeps], 2)
"""
    parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    forked = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not is_running(forked):
            return
        time.sleep(0.05)
    pytest.fail("the forked process outlives its parent")


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_seeds_side_by_side_give_the_figures_of_seeds_in_turn() -> None:
    findings = [finding(SwapActivation("linear"))]
    alone, helped = NumpyCapture("relu"), NumpyCapture("relu", forks=True)
    assert settle(helped, findings, ProbeOptions(processes=3)) == settle(alone, findings, ProbeOptions())
    assert len(helped.fitted) < len(alone.fitted), "the other seeds were fitted elsewhere"


def test_the_budget_holds_in_every_process() -> None:
    options = ProbeOptions(processes=3)
    (settled,) = settle(
        NumpyCapture("relu", forks=True), [finding(SwapActivation("linear"))], replace(options, budget=0.0)
    )
    assert "processor time" in settled.evidence[0].text

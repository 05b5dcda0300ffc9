"""Tasks of an audit: what they hold, and what is told of their processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ae_audit.engine.discovery import discover
from ae_audit.engine.tasks import TaskDied, audits_of, order, performed, result_of, split, tasks_for, within
from ae_audit.schema.codec import Malformed
from ae_audit.settings.options import Settings

PROGRAM = """
import keras
(x, _), _ = keras.datasets.mnist.load_data()
model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])
model.compile(loss="mse")
model.fit(x, x)
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(40):
        (tmp_path / f"read{number:02}.py").write_text(PROGRAM)
    (tmp_path / "run.py").write_text(PROGRAM)


def test_each_program_that_runs_is_a_task_and_the_rest_share_some() -> None:
    targets = discover(["run.py", "."], Settings())
    tasks = tasks_for(targets, Settings())
    assert [len(task.targets) for task in tasks] == [1, 16, 16, 8]
    assert tasks[0].targets[0].path == "run.py"
    assert sorted(target.path for task in tasks for target in task.targets) == sorted(one.path for one in targets)
    assert [one.targets[0].path for one in split(tasks[1])] == [target.path for target in tasks[1].targets]


def test_a_process_answers_for_its_files() -> None:
    (task,) = tasks_for(discover(["read00.py"], Settings(static=True)), Settings(static=True))
    (audit,) = audits_of(task, result_of(performed(order(task))))
    assert {finding.code for item in audit.audited for finding in item.findings} >= {"AE101"}


def test_no_module_of_the_code_under_audit_is_found(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(7)")
    (task,) = tasks_for(discover(["read00.py"], Settings(static=True)), Settings(static=True))
    assert result_of(performed(order(task))).records


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, "null"])
def test_an_order_of_another_version_is_refused(text: str) -> None:
    assert result_of(performed(text)).refused


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (task,) = tasks_for(discover(["read00.py"], Settings(static=True)), Settings(static=True))
    there = order(task).replace(json.dumps(str(tmp_path)), json.dumps(str(tmp_path / "gone")))
    assert "cannot be entered" in (result_of(performed(there)).refused or "")


def test_a_task_that_nobody_wants_any_more_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "never_done.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("ae_audit.engine.tasks.PROCESS", "never_done")
    with pytest.raises(TaskDied, match="no longer wanted"):
        performed("", lambda: False)


def test_memory_is_what_both_sides_allow() -> None:
    (task,) = tasks_for(discover(["run.py"], Settings()), Settings(memory=3 << 30))
    for given, left in ((1 << 30, 1 << 30), (8 << 30, 3 << 30)):
        assert json.loads(within(order(task), given))["settings"]["memory"] == left


@pytest.mark.parametrize("answer", ["", "null", "{}", "[1]", json.dumps({"type": "TaskResult", "records": 3})])
def test_a_wrong_answer_is_malformed(answer: str) -> None:
    with pytest.raises(Malformed):
        result_of(answer)

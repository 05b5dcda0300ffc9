"""The study of a busy machine: what it compares, and that it goes on where it was broken off."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import busy
import pytest

REPORT: dict[str, Any] = {
    "findings": [{"code": "AE101", "severity": "error", "verdict": "proven", "line": 3, "cell": None}],
    "setups": [{"line": 3, "cell": None, "seen_by": ["static", "runtime"]}],
    "errors": [{"message": "stopped after 54.2 s"}],
}


def fake_command(folder: Path, verdict: str) -> str:
    report = {**REPORT, "findings": [{**REPORT["findings"][0], "verdict": verdict}]}
    script = folder / f"{verdict}.txt"
    script.write_text(f"print({json.dumps(json.dumps(report))})")
    return f"{sys.executable} {script}"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["busy.py", *arguments])
    return busy.main()


def test_a_verdict_that_differs_is_told_and_a_journal_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("a.py", "b.py", "check.py"):
        (programs / name).write_text("")
    journal = tmp_path / "journal.jsonl"
    given = (str(programs), "--journal", str(journal), "--load", "1")
    proven, refuted = (fake_command(tmp_path, verdict) for verdict in ("proven", "refuted"))
    assert run(monkeypatch, *given, "--part", "quiet", "--cmd", proven) == 0
    with journal.open("a") as file:
        file.write('{"part": "busy", "prog')  # broken off
    journal.write_text(journal.read_text() + "\n")
    assert run(monkeypatch, *given, "--part", "busy", "--runs", "3", "--cmd", proven) == 0
    assert "3 runs on a busy machine, 2 in quiet: 0 differ or failed" in capsys.readouterr().out
    assert run(monkeypatch, *given, "--part", "busy", "--runs", "4", "--cmd", refuted) == 1
    told = capsys.readouterr().out
    assert "b.py: findings: [['AE101', 'error', 'proven', 3, 0]] → [['AE101', 'error', 'refuted', 3, 0]]" in told
    assert run(monkeypatch, *given, "--part", "compare") == 1
    entries = busy.read_journal(journal)
    assert [Path(one["program"]).name for one in entries] == ["a.py", "b.py", "a.py", "b.py", "a.py", "b.py"]
    assert busy.failures([{"part": "busy", "program": "a.py", "told": {"failed": "no answer"}}])


def test_figures_of_fits_are_no_difference() -> None:
    other = {**REPORT, "errors": [{"message": "stopped after 61 s"}]}
    assert busy.compared(REPORT, 1) == busy.compared(other, 1) != busy.compared(REPORT, 0)

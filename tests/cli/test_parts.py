"""The smaller parts: selectors, source text, progress."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.base.progress import LineProgress, Progress, TerminalProgress
from ae_audit.cli.common import progress_of
from ae_audit.settings.options import Settings
from ae_audit.settings.selection import check_selectors, matching, selected
from ae_audit.source.text import Sources, decode, split_lines


class Rule(NamedTuple):
    code: str
    name: str


RULES = (Rule("AE101", "one-thing"), Rule("AE102", "another-thing"), Rule("AE201", "third"))


@pytest.mark.parametrize(
    ("selector", "codes"),
    [
        ("AE101", ("AE101",)),
        ("ae1", ("AE101", "AE102")),
        ("AE", ("AE101", "AE102", "AE201")),
        ("ALL", ("AE101", "AE102", "AE201")),
        ("one-thing", ("AE101",)),
        ("One-Thing", ("AE101",)),
        ("one", ()),
        ("", ()),
        ("A", ()),
        ("AE1011", ()),
        ("E501", ()),
    ],
)
def test_selectors(selector: str, codes: tuple[str, ...]) -> None:
    assert matching(selector, RULES) == codes


def test_the_more_specific_selector_wins_and_ignore_among_equals() -> None:
    assert selected(RULES, (), ("AE1",)) == {"AE201"}
    assert selected(RULES, ("AE101",), ("AE1",)) == {"AE101"}
    assert selected(RULES, ("AE1",), ("another-thing",)) == {"AE101"}
    assert selected(RULES, ("AE101",), ("AE101",)) == frozenset()
    assert selected(RULES, ("AE2",), (), ("one-thing",)) == {"AE101", "AE201"}
    assert selected(RULES, ("ALL",), ("ALL",)) == frozenset()


def test_unknown_selector_names_where_it_stands() -> None:
    with pytest.raises(UsageError, match=r"Unknown rule 'AE109' in --select\. Did you mean 'AE10\d'\?"):
        check_selectors(["AE1", "AE109"], RULES, "--select")
    with pytest.raises(UsageError, match="'ae-audit rule --all' lists the rules"):
        check_selectors(["zzzzzz"], RULES, "--select")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"\xef\xbb\xbfx = 1", "x = 1"),
        ("# -*- coding: latin-1 -*-\nx = 'é'".encode("latin-1"), "# -*- coding: latin-1 -*-\nx = 'é'"),
        ("#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n€".encode("cp1252"), "€"),
        (b"# coding: nonsense\n\xe9", "é"),
        (b"\xff\xfe", "ÿþ"),
    ],
)
def test_source_bytes_always_become_text(source: bytes, text: str) -> None:
    assert decode(source).endswith(text)


def test_lines_are_pythons_lines() -> None:
    assert split_lines("a\r\nb\rc\nd\x0ce\u2028f") == ["a", "b", "c", "d\x0ce\u2028f"]


def test_sources_of_files_cells_and_nothing(tmp_path: Path) -> None:
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(json.dumps({"cells": [{"source": ["a\n", "b"]}, {"source": "c"}, {}]}))
    sources = Sources({"<stdin>": b"x\ny"})
    assert sources.lines("<stdin>") == ["x", "y"]
    assert [sources.text(str(notebook), cell) for cell in range(4)] == ["a\nb", "c", "", None]
    assert sources.text(str(tmp_path / "absent.py")) is None
    for wrong in ("[]", '{"cells": 3}', "{"):
        notebook.write_text(wrong)
        assert Sources().text(str(notebook), 0) is None


def test_terminal_progress_is_silent_at_first_then_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stream = io.StringIO()
    progress = TerminalProgress(stream, width=30)
    progress.begin(3)
    progress.step("a.py", "reading")
    assert stream.getvalue() == ""
    progress.done("a.py")
    now = 102.0
    progress.step("b.py", "running a very long thing indeed")
    assert stream.getvalue() == "\r[2/3] b.py: running a very...\x1b[K"
    now = 105.0
    progress.done("b.py")
    assert stream.getvalue().endswith("(3 s)\x1b[K")
    progress.close()
    assert stream.getvalue().endswith("\r\x1b[K")
    assert "\n" not in stream.getvalue()


def test_waiting_shows_the_seconds_that_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ae_audit.base.progress.PATIENCE", 0.0)
    monkeypatch.setattr("ae_audit.base.progress._TICK", 0.01)
    stream = io.StringIO()
    progress = TerminalProgress(stream)
    with progress.waiting("a.py", "running"):
        deadline = time.monotonic() + 60
        while stream.getvalue().count("\r") < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
    drawn = stream.getvalue().count("\r")
    assert drawn >= 3
    time.sleep(0.03)
    assert stream.getvalue().count("\r") == drawn


def test_terminal_progress_draws_a_bar_of_steps_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    drawn = {}
    for width in (90, 40):
        now = 100.0
        stream = io.StringIO()
        progress = TerminalProgress(stream, width=width)
        progress.step("a.py", "training at line 9, probe: as written, seed 1", 0, 100)
        now = 102.0
        progress.step("a.py", "training at line 9, probe: as written, seed 1", 25, 100)
        drawn[width] = stream.getvalue()
    bar = "[###---------] step 25 of 100"
    assert drawn[90] == f"\ra.py: training at line 9, probe: as written, seed 1 {bar} (2 s)\x1b[K"
    assert "step" not in drawn[40]
    assert len(drawn[40].strip("\r\x1b[K")) < 40


def test_line_progress_says_each_step_once() -> None:
    stream = io.StringIO()
    progress = LineProgress(stream)
    for _ in range(2):
        progress.step("a.py", "reading")
    for done in range(3):
        progress.step("a.py", "running", done, 3)
    assert stream.getvalue() == "ae-audit: a.py: reading\nae-audit: a.py: running\n"


def test_line_progress_may_leave_out_what_is_only_read() -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, reading=False)
    progress.step("a.py", "reading")
    progress.step("a.py", "running")
    assert stream.getvalue() == "ae-audit: a.py: running\n"


@pytest.mark.parametrize(
    ("environment", "options", "kind"),
    [({}, {}, Progress), ({"CI": "true"}, {}, LineProgress), ({}, {"verbose": True}, LineProgress)],
)
def test_a_job_is_told_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], options: dict[str, bool], kind: type
) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert type(progress_of(Settings(**options))) is kind
    assert type(progress_of(Settings(quiet=True, **options))) is Progress

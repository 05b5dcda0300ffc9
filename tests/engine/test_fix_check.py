"""Edits that would leave an error or make one are withheld, and the fix says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ae_audit.base.progress import Progress
from ae_audit.base.records import replace
from ae_audit.engine import audit_files
from ae_audit.engine.discovery import discover
from ae_audit.engine.fix_check import with_sound_edits
from ae_audit.engine.static_stage import judge, judged_and_finished, read_safely
from ae_audit.schema.findings import Edit, Finding, Fix
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

PROGRAM = """\
import keras
from keras import layers
(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784) / 255.0
net = keras.Sequential([keras.Input((784,)), layers.Dense(784, activation="softmax")])
net.compile("adam", "binary_crossentropy")
net.fit(x_train, x_train)
"""
SETTINGS = Settings(static=True)


def audited(path: Path) -> Report:
    return audit_files(discover([str(path)], SETTINGS), SETTINGS, Progress(), Sources())


def fix_with(tmp_path: Path, old: str, new: str, *, run: bool = False) -> tuple[Fix, tuple[str, ...]]:
    """What becomes of the fix of ``PROGRAM``'s finding where its edits were those from ``old`` to ``new``."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    sources = Sources()
    (target,) = discover([str(path)], SETTINGS)
    audit = judged_and_finished(read_safely(target, sources), SETTINGS, sources)
    audit = replace(audit, target=replace(target, run=run))
    (line,) = (number for number, text in enumerate(PROGRAM.splitlines(), 1) if old in text)
    column = PROGRAM.splitlines()[line - 1].index(old) + 1
    edit = Edit(Location(str(path), line, column, line, column + len(old)), new)

    def edited(finding: Finding) -> Finding:
        return replace(finding, fix=Fix("another", safe=False, edits=(edit,)))

    audit = replace(
        audit, audited=tuple(replace(one, findings=tuple(map(edited, one.findings))) for one in audit.audited)
    )
    before = judge(read_safely(target, sources), SETTINGS)
    checked = with_sound_edits(audit, before, sources, lambda texts: judge(read_safely(target, texts), SETTINGS))
    (fix,) = (finding.fix for one in checked.audited for finding in one.findings if finding.fix is not None)
    return fix, tuple(note.text for note in checked.notes)


def test_an_edit_that_mends_stays(tmp_path: Path) -> None:
    fix, notes = fix_with(tmp_path, "softmax", "sigmoid")
    assert fix.edits
    assert fix.withheld is None
    assert not notes


def test_a_full_audit_says_that_the_edited_program_was_read_again(tmp_path: Path) -> None:
    fix, notes = fix_with(tmp_path, "softmax", "sigmoid", run=True)
    assert fix.edits
    assert any("read again with every proposed edit" in note for note in notes)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("adam", "sgd", "with it AE101 would be reported"),  # what was to be mended is left
        ('"softmax")', '"tanh")', "with it AE105 would be reported"),
        ("/ 255.0", "/ (255.0", "the file cannot be edited so: it would not parse after the fix"),
    ],
)
def test_an_edit_that_leaves_or_makes_an_error_is_withheld(tmp_path: Path, old: str, new: str, reason: str) -> None:
    fix, notes = fix_with(tmp_path, old, new, run=True)
    assert fix.edits == ()
    assert fix.withheld == reason
    assert not notes


def test_what_is_proposed_of_a_real_program_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    (finding,) = audited(path).findings
    assert finding.fix is not None
    assert finding.fix.edits


def test_the_fixes_of_a_notebook_are_checked_by_its_cells(tmp_path: Path) -> None:
    lines = PROGRAM.splitlines(keepends=True)
    cells = [
        {"cell_type": "code", "source": lines[:4], "outputs": [{"data": {"image/png": "A" * 1000}}]},
        {"cell_type": "markdown", "source": "text"},
        {"cell_type": "code", "source": lines[4:]},
    ]
    path = tmp_path / "book.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    (finding,) = audited(path).findings
    assert finding.fix is not None
    assert [edit.text for edit in finding.fix.edits] == ["sigmoid"]

"""``--fix``, ``--unsafe-fixes`` and ``--diff``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Audit = Callable[..., Any]


def test_a_program_is_mended_and_nothing_else_changes(folder: Path, audit: Audit, model: str) -> None:
    before = ("\ufeff# größer\n" + model).replace("\n", "\r\n").encode()
    (folder / "a.py").write_bytes(before)
    (folder / "a.py").chmod(0o755)
    outcome = audit("a.py", "--fix", "--unsafe-fixes")
    assert (outcome.code, outcome.err) == (0, "ae-audit: Fixed 1 finding in 1 file.\n")
    assert (folder / "a.py").read_bytes() == before.replace(b'"softmax"', b'"sigmoid"')
    assert (folder / "a.py").stat().st_mode & 0o777 == 0o755
    assert audit("a.py").code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.py"]


def notebook(model: str, **how: Any) -> bytes:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["softmax \u00e9\n"]},
        {"cell_type": "code", "metadata": {}, "outputs": [{"text": ["softmax"]}], "source": ["%pip list\n", "a = 1"]},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": model.splitlines(keepends=True)},
    ]
    return json.dumps({"cells": cells, "metadata": {"x": 1.0}, "nbformat": 4, "nbformat_minor": 5}, **how).encode()


@pytest.mark.parametrize("how", [{"indent": 1, "ensure_ascii": False}, {"indent": 4}, {}, {"separators": (",", ":")}])
def test_a_notebook_is_mended_and_nothing_else_changes(
    folder: Path, audit: Audit, model: str, how: dict[str, Any]
) -> None:
    before = notebook(model, **how)
    (folder / "a.ipynb").write_bytes(before)
    assert audit("a.ipynb").code == 1
    assert audit("a.ipynb", "--fix", "--unsafe-fixes").code == 0
    assert (folder / "a.ipynb").read_bytes() == before.replace(b'\\"softmax\\"', b'\\"sigmoid\\"')
    assert audit("a.ipynb").code == 0


def test_unsafe_fixes_are_left_out_unless_asked_for(folder: Path, audit: Audit, model: str) -> None:
    (folder / "a.py").write_text(model)
    outcome = audit("a.py", "--fix")
    assert outcome.code == 1
    assert (folder / "a.py").read_text() == model
    assert outcome.err == (
        "ae-audit: Fixed 0 findings in 0 files. 1 fix changes program behavior; apply them with --unsafe-fixes.\n"
    )


def test_a_metric_is_replaced_without_asking(folder: Path, audit: Audit, model: str) -> None:
    right = model.replace("softmax", "sigmoid").replace('loss="mse"', 'loss="mse", metrics=["accuracy"]')
    (folder / "a.py").write_text(right)
    assert "AE401" in audit("a.py").out
    outcome = audit("a.py", "--fix")
    assert outcome.err == "ae-audit: Fixed 1 finding in 1 file.\n"
    assert (folder / "a.py").read_text() == right.replace('"accuracy"', '"mae"')


def test_a_diff_writes_nothing(folder: Path, audit: Audit, model: str) -> None:
    (folder / "a.py").write_text(model)
    (folder / "b.ipynb").write_bytes(notebook(model))
    outcome = audit(".", "--diff", "--unsafe-fixes")
    assert outcome.code == 1
    assert outcome.out.splitlines()[:2] == ["--- a.py", "+++ a.py"]
    assert '+decoded = Dense(784, activation="sigmoid")(Dense(32, activation="relu")(inputs))' in outcome.out
    assert "--- b.ipynb:cell 2\n" in outcome.out
    assert (folder / "a.py").read_text() == model
    assert audit(".", "--diff").out == ""


def test_what_is_excused_stays(folder: Path, audit: Audit, model: str) -> None:
    text = model.replace("(inputs))", "(inputs))  # ae-audit: ignore[AE101]")
    (folder / "a.py").write_text(text)
    audit("a.py", "--fix", "--unsafe-fixes")
    assert (folder / "a.py").read_text() == text


def test_one_edit_for_two_findings_is_made_once(folder: Path, audit: Audit, model: str) -> None:
    text = model.replace('"mse"', '"categorical_crossentropy"')
    (folder / "a.py").write_text(text)
    found = json.loads(audit("a.py", "--output-format", "json").out)["findings"]
    assert len(found) > 1
    assert audit("a.py", "--fix", "--unsafe-fixes").code == 0
    after = (folder / "a.py").read_text()
    assert after.count("sigmoid") == 1
    assert "softmax" not in after


def test_a_link_stays_a_link_and_other_files_stay_untouched(folder: Path, audit: Audit, model: str) -> None:
    (folder / "real.py").write_text(model)
    (folder / "link.py").symlink_to("real.py")
    audit("link.py", "--fix", "--unsafe-fixes")
    assert (folder / "link.py").is_symlink()
    assert "sigmoid" in (folder / "real.py").read_text()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--unsafe-fixes",), "--unsafe-fixes goes with --fix, which applies them, or --diff, which shows them."),
        (("--fix", "--diff"), "--fix and --diff contradict each other"),
    ],
)
def test_mistakes(folder: Path, audit: Audit, model: str, flags: tuple[str, ...], sentence: str) -> None:
    (folder / "a.py").write_text(model)
    outcome = audit("a.py", *flags)
    assert outcome.code == 2
    assert sentence in outcome.err

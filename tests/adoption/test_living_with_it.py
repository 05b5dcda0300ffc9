"""Severities, idle suppressions, statistics, and the behaviour of hooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Audit = Callable[..., Any]


def configure(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)


def test_severities_of_the_projects_own(folder: Path, audit: Audit, model: str) -> None:
    (folder / "a.py").write_text(model)
    configure(folder, '[tool.ae-audit.severity]\nAE1 = "info"\nsoftmax-on-per-pixel-target = "warning"\n')
    assert audit("a.py").code == 0
    (finding,) = json.loads(audit("a.py", "--output-format", "json").out)["findings"]
    assert finding["severity"] == "warning"
    assert audit("a.py", "--fail-on", "warning").code == 1
    assert '[tool.ae-audit.severity]\n"AE1" = "info"\n' in audit("config").out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('AE199 = "error"', "Unknown rule 'AE199' in 'severity' of "),
        (
            'AE101 = "eror"',
            "'severity': 'AE101' must be one of error, warning, info; got 'eror'. Did you mean 'error'?",
        ),
        ("AE101 = 1", "'severity': 'AE101' must be one of error, warning, info; got 1."),
    ],
)
def test_wrong_severities(folder: Path, audit: Audit, model: str, text: str, sentence: str) -> None:
    (folder / "a.py").write_text(model)
    configure(folder, f"[tool.ae-audit.severity]\n{text}\n")
    outcome = audit("a.py")
    assert outcome.code == 2
    assert sentence in outcome.err


def notes(outcome: Any) -> list[str]:
    return [note["text"] for note in json.loads(outcome.out)["notes"]]


def test_suppressions_that_excuse_nothing_are_told(folder: Path, audit: Audit, model: str) -> None:
    lines = model.splitlines()
    lines[8] += "  # ae-audit: ignore[AE101, AE102] known"
    lines[9] += "  # ae-audit: ignore"
    lines[10] += "  # noqa: AE301, E501"
    lines[11] += "  # ae-audit: ignore[AE305]"  # only seen by running: nobody can tell here
    (folder / "a.py").write_text("\n".join(lines))
    outcome = audit("a.py", "--output-format", "json")
    assert outcome.code == 0
    assert notes(outcome) == [
        "line 9: the suppression of AE102 suppresses nothing",
        "line 10: the suppression suppresses nothing",
        "line 11: the suppression of AE301 suppresses nothing",
    ]
    chosen = audit("a.py", "--output-format", "json", "--select", "AE101")
    assert notes(chosen) == ["line 10: the suppression suppresses nothing"]


def test_suppressions_in_a_notebook(folder: Path, audit: Audit, model: str) -> None:
    cells = [
        {"cell_type": "markdown", "source": "# ae-audit: ignore"},
        {"cell_type": "code", "source": model.replace("(inputs))", "(inputs))  # ae-audit: ignore[AE101]")},
        {"cell_type": "code", "source": "autoencoder.summary()  # ae-audit: ignore[AE101]"},
    ]
    (folder / "a.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    outcome = audit("a.ipynb", "--output-format", "json")
    assert outcome.code == 0
    assert notes(outcome) == ["cell 2, line 1: the suppression of AE101 suppresses nothing"]


def test_statistics(folder: Path, audit: Audit, model: str) -> None:
    (folder / "a.py").write_text(model)
    (folder / "b.py").write_text(model.replace("softmax", "sigmoid").replace('"mse"', '"bce"'))
    (folder / "c.py").write_text(model)
    outcome = audit(".", "--statistics")
    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        "2  error  AE101  softmax-on-per-pixel-target  in 2 files",
        "1  info   AE203  bce-soft-target-floor        in 1 file",
        "2 errors, 1 info in 3 training setups of 3 files.",
    ]
    assert audit(".", "--statistics", "--output-format", "json").code == 2


def test_a_hook_is_content_where_there_is_nothing_to_audit(folder: Path, audit: Audit, model: str) -> None:
    (folder / "words.py").write_text("print('no model')\n")
    (folder / "bad.py").write_text(model)
    configure(folder, '[tool.ae-audit]\nextend-exclude = ["bad.py"]\n')
    assert audit("words.py").code == 3
    for paths in ((), ("words.py",), ("bad.py",)):
        outcome = audit("--hook", *paths)
        assert (outcome.code, outcome.err) == (0, ""), paths
    assert audit("bad.py").code == 1
    assert audit("--hook", "bad.py", "--isolated").code == 1

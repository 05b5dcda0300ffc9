"""Adopting the tool on a tree that has many faults already."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Audit = Callable[..., Any]


@pytest.fixture
def tree(folder: Path, model: str) -> Path:
    """Thirty bad files in three folders."""
    for number in range(30):
        path = folder / f"part{number % 3}" / f"model{number:02}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(model)
    return folder


def test_a_baseline_lets_only_new_findings_count(tree: Path, audit: Audit, model: str) -> None:
    assert audit(".").code == 1
    written = audit(".", "--write-baseline", "known.json")
    assert (written.code, written.out) == (0, "")
    assert written.err == "ae-audit: 30 findings recorded in known.json.\n"
    first = (tree / "known.json").read_bytes()

    known = audit(".", "--baseline", "known.json")
    assert known.code == 0
    assert known.out.splitlines()[-1] == "No findings in 30 training setups of 30 files; 30 suppressed."

    moved = tree / "part0" / "model00.py"
    moved.write_text("import os\n\n\n" + model.replace("\ninputs", "\n\n# moved\ninputs"))
    assert audit(".", "--baseline", "known.json").code == 0

    moved.write_text(model.replace("relu", "tanh"))  # the line is another one now
    changed = audit(".", "--baseline", "known.json", "--output-format", "json")
    assert changed.code == 1
    assert [finding["path"] for finding in json.loads(changed.out)["findings"]] == ["part0/model00.py"]
    moved.write_text(model)

    (tree / "part1" / "new.py").write_text(model)
    assert audit(".", "--baseline", "known.json").code == 1
    (tree / "part1" / "new.py").unlink()

    audit(".", "--write-baseline", "known.json")
    assert (tree / "known.json").read_bytes() == first


def test_the_same_fault_twice_in_a_file(folder: Path, audit: Audit, model: str) -> None:
    (folder / "a.py").write_text(model)
    audit(".", "--write-baseline", "known.json")
    (folder / "a.py").write_text(model + model)
    outcome = audit(".", "--baseline", "known.json")
    assert outcome.code == 1
    assert "1 error in 2 training setups of 1 file; 1 suppressed." in outcome.out


def test_fixed_entries_are_told(tree: Path, audit: Audit, model: str) -> None:
    audit(".", "--write-baseline", "known.json")
    (tree / "part0" / "model00.py").write_text(model.replace("softmax", "sigmoid"))
    (tree / "part1" / "model01.py").unlink()
    (tree / "part2" / "model02.py").write_text(model.replace("softmax", "sigmoid"))
    outcome = audit("part0", "--baseline", "known.json", "--output-format", "json")
    assert outcome.code == 0
    told = [note["text"] for note in json.loads(outcome.out)["notes"]]
    assert told == [
        "AE101 in part0/model00.py is fixed",
        "AE101 in part1/model01.py is fixed",  # gone, wherever one looks
        "--write-baseline known.json removes what is fixed",
    ]


def test_the_configuration_names_it_relative_to_itself(
    tree: Path, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(".", "--write-baseline", "known.json")
    (tree / "pyproject.toml").write_text('[tool.ae-audit]\nbaseline = "known.json"\n')
    assert audit(".").code == 0
    monkeypatch.chdir(tree / "part0")
    assert audit(".").code == 0
    assert audit("../part1").code == 0


def test_sarif_says_by_what_a_finding_is_excused(tree: Path, audit: Audit) -> None:
    audit(".", "--write-baseline", "known.json")
    log = json.loads(audit("part0", "--baseline", "known.json", "--output-format", "sarif").out)
    kinds = {item["kind"] for result in log["runs"][0]["results"] for item in result["suppressions"]}
    assert kinds == {"external"}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--baseline", "absent.json"), "The baseline absent.json cannot be read: No such file or directory."),
        (("--baseline", "a.py"), "a.py is no baseline; --write-baseline a.py writes one."),
        (("--write-baseline", "absent/b.json"), "The baseline absent/b.json cannot be written: No such file"),
        (("--write-baseline", "b.json", "--fix"), "run --fix first"),
    ],
)
def test_mistakes(folder: Path, audit: Audit, model: str, flags: tuple[str, ...], sentence: str) -> None:
    (folder / "a.py").write_text(model)
    outcome = audit("a.py", *flags)
    assert outcome.code == 2
    assert sentence in outcome.err

"""``--diff-base``: what a change touches is audited, with the findings that an audit of everything has there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ae_audit.cli.command import main

TRAINING = """
import keras
{imports}
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / {scale}
model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])
model.compile(loss="binary_crossentropy")
model.fit(x, x)
"""


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(("git", *identity, *arguments), check=True, capture_output=True)


def commit(text: str) -> None:
    git("add", "-A")
    git("commit", "-q", "-m", text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three programs: one with a helper of a package, one with a helper of a helper, one alone."""
    folder = tmp_path / "räume und so"
    (folder / "lib").mkdir(parents=True)
    monkeypatch.chdir(folder)
    git("init", "-q", "-b", "main")
    (folder / "lib" / "__init__.py").write_text("")
    (folder / "lib" / "scales.py").write_text("byte = 255.0\n")
    (folder / "lib" / "more.py").write_text("from .scales import byte\n")
    (folder / "one.py").write_text(TRAINING.format(imports="from lib.scales import byte", scale="byte"))
    (folder / "two.py").write_text(TRAINING.format(imports="def load():\n    import lib.more", scale="255"))
    (folder / "three.py").write_text(TRAINING.format(imports="", scale="255"))
    (folder / "lib" / "four.py").write_text(TRAINING.format(imports="", scale="255"))
    (folder / "pyproject.toml").write_text("[tool.ae-audit]\n")
    commit("begin")
    return folder


def audited(capsys: pytest.CaptureFixture[str], *options: str, base: str = "main") -> set[str]:
    """The files whose trainings an audit with ``--diff-base`` reports."""
    capsys.readouterr()
    code = main([".", "--static", "--quiet", "--output-format", "json", "--diff-base", base, *options])
    assert code in (0, 1)
    return {setup["path"] for setup in json.loads(capsys.readouterr().out)["setups"]}


@pytest.mark.parametrize(
    ("change", "files"),
    [
        ({}, set()),
        ({"three.py": TRAINING.format(imports="", scale="1")}, {"three.py"}),
        ({"lib/scales.py": "byte = 1.0\n"}, {"one.py", "two.py"}),
        ({"lib/more.py": ""}, {"two.py"}),
        ({"lib/__init__.py": "a = 1\n"}, {"one.py", "two.py"}),
        ({"new.py": TRAINING.format(imports="", scale="1")}, {"new.py"}),
        ({"lib/scales.py": None}, {"one.py", "two.py"}),
        ({"lib/scales.py": None, "lib/scales/__init__.py": "byte = 1.0\n"}, {"one.py", "two.py"}),
        ({"pyproject.toml": "[tool.ae-audit]\nignore = ['AE301']\n"}, {"one.py", "two.py", "three.py", "lib/four.py"}),
        ({"lib/pyproject.toml": "[tool.ae-audit]\nignore = ['AE301']\n"}, {"lib/four.py"}),
        ({"notes.txt": "nothing"}, set()),
    ],
)
@pytest.mark.parametrize("committed", [True, False])
def test_what_a_change_touches_is_audited(
    change: dict[str, str | None],
    files: set[str],
    committed: bool,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    git("switch", "-q", "-c", "branch")
    for name, text in change.items():
        if text is None:
            (project / name).unlink()
        else:
            (project / name).parent.mkdir(exist_ok=True)
            (project / name).write_text(text)
    if committed and change:
        commit("change")
    assert audited(capsys) == files


def test_what_the_base_went_on_to_change_is_not_of_this_branch(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git("switch", "-q", "-c", "branch")
    (project / "three.py").write_text(TRAINING.format(imports="", scale="1"))
    commit("of the branch")
    git("switch", "-q", "main")
    (project / "one.py").write_text(TRAINING.format(imports="", scale="1"))
    commit("of the base")
    git("switch", "-q", "branch")
    assert audited(capsys) == {"three.py"}


def test_findings_are_those_of_the_whole_audit(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([".", "--static", "--quiet", "--output-format", "json"])
    everything = json.loads(capsys.readouterr().out)["findings"]
    (project / "lib" / "more.py").write_text("")
    main([".", "--static", "--quiet", "--output-format", "json", "--diff-base", "HEAD"])
    part = json.loads(capsys.readouterr().out)["findings"]
    expected = [finding for finding in everything if finding["path"] == "two.py"]
    assert expected
    assert [{**finding, "setup": 0} for finding in expected] == part


def test_a_folder_below_the_top_and_a_link_to_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "lib" / "train.py").write_text(TRAINING.format(imports="", scale="1"))
    link = project.parent / "link"
    link.symlink_to(project, target_is_directory=True)
    for folder in (project / "lib", link / "lib"):
        monkeypatch.chdir(folder)
        assert audited(capsys) == {"train.py"}


@pytest.mark.parametrize("base", ["nowhere", "--output=x", "HEAD~99"])
def test_a_base_that_does_not_exist_is_one_sentence(
    base: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([".", "--static", f"--diff-base={base}"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ae-audit: --diff-base")
    assert told.count("\n") == 1


def test_where_there_is_no_repository_it_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "a.py").write_text("import torch\n")
    assert main([".", "--static", "--diff-base", "main"]) == 2
    assert "--diff-base: git cannot say what has changed" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "")
    assert main([".", "--static", "--diff-base", "main"]) == 2
    assert "git is not installed" in capsys.readouterr().err


def audited_in(folder: str, capsys: pytest.CaptureFixture[str], *options: str) -> set[str]:
    capsys.readouterr()
    main([folder, "--static", "--quiet", "--output-format", "json", *options])
    return {setup["path"] for setup in json.loads(capsys.readouterr().out)["setups"]}


def test_what_git_ignores_is_skipped_in_folders(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".gitignore").write_text("one.py\ntwo.py\nold/\nlöschbar*.py\n")
    (project / "old").mkdir()
    for name in ("old/train.py", "löschbar 1.py"):
        (project / name).write_text(TRAINING.format(imports="", scale="255"))
    git("rm", "-q", "--cached", "two.py")
    assert audited_in(".", capsys) == {"one.py", "three.py", "lib/four.py"}, "one.py is tracked"
    assert audited_in(".", capsys, "--no-gitignore") == {
        "one.py", "two.py", "three.py", "lib/four.py", "old/train.py", "löschbar 1.py"
    }  # fmt: skip
    assert audited_in("two.py", capsys) == {"two.py"}, "who names a file means it"
    assert audited_in("old", capsys) == {"old/train.py"}, "and who names a folder"


def test_a_folder_that_is_in_no_repository_is_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "train.py").write_text(TRAINING.format(imports="", scale="255"))
    assert audited_in(".", capsys) == {"train.py"}
    git("init", "-q")
    assert audited_in(".", capsys) == set()
    monkeypatch.setenv("PATH", "")
    assert audited_in(".", capsys) == {"train.py"}

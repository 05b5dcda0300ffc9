"""pre-commit, the GitHub action, and completion in shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ae_audit.cli.arguments import read_arguments
from ae_audit.settings.options import OPTIONS

ROOT = Path(__file__).parents[2]
Audit = Callable[..., Any]

pytestmark = pytest.mark.slow


def hooks() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    return {hook["id"]: hook for hook in found}


def test_the_hooks_entries_are_commands_that_the_tool_understands() -> None:
    for hook in hooks().values():
        command, *arguments = hook["entry"].split()
        assert command == "ae-audit"
        request = read_arguments(arguments)
        assert not isinstance(request, str)
        assert request.settings.static
        assert request.paths == ()
        assert hook["types_or"] == ["python", "pyi", "jupyter"]


@pytest.mark.parametrize("hook", ["ae-audit", "ae-audit-fix"])
def test_pre_commit_in_a_repository(folder: Path, model: str, hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pre_commit")
    if shutil.which("git") is None:
        pytest.skip("needs git")
    yaml = pytest.importorskip("yaml")
    entry = hooks()[hook]
    entry |= {"language": "system", "entry": entry["entry"].replace("ae-audit ", f"{sys.executable} -m ae_audit ", 1)}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": [entry]}]}))
    environment = {**os.environ, "PRE_COMMIT_HOME": str(folder / ".cache"), "GIT_CONFIG_GLOBAL": os.devnull}

    def commit(name: str, text: str) -> subprocess.CompletedProcess[str]:
        (folder / name).write_text(text)
        subprocess.run(["git", "add", name], cwd=folder, check=True, env=environment)
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", "run", hook],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )

    subprocess.run(["git", "init", "-q"], cwd=folder, check=True, env=environment)
    nothing = commit("readme.md", "words\n")
    assert (nothing.returncode, "no files to check" in nothing.stdout) == (0, True), nothing.stdout
    assert commit("words.py", "print('no model')\n").returncode == 0
    assert commit("good.py", model.replace("softmax", "sigmoid")).returncode == 0
    bad = commit("bad.py", model)
    assert bad.returncode == 1
    if hook == "ae-audit":
        assert "AE101 softmax-on-per-pixel-target" in bad.stdout
        assert (folder / "bad.py").read_text() == model
    else:
        assert "files were modified by this hook" in bad.stdout
        assert commit("bad.py", (folder / "bad.py").read_text()).returncode == 0


def run_action(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The action's last step under bash, as GitHub runs it, with this environment's Python."""
    yaml = pytest.importorskip("yaml")
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    audit = action["runs"]["steps"][-1]
    steps = action["runs"]["steps"]
    used = {value for step in steps for value in step["env"].values()}
    assert used == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    python = folder / "temp" / "ae-audit" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    environment = {
        **os.environ,
        "RUNNER_TEMP": str(folder / "temp"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_EVENT_NAME": "push",
        "AUDIT_ARGS": "--static",
        **{"GITHUB_EVENT_NAME" if name == "event" else f"AUDIT_{name.upper()}": text for name, text in inputs.items()},
    }
    script = ["bash", "-e", "-o", "pipefail", "-c", audit["run"]]
    return subprocess.run(script, env=environment, cwd=folder, capture_output=True, text=True)


def test_the_action_passes_its_inputs_on(folder: Path, model: str) -> None:
    (folder / "bad.py").write_text(model)
    wrong = run_action(folder, paths="bad.py $(touch${IFS}hacked)", args="--static --fail-on warning")
    assert wrong.returncode == 2
    assert not (folder / "hacked").exists()
    done = run_action(folder, paths="bad.py", args="--static --fail-on warning", sarif="out.sarif")
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=bad.py,line=9,")
    assert (folder / "out.sarif").exists()
    assert "AE101" in (folder / "summary.md").read_text()


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ("good.py\nbad one.py\n", {"bad one.py"}),
        ("good.py 'bad one.py'", {"bad one.py"}),
        ("\n  bad one.py  \n\n  worse.py\n", {"bad one.py", "worse.py"}),
        ("--exit-zero.py\nworse.py", {"--exit-zero.py", "worse.py"}),
    ],
)
def test_the_action_audits_every_path_of_a_block(folder: Path, model: str, paths: str, found: set[str]) -> None:
    for name in ("bad one.py", "worse.py", "--exit-zero.py"):
        (folder / name).write_text(model)
    (folder / "good.py").write_text(model.replace("softmax", "sigmoid"))
    done = run_action(folder, paths=paths)
    assert done.returncode == 1
    assert {line.split("file=")[1].split(",")[0] for line in done.stdout.splitlines() if "file=" in line} == found


def test_a_pull_request_cannot_switch_the_action_off(folder: Path, model: str) -> None:
    (folder / "bad.py").write_text(model)
    (folder / "pyproject.toml").write_text('[tool.ae-audit]\nexit-zero = true\nrules = ["evil"]\n')
    (folder / "evil.py").write_text("open('hacked', 'w')\n")
    assert run_action(folder, paths="bad.py", event="pull_request").returncode == 1
    assert run_action(folder, paths="bad.py", event="push", isolated="true").returncode == 1
    assert run_action(folder, paths="bad.py", event="push").returncode == 0
    assert not (folder / "hacked").exists()


def test_the_action_says_what_is_wrong_with_its_inputs(folder: Path) -> None:
    unclosed = run_action(folder, paths="'bad.py")
    assert (unclosed.returncode, "never closed" in unclosed.stdout) == (2, True)
    odd = run_action(folder, paths=".", isolated="maybe")
    assert (odd.returncode, "auto, true, false" in odd.stdout) == (2, True)


def complete(words: list[str], folder: Path) -> list[str]:
    script = subprocess.run(
        [sys.executable, "-m", "ae_audit", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    line = " ".join(f"'{word}'" for word in words)
    code = f'{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _ae_audit; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(folder: Path) -> None:
    (folder / "model.py").touch()
    assert complete(["ae-audit", "--fail-on", "w"], folder) == ["warning"]
    assert complete(["ae-audit", "--select", "AE10"], folder)[:2] == ["AE101", "AE102"]
    assert complete(["ae-audit", "--stat"], folder) == ["--static", "--statistics"]
    assert complete(["ae-audit", "mo"], folder) == ["model.py"]
    assert complete(["ae-audit", "ru"], folder) == ["rule"]
    flags = complete(["ae-audit", "--"], folder)
    assert {f"--{option.key}" for option in OPTIONS if option.flag} <= set(flags)


def test_scripts_for_other_shells(capsys: pytest.CaptureFixture[str]) -> None:
    from ae_audit.cli.command import main

    for shell, flag in (("zsh", "--{}"), ("fish", " -l {} ")):
        assert main(["completion", shell]) == 0
        text = capsys.readouterr().out
        for option in OPTIONS:
            assert (flag.format(option.key) in text) is option.flag, option.key
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=text, text=True, check=True)
    assert main(["completion", "bsh"]) == 2
    assert "Did you mean 'bash'?" in capsys.readouterr().err
    assert main(["completion"]) == 2

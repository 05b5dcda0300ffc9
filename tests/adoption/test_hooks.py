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


def test_the_action_passes_its_inputs_on(folder: Path, model: str) -> None:
    yaml = pytest.importorskip("yaml")
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    audit = action["runs"]["steps"][-1]
    assert set(audit["env"].values()) == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    tool = folder / "temp" / "ae-audit" / "bin" / "ae-audit"
    tool.parent.mkdir(parents=True)
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m ae_audit "$@"\n')
    tool.chmod(0o755)
    (folder / "bad.py").write_text(model)
    summary = folder / "summary.md"
    environment = {
        **os.environ,
        "RUNNER_TEMP": str(folder / "temp"),
        "GITHUB_STEP_SUMMARY": str(summary),
        "AUDIT_PATHS": "bad.py $(touch${IFS}hacked)",
        "AUDIT_ARGS": "--static --fail-on warning",
        "AUDIT_SARIF": "out.sarif",
    }
    script = ["bash", "-e", "-o", "pipefail", "-c", audit["run"]]
    wrong = subprocess.run(script, env=environment, cwd=folder, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert not (folder / "hacked").exists()
    done = subprocess.run(
        script, env=environment | {"AUDIT_PATHS": "bad.py"}, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=bad.py,line=9,")
    assert (folder / "out.sarif").exists()
    assert "AE101" in summary.read_text()


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

"""Programs started as their authors start them: with arguments, as modules, in their own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ae_audit.runtime.sandbox.interpreters import choose

from .command import ae_audit
from .warm import WarmCommand

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

PROGRAM = """\
import argparse, os, sys
import torch
{imports}
parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float, required=True)
scale = parser.parse_args().scale
x = torch.rand(300, 30) * scale
model = torch.nn.Sequential(torch.nn.Linear(30, 30), torch.nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
for batch in x.split(50):
    loss = torch.nn.functional.mse_loss(model(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
open(os.path.join(os.path.dirname(__file__), "left.txt"), "w").close()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "more.py").write_text("assert __package__ == 'package'\n")
    (package / "train.py").write_text(PROGRAM.format(imports="from . import more\nassert os.path.exists('package')"))
    (tmp_path / "train.py").write_text(PROGRAM.format(imports=""))
    return tmp_path


def test_arguments_after_two_dashes(project: Path) -> None:
    done = ae_audit("train.py", "--no-probe", "--", "--scale", "5", cwd=project)
    assert (done.code, done.standing("error")) == (1, {"AE102"})
    assert done.report["errors"] == []
    assert not list(project.rglob("left.txt"))


def test_a_parser_is_quoted_and_told_how_to_be_answered(project: Path, warm_torch: WarmCommand) -> None:
    (error,) = warm_torch("train.py", cwd=project).report["errors"]
    assert "exit code 2: the following arguments are required: --scale, before any training step" in error["message"]
    assert error["message"].endswith("; arguments of the program go after --: ae-audit train.py -- ARGUMENTS.")


def test_a_module(project: Path, warm_torch: WarmCommand) -> None:
    done = warm_torch("-m", "package.train", "--no-probe", "--", "--scale", "5", cwd=project)
    assert (done.standing("error"), done.report["errors"]) == ({"AE102"}, [])
    assert done.finding("AE102")["path"] == os.path.join("package", "train.py")
    assert not list(project.rglob("left.txt"))


def test_a_package(project: Path, warm_torch: WarmCommand) -> None:
    (project / "package" / "__main__.py").write_text((project / "package" / "train.py").read_text())
    done = warm_torch("-m", "package", "--no-probe", "--", "--scale", "5", cwd=project)
    assert (done.standing("error"), done.report["errors"]) == ({"AE102"}, [])


def test_a_relative_import_proposes_the_module(project: Path, warm_torch: WarmCommand) -> None:
    (error,) = warm_torch(os.path.join("package", "train.py"), cwd=project).report["errors"]
    assert error["message"].endswith("; run it as a part of its package: ae-audit -m package.train.")


def test_the_configuration_says_how_each_program_starts(project: Path, warm_torch: WarmCommand) -> None:
    (project / "data").mkdir()
    (project / "data" / "here.txt").write_text("")
    (project / "pyproject.toml").write_text(
        '[tool.ae-audit.programs."package/*.py"]\nmodule = "package.train"\narguments = ["--scale", "5"]\n'
        '[tool.ae-audit.programs."train.py"]\narguments = ["--scale", "5"]\nfolder = "data"\n'
        'environment = { MY_MODE = "small" }\n'
    )
    check = "assert os.path.exists('here.txt') and os.environ['MY_MODE'] == 'small'"
    (project / "train.py").write_text(PROGRAM.format(imports=check))
    for path in ("train.py", os.path.join("package", "train.py")):
        done = warm_torch(path, "--no-probe", cwd=project)
        assert (done.standing("error"), done.report["errors"]) == ({"AE102"}, []), path
    given = warm_torch("train.py", "--no-probe", "--", "--scale", "1", cwd=project)
    assert (given.standing("error"), given.report["errors"]) == (set(), [])


@pytest.mark.skipif(os.name == "nt", reason="environments have other folders there")
def test_the_environment_of_the_project(project: Path) -> None:
    """ae-audit is not installed in it: its package reaches the child by its path."""
    environment = project / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    import numpy
    import torch

    homes = {str(Path(module.__file__ or "").parents[1]) for module in (numpy, torch)}
    (packages / "theirs.pth").write_text("\n".join(sorted(homes)) + "\n")
    (packages / "of_the_project_alone.py").write_text("")
    (project / "train.py").write_text(PROGRAM.format(imports="import of_the_project_alone"))
    python = environment / "bin" / "python"

    def run(*options: str) -> list[str]:
        done = ae_audit("train.py", "--no-probe", *options, "--", "--scale", "5", cwd=project)
        assert (done.standing("error"), done.report["errors"]) == ({"AE102"}, [])
        return [note["text"].split(" (")[0] for note in done.report["notes"]]

    assert run() == [f"run with {python}"]
    moved = project.parent / f"{project.name}-environment"
    environment.rename(moved)
    theirs = moved / "bin" / "python"
    assert run("--python", str(moved)) == [f"run with {theirs}"]
    assert choose(str(theirs), str(project)).path == str(theirs)
    assert choose(None, str(project), {"VIRTUAL_ENV": str(moved)}).path == str(theirs)


def test_an_interpreter_that_does_not_do(project: Path) -> None:
    done = ae_audit("train.py", "--python", "absent", cwd=project)
    assert done.code == 2
    assert done.err == "ae-audit: --python: absent does not exist.\n"
    (project / "python").write_text("#!/bin/sh\necho 3 8\necho /\necho numpy\n")
    (project / "python").chmod(0o755)
    done = ae_audit("train.py", "--python", str(project / "python"), cwd=project)
    assert done.err.endswith(" is Python 3.8, and running programs requires 3.10 or later.\n")

"""Programs started as their authors start them: with arguments, as modules, in their own environment."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ae_audit.runtime.sandbox.interpreters import choose

from .command import ae_audit
from .warm import WarmCommand

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

STEPS = """\
x = torch.rand(300, 30) * scale
model = torch.nn.Sequential(torch.nn.Linear(30, 30), torch.nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
for batch in x.split(50):
    loss = torch.nn.functional.mse_loss(model(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
PROGRAM = f"""\
import argparse, os, sys
import torch
{{imports}}
parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float, required=True)
scale = parser.parse_args().scale
{STEPS}open(os.path.join(os.path.dirname(__file__), "left.txt"), "w").close()
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


CALLED = {
    "absl": """\
from absl import app, flags
flags.DEFINE_float("scale", 1.0, "of the data")
def main(argv):
    scale = flags.FLAGS.scale
{steps}
if __name__ == "__main__":
    app.run(main)
""",
    "click": """\
import click
@click.command()
@click.option("--scale", default=1.0)
def main(scale):
{steps}
if __name__ == "__main__":
    main()
""",
    "typer": """\
import typer
app = typer.Typer()
@app.command()
def main(scale: float = 1.0):
{steps}
if __name__ == "__main__":
    app()
""",
    "fire": """\
import fire
class Runner:
    def train(self, scale=1.0):
{steps}
if __name__ == "__main__":
    fire.Fire(Runner)
""",
    "hydra": """\
import hydra
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    scale = cfg.scale
{steps}
if __name__ == "__main__":
    main()
""",
    "docopt": """\
from docopt import docopt
def main(scale):
{steps}
if __name__ == "__main__":
    main(float(docopt("Usage: train.py [--scale=N]")["--scale"]))
""",
}
"""programs that a package starts, which reads their arguments"""
GIVEN = {"fire": ["train", "--scale", "5"], "hydra": ["scale=5"]}


@pytest.mark.parametrize("package", CALLED)
def test_a_package_that_reads_the_arguments_starts_the_program(
    project: Path, warm_torch: WarmCommand, package: str
) -> None:
    if package != "fire":  # of which something does a part where it is absent
        pytest.importorskip(package)
    (project / "conf").mkdir()
    (project / "conf" / "config.yaml").write_text("scale: 1.0\n")
    steps = textwrap.indent(STEPS, " " * (8 if package == "fire" else 4))
    (project / "train.py").write_text("import torch\n" + CALLED[package].format(steps=steps))
    arguments = GIVEN.get(package, ["--scale=5"])
    done = warm_torch("train.py", "--no-probe", "--", *arguments, cwd=project)
    assert (done.standing("error"), done.report["errors"]) == ({"AE102"}, [])
    assert done.report["setups"][0]["seen_by"] == ["static", "runtime"]


def test_lightnings_command_line_with_classes_of_other_files(project: Path) -> None:
    pytest.importorskip("jsonargparse")
    pytest.importorskip("lightning")
    (project / "nets.py").write_text(
        "import lightning, torch\n"
        "class Net(lightning.LightningModule):\n"
        "    def __init__(self, hidden: int = 8):\n"
        "        super().__init__()\n"
        "        layers = torch.nn.Linear(30, hidden), torch.nn.Linear(hidden, 30), torch.nn.Sigmoid()\n"
        "        self.net = torch.nn.Sequential(*layers)\n"
        "    def training_step(self, batch, index):\n"
        "        return torch.nn.functional.mse_loss(self.net(batch[0]), batch[0])\n"
        "    def configure_optimizers(self):\n"
        "        return torch.optim.Adam(self.parameters())\n"
    )
    (project / "loading.py").write_text(
        "import lightning, torch\n"
        "class Data(lightning.LightningDataModule):\n"
        "    def train_dataloader(self):\n"
        "        data = torch.utils.data.TensorDataset(torch.rand(300, 30) * 5)\n"
        "        return torch.utils.data.DataLoader(data, batch_size=50)\n"
    )
    (project / "train.py").write_text(
        "from lightning.pytorch.cli import LightningCLI\nfrom loading import Data\nfrom nets import Net\n"
        "if __name__ == '__main__':\n    LightningCLI(Net, Data)\n"
    )
    done = ae_audit("train.py", "--no-probe", "--", "fit", "--model.hidden", "4", cwd=project)
    assert (done.standing("error"), done.report["errors"]) == ({"AE102"}, [])


def test_a_file_that_only_starts_lightnings_command_line_is_one_that_trains(project: Path) -> None:
    """Its classes stand in other files: nothing else in it names a loss or a training."""
    (project / "train.py").write_text(
        "from lightning.pytorch.cli import LightningCLI\nfrom absent_here import Data, Net\nLightningCLI(Net, Data)\n"
    )
    done = ae_audit("train.py", "--no-probe", cwd=project)
    assert [error["stage"] for error in done.report["errors"]] == ["runtime"]

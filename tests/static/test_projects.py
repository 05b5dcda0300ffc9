"""Programs in several files, notebooks, broken source, and files that are none of our business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ae_audit.schema.training_setup import Relation
from ae_audit.static import Modules, analyse_file
from ae_audit.static.source import projects

MODEL = """
from tensorflow import keras
from .blocks import head
class AE(keras.Model):
    def __init__(self, act="softmax"):
        super().__init__()
        self.net = keras.Sequential([keras.layers.Dense(32), head(act)])
    def call(self, x):
        return self.net(x)
"""
BLOCKS = """
from tensorflow.keras import layers
def head(name):
    return layers.Dense(784, activation=name)
"""
DATA = """
from tensorflow.keras.datasets import mnist
def load():
    (x, _), _ = mnist.load_data()
    return x.reshape(-1, 784) / 255.0
"""
TRAIN = """
from pkg.model import AE
from pkg import data
if __name__ == "__main__":
    x = data.load()
    model = AE()
    model.compile("adam", loss="mse")
    model.fit(x, x)
"""


def test_a_src_layout_is_read_as_one_program(tmp_path: Path) -> None:
    package = tmp_path / "src" / "pkg"
    package.mkdir(parents=True)
    for name, text in {"__init__": "", "model": MODEL, "blocks": BLOCKS, "data": DATA}.items():
        (package / f"{name}.py").write_text(text)
    (tmp_path / "pyproject.toml").write_text("")
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    (setup,) = analyse_file(str(script), TRAIN.encode()).setups
    assert setup.head.activation == "softmax"
    assert str(setup.target.values) == "[0, 1]"
    assert setup.relation is Relation.SAME
    assert setup.head.location is not None
    assert setup.head.location.path == str(package / "model.py")
    assert setup.target.location is not None
    assert setup.target.location.path == str(package / "data.py")


def notebook(*cells: tuple[str, str]) -> bytes:
    return json.dumps(
        {"cells": [{"cell_type": kind, "source": text.splitlines(True)} for kind, text in cells]}
    ).encode()


def test_a_notebook_with_a_broken_cell_is_read_as_far_as_it_parses() -> None:
    source = notebook(
        ("markdown", "# Autoencoder"),
        ("code", "%matplotlib inline\n!pip install keras\nfrom tensorflow import keras\nfiles = !ls\n"),
        ("code", "this is no Python at all (\n"),
        ("code", "%%bash\nls -l"),
        ("code", "(x, _), _ = keras.datasets.mnist.load_data()\nprint 'shape', x.shape\nx = x / 255.\n"),
        (
            "code",
            "m = keras.Sequential([keras.layers.Dense(784, activation='tanh')])\n\n"
            "m.compile('adam', 'mse')\nm.fit(x, x)\n",
        ),
    )
    result = analyse_file("n.ipynb", source)
    (setup,) = result.setups
    assert setup.head.activation == "tanh"
    assert str(setup.target.values) == "[0, 1]"
    assert (setup.location.cell, setup.location.line) == (5, 4)
    assert setup.head.location is not None
    assert (setup.head.location.cell, setup.head.location.line, setup.head.location.column) == (5, 1, 58)
    assert [(e.stage, e.cell, e.line) for e in result.errors] == [("static", 2, 1)]


def test_python_2_is_read() -> None:
    source = b"""
import keras, sys
try:
    print "loading", sys.argv
except IOError, error:
    print >>sys.stderr, error
(x, _), _ = keras.datasets.mnist.load_data()
for i in xrange(3): print i
m = keras.models.Sequential([keras.layers.Dense(784, activation='sigmoid')])
m.compile('adam', 'mse')
if 1 <> 2:
\tm.fit(x, x)
"""
    result = analyse_file("old.py", source)
    assert [s.head.activation for s in result.setups] == ["sigmoid"]


def test_a_file_that_cannot_train_is_not_parsed() -> None:
    assert not analyse_file("a.py", b"import numpy\nprint(((").relevant
    assert not analyse_file("a.py", b"import keras\nprint(((").relevant
    assert analyse_file("a.py", b"import keras\nmodel.fit(x)").relevant


def test_a_loss_that_only_comments_speak_of_is_none() -> None:
    assert not analyse_file("a.py", b"import torch  # no loss of accuracy\ndef f(x):\n    return x.flip(0)").relevant
    assert not analyse_file("a.py", b"import torch, re\npattern = re.compile('backward')").relevant
    assert analyse_file("a.py", b"import torch\ndef f(x):\n    x.backward()").relevant


def test_a_module_that_several_programs_import_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\nnet = nn.Sequential(nn.Linear(9, 9), nn.Tanh())\n", "utf-8")
    source = b"import torch\nfrom net import net\nx = torch.rand(5, 9)\nloss = torch.nn.MSELoss()(net(x), x)\n"
    parsed: list[str] = []
    parse = projects.parse

    def noting(path: str, source: bytes) -> projects.Program:
        parsed.append(path)
        return parse(path, source)

    monkeypatch.setattr(projects, "parse", noting)
    modules = Modules()
    for name in ("one.py", "two.py"):
        (setup,) = analyse_file(str(tmp_path / name), source, modules=modules).setups
        assert setup.head.activation == "tanh"
    assert parsed == [str(tmp_path / "net.py")]


def test_nothing_but_the_standard_library_is_imported() -> None:
    code = (
        "import sys; before = set(sys.modules); from ae_audit.static import analyse_file\n"
        "analyse_file('a.py', b'import keras, torch\\nmodel.fit(x, x)\\nloss = 1')\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(t for t in tops if t not in sys.stdlib_module_names and t != 'ae_audit'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_argument_that_became_a_keyword_is_read() -> None:
    source = b"""
import torch
x = torch.rand(8, 784).cuda(async=True)
model = torch.nn.Sequential(torch.nn.Linear(784, 784), torch.nn.Sigmoid())
torch.nn.functional.mse_loss(model(x), x).backward()
"""
    result = analyse_file("old.py", source)
    assert not result.errors
    assert [s.target.values.hull.lo for s in result.setups] == [0.0]


@pytest.mark.parametrize(("script", "marker"), [("pkg/train.py", None), ("scripts/train.py", "requirements.txt")])
def test_a_downloaded_project_is_read_as_one_program(tmp_path: Path, script: str, marker: str | None) -> None:
    for name, text in (("pkg/model.py", MODEL), ("pkg/blocks.py", BLOCKS), ("pkg/data.py", DATA), (script, TRAIN)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    if marker is not None:
        (tmp_path / marker).touch()
    result = analyse_file(str(tmp_path / script), TRAIN.encode())
    assert [s.head.activation for s in result.setups] == ["softmax"]


def test_imports_are_looked_up_in_the_order_in_which_python_does(tmp_path: Path) -> None:
    """The program's own folder comes before the project's root, also for what a module of another folder imports."""
    model = MODEL.replace("from .blocks", "from blocks")
    for name, text in {
        "nets/model.py": model,
        "train/blocks.py": BLOCKS.replace("activation=name", 'activation="tanh"'),
        "blocks.py": BLOCKS,
        "data.py": DATA,
        "train/loop.py": TRAIN.replace("from pkg.model", "from nets.model").replace("from pkg import", "import"),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    program = tmp_path / "train" / "loop.py"
    (setup,) = analyse_file(str(program), program.read_bytes(), project_root=str(tmp_path)).setups
    assert setup.head.activation == "tanh"
    assert str(setup.target.values) == "[0, 1]"


FUNCTIONS = """
from tensorflow import keras
def load():
    (x, _), _ = keras.datasets.mnist.load_data()
    return x.reshape(-1, 784)
def build():
    model = keras.Sequential([keras.layers.Dense(784, activation="sigmoid")])
    model.compile("adam", "mse")
    return model
def run(model, x):
    return model.fit(x, x)
"""
STARTERS = {
    "at once": ("import helpers as f\nf.run(f.build(), f.load())\n", True),
    "as a program": (
        "from steps import everything\ndef main():\n    everything()\nif __name__ == '__main__':\n    main()\n", True,
    ),
    "to use a model": ("import helpers as f\nprint(f.build().predict(f.load()))\n", False),
    "for others": ("import helpers as f\ndef later():\n    return f.run(f.build(), f.load())\n", False),
}  # fmt: skip


@pytest.mark.parametrize("how", STARTERS)
def test_a_program_whose_training_stands_in_a_module(tmp_path: Path, how: str) -> None:
    source, trains = STARTERS[how]
    (tmp_path / "helpers.py").write_text(FUNCTIONS)
    (tmp_path / "steps.py").write_text(
        "import helpers\ndef everything():\n    helpers.run(helpers.build(), helpers.load())\n"
    )
    program = tmp_path / "start.py"
    program.write_text(source)
    result = analyse_file(str(program), source.encode(), named=True)
    found = [(s.location.path, s.head.activation, str(s.target.values)) for s in result.setups]
    assert result.relevant is trains
    assert found == ([(str(tmp_path / "helpers.py"), "sigmoid", "[0, 255]")] if trains else [])
    assert analyse_file(str(program), source.encode()).relevant is trains  # found in a folder, it is read alike


@pytest.mark.parametrize(("guarded", "relevant"), [(False, False), (True, True)])
def test_a_module_of_a_package_starts_nothing_but_as_a_program(tmp_path: Path, guarded: bool, relevant: bool) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "helpers.py").write_text(FUNCTIONS)
    call = "helpers.run(helpers.build(), helpers.load())\n"
    source = "import helpers\n" + (f"if __name__ == '__main__':\n    {call}" if guarded else call)
    (tmp_path / "start.py").write_text(source)
    assert analyse_file(str(tmp_path / "start.py"), source.encode()).relevant is relevant


@pytest.mark.parametrize("named", [True, False])
def test_many_modules_hide_none_that_is_used(tmp_path: Path, named: bool) -> None:
    """The second run of a program finds what the first one found, and a run what the search for a training read."""
    (tmp_path / "helpers.py").write_text(FUNCTIONS)
    many = [f"other_{index}" for index in range(150)]
    for name in many:
        (tmp_path / f"{name}.py").write_text("value = 1\n")
    source = "import sys, helpers\n" + "".join(f"import {name}\n" for name in many)
    source += "x = helpers.load()\nif sys.argv[1] == 'plain':\n    x = x / 255.0\nhelpers.run(helpers.build(), x)\n"
    if not named:
        source += "import keras\nloss = 1\n"
    program = tmp_path / "start.py"
    program.write_text(source)
    result = analyse_file(str(program), source.encode(), named=named)
    assert {str(setup.target.values) for setup in result.setups} == {"[0, 1]", "[0, 255]"}

"""Which programs may be forked from a process that has imported their framework."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ae_audit.engine.discovery import AuditTarget, discover
from ae_audit.engine.nursery import Nursery
from ae_audit.settings.options import Settings

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")

HELPERS = {
    "plain.py": "import numpy\nSIZE = 3\n",
    "config.py": "import os\nos.environ['KERAS_BACKEND'] = 'jax'\n",
    "imports_config.py": "from config import os\n",
    "with_torch.py": "import torch\n",
}


@pytest.mark.parametrize(
    ("source", "frameworks"),
    [
        ("import torch\n", {"torch"}),
        ("from torch import nn\nimport plain\n", {"torch"}),
        ("import keras\n", {"tensorflow", "keras"}),
        ("def f():\n    from tensorflow import keras\n", {"tensorflow", "keras"}),
        ("import numpy\n", set()),
        ("# import torch\n", set()),
        ("import keras\nimport torch\n", set()),
        ("import keras\nimport with_torch\n", set()),
        ("import os\nos.environ['A'] = 'b'\nimport torch\n", set()),
        ("import os\nos.putenv('A', 'b')\nimport torch\n", set()),
        ("import config\nimport keras\n", set()),
        ("import imports_config\nimport keras\n", set()),
    ],
)
def test_what_is_imported_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, frameworks: set[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    for name, text in {**HELPERS, "program.py": source}.items():
        (tmp_path / name).write_text(text)
    (target,) = discover(["program.py"], Settings())
    assert known(target) == frameworks


def test_of_keras_on_another_backend_it_is_keras_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    (tmp_path / "program.py").write_text("import keras\n")
    (target,) = discover(["program.py"], Settings())
    assert known(target) == {"keras"}


def known(target: AuditTarget) -> set[str]:
    return {name for name in Nursery(True).modules_for(target) if "." not in name}

"""Which interpreter runs a program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ae_audit.runtime.sandbox import interpreters
from ae_audit.runtime.sandbox.interpreters import OWN, Interpreter, NoInterpreter, choose

pytestmark = pytest.mark.skipif(os.name == "nt", reason="environments have other folders there")


@pytest.fixture
def environments(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, ...]]:
    """Environments by folder, each with its frameworks."""
    known: dict[str, tuple[str, ...]] = {}

    def checked(path: str) -> Interpreter:
        folder = str(Path(path).parents[1])
        if folder not in known:
            raise NoInterpreter("does not exist")
        return Interpreter(path, (3, 12), known[folder])

    monkeypatch.setattr(interpreters, "_checked", checked)
    return known


def in_project(folder: Path, name: str, tracked: bool | None) -> str:
    """An environment in a project, which git tracks, does not, or knows nothing of."""
    (folder / name).mkdir()
    (folder / name / "pyvenv.cfg").write_text("")
    if tracked is not None:
        (folder / ".git").mkdir(exist_ok=True)
        (folder / ".git" / "index").write_bytes(b"DIRC" + (f"{name}/pyvenv.cfg\0".encode() if tracked else b"x.py\0"))
    return str(folder / name)


def test_the_active_environment_comes_first(tmp_path: Path, environments: dict[str, tuple[str, ...]]) -> None:
    environments[in_project(tmp_path, ".venv", False)] = ("keras",)
    environments["/active"] = ("torch",)
    found = choose(None, str(tmp_path), {"VIRTUAL_ENV": "/active"})
    assert found.path == "/active/bin/python"
    assert choose(None, str(tmp_path), {}).path == str(tmp_path / ".venv" / "bin" / "python")


def test_an_environment_without_a_framework_is_passed_over(
    tmp_path: Path, environments: dict[str, tuple[str, ...]]
) -> None:
    environments["/active"] = ()
    assert choose(None, str(tmp_path), {"VIRTUAL_ENV": "/active", "CONDA_PREFIX": "/absent"}) is OWN
    environments[in_project(tmp_path, "venv", False)] = ("tensorflow",)
    assert choose(None, str(tmp_path), {"VIRTUAL_ENV": "/active"}).frameworks == ("tensorflow",)


@pytest.mark.parametrize("tracked", [True, None])
def test_an_environment_that_came_with_the_source_is_not_run(
    tmp_path: Path, environments: dict[str, tuple[str, ...]], tracked: bool | None
) -> None:
    """It would be a stranger's program outside the sandbox."""
    environments[in_project(tmp_path, ".venv", tracked)] = ("torch",)
    assert choose(None, str(tmp_path), {}) is OWN


def test_our_own_is_known_as_such() -> None:
    assert choose(sys.executable, None, {}) is OWN
    assert OWN.command("x.y", "z") == [sys.executable, "-X", "utf8", "-m", "x.y", "z"]

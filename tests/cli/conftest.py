"""A static stage of a few lines, so that these tests are about the command and not about reading programs.

A comment ``# head ACTIVATION UNITS`` makes a setup with that head; the real rules judge it. The whole way through
the real static stage is tested end to end, and in ``test_process.py``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import ae_audit.static
from ae_audit.cli.command import main
from ae_audit.schema.location import Location
from ae_audit.schema.report import StageError, Undecided
from ae_audit.schema.training_setup import (
    DataFacts,
    Framework,
    Head,
    LossUse,
    ModelFacts,
    Relation,
    Structure,
    TrainingSetup,
)
from ae_audit.static.result import StaticResult
from ae_audit.theory.activations import ActivationRange, find_activation
from ae_audit.theory.intervals import BYTE
from ae_audit.theory.ranges import Tri, ValueRange


def _range_of(activation: str) -> ActivationRange:
    found = find_activation(activation, axis=-1) if activation == "softmax" else find_activation(activation)
    assert found is not None
    return found.range


def _analyse(
    path: str, source: bytes, *, project_root: str | None = None, modules: object = None, named: bool = False
) -> StaticResult:
    text = source.decode()
    if "crash" in text:
        raise RecursionError("too deep")
    try:
        ast.parse(text)
    except SyntaxError as error:
        return StaticResult(errors=(StageError(path, "static", f"does not parse: {error.msg}", error.lineno),))
    setups = []
    for number, line in enumerate(text.splitlines(), 1):
        found = re.search(r"# head (\w+) (\d+)", line)
        if found:
            place = Location(path, number, 1, number, 9)
            name, units = found.group(1), int(found.group(2))
            head = Head(name, name, (), _range_of(name), -1, units, (None, units), location=place)
            target = DataFacts(ValueRange.exactly(BYTE), "float32", (None, units), Structure.CONTINUOUS)
            plain = ModelFacts(normalises_input=Tri.NO)
            loss = LossUse("mse", '"mse"', location=place)
            setups.append(
                TrainingSetup(
                    Framework.TORCH, place, "torch", head, loss, target, target, relation=Relation.SAME, model=plain
                )
            )
    undecided = (Undecided(path, "loss", "it is not written here", 1),) if "undecided" in text else ()
    return StaticResult(tuple(setups), undecided, relevant=bool(setups or undecided))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no colour settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(autouse=True)
def simple_static_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ae_audit.static, "analyse_file", _analyse, raising=False)


@pytest.fixture
def write(folder: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file below the working folder."""

    def write(name: str, text: str | bytes) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


class Outcome:
    """What a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command in this process; ``--static`` unless other modes are asked for."""

    def audit(*arguments: str, static: bool = True) -> Outcome:
        code = main([*arguments, "--static"] if static else list(arguments))
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return audit

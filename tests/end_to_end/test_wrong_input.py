"""Whatever is thrown at it: one clear sentence, the right exit code, and what reading found is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .command import Result, ae_audit
from .warm import WarmCommand

BROKEN = """\
import numpy as np
import torch
from torch import nn
{fault}
x = torch.rand(512, 20)
model = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 20), nn.Softmax(dim=1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(3):
    for batch in x.split(64):
        loss = criterion(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


def script(folder: Path, fault: str = "") -> Path:
    path = folder / "model.py"
    path.write_text(BROKEN.format(fault=fault))
    return path


def stage_error(result: Result, stage: str) -> str:
    messages = [each["message"] for each in result.report["errors"] if each["stage"] == stage]
    assert len(messages) == 1, messages
    assert "Traceback" not in result.out + result.err
    message: str = messages[0]
    return message


def test_missing_path(tmp_path: Path) -> None:
    script(tmp_path)
    result = ae_audit(tmp_path / "modle.py")
    assert result.code == 2
    assert "modle.py" in result.err
    assert "model.py" in result.err, "the file beside it that was probably meant"
    assert len(result.err.strip().splitlines()) == 1


def test_directory_without_python(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    result = ae_audit(tmp_path, "--output-format", "full")
    assert result.code == 3
    assert "Traceback" not in result.err


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.py"
    path.write_bytes(os.urandom(64) + b"\0" * 64)
    result = ae_audit(path)
    assert result.code == 3
    assert "not text" in stage_error(result, "static")


def test_syntax_error_is_told_with_its_line_and_other_files_go_on(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import torch\nfrom torch import nn\nloss = nn.BCELoss(\ndef f(:\n")
    result = ae_audit("--static", broken, script(tmp_path))
    (error,) = result.report["errors"]
    assert error["path"].endswith("broken.py")
    assert error["line"] in {3, 4}
    assert result.standing("error") == {"AE101"}
    assert result.code == 1


@pytest.mark.slow
def test_script_that_raises(tmp_path: Path) -> None:
    result = ae_audit(script(tmp_path, 'open("no such data set")'))
    message = stage_error(result, "runtime")
    assert "FileNotFoundError at line 4" in message
    assert "no such data set" in message
    assert result.standing("error") == {"AE101"}
    assert result.finding("AE101")["verdict"] == "static"
    assert result.code == 1


@pytest.mark.slow
def test_script_that_imports_something_absent(tmp_path: Path, warm_torch: WarmCommand) -> None:
    """What takes no part in the training is stood in for, and the report says so."""
    result = warm_torch(script(tmp_path, "import a_package_that_nobody_has"), "--no-probe")
    assert result.report["errors"] == []
    assert [note["text"] for note in result.report["notes"] if "a_package_that_nobody_has" in note["text"]]
    assert result.standing("error") == {"AE101"}


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["raise SystemExit(7)", "import os; os._exit(7)"])
def test_script_that_exits(tmp_path: Path, warm_torch: WarmCommand, leave: str) -> None:
    result = warm_torch(script(tmp_path, f"if not torch.cuda.is_initialized(): {leave}"), "--no-probe")
    message = stage_error(result, "runtime")
    assert "line 4" in message
    assert "exit code 7" in message
    assert result.standing("error") == {"AE101"}
    assert result.code == 1


@pytest.mark.slow
def test_script_that_loops_for_ever_is_cut_at_the_timeout(tmp_path: Path, warm_torch: WarmCommand) -> None:
    result = warm_torch(script(tmp_path, "while True: pass"), "--timeout", "4")
    message = stage_error(result, "runtime")
    assert "4 s" in message
    assert "line 4" in message
    assert "--timeout" in message
    assert result.standing("error") == {"AE101"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_script_that_kills_itself(tmp_path: Path, warm_torch: WarmCommand, name: str) -> None:
    result = warm_torch(script(tmp_path, f"import os, signal; os.kill(os.getpid(), signal.{name})"))
    assert name in stage_error(result, "runtime")
    assert result.standing("error") == {"AE101"}
    assert result.code == 1


@pytest.mark.slow
def test_what_was_captured_before_a_crash_stands(tmp_path: Path, warm_torch: WarmCommand) -> None:
    path = script(tmp_path)
    path.write_text(path.read_text() + "import nothing_of_that_name\n")
    result = warm_torch(path)
    assert result.finding("AE101")["verdict"] in {"proved", "confirmed"}
    assert result.code == 1

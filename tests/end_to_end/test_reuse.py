"""Several programs with one import of their framework: ``--reuse``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from .command import ae_audit

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")

TRAINS = """
import torch
net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Linear(4, 8), torch.nn.{head})
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for batch in torch.rand(64, 8).split(16):
    optimizer.zero_grad()
    torch.nn.functional.{loss}(net(batch), batch).backward()
    optimizer.step()
"""
SETS_A_VARIABLE = """
import sys
assert "torch" not in sys.modules, "imported before its variables were set"
import os
os.environ["OMP_NUM_THREADS"] = "1"
"""


def test_the_report_is_that_of_processes_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "softmax.py").write_text(TRAINS.format(head="Softmax(1)", loss="mse_loss"))
    (tmp_path / "right.py").write_text(
        "import sys\nassert 'torch' in sys.modules\n" + TRAINS.format(head="Sigmoid()", loss="mse_loss")
    )
    (tmp_path / "sets.py").write_text(SETS_A_VARIABLE + TRAINS.format(head="ReLU()", loss="l1_loss"))
    result = ae_audit("--reuse", "softmax.py", "right.py", "sets.py", cwd=tmp_path)
    assert result.report["errors"] == []
    found = {(each["path"], each["code"], each["verdict"]) for each in result.report["findings"]}
    assert ("softmax.py", "AE101", "proved") in found
    assert not any(path == "right.py" for path, *_ in found)
    assert len(result.report["setups"]) == 3
    alone = ae_audit("softmax.py", cwd=tmp_path).report
    forked = [each for each in result.report["findings"] if each["path"] == "softmax.py"]
    assert json.dumps(forked) == json.dumps(alone["findings"])

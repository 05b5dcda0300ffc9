"""``ae-audit compare`` as a whole: read, run in the sandbox, fitted cell by cell, written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ae_audit.cli.command import main

PROGRAM = """\
import torch
from torch import nn

torch.manual_seed(0)
basis = torch.rand(4, 16)
x = torch.rand(512, 4) @ basis
x = x / x.max()
model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16), nn.Sigmoid())
loss_of = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for batch in x.split(64):
    loss = loss_of(model(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_a_program_is_compared_in_its_sandbox_cell_by_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "train.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    asked = ["--head", "linear,relu", "--loss", "mse,bce", "--seeds", "2", "--steps", "100"]
    assert main(["compare", "train.py", *asked, "--output-format", "json", "--html-output", "page.html"]) == 0
    document = json.loads(capsys.readouterr().out)
    (one,) = document["comparisons"]
    assert (one["path"], one["line"], one["seeds"], one["steps"]) == ("train.py", 12, 2, 100)
    cells = {cell["name"]: cell for cell in one["cells"]}
    assert set(cells) == {"sigmoid × bce", "linear × mse", "linear × bce", "relu × mse", "relu × bce"}
    assert cells["sigmoid × bce"]["as_written"]
    assert len(cells["linear × mse"]["r2"]["values"]) == 2
    assert cells["linear × mse"]["r2"]["half_width"] > 0
    assert "between 0 and 1" in cells["linear × bce"]["failed"], "BCELoss refuses what is no probability"
    assert cells["sigmoid × bce"]["floor"]["mean"] > 0.3
    assert cells["linear × mse"]["ideal"]["r2"] > 0.9
    page = (tmp_path / "page.html").read_text()
    assert "<svg" in page
    assert main(["compare", "train.py", *asked, "--jobs", "2", "--output-format", "json"]) == 0
    assert timeless(json.loads(capsys.readouterr().out)) == timeless(document), "fits of two processes"


def timeless(document: Any) -> Any:
    """Without what is measured in seconds."""
    if isinstance(document, dict):
        return {name: timeless(value) for name, value in document.items() if "second" not in name}
    return [timeless(one) for one in document] if isinstance(document, list) else document

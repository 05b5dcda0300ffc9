"""Run a small torch program under the recorder, in this process: ``record(program)``."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ae_audit.runtime.host.scripts import ScriptOutcome, StopProgram, run_script
from ae_audit.runtime.torch.capture import TorchCapture
from ae_audit.runtime.torch.recorder import TorchRecorder
from ae_audit.schema.location import Location
from ae_audit.schema.messages import HowItEnded

DATA = """
import torch
from torch import nn
from torch.nn import functional as F
torch.manual_seed(0)
blobs = torch.rand(400, 3) @ torch.rand(3, 16)
images = blobs / blobs.max()
"""


@dataclass
class Recorded:
    captures: tuple[TorchCapture, ...]
    outcome: ScriptOutcome
    path: str
    recorder: TorchRecorder

    @property
    def only(self) -> TorchCapture:
        assert self.outcome.how in {HowItEnded.STOPPED, HowItEnded.COMPLETED}, self.outcome
        assert len(self.captures) == 1, [capture.setup.location for capture in self.captures]
        return self.captures[0]

    def line_of(self, text: str) -> int:
        lines = Path(self.path).read_text().splitlines()
        found = [number for number, line in enumerate(lines, start=1) if text in line]
        assert len(found) == 1, (text, found)
        return found[0]


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Recorded]:
    def run(program: str, *, expected: tuple[int, ...] = (), max_steps: int = 6, data: str = DATA) -> Recorded:
        path = tmp_path / "program.py"
        path.write_text(data + textwrap.dedent(program))
        places = tuple(Location(str(path), line) for line in expected)
        recorder = TorchRecorder(path, places, max_steps=max_steps, stop=StopProgram)
        with recorder, torch.random.fork_rng():
            outcome = run_script(path)
        return Recorded(recorder.captures(), outcome, str(path), recorder)

    return run

"""Whether more trainings are to come, by the source round the running lines."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import FrameType

import pytest

from ae_audit.runtime.host.further_trainings import further_trainings
from ae_audit.runtime.host.user_code import Caller

TRAIN = """
def train(model):
    optimizer = Adam(model.parameters())
    for epoch in range(2):
        for batch in (1, 2):
            step()
"""
INLINE = """
for width in widths:
    optimizer = Adam(make(width).parameters())
    for epoch in range(2):
        step()
"""
PLAIN = """
optimizer = Adam(model.parameters())
for epoch in range(2):
    for batch in (1, 2):
        step()
"""


class Model:
    def parameters(self) -> list[int]:
        return []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"{TRAIN}train(model)\ntrain(model)", [True, False]),
        (f"{TRAIN}train(model)\nprint(5)", [False]),
        (f"{TRAIN}for width in widths:\n    train(model)", [True]),
        (f"{TRAIN}if widths:\n    train(model)\nelse:\n    train(model)", [False]),
        (f"{TRAIN}def main():\n    train(model)\n    return [train(model) for _ in range(1)]\nmain()", [True, False]),
        (f"{TRAIN}try:\n    train(model)\nfinally:\n    x = train(model)", [True, False]),
        (INLINE, [True]),
        (PLAIN, [False]),
        ("for seed in widths:" + PLAIN.rstrip().replace("\n", "\n    "), [True]),
    ],
)
def test_by_the_source(tmp_path: Path, source: str, expected: list[bool]) -> None:
    ast.parse(source)
    path = tmp_path / "program.py"
    path.write_text(source)
    found: dict[tuple[int, ...], bool] = {}

    def step() -> None:
        callers, frame = [], sys._getframe(1)
        while frame.f_code.co_filename == str(path):
            callers.append(Caller(id(frame), frame.f_code, frame.f_lasti, frame.f_lineno))
            frame = frame.f_back or pytest.fail("no frame")
        assert isinstance(frame, FrameType)
        found.setdefault(tuple(each.f_lineno for each in callers), further_trainings(callers))

    names = {
        "step": step,
        "Adam": lambda weights: None,
        "model": Model(),
        "make": lambda width: Model(),
        "widths": [1, 2],
    }
    exec(compile(source, str(path), "exec"), names)
    assert list(found.values()) == expected

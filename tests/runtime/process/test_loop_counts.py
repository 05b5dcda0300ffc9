"""How often the loops round a line go round, from the source and the frames."""

from __future__ import annotations

import linecache
import types
from pathlib import Path

import pytest

from ae_audit.runtime.host.loop_counts import rounds
from ae_audit.runtime.host.user_code import UserCode


@pytest.mark.parametrize(
    ("loops", "expected"),
    [
        ("for i in range(7):\n    told()", 7),
        ("for i in range(EPOCHS):\n    for b in batches:\n        told()", 15),
        ("for i in range(1, args.epochs + 1):\n    for n, b in enumerate(batches, 0):\n        told()", 12),
        ("for b in batches:\n    pass\ntold()", 1),
        ("def step():\n    for n in range(2):\n        told()\nfor i in range(3):\n    step()", 6),
        ("i = 0\nwhile i < 1:\n    told()\n    i += 1", None),
        ("for b in (x for x in batches):\n    told()", None),
        ("for b in sorted(batches):\n    told()", None),
        ("for i in range(0, 10, 5):\n    told()", 2),
    ],
)
def test_rounds(loops: str, expected: int | None, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(f"EPOCHS = 5\nbatches = [1, 2, 3]\n{loops}\n")
    code, seen = UserCode(script), []
    program = compile(script.read_text(), str(script), "exec")
    given = {"told": lambda: seen.append(rounds(code)), "args": types.SimpleNamespace(epochs=4)}
    linecache.clearcache()
    exec(program, given)
    assert seen[0] == expected

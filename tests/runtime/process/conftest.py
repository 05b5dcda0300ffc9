from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ae_audit.runtime.sandbox.launch import ChildOutcome, run_child

HERE = Path(__file__).resolve().parent
SUPPORT = HERE.parents[1] / "support"

Run = Callable[..., ChildOutcome]

_CHOWN, _SETGID, _SETUID = 0, 6, 7


def is_mighty() -> bool:
    """Whether this is root and may become others and give them files, which a container may keep root from."""
    if os.getuid() != 0:
        return False
    needed = 1 << _CHOWN | 1 << _SETGID | 1 << _SETUID
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16) & needed == needed
    return True


def _run(request: dict[str, Any], **options: Any) -> ChildOutcome:
    options.setdefault("timeout", 30)
    env = {"PYTHONPATH": f"{HERE}:{SUPPORT}", **options.pop("env", {})}
    return run_child(request, module="child_entry", env=env, **options)


@pytest.fixture
def run_source() -> Run:
    """Run a text inside the sandbox, with ``session`` at hand."""

    def run(source: str, **options: Any) -> ChildOutcome:
        return _run({"source": textwrap.dedent(source)}, **options)

    return run


@pytest.fixture
def run_program(tmp_path: Path) -> Run:
    """Write a script (and files beside it) and run it through the whole road."""

    def run(
        source: str, *, name: str = "program.py", files: dict[str, str | bytes] | None = None, **options: Any
    ) -> ChildOutcome:
        folder = tmp_path / "project"
        for path, text in {name: textwrap.dedent(source), **(files or {})}.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
        script = folder / name
        return _run({"script": str(script), "argv": options.pop("argv", [])}, script=script, **options)

    return run


def events(outcome: ChildOutcome, kind: str) -> list[dict[str, Any]]:
    return [event for event in outcome.events if event["type"] == kind]


def ended(outcome: ChildOutcome) -> dict[str, Any]:
    """The script runner's own account."""
    found = events(outcome, "ended")
    assert len(found) == 1, (outcome.sentence(), outcome.stderr)
    return found[0]

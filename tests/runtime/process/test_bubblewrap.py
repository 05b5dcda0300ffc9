"""How a program ends inside bubblewrap is told as elsewhere; the attacks on it are in ``test_attacks``."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from ae_audit.runtime.sandbox import bubblewrap

from .conftest import is_mighty
from .test_attacks import by_bubblewrap

ENDS = """
import json, os, sys
from ae_audit.runtime.sandbox.launch import run_child

def ended(source, timeout):
    env = {"PYTHONPATH": os.environ["PYTHONPATH"]}
    outcome = run_child({"source": source}, module="child_entry", timeout=timeout, env=env)
    return [outcome.ending.name, outcome.exit_code, outcome.signal, outcome.line_in("program.py")]

print(json.dumps([[ended(*case) for case in json.loads(sys.stdin.read())], ""]))
"""


def test_ends_are_told_as_elsewhere() -> None:
    cases = [
        ("import os\nos.kill(os.getpid(), 11)", 60),
        ("import os\nos._exit(3)", 60),
        ("import time\ntime.sleep(600)", 3),
        ("pass", 60),
    ]
    said, _ = by_bubblewrap(json.dumps(cases), ENDS)
    crashed, left, slow, good = said
    assert crashed == ["SIGNALLED", None, "SIGSEGV", 2]
    assert left[:3] == ["EXITED", 3, None]
    assert slow == ["TIMED_OUT", None, None, 2]
    assert good == ["FINISHED", 0, None, None]


@pytest.mark.parametrize(("code", "own"), [(0, 0), (3, 3), (139, -signal.SIGSEGV), (137, -signal.SIGKILL), (255, 255)])
def test_signals_that_are_told_as_codes(code: int, own: int) -> None:
    assert bubblewrap.code_of(code) == own


@pytest.mark.parametrize(("mode", "owner", "taken"), [(0o755, 0, True), (0o757, 0, False), (0o755, 65534, False)])
def test_only_the_systems_own_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int, taken: bool
) -> None:
    """Any program may be called `bwrap` and lie on the path."""
    if not is_mighty():
        pytest.skip("only root can make files of others")
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\n")
    program.chmod(mode)
    os.chown(program, owner, -1)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bubblewrap, "_FIXED", "")
    assert (bubblewrap._program() == str(program)) is taken


def test_layers_that_are_not_there_are_not_claimed(tmp_path: Path) -> None:
    """A note says that this process is inside, and nothing has changed since."""
    note: dict[str, Any] = {
        "namespaces": bubblewrap._namespaces(),
        "devices": os.stat("/dev").st_dev,
        "sockets": [],
    }
    (tmp_path / "boxed.json").write_text(json.dumps(note))
    assert bubblewrap.is_inside(str(tmp_path))
    assert bubblewrap.found(str(tmp_path), (str(tmp_path),)) == ()

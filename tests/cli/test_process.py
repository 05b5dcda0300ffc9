"""The command as a process of its own: what it imports, what it writes where, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "rich", "torch", "tensorflow", "keras", "torchvision", "sklearn", "pygments")

PROGRAM = """\
from keras.datasets import mnist
from keras.layers import Dense, Input
from keras.models import Sequential

(x_train, _), _ = mnist.load_data()
x_train = x_train.reshape(60000, 784)
model = Sequential([Input((784,)), Dense(28, activation="relu"), Dense(784, activation="softmax")])
model.compile(optimizer="adam", loss="binary_crossentropy")
model.fit(x_train, x_train, epochs=5)
"""


@pytest.fixture
def program(folder: Path) -> Path:
    path = folder / "program.py"
    path.write_text(PROGRAM)
    return path


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"PYTHONIOENCODING", "PYTHONUTF8"}}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, env=inherited | environment, timeout=60, check=False
    )


def modules_after(*arguments: str) -> set[str]:
    """What the command imports, without what Python imports at its start (`.pth` files may make it import anything)."""
    code = (
        "import sys, io; begun = set(sys.modules); from ae_audit.cli.command import main;"
        "out, sys.stdout = sys.stdout, io.StringIO();"
        f"code = main({list(arguments)!r}); sys.stdout = out; print(code, *set(sys.modules) - begun)"
    )
    finished = run("-c", code)
    assert finished.returncode == 0, finished.stderr
    code_and_modules = finished.stdout.decode().split()
    assert code_and_modules[0] != "2"
    return set(code_and_modules[1:])


@pytest.mark.parametrize("output_format", ["full", "concise", "json"])
def test_static_run_imports_nothing_heavy(program: Path, output_format: str) -> None:
    loaded = modules_after("--static", "--output-format", output_format, str(program))
    assert loaded.isdisjoint(HEAVY)
    assert "ae_audit.static" in loaded


def test_version_imports_next_to_nothing() -> None:
    loaded = modules_after("--version")
    assert loaded.isdisjoint({*HEAVY, "argparse", "dataclasses", "typing", "ae_audit.schema.report"})


def test_whole_way(program: Path) -> None:
    finished = run("-m", "ae_audit", "--static", "--output-format", "json", str(program))
    assert finished.stderr == b""
    assert finished.returncode == 1
    report = json.loads(finished.stdout)
    found = {finding["code"]: finding for finding in report["findings"]}
    assert {"AE101", "AE201", "AE301"} <= set(found)
    assert (found["AE101"]["line"], found["AE101"]["severity"]) == (7, "error")
    assert report["summary"]["setups"] == 1


def test_ascii_output(program: Path) -> None:
    finished = run("-m", "ae_audit", "--static", str(program), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert finished.returncode == 1, finished.stderr
    assert finished.stdout.isascii()


def test_reader_that_goes_away_is_no_error(program: Path) -> None:
    command = [sys.executable, "-m", "ae_audit", "--static", str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_missing_path_from_the_shell() -> None:
    finished = run("-m", "ae_audit", "absent.py")
    assert finished.returncode == 2
    assert finished.stdout == b""
    assert finished.stderr == b"ae-audit: No such file or folder: absent.py.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_terminal_gets_colour_and_its_own_width(program: Path) -> None:
    import fcntl
    import pty
    import re
    import struct
    import termios

    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 60, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
    command = [sys.executable, "-m", "ae_audit", "--static", str(program.name)]
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment | {"TERM": "xterm"}) as process:
        os.close(terminal)
        chunks = []
        try:
            while chunk := os.read(reader, 65536):
                chunks.append(chunk)
        except OSError:  # Linux says so when the other end is closed
            pass
    os.close(reader)
    assert process.returncode == 1
    shown = b"".join(chunks).decode()
    assert "\x1b[1;31m" in shown
    text = re.sub(r"\x1b\[[0-9;]*[mK]", "", shown).replace("\r\n", "\n")
    assert all(len(line) <= 60 for line in text.splitlines() if not line.lstrip().startswith(("+", "-")))


def test_a_reader_that_goes_away_ends_it_quietly(program: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        command = [sys.executable, "-m", "ae_audit", "--static", str(program)]
        finished = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (finished.returncode, finished.stderr) == (0, b"")


def test_ending_at_once_loses_no_output_and_no_exit_code(program: Path, tmp_path: Path) -> None:
    written = tmp_path / "report.txt"
    with written.open("wb") as file:
        command = [sys.executable, "-m", "ae_audit", "--static", str(program)]
        finished = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, timeout=60, check=False)
    assert finished.returncode == 1
    assert "explains the rule" in written.read_text().splitlines()[-1]

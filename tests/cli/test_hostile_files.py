"""Files that are no program, do not end, are too large or nested without end: one clear sentence each, at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/zero and pipes with a name")

TRAINING = b"""import keras
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(60000, 784)
model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])
model.compile(loss="mse")
model.fit(x, x)
"""


def audited(*arguments: str, memory: int = 1 << 30) -> subprocess.CompletedProcess[str]:
    """The command with little memory."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))\n"
    code += "from ae_audit.cli.command import run; run()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "--static", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in ended.stderr
    assert "Internal error" not in ended.stderr
    assert "itself failed" not in ended.stdout
    return ended


def sparse(path: Path, size: int) -> str:
    with open(path, "wb") as file:
        file.write(TRAINING)
        file.truncate(size)
    return path.name


def deep(path: Path, text: str) -> str:
    path.write_text(text)
    return path.name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/dev/zero", "it cannot be read: it is a device, not a file"),
        ("/dev/tty", "it cannot be read"),
        ("large.py", "it cannot be read: it is larger than 64 MiB"),
        ("large.ipynb", "it cannot be read: it is larger than 64 MiB"),
        ("zero.py", "it cannot be read: it is a device, not a file"),
        ("deep.ipynb", "it is not valid JSON"),
        ("deep.json", "its configuration is no JSON"),
    ],
)
def test_a_file_that_is_no_program(folder: Path, name: str, said: str) -> None:
    sparse(folder / "large.py", 2 << 30)
    sparse(folder / "large.ipynb", 2 << 30)
    (folder / "zero.py").symlink_to("/dev/zero")
    deep(folder / "deep.ipynb", '{"keras": ' + "[" * 200_000)
    deep(folder / "deep.json", '{"class_name": ' + "[" * 200_000)
    ended = audited(name)
    assert said in ended.stdout
    assert ended.returncode == 3


def test_nothing_but_an_end_is_an_empty_file(folder: Path) -> None:
    assert audited("/dev/null").returncode == 3


def test_a_pipe_that_somebody_fills_is_read(folder: Path) -> None:
    os.mkfifo("pipe.py")
    with subprocess.Popen(["sh", "-c", "cat > pipe.py"], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        writer.stdin.write(TRAINING)
        writer.stdin.close()
        assert "AE101" in audited("pipe.py").stdout


def test_a_pipe_that_nobody_fills_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ae_audit.base import bounded

    monkeypatch.setattr(bounded, "_PATIENCE", 0.05)
    os.mkfifo("pipe.py")
    with pytest.raises(OSError, match=r"nothing came through this pipe for 0\.05 seconds"):
        bounded.read_bounded("pipe.py", 100)


def test_what_is_as_large_as_allowed_is_read(folder: Path) -> None:
    from ae_audit.base.bounded import read_bounded

    (folder / "file").write_bytes(b"x" * 100)
    assert read_bounded("file", 100) == b"x" * 100
    with pytest.raises(OSError, match="it is larger than 0 MiB"):
        read_bounded("file", 99)


def test_endless_standard_input_is_cut(folder: Path) -> None:
    with open("/dev/zero", "rb") as endless:
        command = [sys.executable, "-m", "ae_audit", "--static", "-"]
        ended = subprocess.run(command, stdin=endless, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == "ae-audit: Standard input holds more than 64 MiB, which no program has.\n"
    assert ended.returncode == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[tool.ae-audit]\nbaseline = "/dev/zero"\n',
            "The baseline /dev/zero cannot be read: it is a device, not a file.",
        ),
        (
            '[tool.ae-audit]\nbaseline = "deep"\n',
            "{folder}/deep is no baseline; --write-baseline {folder}/deep writes one.",
        ),
        (
            '[tool.ae-audit]\nbaseline = "large"\n',
            "The baseline {folder}/large cannot be read: it is larger than 64 MiB.",
        ),
        ("[tool.ae-audit]\nselect = " + "[" * 100_000, "pyproject.toml is nested too deeply."),
        ("[tool.ae-audit]\nselect = " + "{a=" * 100_000, "pyproject.toml is nested too deeply."),
        (
            "[tool.ae-audit]\n#" + "x" * (1 << 20),
            "Cannot read the configuration file pyproject.toml: it is larger than 1 MiB.",
        ),
    ],
    ids=["endless baseline", "deep baseline", "large baseline", "deep list", "deep table", "large"],
)
def test_a_configuration_that_is_none(folder: Path, text: str, said: str) -> None:
    (folder / "program.py").write_bytes(TRAINING)
    (folder / "pyproject.toml").write_text(text)
    deep(folder / "deep", "[" * 200_000)
    sparse(folder / "large", 2 << 30)
    ended = audited("program.py")
    assert ended.stderr == f"ae-audit: {said.format(folder=folder)}\n"
    assert ended.returncode == 2


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random"])
def test_a_configuration_without_end(folder: Path, device: str) -> None:
    (folder / "program.py").write_bytes(TRAINING)
    ended = audited("--config", device, "program.py")
    assert f"Cannot read the configuration file {device}: it is a device, not a file." in ended.stderr
    assert ended.returncode == 2


def test_folders_in_folders(folder: Path) -> None:
    place = os.open(".", os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    (folder / "program.py").write_bytes(TRAINING)
    ended = audited(".")
    assert "AE101" in ended.stdout
    assert "File name too long" in ended.stdout
    subprocess.run(["rm", "-rf", "d"], check=True)


@pytest.mark.parametrize(
    "document",
    [
        {"worksheets": [{"cells": 7}]},
        {"worksheets": [7, None, {"cells": {}}]},
        {"cells": [7, None, {"cell_type": 3, "source": 3}, {"cell_type": "code", "source": [1, None, ["x"]]}]},
        {"cells": {}},
    ],
)
def test_a_notebook_of_odd_things(folder: Path, document: object) -> None:
    (folder / "odd.ipynb").write_text(json.dumps({**document, "metadata": "keras"}))  # type: ignore[dict-item]
    assert audited("odd.ipynb").returncode == 3


def test_a_notebook_full_of_images_is_read(folder: Path) -> None:
    image = {"output_type": "display_data", "data": {"image/png": "A" * (8 << 20)}}
    cell = {"cell_type": "code", "source": TRAINING.decode(), "outputs": [image]}
    (folder / "images.ipynb").write_text(json.dumps({"cells": [cell]}))
    assert "AE101" in audited("images.ipynb").stdout


@pytest.mark.parametrize(
    "codec",
    ["idna", "punycode", "undefined", "unicode_escape", "raw-unicode-escape", "zlib", "rot13", "no_such", "utf-16"],
)
def test_a_coding_cookie_of_any_kind(folder: Path, codec: str) -> None:
    (folder / "cookie.py").write_bytes(f"# coding: {codec}\n".encode() + TRAINING + b"# \xe4\n")
    assert "AE101" in audited("cookie.py").stdout

"""Attacks on what lies outside the sandbox, by native code that no audit hook of Python sees."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Run, events

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the layers are Linux'")

NATIVE = """
import ctypes, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
"""


@pytest.fixture
def layers(run_source: Run) -> frozenset[str]:
    """The layers that this kernel grants."""
    return frozenset(run_source("").events[0]["layers"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    return folder


@pytest.fixture
def service() -> Iterator[str]:
    """A Unix socket with a path, as tmux, Docker and D-Bus have one; someone listens."""
    with tempfile.TemporaryDirectory(prefix="s") as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/socket")
        server.listen()
        yield f"{folder}/socket"


def tried(run_source: Run, attempt: str, **names: object) -> bool:
    """Whether ``attempt``, an expression that is 0 or more where it succeeds, did."""
    given = "\n".join(f"{name} = {value!r}" for name, value in names.items())
    outcome = run_source(
        f"{given}{NATIVE}"
        "try:\n"
        f"    done = ({attempt}) >= 0\n"
        "except (OSError, PermissionError):\n"
        "    done = False\n"
        'session.channel.send({"type": "tried", "done": done})\n'
    )
    done = events(outcome, "tried")
    assert done, outcome.stderr
    return bool(done[0]["done"])


@pytest.mark.parametrize(
    "attempt",
    [
        "libc.chmod(path, 0o777)",
        "libc.chown(path, 1, 1)",
        "libc.utime(path, None)",
        'libc.setxattr(path, b"user.mark", b"x", 1, 0)',
        'libc.symlink(b"x", path + b".link")',
        'libc.mknod(path + b".fifo", 0o10600, 0)',
        "libc.unlink(path)",
        "libc.truncate(path, 0)",
        'libc.rename(path, path + b".gone")',
        "libc.open(path, 1)",
    ],
)
def test_files_outside_stay_as_they_are(run_source: Run, layers: frozenset[str], home: Path, attempt: str) -> None:
    if "files" not in layers:
        pytest.skip("this kernel grants no mount namespace")
    path = home / "thesis.txt"
    before = path.stat()
    assert not tried(run_source, attempt, path=os.fsencode(path))
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_mtime_ns, after.st_size) == (
        before.st_mode,
        before.st_uid,
        before.st_mtime_ns,
        before.st_size,
    )
    assert sorted(os.listdir(home)) == ["thesis.txt"]


def test_its_own_files_are_its_own(run_source: Run) -> None:
    assert tried(run_source, '[open("own.txt", "w").close(), libc.chmod(b"own.txt", 0o600)][1]')


def test_nobody_elses_socket_answers(run_source: Run, layers: frozenset[str], service: str) -> None:
    if "sockets" not in layers:
        pytest.skip("this kernel grants no mount namespace")
    connect = "libc.connect(libc.socket(1, 1, 0), struct.pack('H', 1) + path + bytes(1), 3 + len(path))"
    assert not tried(run_source, connect, path=os.fsencode(service))


@pytest.mark.parametrize(
    "attempt",
    [
        'libc.sethostname(b"mine", 4)',
        'libc.chroot(b"/tmp")',
        'libc.mount(b"none", b"/mnt", b"tmpfs", 0, None)',
        'libc.umount2(b"/", 2)',
        "libc.unshare(0x20000)",
        "libc.setuid(12345)",
        "libc.prctl(24, 0, 0, 0, 0) - 1",
        "libc.reboot(0x1234567)",
    ],
)
def test_no_privilege_is_left(run_source: Run, layers: frozenset[str], attempt: str) -> None:
    if "capabilities" not in layers:
        pytest.skip("capabilities cannot be given up here")
    assert not tried(run_source, attempt)


@pytest.mark.parametrize(
    "attempt",
    [
        'libc.open(b"/proc/%d/environ" % parent, 0)',
        'libc.open(b"/proc/%d/mem" % parent, 2)',
        "libc.ptrace(16, parent, None, None)",
        "libc.prlimit(parent, 7, ctypes.byref((ctypes.c_ulong * 2)(0, 0)), None)",
        "libc.setpriority(0, parent, 19)",
        "libc.kill(parent, 18)",
    ],
)
def test_the_parent_is_left_alone(run_source: Run, layers: frozenset[str], attempt: str) -> None:
    if not {"files", "capabilities"} <= layers:
        pytest.skip("this kernel grants no namespaces")
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert not tried(run_source, attempt, parent=os.getpid())
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_no_interface_but_a_dead_loopback_is_seen(run_source: Run, layers: frozenset[str]) -> None:
    if "network" not in layers:
        pytest.skip("this kernel grants no network namespace")
    assert not tried(run_source, "len(socket.if_nameindex()) - 2")


def test_no_terminal_is_typed_into(run_source: Run) -> None:
    typing = 'libc.ioctl(libc.open(b"/dev/ptmx", 2), 0x5412, b"x")'
    assert not tried(run_source, typing)

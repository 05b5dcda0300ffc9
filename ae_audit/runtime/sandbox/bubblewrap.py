"""The same layers by way of bubblewrap, where the kernel grants *us* no namespaces but grants them to it.

That is so where ordinary users may make no user namespaces and ``bwrap`` is set-uid root, or has AppArmor's leave. The
child tries it, and then starts itself anew inside; what it finds there is looked at, layer by layer, and not taken on
trust. Where our own namespaces are granted bubblewrap is not called: it would ask the same kernel for the same.

Sources: ``bwrap(1)``, ``namespaces(7)``, ``proc_pid_mountinfo(5)``.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ae_audit.runtime.sandbox import mounts

NAME = "bwrap"
_NOTE = "boxed.json"
"""file of a run's folder: what the child saw of the machine before it started itself anew"""
_PATIENCE = 10.0
"""seconds for a trial; it takes some milliseconds"""
_FIXED = "/usr/local/bin:/usr/bin:/bin:/run/wrappers/bin"
_NAMESPACES = {"net": "network", "ipc": "ipc", "uts": "hostname"}
"""the layers that one namespace makes, by its name under ``/proc/self/ns``"""
_SIGNALLED = 128
"""what bubblewrap adds to the number of the signal that ended the program"""


def is_inside(folder: str) -> bool:
    """Whether this process is the one that was started anew.

    Args:
        folder: the run's.
    """
    return os.path.exists(os.path.join(folder, _NOTE))


def start_anew(folder: str, writable: tuple[str, ...], *, network: bool) -> None:
    """Start this process anew inside bubblewrap; to be called before its first thread.

    Returns where there is no bubblewrap, or it gets no namespaces either.

    Args:
        folder: the run's.
        writable: folders and files that stay writable.
        network: whether the machine's network stays reachable.
    """
    program = _program()
    if program is None:
        return
    sockets = list(mounts.path_sockets())
    command = [program, *_options(writable, sockets, network=network), "--"]
    if not _works([*command, "/bin/true"]):
        return
    note = os.path.join(folder, _NOTE)
    before = {"namespaces": _namespaces(), "devices": os.stat("/dev").st_dev, "sockets": sockets}
    with open(note, "x", encoding="utf-8") as file:
        json.dump(before, file)
    with suppress(OSError):
        os.execv(program, [*command, sys.executable, *sys.orig_argv[1:]])
    os.unlink(note)


def found(folder: str, writable: tuple[str, ...]) -> tuple[str, ...]:
    """The layers of which this process, started anew, sees that they are there."""
    with open(os.path.join(folder, _NOTE), encoding="utf-8") as file:
        return tuple(sorted(_seen(json.load(file), writable)))


def code_of(code: int) -> int:
    """The exit code as a child of our own has it: negative where a signal ended it, which bubblewrap adds to 128."""
    number = code - _SIGNALLED
    return -number if number in signal.valid_signals() else code


def _program() -> str | None:
    """A ``bwrap`` of the system's: one that belongs to root, and that nobody else may change."""
    if not sys.platform.startswith("linux"):
        return None
    for path in (os.environ.get("PATH", ""), _FIXED):
        place = shutil.which(NAME, path=path)
        if place is not None and os.path.isabs(place):
            status = os.stat(place)
            if status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return place
    return None


def _options(writable: tuple[str, ...], sockets: list[str], *, network: bool) -> Iterator[str]:
    yield from ("--unshare-ipc", "--unshare-uts", "--unshare-pid", "--die-with-parent", "--cap-drop", "ALL")
    if not network:
        yield "--unshare-net"
    yield from ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
    for path in (path for name in mounts.GPU_DEVICES for path in glob.glob(f"/dev/{name}")):
        yield from ("--dev-bind", path, path)
    folders = mounts.socket_folders(writable)
    for path in folders:
        yield from ("--tmpfs", path, "--remount-ro", path)
    inside = tuple(f"{path}/" for path in folders)
    for path in (path for path in mounts.outside(sockets, writable) if not path.startswith(inside)):
        yield from ("--ro-bind", os.devnull, path)
    for path in _granted(writable):
        yield from ("--bind", path, path)


def _granted(writable: tuple[str, ...]) -> list[str]:
    """Of the places that stay writable those that the new ``/dev`` and ``/proc`` do not bring."""
    real = (os.path.realpath(path) for path in writable if os.path.exists(path))
    return [path for path in real if not path.startswith(("/dev/", "/proc/"))]


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _namespaces() -> dict[str, str]:
    identities = {}
    for name in (*_NAMESPACES, "pid", "mnt"):
        with suppress(OSError):
            identities[name] = os.readlink(f"/proc/self/ns/{name}")
    return identities


def _seen(before: dict[str, Any], writable: tuple[str, ...]) -> Iterator[str]:
    own = _namespaces()
    changed = {name for name, identity in own.items() if before["namespaces"].get(name, identity) != identity}
    yield from (layer for name, layer in _NAMESPACES.items() if name in changed)
    if "pid" in changed and os.readlink("/proc/self") == str(os.getpid()):
        yield "processes"
    if "mnt" not in changed:
        return
    if os.stat("/dev").st_dev != before["devices"]:
        yield "devices"
    if not any(_is_socket(path) for path in mounts.outside(before["sockets"], writable)):
        yield "sockets"
    given = {*_granted(writable), "/dev", "/proc"}
    if all(path in given or path.startswith("/dev/") for path in _writable_mounts()):
        yield "files"


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _writable_mounts() -> Iterator[str]:
    """Where something is mounted that may be written to; a later mount on the same place hides an earlier one."""
    last = {}
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            words = line.split(" ")
            path = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[4])
            last[path] = "rw" in words[5].split(",")
    yield from (path for path, writable in last.items() if writable)

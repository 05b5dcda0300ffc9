"""What the audited program sees of the file system, in a mount namespace of its own.

Everything but the granted places becomes read-only, so that ``chmod``, ``chown``, ``utime`` and extended attributes are
refused too, which Landlock does not cover. Neither Landlock nor seccomp sees a path in ``connect(2)``: an empty file
covers each Unix socket that has one (tmux, Docker, D-Bus, ssh-agent), an empty folder the folders in which a user's
services make theirs, so that what is made there later is not seen either. ``/dev`` holds no terminal, no disk and no
shared memory of anybody else.

Sources: ``mount_namespaces(7)``, ``mount(2)``, ``mount_setattr(2)``, ``pts(4)``, ``proc(5)``.
"""

from __future__ import annotations

import ctypes
import glob
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MS_RDONLY = 1
_EMPTY = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
_MS_BIND, _MS_MOVE, _MS_REC, _MS_PRIVATE = 4096, 8192, 16384, 1 << 18
_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY = 1
_SOCKETS = "/proc/net/unix"

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
GPU_DEVICES = ("dri", "kfd", "dxg", "nvidia*", "accel*")
"""under /dev: harmless, and what a GPU driver opens"""
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_OF_THE_MACHINE = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "tty", "mtrr")
"""under /proc: no process's own; root may write there without any capability"""


def detach() -> bool:
    """Let no change of the mounts, here or outside, reach the other side."""
    return _mount("none", "/", _MS_REC | _MS_PRIVATE)


def own_devices(scratch: str) -> bool:
    """A ``/dev`` with the harmless devices and the GPUs', terminals of its own, and shared memory of its own."""
    place = os.path.join(scratch, ".dev")
    try:
        os.mkdir(place)
    except OSError:
        return False
    if not _mount("tmpfs", place, _MS_NOSUID | _MS_NOEXEC, "tmpfs", "mode=0755"):
        return False
    try:
        for path in (path for name in (*DEVICES, *GPU_DEVICES) for path in glob.glob(f"/dev/{name}")):
            target = os.path.join(place, os.path.basename(path))
            if stat.S_ISDIR(os.stat(path).st_mode):
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            if not _mount(path, target, _MS_BIND | _MS_REC):
                return False
        for name, target in _LINKS.items():
            os.symlink(target, os.path.join(place, name))
        os.mkdir(os.path.join(place, "shm"))
        os.mkdir(os.path.join(place, "pts"))
    except OSError:
        return False
    return (
        _mount("tmpfs", f"{place}/shm", _MS_NOSUID | _MS_NODEV, "tmpfs", "mode=1777")
        and _mount("devpts", f"{place}/pts", _MS_NOSUID | _MS_NOEXEC, "devpts", "newinstance,ptmxmode=0666,mode=0600")
        and _mount(place, "/dev", _MS_MOVE)
        and _gone(place)
    )


def _gone(folder: str) -> bool:
    """Remove the empty folder that something was put together in."""
    with suppress(OSError):
        os.rmdir(folder)
    return True


def path_sockets() -> Iterator[str]:
    """The Unix sockets that have a path, of every program on the machine."""
    with suppress(OSError), open(_SOCKETS, encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            words = line.rstrip("\n").split(" ", 7)[-1]
            path = words[words.find("/") :] if "/" in words else ""
            if path.startswith("/") and os.path.exists(path):
                yield path


def cover(sockets: Iterable[str], writable: tuple[str, ...]) -> bool:
    """Put an empty device over each socket that is in none of the granted places.

    Returns:
        Whether none of them can be reached any more.
    """
    hidden = [_mount("tmpfs", path, _EMPTY, "tmpfs", "mode=0755") for path in socket_folders(writable)]
    places = outside(sockets, writable)
    covered = [_mount(os.devnull, path, _MS_BIND) or not os.path.exists(path) for path in places]  # as many as can be
    return all((*hidden, *covered))


def socket_folders(writable: tuple[str, ...]) -> list[str]:
    """The folders that a user's services make their sockets in, as far as they are there and hold nothing granted."""
    user = os.geteuid()
    usual = (f"/run/user/{user}", f"/tmp/tmux-{user}", "/tmp/.X11-unix", "/tmp/.ICE-unix")
    kept = tuple(f"{os.path.realpath(path)}{os.sep}" for path in writable)
    real = dict.fromkeys(os.path.realpath(path) for path in usual if os.path.isdir(path))
    return [path for path in real if not any(place.startswith(f"{path}{os.sep}") for place in kept)]


def outside(sockets: Iterable[str], writable: tuple[str, ...]) -> list[str]:
    """The sockets that are in none of the granted folders."""
    own = tuple(f"{os.path.realpath(path)}{os.sep}" for path in writable if os.path.isdir(path))
    return [path for path in dict.fromkeys(sockets) if not os.path.realpath(path).startswith(own)]


def read_only_but(writable: Iterable[str]) -> bool:
    """Make all mounts read-only, but for the granted places, each of which becomes a mount of its own."""
    kept = [os.path.realpath(path) for path in writable if os.path.exists(path)]
    kept = [path for path in kept if not path.startswith("/proc/")]  # each process's own, and written by name
    if not all(_mount(path, path, _MS_BIND | _MS_REC) for path in kept):
        return False
    if not _set_attribute("/", _AT_RECURSIVE, set_=_ATTR_RDONLY):
        return False
    opened = [_set_attribute(path, _AT_RECURSIVE, clear=_ATTR_RDONLY) for path in (*kept, "/proc")]
    return all(opened) and _close_machine()


def own_processes() -> bool:
    """A ``/proc`` that shows the processes of this one's namespace alone."""
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    return _mount("proc", "/proc", flags, "proc") and _close_machine()


def _close_machine() -> bool:
    """Make what is the whole machine's under ``/proc`` read-only."""
    paths = [path for path in (f"/proc/{name}" for name in _OF_THE_MACHINE) if os.path.exists(path)]
    closed = [
        _mount(path, path, _MS_BIND | _MS_REC) and _set_attribute(path, _AT_RECURSIVE, set_=_ATTR_RDONLY)
        for path in paths
    ]
    return all(closed)


def _set_attribute(path: str, flags: int, *, set_: int = 0, clear: int = 0) -> bool:
    attributes = ctypes.create_string_buffer(struct.pack("=4Q", set_, clear, 0, 0))
    number = ctypes.c_long(_MOUNT_SETATTR)
    done = _libc().syscall(
        number, ctypes.c_int(_AT_FDCWD), os.fsencode(path), ctypes.c_uint(flags), attributes, ctypes.c_size_t(32)
    )
    return int(done) == 0


def _mount(source: str, target: str, flags: int, kind: str | None = None, data: str | None = None) -> bool:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    code = _libc().mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])
    return int(code) == 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

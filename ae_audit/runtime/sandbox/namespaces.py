"""Namespaces of the audited program's own, where the kernel grants them: files, network, host name, IPC.

In a user namespace of its own a process may change what it sees of the file system. Here everything but the granted
places becomes read-only, so that ``chmod``, ``chown``, ``utime`` and extended attributes are refused too, which
Landlock does not cover; the Unix sockets that have a path (tmux, Docker, D-Bus, ssh-agent) are covered by an empty
file, since neither Landlock nor seccomp sees a path in ``connect(2)``. Then every capability is given up.

Sources: ``user_namespaces(7)``, ``mount_namespaces(7)``, ``mount_setattr(2)``, ``capabilities(7)``.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY = 1
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
_LAST_CAPABILITY = 40
_SOCKETS = "/proc/net/unix"


def enter(writable: Iterable[str], *, network: bool) -> tuple[str, ...]:
    """Move this process into namespaces of its own; to be called before its first thread.

    Args:
        writable: folders and files that stay writable.
        network: whether the machine's network stays reachable.

    Returns:
        The layers that are now in force, of ``files``, ``sockets``, ``network``, ``ipc``, ``hostname``; none where the
        kernel grants no namespaces.
    """
    if not sys.platform.startswith("linux"):
        return ()
    sockets = list(_path_sockets())
    user, group = os.geteuid(), os.getegid()
    wanted = _NEWUSER | _NEWNS | _NEWIPC | _NEWUTS
    if not (_unshare(wanted | (0 if network else _NEWNET)) and _map_ids(user, group)):
        return ()
    layers = ["ipc", "hostname"] if network else ["network", "ipc", "hostname"]
    if _mount("none", "/", _MS_REC | _MS_PRIVATE):
        if _cover(sockets, tuple(writable)):
            layers.append("sockets")
        if _read_only_but(writable):
            layers.append("files")
    return tuple(sorted(layers))


def drop_capabilities() -> bool:
    """Give up every capability, also those that a program could regain; nothing here needs one.

    Returns:
        Whether none is left.
    """
    number = _CAPSET.get(os.uname().machine) if sys.platform.startswith("linux") else None
    if number is None:
        return False
    libc = _libc()
    for capability in range(_LAST_CAPABILITY + 1):  # fails without CAP_SETPCAP: then there is nothing to drop
        libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    libc.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(struct.pack("=6I", *[0] * 6))
    return int(libc.syscall(ctypes.c_long(number), header, nothing)) == 0


def _path_sockets() -> Iterator[str]:
    """The Unix sockets that have a path, of every program on the machine."""
    with suppress(OSError), open(_SOCKETS, encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            words = line.rstrip("\n").split(" ", 7)[-1]
            path = words[words.find("/") :] if "/" in words else ""
            if path.startswith("/") and os.path.exists(path):
                yield path


def _map_ids(user: int, group: int) -> bool:
    """Be inside who one is outside."""
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError:
        return False
    return True


def _cover(sockets: Iterable[str], writable: tuple[str, ...]) -> bool:
    own = tuple(f"{os.path.realpath(path)}{os.sep}" for path in writable if os.path.isdir(path))
    outside = [path for path in dict.fromkeys(sockets) if not os.path.realpath(path).startswith(own)]
    covered = [_mount(os.devnull, path, _MS_BIND) or not os.path.exists(path) for path in outside]  # as many as can be
    return all(covered)


def _read_only_but(writable: Iterable[str]) -> bool:
    """Make all mounts read-only, but for the granted places, each of which becomes a mount of its own."""
    kept = [os.path.realpath(path) for path in writable if os.path.exists(path)]
    kept = [path for path in kept if not path.startswith("/proc/")]  # each process's own, and written by name
    if not all(_mount(path, path, _MS_BIND | _MS_REC) for path in kept):
        return False
    if not _set_attribute("/", _AT_RECURSIVE, set_=_ATTR_RDONLY):
        return False
    opened = [_set_attribute(path, _AT_RECURSIVE, clear=_ATTR_RDONLY) for path in (*kept, "/proc")]
    return all(opened)


def _set_attribute(path: str, flags: int, *, set_: int = 0, clear: int = 0) -> bool:
    attributes = ctypes.create_string_buffer(struct.pack("=4Q", set_, clear, 0, 0))
    number = ctypes.c_long(_MOUNT_SETATTR)
    done = _libc().syscall(
        number, ctypes.c_int(_AT_FDCWD), os.fsencode(path), ctypes.c_uint(flags), attributes, ctypes.c_size_t(32)
    )
    return int(done) == 0


def _mount(source: str, target: str, flags: int) -> bool:
    code = _libc().mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None)
    return int(code) == 0


def _unshare(flags: int) -> bool:
    return int(_libc().unshare(ctypes.c_int(flags))) == 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

"""Namespaces of the audited program's own, where the kernel grants them: files, devices, network, IPC, processes.

In a user namespace of its own a process may change what it sees of the machine
(:mod:`~ae_audit.runtime.sandbox.mounts`), and may begin a family of processes that ends with it
(:mod:`~ae_audit.runtime.sandbox.family`). Then every capability is given up.

Sources: ``user_namespaces(7)``, ``capabilities(7)``, ``unshare(2)``.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress

from ae_audit.runtime.sandbox import family, mounts

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x40000000
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
_MORE_THAN_CAPABILITIES = 64
"""capabilities are bits of two words; Linux 6 has 41 of them"""

LAYERS = ("calls", "capabilities", "devices", "files", "hostname", "ipc", "network", "processes", "sockets")
"""all that can be in force: of :func:`enter`, of :func:`drop_capabilities`, and the filter of calls (``calls``)"""


def enter(writable: Iterable[str], *, network: bool) -> tuple[str, ...]:
    """Move this process into namespaces of its own; to be called before its first thread.

    Where ``processes`` is among the layers, it is a child of the caller that returns from here: the caller itself waits
    for it, outside, and ends as it ends.

    Args:
        writable: folders and files that stay writable; the first is the scratch folder.
        network: whether the machine's network stays reachable.

    Returns:
        The layers that are now in force, of :data:`LAYERS`; none where the kernel grants no namespaces.
    """
    if not sys.platform.startswith("linux"):
        return ()
    places = tuple(writable)
    sockets = list(mounts.path_sockets())
    user, group = os.geteuid(), os.getegid()
    wanted = _NEWUSER | _NEWNS | _NEWIPC | _NEWUTS | (0 if network else _NEWNET)
    if not (_granted(wanted, user, group) and _unshare(wanted) and _map_ids(user, group)):
        return ()
    _refuse_inner_namespaces()
    layers = ["ipc", "hostname"] if network else ["network", "ipc", "hostname"]
    if mounts.detach():
        if mounts.own_devices(places[0]):
            layers.append("devices")
        if mounts.cover(sockets, places):
            layers.append("sockets")
        if mounts.read_only_but(places):
            layers.append("files")
        if family.begin(mounts.own_processes, drop_capabilities):
            layers.append("processes")
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
    for capability in range(_MORE_THAN_CAPABILITIES):  # fails where there is none, and without CAP_SETPCAP
        libc.prctl(ctypes.c_int(_PR_CAPBSET_DROP), ctypes.c_ulong(capability), *_ZEROS[:3])
    libc.prctl(ctypes.c_int(_PR_CAP_AMBIENT), ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), *_ZEROS[:3])
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(struct.pack("=6I", *[0] * 6))
    return int(libc.syscall(ctypes.c_long(number), header, nothing)) == 0


_ZEROS = [ctypes.c_ulong(0)] * 4


def _granted(wanted: int, user: int, group: int) -> bool:
    """Whether a process that tries gets all of it.

    A kernel may grant the namespaces and then refuse the mapping of users (AppArmor on Ubuntu), and there is no way
    back: a program would run as nobody, in a network of its own, with no layer in force. So a child tries first.
    """
    trier = os.fork()
    if trier == 0:
        try:
            os._exit(0 if _unshare(wanted) and _map_ids(user, group) else 1)
        finally:
            os._exit(1)
    return os.waitpid(trier, 0)[1] == 0


def _map_ids(user: int, group: int) -> bool:
    """Be inside who one is outside."""
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError:
        return False
    return True


def _refuse_inner_namespaces() -> None:
    """No user namespace within this one: there a program would have every capability again."""
    with suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:
        file.write("0")


def _unshare(flags: int) -> bool:
    return int(_libc().unshare(ctypes.c_int(flags))) == 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

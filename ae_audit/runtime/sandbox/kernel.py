"""What the Linux kernel enforces on the audited program: Landlock and a seccomp filter, through ``ctypes``.

Landlock (Linux 5.13) refuses writes outside the granted places and, from ABI 4 (Linux 6.7), TCP; from ABI 6 signals to
processes outside. The seccomp filter refuses sockets of the internet families, so that neither UDP nor an older kernel
leaves the network open. Neither restricts reading, and neither covers ``chmod``, ``chown`` or ``utime``.

Sources: Linux ``Documentation/userspace-api/landlock.rst``, ``include/uapi/linux/{landlock,seccomp,bpf_common}.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
import sys
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_QUERY_VERSION = 1
_RULE_PATH_BENEATH = 1

_WRITE_FILE = 1 << 1
_TRUNCATE = 1 << 14
_FIRST_WRITES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
"""ABI 1: write to files; remove files and folders; make devices, folders, files, sockets, FIFOs, symbolic links"""
_REFER = 1 << 13
_NET_TCP = 0b11
_SCOPES = 0b11
"""abstract Unix sockets and signals stay within the sandbox"""

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9

_ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""audit architecture and number of ``socket(2)``"""
_IOCTL_AND_PRLIMIT = {"x86_64": (16, 302), "aarch64": (29, 261)}
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""push characters into a terminal, as if its user had typed them"""
_IO_URING_SETUP = 425
_X32_BIT = 0x40000000
_LOCAL_FAMILIES = (1, 16)
"""AF_UNIX and AF_NETLINK (the kernel's own: interface lists)"""


def landlock_abi() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        return max(0, _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_QUERY_VERSION)))
    except OSError:
        return 0


def give_up_privileges() -> bool:
    """Set ``no_new_privs``: no set-uid program run from here gains rights. Needed before the two restrictions."""
    return _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent() -> bool:
    """Have the kernel kill this process when the thread that started it ends."""
    return _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def adopt_orphans() -> bool:
    """Become the parent of descendants whose own parent ends, so that the whole tree stays findable."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def restrict_writes(allowed: Iterable[str], *, tcp: bool) -> bool:
    """Refuse writes outside ``allowed`` (folders with all beneath, or single files), and TCP where ``tcp`` is set.

    TCP takes ABI 4. Holds for this thread and all that it starts, so it must come before the first thread.

    Returns:
        Whether the kernel now refuses such writes.
    """
    abi = landlock_abi()
    if abi < 1:
        return False
    writes = _FIRST_WRITES | (_REFER if abi >= 2 else 0) | (_TRUNCATE if abi >= 3 else 0)
    attributes = struct.pack("=QQQ", writes, _NET_TCP if tcp and abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    try:
        ruleset = _syscall(_CREATE_RULESET, attributes[:size], ctypes.c_size_t(size), ctypes.c_uint32(0))
    except OSError:
        return False
    try:
        for path in allowed:
            _allow(ruleset, path, writes)
        _syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    except OSError:
        return False
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, writes: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            writes &= _WRITE_FILE | _TRUNCATE
        rule = struct.pack("=Qi", writes, handle)
        _syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(handle)


def refuse_internet_sockets() -> bool:
    """Make ``socket(2)`` fail with EACCES for every family but Unix and netlink, and ``io_uring`` with ENOSYS."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None or not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return False
    return _install(_socket_filter(*known))


def refuse_meddling() -> bool:
    """Make typing into a terminal and setting limits of other processes fail with EPERM."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None or not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return False
    ioctl, prlimit = _IOCTL_AND_PRLIMIT[platform.machine()]
    load, equal, give = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    return _install(
        [
            (load, 0, 0, 4),  # the architecture
            (equal, 0, 8, known[0]),  # a foreign one: allowed here, and refused by the other filter
            (load, 0, 0, 0),  # the number of the call
            (equal, 0, 3, ioctl),
            (load, 0, 0, 24),  # its second argument: the request
            (equal, 5, 0, _TIOCSTI),
            (equal, 4, 3, _TIOCLINUX),
            (equal, 0, 2, prlimit),
            (load, 0, 0, 16),  # whose limits: 0 are one's own
            (equal, 0, 1, 0),
            (give, 0, 0, allow),
            (give, 0, 0, refuse | errno.EPERM),
        ]
    )


def _install(program: list[tuple[int, int, int, int]]) -> bool:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    header = _FilterProgram(len(program), ctypes.cast(code, ctypes.c_void_p))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))


def _socket_filter(architecture: int, socket_number: int) -> list[tuple[int, int, int, int]]:
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    return [
        (load, 0, 0, 4),  # the architecture
        (equal, 0, 9, architecture),  # a foreign one (32-bit calls): to `no such call`
        (load, 0, 0, 0),  # the number of the call
        (at_least, 7, 0, _X32_BIT),
        (equal, 6, 0, _IO_URING_SETUP),
        (equal, 0, 3, socket_number),
        (load, 0, 0, 16),  # its first argument: the family
        (equal, 1, 0, _LOCAL_FAMILIES[0]),
        (equal, 0, 1, _LOCAL_FAMILIES[1]),
        (give, 0, 0, allow),
        (give, 0, 0, refuse | errno.EACCES),
        (give, 0, 0, refuse | errno.ENOSYS),
    ]


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _prctl(option: int, *arguments: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    return int(ctypes.CDLL(None, use_errno=True).prctl(ctypes.c_int(option), *padded)) == 0


def _syscall(number: int, *arguments: object) -> int:
    result = int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

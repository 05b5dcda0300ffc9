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
from dataclasses import dataclass

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

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16
"""offsets in ``struct seccomp_data``; of an argument, the lower half comes first on the machines below"""


@dataclass(frozen=True, slots=True)
class _Machine:
    """What seccomp calls a processor, and the numbers of the calls that the filters look at."""

    architecture: int
    socket: int
    ioctl: int
    prlimit: int
    clone: int
    unshare: int
    refused: tuple[int, ...]
    """add_key, request_key, keyctl, perf_event_open, bpf, userfaultfd, open_by_handle_at: no program that is audited
    needs them, and what they reach is the user's or the whole kernel's"""


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 41, 16, 302, 56, 272, (248, 249, 250, 298, 321, 323, 304)),
    "aarch64": _Machine(0xC00000B7, 198, 29, 261, 220, 97, (217, 218, 219, 241, 280, 282, 265)),
}
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""push characters into a terminal, as if its user had typed them"""
_IO_URING_SETUP, _CLONE3 = 425, 435
_NEW_USER_NAMESPACE = 0x10000000
_X32_BIT = 0x40000000
_UNIX, _NETLINK = 1, 16
_NETLINK_ROUTE = 0
"""what lists interfaces; the other families of netlink speak to audit, firewall and device manager"""

Instruction = tuple[int, int, int, int]
"""of the Berkeley packet filter: code, instructions to skip where true and where false, constant"""


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
    """Make ``socket(2)`` fail with EACCES for every family but Unix and netlink's list of interfaces."""
    machine = _machine()
    return machine is not None and _install([*_our_calls(machine), *_sockets(machine), (_GIVE, 0, 0, _ALLOW)])


def refuse_meddling() -> bool:
    """Make typing into a terminal, setting limits of other processes, keys of the user and the like fail with EPERM.

    So do user namespaces, in which a program would have every capability again. What filters cannot look into
    (``io_uring``, ``clone3``, for which libraries have the older call) and calls of another numbering fail with ENOSYS.
    """
    machine = _machine()
    return machine is not None and _install([*_our_calls(machine), *_meddling(machine), (_GIVE, 0, 0, _ALLOW)])


def _machine() -> _Machine | None:
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32 or sys.byteorder != "little":
        return None
    return _MACHINES.get(platform.machine())


def _our_calls(machine: _Machine) -> list[Instruction]:
    """Refuse calls that are numbered otherwise (32-bit ones, x32), and load the number."""
    return [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, machine.architecture),
        (_GIVE, 0, 0, _REFUSE | errno.ENOSYS),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_GIVE, 0, 0, _REFUSE | errno.ENOSYS),
    ]


def _sockets(machine: _Machine) -> list[Instruction]:
    return [
        (_EQUAL, 0, 7, machine.socket),
        (_LOAD, 0, 0, _AT_ARGUMENTS),
        (_EQUAL, 4, 0, _UNIX),
        (_EQUAL, 0, 2, _NETLINK),
        (_LOAD, 0, 0, _AT_ARGUMENTS + 2 * 8),
        (_EQUAL, 1, 0, _NETLINK_ROUTE),
        (_GIVE, 0, 0, _REFUSE | errno.EACCES),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]


def _meddling(machine: _Machine) -> list[Instruction]:
    whole = [
        instruction
        for number in machine.refused
        for instruction in ((_EQUAL, 0, 1, number), (_GIVE, 0, 0, _REFUSE | errno.EPERM))
    ]
    return [
        *whole,
        (_EQUAL, 1, 0, _IO_URING_SETUP),
        (_EQUAL, 0, 1, _CLONE3),
        (_GIVE, 0, 0, _REFUSE | errno.ENOSYS),
        (_EQUAL, 1, 0, machine.clone),
        (_EQUAL, 0, 4, machine.unshare),
        (_LOAD, 0, 0, _AT_ARGUMENTS),  # the flags, of both
        (_ANY_BIT, 0, 1, _NEW_USER_NAMESPACE),
        (_GIVE, 0, 0, _REFUSE | errno.EPERM),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_EQUAL, 0, 5, machine.ioctl),
        (_LOAD, 0, 0, _AT_ARGUMENTS + 1 * 8),  # the request
        (_EQUAL, 1, 0, _TIOCSTI),
        (_EQUAL, 0, 1, _TIOCLINUX),
        (_GIVE, 0, 0, _REFUSE | errno.EPERM),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_EQUAL, 0, 4, machine.prlimit),
        (_LOAD, 0, 0, _AT_ARGUMENTS),  # whose limits: 0 are one's own
        (_EQUAL, 1, 0, 0),
        (_GIVE, 0, 0, _REFUSE | errno.EPERM),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]


def _install(program: list[Instruction]) -> bool:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    header = _FilterProgram(len(program), ctypes.cast(code, ctypes.c_void_p))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))


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

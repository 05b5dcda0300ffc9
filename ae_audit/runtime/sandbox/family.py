"""A process namespace: the audited program and all that it starts, which end together whatever they do.

Three processes take part. The *keeper*, which our parent started, stays outside and waits; the *first* of the
namespace (number 1, which the kernel makes the parent of every orphan) does nothing but collect the dead; the *program*
is number 2. When the program ends, the first ends, and with it the kernel ends all others in the namespace: daemons,
sessions of their own and what cleared its environment included. When the keeper is killed, so is the first. The program
can signal neither: the keeper it does not see, and the first gets no signal from inside that it has no handler for.

Sources: ``pid_namespaces(7)``, ``clone(2)``, ``PR_SET_PDEATHSIG(2const)``.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from ae_audit.runtime.sandbox import kernel

_CLONE = {"x86_64": 56, "aarch64": 220}
_NEWPID = 0x20000000
_READY = b"\1"


def begin(prepare: Callable[[], bool], resign: Callable[[], object]) -> bool:
    """Go on as the program of a process namespace; the caller needs CAP_SYS_ADMIN and must have no threads.

    Args:
        prepare: what the namespace needs, done by its first process: a ``/proc`` of its own. Where it fails there is no
            process namespace: with the old ``/proc`` a program would take another process for itself.
        resign: gives up the rights of the two other processes.

    Returns:
        True in the program, a new process; False in the caller where the kernel grants no such namespace. Where it
        does, the caller never returns: it ends as the program ends.
    """
    number = _CLONE.get(os.uname().machine)
    if number is None:
        return False
    read, write = os.pipe()
    held = [int(name) for name in os.listdir("/proc/self/fd") if int(name) not in {read, write}]
    # Not os.fork after unshare(2), which could not be taken back: then no later child would be outside any more. The
    # GIL is kept (PyDLL), so that the copy finds it as it was. All arguments but the flags are 0: their order differs
    # between machines.
    first = ctypes.PyDLL(None).syscall(ctypes.c_long(number), ctypes.c_ulong(_NEWPID | signal.SIGCHLD), *_FOUR_ZEROS)
    if first == 0:
        os.close(read)
        return _be_first(prepare, resign, write, held)
    os.close(write)
    if first > 0 and os.read(read, 1) == _READY:
        _keep(first, read, resign, held)
    os.close(read)
    if first > 0:
        os.waitpid(first, 0)
    return False


_FOUR_ZEROS = [ctypes.c_ulong(0)] * 4


def _be_first(prepare: Callable[[], bool], resign: Callable[[], object], pipe: int, held: list[int]) -> bool:
    """Number 1 of the namespace; returns in its child alone, the program."""
    try:
        kernel.die_with_parent()
        if not prepare():
            os._exit(1)
        os.write(pipe, _READY)  # fails where the keeper died before it could take us along
        program = os.fork()
        if program == 0:
            os.close(pipe)
            os.setsid()
            return True
        resign()
        _stand_aside(held)
        while True:
            ended, status = os.wait()
            if ended == program:
                os.write(pipe, status.to_bytes(4, "little"))
                os._exit(0)
    except BaseException:
        os._exit(1)


def _keep(first: int, pipe: int, resign: Callable[[], object], held: list[int]) -> NoReturn:
    """Wait for the program's end, and end likewise: with its exit code, or by the signal that killed it."""
    try:
        resign()
        kernel.die_with_parent()  # a change of rights may have taken it back
        _stand_aside(held)
        told = b""
        while len(told) < 4 and (more := os.read(pipe, 4 - len(told))):
            told += more
        os.waitpid(first, 0)  # ends when nobody is left in the namespace
        status = int.from_bytes(told, "little") if len(told) == 4 else int(signal.SIGKILL)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            with suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    finally:
        os._exit(1)


def _stand_aside(held: list[int]) -> None:
    """Be in nobody's way: no file of the program stays open, no request to end is followed."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    for descriptor in held:
        with suppress(OSError):
            os.close(descriptor)

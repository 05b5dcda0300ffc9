"""The child's side of a run: the request comes in, events go out, and before anything else the sandbox closes.

A child entry (``python -m the.module FOLDER``) begins with :func:`enter` and ends with :meth:`Session.finish`::

    def main() -> None:
        session = channel.enter()
        session.emit(Noted("the data are made up"))
        session.finish()

Events are the messages of :mod:`ae_audit.schema.messages` as JSON objects, with the kind under ``"type"``. They travel
as lines through a FIFO, never through standard output, which belongs to the program. A program that closes the
descriptor, or every descriptor, does not cut the channel: it is opened again by its path. This module itself emits
``SandboxClosed``, ``AccessBlocked`` and ``Finished``.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ae_audit.runtime.sandbox import kernel
from ae_audit.runtime.sandbox.policy import Blocked, Guard, Policy, confine
from ae_audit.schema.codec import to_json
from ae_audit.schema.messages import AccessBlocked, Finished, Message, SandboxClosed

REQUEST, EVENTS, WHEREABOUTS = "request.json", "events", "whereabouts.txt"
"""files of a run's folder: the request, the FIFO of events, where the program was when it was asked or crashed"""

_exit = os._exit
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
"""both kept from the program, which may replace what it finds in the modules"""


class Channel:
    """The writing end of the event FIFO."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._descriptor = -1
        self._identity: tuple[int, int] | None = None
        self._connect()

    def adopt(self) -> None:
        """Belong to this process, which may be a child of the one that connected."""
        self._owner = os.getpid()

    def send(self, event: dict[str, Any]) -> None:
        """Write one event; a process that was forked from this one stays silent.

        Raises:
            TypeError, ValueError: if the event is no JSON object (bare infinities and NaN are none).
        """
        if os.getpid() != self._owner:
            return
        line = (_encode(event) + "\n").encode("ascii")
        with self._lock:
            # The program may have closed our descriptor, or closed it and got its number for a file of its own.
            if not self._intact():
                self._connect()
            view = memoryview(line)
            while view:
                view = view[os.write(self._descriptor, view) :]

    def _connect(self) -> None:
        # Fails at once where nobody hears: our parent died before the kernel knew that we are to die with it.
        low = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(low, True)
        self._descriptor = _moved_high(low)
        status = os.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)

    def _intact(self) -> bool:
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity


@dataclass(frozen=True, slots=True)
class Session:
    """A confined child with its request."""

    request: dict[str, Any]
    working_folder: str
    """mirror of the script's folder; already the current one"""
    guard: Guard
    channel: Channel

    def emit(self, message: Message) -> None:
        """Send a message to the parent (see :meth:`Channel.send`)."""
        self.channel.send(to_json(message))

    def finish(self) -> NoReturn:
        """Say that all is done, and end at once: no exit handler or thread of the program can hold it up."""
        self.emit(Finished())
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        _exit(0)


def enter(arguments: list[str] | None = None) -> Session:
    """Read the request, open the channel, close the sandbox, and move to the working folder.

    Call it first of all: what threads were started or files opened before is not confined.
    """
    kernel.die_with_parent()
    folder = Path((sys.argv[1:] if arguments is None else arguments)[0])
    order = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    # `-m` put the current folder in front; the program's own modules must not be found before it runs.
    if sys.path and sys.path[0] in {"", os.getcwd()}:
        del sys.path[0]
    try:
        channel = Channel(str(folder / EVENTS))
    except OSError:
        _exit(1)
    _watch_whereabouts(folder / WHEREABOUTS)

    def report(blocked: Blocked) -> None:
        with contextlib.suppress(OSError):
            channel.send(to_json(AccessBlocked(blocked.kind, blocked.what)))

    policy = Policy(
        scratch=order["scratch"],
        writable=(str(folder / EVENTS), *order["allow_write"]),
        opened=(str(folder / WHEREABOUTS),),
        network=order["allow_network"],
        cpu_seconds=order["cpu_seconds"],
        file_bytes=order["file_bytes"],
    )
    confinement, guard = confine(policy, report)
    channel.adopt()
    os.chdir(order["working_folder"])
    os.environ["PWD"] = order["working_folder"]
    channel.send(to_json(SandboxClosed(confinement.kernel_writes, confinement.kernel_network, confinement.layers)))
    return Session(order["request"], order["working_folder"], guard, channel)


def _watch_whereabouts(path: Path) -> None:
    """Have crashes and the parent's question (SIGUSR1) answered with the lines being run, even inside native code."""
    descriptor = _moved_high(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC))
    with contextlib.suppress(ValueError, OSError, RuntimeError):
        faulthandler.enable(descriptor)
        faulthandler.register(signal.SIGUSR1, descriptor)


def _moved_high(descriptor: int) -> int:
    """The same file under a number that programs which close the low ones do not reach."""
    import fcntl
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    limit = 1 << 16 if limit == resource.RLIM_INFINITY else min(limit, 1 << 16)
    lowest = limit // 2 + random.SystemRandom().randrange(max(1, limit // 4))
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
    except OSError:
        return descriptor
    os.close(descriptor)
    return high

"""How the command ends when it is told to: by a signal, or because nobody can get its report."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Iterator
    from types import FrameType


class _Terminated(BaseException):
    """A signal asked the command to end."""


@contextmanager
def cleaning_up() -> Iterator[None]:
    """On SIGTERM and SIGHUP, leave the block as by an exception, so that it cleans up, and only then end by the signal.

    A signal that the command was started to ignore (``nohup``) stays ignored.
    """
    import signal

    asked: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)  # what is being cleaned up is not interrupted
        asked.append(number)
        raise _Terminated

    ours: list[int] = []
    with suppress(ValueError):  # in a thread of somebody's program, which has its own way to end
        for number in (signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ())):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)
                ours.append(number)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)
        if asked:
            os.kill(os.getpid(), asked[0])


_CLOSED = "Standard output is closed, so the report cannot be written."


def lost_output(error: OSError | None = None) -> str | None:
    """Why nothing more can be written to standard output, in a sentence; None where it can.

    Args:
        error: what was raised while something was written; it counts where it belongs to no file with a name.
    """
    if sys.stdout is None or sys.stdout.closed:
        return _CLOSED
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return None
    except OSError as again:
        error = again
    if error is None or error.filename is not None or error.errno not in _NO_ROOM:
        return None
    return f"The report cannot be written to standard output: {error.strerror}."


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def give_up_output() -> None:
    """Let what is still to be written to standard output go nowhere: Python would fail over it at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

"""Reading a file whose kind and size nobody vouches for: never without end, and never more than is asked for."""

from __future__ import annotations

import errno
import os
import stat

_PATIENCE = 10.0
"""seconds that a pipe may be silent"""
_PIECE = 1 << 20


def read_bounded(path: str, most: int) -> bytes:
    """The bytes of the file at ``path``, which may be a pipe.

    Args:
        path: of a regular file or a pipe; of a device only where it holds nothing, as ``/dev/null`` does.
        most: bytes that it may have.

    Raises:
        OSError: if it cannot be read, has more, or does not end; ``strerror`` says which, in words for users.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError:  # a zero byte, half a character
        raise OSError(errno.ENOENT, "no file can have this name", path) from None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size > most:
            raise _too_large(path, most)
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            return _nothing_of(descriptor, path)
        pieces: list[bytes] = []
        room = most
        while True:
            if stat.S_ISFIFO(status.st_mode):
                _wait_for(descriptor, path)
            piece = os.read(descriptor, min(_PIECE, room + 1))
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                raise _too_large(path, most)
    finally:
        os.close(descriptor)


def _nothing_of(descriptor: int, path: str) -> bytes:
    try:
        if not os.read(descriptor, 1):
            return b""
    except BlockingIOError:
        pass  # a terminal, at which nobody typed
    raise OSError(errno.EINVAL, "it is a device, not a file", path)


def _wait_for(descriptor: int, path: str) -> None:
    """Until something can be read from a pipe, or its writer is done."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(_PATIENCE * 1000):
        raise OSError(errno.ETIMEDOUT, f"nothing came through this pipe for {_PATIENCE:g} seconds", path)


def _too_large(path: str, most: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB", path)

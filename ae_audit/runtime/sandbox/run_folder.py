"""The folder of one run: made, held while the run lasts, removed; also when the process that made it was killed.

A process holds its folder by a lock that ends with it, however it ends. Before the first run of a process the folders
that nobody holds any more are removed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "ae-audit-"


@contextlib.contextmanager
def held() -> Iterator[Path]:
    """A new folder, which is gone when the block ends."""
    parent = os.path.realpath(tempfile.gettempdir())
    remove_abandoned(parent)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            lock = _lock(folder)
            if lock is not None and folder.exists():  # taken for abandoned, before it was held
                break
        except BaseException:
            remove(folder)
            raise
        if lock is not None:
            os.close(lock)
    try:
        yield folder
    finally:
        remove(folder)
        os.close(lock)


@functools.cache
def remove_abandoned(parent: str) -> None:
    """Remove the folders in ``parent`` whose makers were killed; only one's own, and once in the life of a process."""
    user = os.geteuid()
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if not entry.name.startswith(PREFIX) or not entry.is_dir(follow_symlinks=False):
                    continue
                if entry.stat(follow_symlinks=False).st_uid != user:
                    continue
                lock = _lock(Path(entry.path))
                if lock is not None:
                    remove(Path(entry.path))
                    os.close(lock)


def _lock(folder: Path) -> int | None:
    """A descriptor that holds ``folder``; None where another process does.

    Raises:
        OSError: if there is no such folder, or its file system has no locks.
    """
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove(folder: Path) -> None:
    """Remove a run's folder, also where the program took away its own rights to it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)
        for place, folders, _ in os.walk(folder):
            for inner in (os.path.join(place, name) for name in folders):
                with contextlib.suppress(OSError):
                    if not os.path.islink(inner):  # which stands for a folder that is not ours
                        os.chmod(inner, 0o700)  # before it is entered
        shutil.rmtree(folder, ignore_errors=True)

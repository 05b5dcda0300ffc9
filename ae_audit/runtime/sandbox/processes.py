"""Families of processes on Linux, read from ``/proc``: who belongs to a run, what memory they hold, how to end them.

A member is found in three ways, since a hostile program can leave each single one: it is in the session of the child,
it descends from it, or its environment at start carried the run's mark.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ae_audit.runtime.sandbox.zygote import ForkedChild

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_PROC = Path("/proc")


def descendants(root: int) -> set[int]:
    """``root`` and all that descend from it now."""
    found: set[int] = set()
    pending = [root]
    while pending:
        process = pending.pop()
        if process in found:
            continue
        found.add(process)
        pending.extend(_children(process))
    return found


def _children(process: int) -> list[int]:
    found: list[int] = []
    for children in _PROC.glob(f"{process}/task/*/children"):
        with contextlib.suppress(OSError, ValueError):
            found.extend(int(child) for child in children.read_text().split())
    return found


def _number_inside(process: int) -> int | None:
    """The number that a process has in its own, innermost namespace, where that is not ours."""
    with contextlib.suppress(OSError, ValueError):
        for line in (_PROC / str(process) / "status").read_text(errors="replace").splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[-1]) if len(numbers) > 1 else None
    return None


def program_of(root: int) -> int:
    """The process that runs the program: of a namespace of processes that ``root`` began, its first one's own child.

    That is the oldest, with the lowest number: orphans, which the first one adopts, come later. Else ``root``.
    """
    for first in _children(root):
        if _number_inside(first) == 1:
            inside = ((_number_inside(process), process) for process in _children(first))
            return min(((number, process) for number, process in inside if number is not None), default=(0, root))[1]
    return root


def members(root: int, mark: str) -> set[int]:
    """All living processes of the run that the child ``root`` (leader of its own session) began."""
    found = {process for process in descendants(root) if _state(process) not in {None, "Z"}}
    needle = mark.encode()
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if not entry.name.isdigit() or int(entry.name) in found or int(entry.name) == os.getpid():
            continue
        process = int(entry.name)
        if _state(process) in {None, "Z"}:
            continue
        if _session(process) == root or needle in _environment(process):
            found.add(process)
    return found


def memory(processes: set[int], limit: int) -> int:
    """Bytes of memory that ``processes`` hold together.

    The sum of resident pages counts shared ones several times; where it passes ``limit`` the proportional sum, dearer
    to read, decides.
    """
    resident = sum(_resident(process) for process in processes)
    if resident <= limit or len(processes) == 1:
        return resident
    return sum(_proportional(process) for process in processes)


def machine_is_short_of_memory(share: float = 0.03) -> bool:
    """Whether less than ``share`` of the machine's memory is left (tmpfs files count as used)."""
    figures = memory_of_machine()
    return figures is not None and figures[1] < share * figures[0]


def memory_of_machine() -> tuple[int, int] | None:
    """Total and available bytes; None where the system does not tell."""
    figures = {}
    try:
        for line in (_PROC / "meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            figures[name] = int(rest.split()[0]) * 1024
        return figures["MemTotal"], figures["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        return None


def end(root: int, mark: str, *, grace: float) -> None:
    """End the whole run: SIGTERM, ``grace`` seconds, SIGKILL, again until nobody is left (at most 5 s)."""
    if not (_PROC / "self").exists():
        _end_group(root, grace)
        return
    if grace > 0:
        _signal_all(root, members(root, mark), signal.SIGTERM)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and members(root, mark):
            time.sleep(0.02)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        alive = members(root, mark)
        if not alive:
            return
        # Stopped first, so that none forks while the others are being killed.
        _signal_all(root, alive, signal.SIGSTOP)
        _signal_all(root, alive, signal.SIGKILL)
        time.sleep(0.01)


def has_ended(child: subprocess.Popen[bytes] | ForkedChild) -> bool:
    """Whether it ended; where possible it stays a zombie, so that its number is not given to another process yet."""
    if isinstance(child, ForkedChild):
        return child.has_ended()
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@contextlib.contextmanager
def end_of(child: subprocess.Popen[bytes] | ForkedChild) -> Iterator[int | None]:
    """A descriptor that can be read once ``child`` has ended; None where the system has none, and only looking helps.

    Its streams do not tell: whoever stands between it and the program lets go of them earlier, others may hold them on.
    """
    descriptor = None
    with contextlib.suppress(AttributeError, OSError):
        descriptor = os.pidfd_open(child.pid)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def remove_shared_memory(processes: set[int]) -> None:
    """Remove what torch's processes, now killed, left in shared memory; its names carry their numbers."""
    shared = Path("/dev/shm")
    for file in shared.glob("torch_*") if shared.is_dir() else ():
        number = file.name.split("_")[1]
        if number.isdigit() and int(number) in processes and not (_PROC / number).exists():
            with contextlib.suppress(OSError):
                file.unlink()


def _end_group(root: int, grace: float) -> None:
    """The same where there is no ``/proc``: the process group is all that can be found."""
    with contextlib.suppress(OSError):
        if grace > 0:
            os.killpg(root, signal.SIGTERM)
            time.sleep(grace)
        os.killpg(root, signal.SIGKILL)


def _signal_all(root: int, processes: set[int], number: signal.Signals) -> None:
    if root in processes or any(_session(process) == root for process in processes):
        with contextlib.suppress(OSError):
            os.killpg(root, number)
    for process in processes:
        with contextlib.suppress(OSError):
            os.kill(process, number)


def _stat(process: int) -> list[str] | None:
    """Fields of ``/proc/PID/stat`` from the state on; the name before it may hold anything."""
    try:
        text = (_PROC / str(process) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def name(process: int) -> str:
    """What a process is called, also when it has ended and nobody asked for its exit code yet; empty where unknown."""
    try:
        return (_PROC / str(process) / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def _state(process: int) -> str | None:
    fields = _stat(process)
    return fields[0] if fields else None


def _session(process: int) -> int | None:
    fields = _stat(process)
    return int(fields[3]) if fields and len(fields) > 3 else None


def _environment(process: int) -> bytes:
    try:
        return (_PROC / str(process) / "environ").read_bytes()
    except OSError:
        return b""


def _resident(process: int) -> int:
    try:
        return int((_PROC / str(process) / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _proportional(process: int) -> int:
    try:
        for line in (_PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    return _resident(process)

"""The sandbox that the audited program runs in: it writes only in its scratch folder and opens no network connection.

Two mechanisms, and :class:`Confinement` says which are in force. The *kernel*
(:mod:`ae_audit.runtime.sandbox.kernel`) refuses what the program does by any means, native code and child processes
included. Python's *audit hooks* come on top: they name what was attempted, for the report, and stand alone where the
kernel cannot help; there they stop honest programs, not hostile ones. Only the hooks cover ``chmod``,
``chown`` and ``utime``.

Reading is allowed everywhere.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ae_audit.runtime.sandbox import bubblewrap, kernel, mounts, namespaces

FILE_BYTES = 2 << 30
"""largest file that the program may write (``RLIMIT_FSIZE``)"""
_MOST_REPORTS = 200
"""blocked attempts that are told; a program that tries more files has been understood by then"""
_LARGEST_COPY = 256 << 20
"""bytes of an original that is copied so that the program may change it; a larger one is data, and is only read"""
_MOST_LINKS = 100_000
"""entries of a folder that is mirrored by links where the program writes into it"""

_DEVICES = ("null", "zero", "full", "tty", "ptmx", "pts", "shm", *mounts.GPU_DEVICES)
"""under /dev: harmless to write to, or what a GPU driver opens for writing"""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the audited program may do."""

    scratch: str
    """the one folder that it may write in"""
    writable: tuple[str, ...] = ()
    """folders opened by the user (``--allow-write``) and the files of our own channel"""
    opened: tuple[str, ...] = ()
    """files that we ourselves open before the sandbox closes, and that the program may not"""
    network: bool = False
    """opened by the user (``--allow-network``)"""
    cpu_seconds: int | None = None
    file_bytes: int = FILE_BYTES

    @property
    def writable_paths(self) -> tuple[str, ...]:
        devices = tuple(path for name in _DEVICES for path in sorted(glob.glob(f"/dev/{name}")))
        own_process = ("/proc/self",) if os.path.exists("/proc/self") else ()
        return (self.scratch, *self.writable, *devices, *own_process)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Something that the program tried and was not let do."""

    kind: str
    """``write``, ``network``, ``process`` (only without a kernel's help) or ``signal``"""
    what: str
    """the path, the address or the command"""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What the kernel holds; Python's audit hooks watch in any case."""

    kernel_writes: bool
    """the kernel refuses writes outside the scratch folder"""
    kernel_network: bool | None
    """the kernel refuses connections; None where the program may open them"""
    layers: tuple[str, ...] = ()
    """namespaces (:mod:`ae_audit.runtime.sandbox.namespaces`), ``capabilities`` where all are given up, and ``calls``
    where a filter refuses those that reach the user or the kernel as a whole"""


class Guard:
    """The audit hooks of this process: they refuse what the policy forbids and report it once each."""

    def __init__(self, policy: Policy, on_blocked: Callable[[Blocked], None], *, kernel_holds_writes: bool) -> None:
        self._policy = policy
        self._on_blocked = on_blocked
        self._writable = tuple(os.path.realpath(path) for path in policy.writable_paths)
        self._scratch = os.path.realpath(policy.scratch) + os.sep
        self._session = os.getsid(0) if hasattr(os, "getsid") else 0
        self._local = threading.local()
        self._reported: set[Blocked] = set()
        self._checks: dict[str, Callable[..., None]] = {
            "open": self._open,
            "os.remove": self._entry,
            "os.rmdir": self._entry,
            "os.mkdir": lambda path, mode=0, folder=-1: self._new_entry(path, folder),
            "os.rename": self._rename,
            "os.link": lambda source, target, _=-1, folder=-1: self._new_entry(target, folder),
            "os.symlink": lambda source, target, folder=-1: self._new_entry(target, folder),
            "os.truncate": lambda path, length=0: None if isinstance(path, int) else self._file(path),
            "os.chmod": lambda path, mode=0, folder=-1: self._file(path, folder),
            "os.chown": lambda path, uid=0, gid=0, folder=-1: self._file(path, folder),
            "os.utime": lambda path, times=None, ns=None, folder=-1: self._file(path, folder),
            "os.setxattr": lambda path, *_: self._file(path),
            "os.removexattr": lambda path, *_: self._file(path),
            "os.kill": self._kill,
            "os.killpg": lambda group, number: self._kill(-group, number),
        }
        if not policy.network:
            self._checks |= {
                "socket.connect": self._connect,
                "socket.bind": self._connect,
                "socket.sendto": self._connect,
                "socket.sendmsg": self._connect,
                "socket.getaddrinfo": lambda host, port=None, *_: self._refuse_network(host, port),
                "socket.gethostbyname": self._refuse_network,
                "urllib.Request": self._url,
                "ftplib.connect": lambda _, host, port=None: self._refuse_network(host, port),
                "http.client.connect": lambda _, host, port=None: self._refuse_network(host, port),
            }
        if not kernel_holds_writes:
            self._checks |= {
                "subprocess.Popen": lambda executable, arguments=(), *_: self._command(arguments or executable),
                "os.system": self._command,
                "os.exec": lambda path, arguments=(), *_: self._command(arguments or path),
                "os.posix_spawn": lambda path, arguments=(), *_: self._command(arguments or path),
                "os.startfile": lambda path, *_: self._command(path),
            }

    def install(self) -> None:
        """Watch from now on; an audit hook cannot be removed again."""
        sys.addaudithook(self._hook)

    @contextlib.contextmanager
    def unreported(self) -> Iterator[None]:
        """Refuse as ever, but do not report: for what we ourselves try on the program's behalf."""
        before = getattr(self._local, "silent", False)
        self._local.silent = True
        try:
            yield
        finally:
            self._local.silent = before

    def writes_to(self, path: str | os.PathLike[str]) -> bool:
        """Whether the policy lets the program write to ``path``."""
        return self._may_write(os.path.realpath(path))

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        check = self._checks.get(event)
        if check is None or getattr(self._local, "inside", False):
            return
        self._local.inside = True
        try:
            check(*arguments)
        finally:
            self._local.inside = False

    def _report(self, blocked: Blocked) -> None:
        new = blocked not in self._reported and len(self._reported) < _MOST_REPORTS
        if new and not getattr(self._local, "silent", False) and not _is_bytecode(blocked.what):
            self._reported.add(blocked)
            self._on_blocked(blocked)

    def _refuse(self, kind: str, what: str) -> None:
        self._report(Blocked(kind, what))
        raise PermissionError(errno.EACCES, f"ae-audit runs programs without {_MISSING[kind]}", what)

    def _refuse_network(self, host: Any, port: Any = None) -> None:
        name = os.fsdecode(host) if isinstance(host, (str, bytes)) else str(host)
        address = f"{name}:{port}" if port else name
        if not any(name in blocked.what for blocked in self._reported if blocked.kind == "network"):
            self._report(Blocked("network", address))
        raise PermissionError(errno.EACCES, f"ae-audit runs programs without {_MISSING['network']}", address)

    def _may_write(self, real: str) -> bool:
        if real.startswith(f"/proc/{os.getpid()}/"):  # a forked process has another number than the one of our list
            return True
        return any(real == place or real.startswith(place.rstrip(os.sep) + os.sep) for place in self._writable)

    def _open(self, path: Any, mode: str | None, flags: int | None) -> None:
        if isinstance(path, int) or path is None:
            return
        flags = flags or 0
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        if not writes and not (mode and set(mode) & set("wax+")):
            return
        self._unfold(path)
        self._copy_up(os.fsdecode(path), truncates=bool(flags & os.O_TRUNC))
        self._file(path)

    def _unfold(self, path: Any, folder: int = -1) -> None:
        """Turn links to folders on the way to ``path``, in scratch, into folders of links: what is new goes there."""
        name = os.path.abspath(_joined(path, folder))
        if not name.startswith(self._scratch):
            return
        place = self._scratch
        for part in os.path.dirname(name[len(self._scratch) :]).split(os.sep):
            place = os.path.join(place, part)
            original = os.path.realpath(place)
            if not os.path.islink(place) or not os.path.isdir(original) or self._may_write(original):
                continue
            entries = os.listdir(original)
            if len(entries) > _MOST_LINKS:
                return
            os.unlink(place)
            os.mkdir(place)
            for entry in entries:
                os.symlink(os.path.join(original, entry), os.path.join(place, entry))

    def _copy_up(self, path: str, *, truncates: bool) -> None:
        """Put a copy in place of a link in scratch before the program writes to it: the original stays as it is."""
        folder = os.path.realpath(os.path.dirname(path) or ".")
        place = os.path.join(folder, os.path.basename(path))
        if not place.startswith(self._scratch) or not os.path.islink(place):
            return
        original = os.path.realpath(place)
        if self._may_write(original) or not os.path.isfile(original):
            return
        if not truncates and os.path.getsize(original) > _LARGEST_COPY:
            return
        os.unlink(place)
        if truncates:
            open(place, "xb").close()
        else:
            shutil.copyfile(original, place)

    def _file(self, path: Any, folder: int = -1) -> None:
        """What is at ``path``, links followed, is about to be changed."""
        real = os.path.realpath(_joined(path, folder))
        if not self._may_write(real):
            self._refuse("write", real)

    def _entry(self, path: Any, folder: int = -1) -> None:
        """The entry ``path`` itself is about to be removed; of one that is not there just that is said.

        The kernel would complain of a read-only file system first, which no program expects.
        """
        self._unfold(path, folder)
        real = _entry_path(path, folder)
        if self._may_write(real):
            return
        if not os.path.lexists(real):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._refuse("write", real)

    def _new_entry(self, path: Any, folder: int = -1) -> None:
        """The entry ``path`` is about to be made, or is there and the call will fail as it always does."""
        self._unfold(path, folder)
        real = _entry_path(path, folder)
        if not os.path.lexists(real) and not self._may_write(real):
            self._refuse("write", real)

    def _rename(self, source: Any, target: Any, source_folder: int = -1, target_folder: int = -1) -> None:
        self._entry(source, source_folder)
        self._unfold(target, target_folder)
        real = _entry_path(target, target_folder)
        if not self._may_write(real):
            self._refuse("write", real)

    def _connect(self, socket: Any, address: Any = None, *_: Any) -> None:
        if isinstance(address, (str, bytes)):
            name = os.fsdecode(address)
            if not name or name.startswith("\0") or self._may_write(os.path.realpath(name)):
                return
            self._refuse_network(name)
        if isinstance(address, tuple) and len(address) >= 2 and isinstance(address[0], (str, bytes)):
            self._refuse_network(*address[:2])

    def _url(self, url: Any, *_: Any) -> None:
        """Only name it: the connection that follows is refused, and urllib makes its own error of that."""
        if not str(url).lower().startswith(("file:", "data:")):
            self._report(Blocked("network", str(url)))

    def _kill(self, process: int, number: int) -> None:
        if number == 0 or process in {0, os.getpid()}:
            return
        try:
            inside = process != -1 and os.getsid(abs(process)) == self._session
        except (OSError, OverflowError):
            return
        if not inside:
            self._refuse("signal", f"signal {number} to process {abs(process)}")

    def _command(self, command: Any, *_: Any) -> None:
        text = command if isinstance(command, (str, bytes)) else " ".join(map(str, command))
        self._refuse("process", os.fsdecode(text))


_MISSING = {
    "write": "write access outside their scratch folder",
    "network": "network access",
    "process": "other programs",
    "signal": "signals to processes outside",
}


def confine(policy: Policy, on_blocked: Callable[[Blocked], None]) -> tuple[Confinement, Guard]:
    """Confine this process for good. Call it before user code, before the first thread, and before heavy imports."""
    set_limits(policy)
    kernel.die_with_parent()
    kernel.adopt_orphans()
    # first, since Landlock keeps the mounts as they are; what goes on from here may be another process
    layers = _namespaces(policy)
    if namespaces.drop_capabilities():
        layers = (*layers, "capabilities")
    kernel.give_up_privileges()
    if kernel.refuse_meddling():
        layers = (*layers, "calls")
    writes = kernel.restrict_writes(policy.writable_paths, tcp=not policy.network)
    network = None
    if not policy.network:
        network = kernel.refuse_internet_sockets() or (writes and kernel.landlock_abi() >= 4)
    guard = Guard(policy, on_blocked, kernel_holds_writes=writes)
    guard.install()
    return Confinement(writes, network, layers), guard


def _namespaces(policy: Policy) -> tuple[str, ...]:
    """The layers that come of namespaces: of our own, or where those are refused, of bubblewrap's."""
    folder = os.path.dirname(policy.scratch)
    places = (*policy.writable_paths, *policy.opened)
    if bubblewrap.is_inside(folder):
        return bubblewrap.found(folder, places)
    layers = namespaces.enter(policy.writable_paths, network=policy.network)
    if not layers:
        bubblewrap.start_anew(folder, places, network=policy.network)
    return layers


def set_limits(policy: Policy) -> None:
    """Bound file size, CPU time and core dumps.

    The address space stays unbounded: TensorFlow and CUDA reserve far more than they use. The parent watches memory.
    """
    # Where the machine itself runs out of memory, this process is the first to go.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    try:
        import resource
    except ImportError:
        return
    bounds = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, policy.file_bytes)]
    if policy.cpu_seconds is not None:
        bounds.append((resource.RLIMIT_CPU, policy.cpu_seconds))
    for which, bound in bounds:
        hard = resource.getrlimit(which)[1]
        value = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(which, (value, value))


def _joined(path: Any, folder: int) -> str:
    if isinstance(path, int):
        return os.readlink(f"/proc/self/fd/{path}") if os.path.exists("/proc/self/fd") else os.devnull
    name = os.fsdecode(path)
    if folder in {-1, -100} or os.path.isabs(name):  # -100: AT_FDCWD
        return name
    return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name) if os.path.exists("/proc/self/fd") else name


def _entry_path(path: Any, folder: int) -> str:
    name = _joined(path, folder).rstrip(os.sep) or os.sep
    return os.path.join(os.path.realpath(os.path.dirname(name) or "."), os.path.basename(name))


def _is_bytecode(path: str) -> bool:
    return f"{os.sep}__pycache__" in path

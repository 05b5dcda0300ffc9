"""A Python that has imported a framework and does nothing but fork: the children of several runs cost one import.

Named after the process of Android that does the same. The parent's side, :class:`Zygote`, starts it and asks it for
children; the other side is :func:`main`. A child is forked before any operation of the framework has run, and an import
starts no thread that a fork would lose; the child then becomes what a child of its own would be, with its environment,
its folder and its streams, and closes its sandbox before it does anything else.

The two sides speak through a socket, one line of JSON at a time: a request, with the descriptors of the two streams
beside it; ``{"pid": …}``; ``{"status": …}`` once the child has ended, which stays a zombie, so that its number is not
given to another process, until the parent answers.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from ae_audit.runtime.sandbox import kernel, scratch_dir
from ae_audit.runtime.sandbox.interpreters import Interpreter

PATIENCE = 120.0
"""seconds that the import of a framework may take"""
_LONGEST = 1 << 20
"""bytes of a request: an environment, mostly"""


class ZygoteDied(Exception):
    """The process that forks is gone, so that nothing more can be started from it."""


class ForkedChild:
    """A child of a zygote, with as much of ``subprocess.Popen`` as a run needs."""

    def __init__(self, pid: int, stdout: IO[bytes], stderr: IO[bytes], zygote: Zygote) -> None:
        self.pid = pid
        self.stdout: IO[bytes] | None = stdout
        self.stderr: IO[bytes] | None = stderr
        self.returncode: int | None = None
        self._zygote = zygote
        self._status: int | None = None

    def has_ended(self) -> bool:
        """Whether it has; until :meth:`wait` no other process gets its number."""
        if self._status is None and self._zygote.speaks():
            self._status = self._zygote.ended()
        return self._status is not None

    def wait(self) -> int:
        """Its exit code, or the number of the signal that ended it, negative."""
        if self.returncode is None:
            status = self._status if self._status is not None else self._zygote.ended()
            self._zygote.reap()
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class Zygote:
    """The process from which children are forked, one at a time.

    Args:
        interpreter: the Python that it is.
        modules: what it imports; with ``.*`` behind a package its modules, too.
        folder: an empty folder in which it starts; its caches go beside it.
        variables: added to its environment, as to that of the children.

    Raises:
        ZygoteDied: if it does not come to life: no such module, or an import that fails.
    """

    def __init__(
        self, interpreter: Interpreter, modules: Sequence[str], folder: Path, variables: dict[str, str]
    ) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            order = json.dumps({"socket": theirs.fileno(), "modules": list(modules)})
            try:
                self._process = subprocess.Popen(
                    interpreter.command(__name__, order),
                    cwd=folder,
                    env=scratch_dir.environment(folder, extra=variables),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    pass_fds=(theirs.fileno(),),
                )
            except OSError as error:
                ours.close()
                raise ZygoteDied(str(error)) from None
        self._socket = ours
        self._interpreter = interpreter
        try:
            self._socket.settimeout(PATIENCE)
            self._answer("ready")
            self._socket.settimeout(None)
        except (ZygoteDied, OSError) as error:
            self.close()
            raise ZygoteDied(str(error)) from None

    def start(self, module: str, argument: str, *, cwd: Path, env: dict[str, str]) -> ForkedChild:
        """A child that runs ``module`` as :meth:`Interpreter.command` would have it run.

        Raises:
            ZygoteDied: if there is nobody to fork it.
        """
        command = self._interpreter.command(module, argument)
        request = {"module": module, "argument": argument, "command": command, "cwd": str(cwd), "env": env}
        out, err = os.pipe(), os.pipe()
        try:
            line = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(self._socket, [line], [out[1], err[1]])
            self._socket.sendall(line[sent:])
            pid = self._answer("pid")
        except (OSError, ZygoteDied) as error:
            os.close(out[0])
            os.close(err[0])
            raise ZygoteDied(str(error)) from None
        finally:
            os.close(out[1])
            os.close(err[1])
        return ForkedChild(pid, os.fdopen(out[0], "rb", 0), os.fdopen(err[0], "rb", 0), self)

    def speaks(self) -> bool:
        """Whether it has said something, or died."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def ended(self) -> int:
        """Wait for the end of the child; its status, that of SIGKILL where the zygote died, and with it the child."""
        try:
            return self._answer("status")
        except (OSError, ZygoteDied):
            return int(signal.SIGKILL)

    def reap(self) -> None:
        """Give the number of the ended child away."""
        with contextlib.suppress(OSError):
            self._socket.sendall(b"reap\n")

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _answer(self, key: str) -> int:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._socket.recv(1)
            if not byte or len(line) > 200:
                raise ZygoteDied("it ended")
            line += byte
        answer: int = json.loads(line)[key]
        return answer


def main() -> None:
    """The process itself: import, say so, and fork what is asked for until the parent is gone."""
    kernel.die_with_parent()
    kernel.adopt_orphans()
    order = json.loads(sys.argv[1])
    if sys.path and sys.path[0] in {"", os.getcwd()}:
        del sys.path[0]
    parent = socket.socket(fileno=order["socket"])
    for name in order["modules"]:
        _import(name)
    _leave_garbage_alone()
    parent.sendall(b'{"ready": 1}\n')
    while True:
        line, descriptors = _request(parent)
        if not line:
            return
        pid = os.fork()
        if pid == 0:
            parent.close()
            _become(json.loads(line), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        parent.sendall(json.dumps({"pid": pid}).encode() + b"\n")
        parent.sendall(json.dumps({"status": _status_of(pid)}).encode() + b"\n")
        told = _request(parent)[0]
        os.waitpid(pid, 0)
        _end_orphans()
        if not told:
            return


def _import(name: str) -> None:
    """A module; with ``.*`` behind it all modules of a package, too."""
    import pkgutil

    package = name.removesuffix(".*")
    module = importlib.import_module(package)
    if package != name:
        for found in pkgutil.iter_modules(module.__path__, f"{package}."):
            importlib.import_module(found.name)


def _leave_garbage_alone() -> None:
    import gc

    gc.collect()
    gc.freeze()  # no child searches the framework for garbage, nor copies its pages for it


def _request(parent: socket.socket) -> tuple[bytes, list[int]]:
    """The next line, and the descriptors that came with it; nothing where the parent is gone."""
    line, descriptors = b"", []
    while not line.endswith(b"\n"):
        data, received, _, _ = socket.recv_fds(parent, 1 << 16, 2)
        descriptors += received
        if not data or len(line) > _LONGEST:
            return b"", []
        line += data
    return line, descriptors


def _status_of(pid: int) -> int:
    """Wait for its end; how it ended, as ``waitpid`` tells it. It stays a zombie."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_status << 8 if ended.si_code == os.CLD_EXITED else ended.si_status


def _end_orphans() -> None:
    """End what the child left behind, which the kernel made ours."""
    with contextlib.suppress(ChildProcessError):
        while True:
            with open(f"/proc/self/task/{os.getpid()}/children") as listing:
                left = listing.read().split()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            os.wait()


def _become(request: dict[str, Any], out: int, err: int) -> NoReturn:
    """Be the child that was asked for."""

    def work() -> object:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        null = os.open(os.devnull, os.O_RDONLY)
        for ours, standard in ((null, 0), (out, 1), (err, 2)):
            os.dup2(ours, standard)
        for descriptor in {null, out, err} - {0, 1, 2}:
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        import tempfile

        tempfile.tempdir = None
        sys.argv = [request["module"], request["argument"]]
        sys.orig_argv = request["command"]  # by which it may be started again, inside another program's sandbox
        return importlib.import_module(request["module"]).main()

    _never_return(work)


def _never_return(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    main()

"""Audits many programs with one import of a framework: ``python warm_server.py torch|keras``.

Every line on standard input is a JSON object: the ``arguments`` of ``ae-audit``, and if need be the ``folder`` to work
in and what the ``environment`` has besides; every line on standard output answers with ``code``, ``out`` and ``err``.
Each audit is the command's own, in a process of its own forked from this one, and its child is entered, confined and
listened to as ever; only the interpreter that the child would start is forked too, so that importing TensorFlow or
torch is paid once and not a hundred times. The import itself starts no threads, without which forking would not be
safe.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

WARM = {
    "torch": ("torch", "torch._dynamo", "torchvision", "torchvision.transforms"),
    "keras": ("keras", "tensorflow"),
}
OURS = (
    "ae_audit.cli.arguments",
    "ae_audit.cli.command",
    "ae_audit.engine.child",
    "ae_audit.engine.child_program",
    "ae_audit.engine.gate",
    "ae_audit.engine.runtime_stage",
    "ae_audit.report.json",
)
OUR_ROOMS = ("rules", "runtime", "static")
"""rooms of which an audit takes most, whatever it audits"""
LONGEST = 240
"""seconds after which an audit is ended"""


_POPEN = subprocess.Popen


class ForkedChild:
    """What ``subprocess.Popen`` is to :func:`~ae_audit.runtime.sandbox.launch.run_child`, with a fork for a start."""

    def __init__(self, command: list[str], *, cwd: Path, env: dict[str, str], **_: Any) -> None:
        module, arguments = command[command.index("-m") + 1], command[command.index("-m") + 2 :]
        out, err = os.pipe(), os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)  # as exec would
            _become(out[1], err[1])
            os.environ.clear()
            os.environ.update(env)
            os.chdir(cwd)
            tempfile.tempdir = None
            subprocess.Popen = _POPEN  # type: ignore[misc]  # the program's own processes are real ones
            sys.argv = [module, *arguments]
            _never_return(lambda: importlib.import_module(module).main() or 0)
        os.close(out[1])
        os.close(err[1])
        self.stdout: IO[bytes] = os.fdopen(out[0], "rb", 0)
        self.stderr: IO[bytes] = os.fdopen(err[0], "rb", 0)

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode


def _become(out: int, err: int) -> None:
    """Take nothing from standard input, and write to these."""
    null = os.open(os.devnull, os.O_RDONLY)
    for ours, standard in ((null, 0), (out, 1), (err, 2)):
        os.dup2(ours, standard)


def _never_return(work: Any) -> None:
    code = 70
    try:
        code = work()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The command's exit code and what it wrote."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            signal.alarm(LONGEST)
            _become(out.fileno(), err.fileno())
            os.chdir(request.get("folder") or ".")
            os.environ.update(request.get("environment") or {})
            _never_return(lambda: _audit(request["arguments"]))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return {"code": code, "out": texts[0], "err": texts[1]}


def _audit(arguments: list[str]) -> int:
    from ae_audit.cli.command import main
    from ae_audit.runtime.sandbox import start

    start.subprocess.Popen = ForkedChild  # type: ignore[attr-defined]
    return main(arguments)


def _modules_for(framework: str) -> Iterator[str]:
    """All modules of our rooms but those of the other framework."""
    others = {f"ae_audit.{room}.{other}" for room in ("runtime", "static.knowledge") for other in {*WARM} - {framework}}
    for room in OUR_ROOMS:
        package = importlib.import_module(f"ae_audit.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(module.name == other or module.name.startswith(f"{other}.") for other in others):
                yield module.name


def serve(framework: str) -> None:
    """Answer until standard input ends."""
    for name in (*WARM[framework], *OURS, *_modules_for(framework)):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # no audit searches the framework for garbage, nor copies its pages for it
    threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()
    print(json.dumps({"ready": framework, "threads": threads}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])

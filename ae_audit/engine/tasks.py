"""Audits as tasks for other processes: what a task is, the process that performs it, and how its death is told.

A task names files and settings; what comes back is what an audit here would know of these files, or some of the fits of
a comparison (:mod:`ae_audit.engine.grids`). Both travel as JSON, never pickled. The process of a task is a whole audit
(``python -m ae_audit.cli.task``): it reads, and programs run in sandboxed children of its own.
So a death costs one task, on whatever machine, and whoever hands out tasks
(:mod:`ae_audit.engine.cluster`) need not know what they do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from ae_audit.base.errors import UsageError
from ae_audit.base.records import dataclass, replace
from ae_audit.base.version import __version__
from ae_audit.engine.assembly import FileAudit, audit_of, record_of
from ae_audit.engine.discovery import AuditTarget
from ae_audit.schema.codec import Malformed, from_json, to_json
from ae_audit.schema.comparison import ComparisonReport, GridOptions
from ae_audit.schema.report import StageError
from ae_audit.schema.shards import FileRecord
from ae_audit.settings.options import Settings

PROCESS = "ae_audit.cli.task"
"""the module that performs an order: reads it on standard input, writes the result on standard output"""
_READ_TOGETHER = 16
"""files that are only read share a process, whose start costs as much as reading so many"""
_POLL = 0.2
"""seconds between looks at whether a task is still wanted"""
_GRACE = 5.0
"""seconds from the request to end (SIGTERM), in which a task ends its own children, to the end (SIGKILL)"""


@dataclass(frozen=True, slots=True)
class Task:
    """Files that are audited by one process."""

    targets: tuple[AuditTarget, ...]
    settings: Settings
    folder: str
    """that paths are relative to"""
    version: str = __version__
    """of the ae-audit that wants to know"""
    grid: GridOptions | None = None
    """heads and losses to be compared on the one target; None: it is audited"""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task found, in the order of its targets, or why it did nothing."""

    records: tuple[FileRecord, ...] = ()
    refused: str | None = None
    """a user's mistake, in one sentence"""
    comparison: ComparisonReport | None = None
    """what of it was asked for, where heads and losses are compared"""


class TaskDied(Exception):
    """The process of a task ended without a result; the text is a clause that says how."""


def tasks_for(targets: Sequence[AuditTarget], settings: Settings) -> tuple[Task, ...]:
    """Tasks that together audit ``targets``: one for each program that runs, which come first as they take longest.

    A task reports to nobody and shares no cache: on many machines a file that all write is none.
    """
    alone, here = _for_one_process(settings), os.getcwd()
    run = [(target,) for target in targets if target.run]
    read = [target for target in targets if not target.run]
    chunks = [tuple(read[start : start + _READ_TOGETHER]) for start in range(0, len(read), _READ_TOGETHER)]
    return tuple(Task(chunk, alone, here) for chunk in (*run, *chunks))


def grid_task(target: AuditTarget, settings: Settings, grid: GridOptions) -> Task:
    """The task that compares on one target what ``grid`` names as its part."""
    return Task((target,), _for_one_process(settings), os.getcwd(), grid=grid)


def _for_one_process(settings: Settings) -> Settings:
    return replace(settings, jobs=1, dask=None, cache=False, quiet=True, verbose=False)


def split(task: Task) -> tuple[Task, ...]:
    """A task for each file of ``task``."""
    return tuple(replace(task, targets=(target,)) for target in task.targets)


def within(text: str, memory: int) -> str:
    """The order ``text`` for a process that has ``memory`` bytes to give to each program."""
    task: Task = from_json(Task, json.loads(text))

    def limited(settings: Settings) -> Settings:
        return replace(settings, memory=min(memory, settings.memory or memory))

    targets = tuple(
        target if target.settings is None else replace(target, settings=limited(target.settings))
        for target in task.targets
    )
    return order(replace(task, settings=limited(task.settings), targets=targets))


def order(task: Task) -> str:
    """The task as the process reads it."""
    return json.dumps(to_json(task), allow_nan=False)


def perform(
    text: str,
    audit: Callable[[Sequence[AuditTarget], Settings], Sequence[FileAudit]],
    compare: Callable[[Sequence[AuditTarget], Settings, GridOptions], ComparisonReport],
) -> str:
    """In the process of a task: the result of the order ``text``, for :func:`result_of`."""
    try:
        task = from_json(Task, json.loads(text))
    except (ValueError, RecursionError):
        result = TaskResult(refused=f"this is ae-audit {__version__}, and the order is another version's")
    else:
        try:
            os.chdir(task.folder)
            if task.grid is None:
                result = TaskResult(tuple(record_of(one) for one in audit(task.targets, task.settings)))
            else:
                result = TaskResult(comparison=compare(task.targets, task.settings, task.grid))
        except OSError as error:
            result = TaskResult(refused=f"{task.folder} cannot be entered: {error.strerror or error}")
        except UsageError as error:
            result = TaskResult(refused=str(error))
    return json.dumps(to_json(result), allow_nan=False)


def performed(text: str, wanted: Callable[[], bool] = lambda: True) -> str:
    """Perform the order ``text`` in a process of its own; the result, for :func:`result_of`.

    Raises:
        TaskDied: if the process ends without a result, cannot be started, or the task is no longer ``wanted``.
    """
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", PROCESS, str(os.getpid())],
            cwd=os.path.abspath(os.sep),  # where Python finds no module of the code under audit
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise TaskDied(f"could not be started: {error.strerror or error}") from None
    said: list[bytes] = []
    listener = threading.Thread(target=lambda: said.extend(process.communicate(text.encode())), daemon=True)
    listener.start()
    while listener.is_alive():
        listener.join(_POLL)
        if listener.is_alive() and not wanted():
            process.terminate()
            listener.join(_GRACE)
            process.kill()
            listener.join()
            raise TaskDied("is no longer wanted")
    if process.returncode == 0 and said and said[0]:
        return said[0].decode()
    raise TaskDied(_how(process.returncode, said[1].decode("utf-8", "replace") if said else ""))


def result_of(text: str) -> TaskResult:
    """What a process said.

    Raises:
        Malformed: if it is no result.
    """
    try:
        return from_json(TaskResult, json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Malformed("", str(error)) from None


def audits_of(task: Task, result: TaskResult) -> tuple[FileAudit, ...]:
    """What ``result`` knows of the files of ``task``.

    Raises:
        Malformed: if it is of other files.
    """
    if [record.path for record in result.records] != [target.path for target in task.targets]:
        raise Malformed("records", "of other files than were asked for")
    return tuple(audit_of(record, target) for record, target in zip(result.records, task.targets, strict=True))


def lost(target: AuditTarget, how: str, internal: bool = False) -> FileAudit:
    """What is known of a file whose task never came to a result."""
    stage = "runtime" if target.run else "static"
    return FileAudit(target, errors=(StageError(target.path, stage, f"{how}.", internal=internal),))


def _how(code: int, stderr: str) -> str:
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = " (it may have run out of memory)" if name == "SIGKILL" else ""
        return f"was killed by {name}{memory}"
    lines = [line for line in stderr.splitlines() if line.strip()]
    return f"ended with exit code {code}" + (f": {lines[-1].strip()}" if lines else "")

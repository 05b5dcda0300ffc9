"""An audit by the workers of a Dask cluster that exists: ``--dask ADDRESS``.

A worker performs a task as this machine would, in a process of its own (:mod:`ae_audit.engine.tasks`), so that the
sandbox stays what it is, and a program that crashes takes no worker along. What dies all the same is infrastructure: a
worker that is killed, a machine that is gone. Such a task is tried once more, alone, since a neighbour may be the
cause; a program that crashes is never run again. The report is in the order of the files, whoever was first.

All machines see the same files under the same paths, and have this version of ae-audit.
"""

from __future__ import annotations

import gc
import os
import queue
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ae_audit.base.errors import UsageError, own_failure
from ae_audit.base.progress import Progress
from ae_audit.base.version import __version__
from ae_audit.engine import Interrupted
from ae_audit.engine.assembly import FileAudit
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.grids import Performer
from ae_audit.engine.tasks import (
    Task,
    TaskDied,
    TaskResult,
    audits_of,
    lost,
    order,
    performed,
    result_of,
    split,
    tasks_for,
    within,
)
from ae_audit.schema.codec import Malformed
from ae_audit.settings.options import Settings
from ae_audit.source.text import STDIN

_CONNECT = 10.0
"""seconds"""
_WITHOUT_WORKERS = 60.0
"""seconds that a cluster may be without a worker: a nanny starts a new one within some"""
_AGAIN = "again"
"""what a worker answers when the scheduler gives it a task that another one died over"""
_DIED = "died"
"""what a worker's answer begins with when the process of a task died"""


def audit_on_cluster(
    targets: Sequence[AuditTarget], settings: Settings, progress: Progress, address: str
) -> tuple[FileAudit, ...]:
    """What is known of each file by itself, in the order of ``targets``, found by the workers at ``address``.

    Raises:
        UsageError: if Dask is not installed, there is no cluster at ``address``, or its workers see other files or
            have another version of ae-audit.
        Interrupted: on Ctrl-C, with the audits so far.
    """
    if any(target.path == STDIN for target in targets):
        raise UsageError("--dask is for files that every worker sees, and - is none.")
    progress.begin(len(targets))
    found: dict[str, FileAudit] = {}
    try:
        with _connected(address) as client:
            _check(client, address)
            for audit in _Session(client, settings).audits(tasks_for(targets, settings)):
                found[audit.target.path] = audit
                progress.done(audit.target.path)
    except KeyboardInterrupt:
        raise Interrupted([found[target.path] for target in targets if target.path in found]) from None
    finally:
        progress.close()
    return tuple(found[target.path] for target in targets)


@contextmanager
def connected(address: str, settings: Settings) -> Iterator[tuple[Performer, int]]:
    """What performs tasks on the workers at ``address``, and how many they perform at a time.

    Raises:
        UsageError: as :func:`audit_on_cluster` does.
    """
    with _connected(address) as client:
        _check(client, address)
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        session = _Session(client, settings)
        yield session.results, max(1, sum(session.places(worker) for worker in workers))


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--dask needs the package distributed: pip install distributed.") from None
    client = None
    try:
        client = Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        cause = str(error).splitlines()[0].rstrip(".") if str(error) else "no answer"
    if client is None:
        # one that never connected stops its loop when it is collected; while another starts its own, both wait for ever
        gc.collect()
        raise UsageError(f"--dask: there is no Dask scheduler at {address} ({cause}).")
    try:
        yield client
    finally:
        client.close(timeout=2)


def _check(client: Any, address: str) -> None:
    """See to it that every worker can do the work.

    Raises:
        UsageError: with what one of them lacks.
    """
    if not client.scheduler_info(n_workers=-1)["workers"]:
        try:
            client.wait_for_workers(1, timeout=_WITHOUT_WORKERS)
        except TimeoutError:
            raise UsageError(f"--dask: the scheduler at {address} has no workers.") from None
    try:
        answers: dict[str, tuple[str, bool]] = client.run(_what_is_there, os.getcwd())
    except ModuleNotFoundError as error:
        raise UsageError(f"--dask: the workers at {address} lack {error.name}: install ae-audit there.") from None
    for worker, (version, visible) in sorted(answers.items()):
        if version != __version__:
            raise UsageError(f"--dask: {worker} has ae-audit {version}, and this is {__version__}.")
        if not visible:
            raise UsageError(f"--dask: {worker} does not see {os.getcwd()}; the machines must share the files.")


def _what_is_there(folder: str) -> tuple[str, bool]:
    """On a worker: its version of ae-audit, and whether it sees the folder."""
    return __version__, os.path.isdir(folder)


class _Session:
    """The tasks of one audit on a cluster."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self._client = client
        self._name = f"ae-audit-{uuid.uuid4().hex[:12]}"
        self._number = 0
        self._gpu = _wants_gpu(client, settings)

    def places(self, worker: Any) -> int:
        """How many programs a worker runs at a time."""
        return int(worker.get("resources", {}).get("GPU", 0) if self._gpu else worker["nthreads"])

    def audits(self, tasks: Sequence[Task]) -> Iterator[FileAudit]:
        """Of each file of ``tasks``, as they come; first all at once, then alone what a worker died over."""
        again: list[Task] = []
        for task, answer in self._answers(tasks):
            several = len(task.targets) > 1  # which were only read, and one of them ended the process
            if answer is None or answer == _AGAIN or (several and answer.startswith(_DIED)):
                again += split(task)
            else:
                yield from _audits(task, answer)
        for task in again:
            for _, answer in self._answers([task]):
                if answer is None or answer == _AGAIN:
                    yield lost(task.targets[0], "the machine that audited it was lost, twice")
                else:
                    yield from _audits(task, answer)

    def _answers(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, str | None]]:
        """Each task with a worker's answer, as they come; None where none will come."""
        arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        pending: dict[str, tuple[Task, Any]] = {}
        try:
            for task in tasks:
                self._number += 1
                key = f"{self._name}-{self._number}"
                future = self._client.submit(
                    _on_worker,
                    order(task),
                    key,
                    key=key,
                    retries=0,
                    resources={"GPU": 1} if self._gpu and any(target.run for target in task.targets) else None,
                )
                pending[key] = task, future
                future.add_done_callback(lambda done: arrived.put(done.key))
            alone = 0.0
            while pending:
                try:
                    key = arrived.get(timeout=1.0)
                except queue.Empty:
                    alone = 0.0 if self._has_workers() else alone + 1.0
                    if alone < _WITHOUT_WORKERS:
                        continue
                    for task, _ in [pending.pop(key) for key in list(pending)]:
                        yield task, None
                    return
                if key in pending:
                    task, future = pending.pop(key)
                    yield task, _answer(future)
        finally:
            unfinished = [future for _, future in pending.values()]
            if unfinished:
                self._client.cancel(unfinished, force=True)

    def _has_workers(self) -> bool:
        status: str = self._client.status
        return status == "running" and bool(self._client.scheduler_info(n_workers=-1)["workers"])

    def results(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, TaskResult | str]]:
        """Each task with its result, or with how its process ended; once more, alone, what a worker died over.

        Raises:
            UsageError: where the worker's ae-audit refused one for a user's mistake.
        """
        again = []
        for task, answer in self._answers(tasks):
            if answer is None or answer == _AGAIN:
                again.append(task)
            else:
                yield task, _result(answer)
        for task in again:
            for _, answer in self._answers([task]):
                yield (
                    task,
                    "was lost with its machine, twice" if answer is None or answer == _AGAIN else _result(answer),
                )


def _wants_gpu(client: Any, settings: Settings) -> bool:
    """Whether programs run where a GPU is to be had: workers that declare some share none among tasks."""
    if settings.device == "cpu":
        return False
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return any(worker.get("resources", {}).get("GPU", 0) >= 1 for worker in workers)


def _answer(future: Any) -> str | None:
    """What the worker said; None where the task was lost with its machine."""
    from distributed import CancelledError, KilledWorker

    try:
        answer: str = future.result(timeout=_CONNECT)
    except (KilledWorker, CancelledError, TimeoutError, OSError):
        return None
    except Exception as error:  # of ours, or of Dask's, on the worker
        return f"{_DIED}failed on its worker: {own_failure(error)}"
    return answer


def _result(answer: str) -> TaskResult | str:
    """What ``answer`` holds, or how the process ended.

    Raises:
        UsageError: where the worker's ae-audit refused the task for a user's mistake.
    """
    if answer.startswith(_DIED):
        return answer[len(_DIED) :]
    try:
        result = result_of(answer)
    except Malformed as error:
        return f"gave an answer that cannot be read ({error})"
    if result.refused is not None:
        raise UsageError(result.refused)
    return result


def _audits(task: Task, answer: str) -> Iterator[FileAudit]:
    """The audits that ``answer`` holds.

    Raises:
        UsageError: where the worker's ae-audit refused the task for a user's mistake.
    """
    if answer.startswith(_DIED):
        yield from (lost(target, f"the process that audited it {answer[len(_DIED) :]}") for target in task.targets)
        return
    try:
        result = result_of(answer)
        if result.refused is not None:
            raise UsageError(result.refused)
        yield from audits_of(task, result)
    except Malformed as error:
        yield from (
            lost(target, f"a worker's answer cannot be read ({error})", internal=True) for target in task.targets
        )


def _on_worker(text: str, key: str) -> str:
    """On a worker: the result of the order ``text``, or how its process died."""
    from distributed import Event, get_client, get_worker

    begun = Event(f"{key}-begun", client=get_client())
    if begun.is_set():  # the scheduler gives a task to another worker where the first one died
        return _AGAIN
    begun.set()
    worker = get_worker()
    limit = getattr(worker.memory_manager, "memory_limit", None)
    if limit:
        text = within(text, int(limit) // max(1, worker.state.nthreads))

    def wanted() -> bool:
        state = worker.state.tasks.get(key)
        return state is not None and state.state != "cancelled"

    try:
        answer = performed(text, wanted)
    except TaskDied as death:
        answer = f"{_DIED}{death}"
    begun.clear()
    return answer

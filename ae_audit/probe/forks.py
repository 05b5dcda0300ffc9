"""Tasks done side by side, each in a process forked from this one."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

from ae_audit.runtime.sandbox.kernel import die_with_parent

Result = TypeVar("Result")

PATIENCE = 5.0
SLOWER = 3.0
"""a process is given up :data:`PATIENCE` seconds and this many times what the task here took after that was done"""


def parallel_seeds(tasks: Sequence[Callable[[], Result]], processes: int) -> list[Result]:
    """The results of ``tasks`` in their order; at most ``processes`` run at a time, this process among them.

    A forked process sees this one's memory as it was and changes none of it: what a task leaves behind besides its
    picklable result is lost. Where no process can be forked, or one dies or hangs (for a lock that no thread is
    there to open), its task is done here.

    Raises:
        Exception: what the first of the tasks that fail raises; the others are ended.
    """
    results: dict[int, Result] = {}
    for start in range(0, len(tasks), max(1, processes)):
        here, *elsewhere = range(start, min(start + max(1, processes), len(tasks)))
        forks = {index: _Fork.of(tasks[index]) for index in elsewhere}
        began = time.monotonic()
        try:
            results[here] = tasks[here]()
            patience = PATIENCE + SLOWER * (time.monotonic() - began)
            for index, fork in forks.items():
                answer: tuple[Result] | None = None if fork is None else fork.answer(patience)
                results[index] = tasks[index]() if answer is None else answer[0]
        finally:
            for fork in forks.values():
                if fork is not None:
                    fork.end()
    return [results[index] for index in range(len(tasks))]


class _Fork:
    """A process that does one task and sends what came of it."""

    def __init__(self, process: ForkProcess, receiver: Connection) -> None:
        self._process = process
        self._receiver = receiver

    @classmethod
    def of(cls, task: Callable[[], Result]) -> _Fork | None:
        """A process at work on ``task``; None where the system lets none be forked."""
        try:
            context = multiprocessing.get_context("fork")
        except ValueError:  # Windows
            return None
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(task, sender), daemon=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the tasks take no lock of theirs
                process.start()
        except (OSError, AssertionError):  # no more processes; a daemonic process may have no children
            receiver.close()
            return None
        finally:
            sender.close()
        return cls(process, receiver)

    def answer(self, patience: float) -> tuple[Any] | None:
        """The result, in a tuple; None where the process died without one, or none came for ``patience`` seconds.

        Raises:
            Exception: what the task raised.
        """
        try:
            if not self._receiver.poll(patience):
                return None
            done, value = self._receiver.recv()
        except (EOFError, OSError):
            return None
        if not done:
            raise value
        return (value,)

    def end(self) -> None:
        self._receiver.close()
        self._process.kill()
        self._process.join()


def _work(task: Callable[[], object], sender: Connection) -> None:
    die_with_parent()
    try:
        message = True, task()
    except Exception as error:
        message = False, error
    try:
        sender.send(message)
    except Exception as error:  # what cannot be pickled
        sender.send((False, RuntimeError(f"{type(error).__name__}: {error}")))

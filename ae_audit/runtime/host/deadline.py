"""End a program that goes on after its trainings were caught: judging and fitting them needs the rest of the time."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from ae_audit.runtime.host.scripts import StopProgram
from ae_audit.runtime.sandbox.clock import undisturbed

_AGAIN = 0.5
"""seconds between looks at a program that cannot be ended yet, or that caught what ends it"""


@contextlib.contextmanager
def stopped_after(
    seconds: float, may_stop: Callable[[], bool], on_stop: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Raise :class:`StopProgram` in the running program when ``seconds`` have passed, as soon as ``may_stop()``.

    Seconds in which the program waited for a processor do not count.

    Where there are no interval timers, or outside the main thread, the program just goes on.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    began = undisturbed()

    def look(*_: object) -> None:
        if undisturbed() - began >= seconds and may_stop():
            on_stop()
            raise StopProgram

    before = signal.signal(signal.SIGALRM, look)
    signal.siginterrupt(signal.SIGALRM, False)  # libraries do not expect their system calls to be cut short
    signal.setitimer(signal.ITIMER_REAL, max(seconds, _AGAIN), _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

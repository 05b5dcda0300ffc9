"""Time that a process had, as opposed to time that passed: what other programs took of the processor is not counted.

A budget in seconds of wall clock runs out sooner where the machine is busy, and the same program gets another report
there. Linux says how long a thread was ready to run and did not; elsewhere nothing is subtracted.
"""

from __future__ import annotations

import time

MOST_STRETCH = 4.0
"""times its budget that a process may take by the clock on the wall, however busy the machine is"""


def waited(process: int | str = "self") -> float:
    """Seconds that the main thread of a process has waited for a processor; 0 where nobody counts them."""
    try:
        with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def undisturbed() -> float:
    """Seconds, from no particular moment on, without those in which this process had to wait for a processor."""
    return time.monotonic() - waited()

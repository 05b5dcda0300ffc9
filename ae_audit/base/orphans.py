"""A process that is of no use any more once whoever started it is gone."""

from __future__ import annotations

import os
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable

_POLL = 0.5
"""seconds between looks"""


def once_orphaned(parent: int, then: Callable[[], object]) -> None:
    """Do ``then``, in a thread of its own, once the process ``parent`` is no longer the parent of this one."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL)
        then()

    threading.Thread(target=watch, daemon=True).start()

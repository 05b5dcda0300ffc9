"""What is being done, said on standard error while it is done.

On a terminal one line is kept up to date, from the second second on; elsewhere (CI) there are plain lines, and those
only when asked for. The base class says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import TextIO

PATIENCE = 1.0
"""seconds of silence before a terminal shows anything"""
_TICK = 0.2
_CELLS = 12
"""of a bar"""
_LEAST = 24
"""columns that must be left for words beside a bar"""


class Progress:
    """Says nothing; the stages call these methods, and subclasses speak."""

    def begin(self, files: int) -> None:
        """``files`` files are to be audited."""

    def step(self, path: str, doing: str, done: int = 0, of: int = 0) -> None:
        """``doing`` (``reading``, ``training at line 9, probe: as written, seed 1``) goes on in the file ``path``.

        ``done`` of ``of`` steps of it are taken, where they are counted.
        """

    def done(self, path: str) -> None:
        """The file ``path`` is finished."""

    @contextmanager
    def waiting(self, path: str, doing: str) -> Iterator[None]:
        """A step during which nobody can report: the terminal shows the seconds that pass."""
        self.step(path, doing)
        yield

    def close(self) -> None:
        """Leave standard error as it was found."""


class LineProgress(Progress):
    """A plain line for each thing that is begun; of files that are only read none, unless ``reading`` is set."""

    def __init__(self, stream: TextIO, reading: bool = True) -> None:
        self._stream = stream
        self._reading = reading
        self._last = ("", "")

    def step(self, path: str, doing: str, done: int = 0, of: int = 0) -> None:
        if (path, doing) != self._last and (self._reading or doing != "reading"):
            self._last = (path, doing)
            self._stream.write(f"ae-audit: {path}: {doing}\n")
            self._stream.flush()


class TerminalProgress(Progress):
    """One line on a terminal, rewritten in place and wiped at the end."""

    def __init__(self, stream: TextIO, width: int = 80) -> None:
        from threading import Lock

        self._stream = stream
        self._width = width
        self._begun = time.monotonic()
        self._files = self._finished = 0
        self._text = self._bar = ""
        self._step_begun = self._begun
        self._drawn = 0.0
        self._lock = Lock()

    def begin(self, files: int) -> None:
        self._files = files

    def step(self, path: str, doing: str, done: int = 0, of: int = 0) -> None:
        text = f"{path}: {doing}"
        if text != self._text:
            self._text, self._step_begun = text, time.monotonic()
        self._bar = _bar(done, of)
        self._draw()

    def done(self, path: str) -> None:
        self._finished += 1
        self._draw()

    @contextmanager
    def waiting(self, path: str, doing: str) -> Iterator[None]:
        from threading import Event, Thread

        self.step(path, doing)
        over = Event()

        def tick() -> None:
            while not over.wait(_TICK):
                self._draw()

        ticker = Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            over.set()
            ticker.join()

    def close(self) -> None:
        with self._lock:
            if self._drawn:
                self._stream.write("\r\x1b[K")
                self._stream.flush()
                self._drawn = 0.0

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._begun < PATIENCE or now - self._drawn < _TICK / 2:
            return
        counter = f"[{self._finished + 1}/{self._files}] " if self._files > 1 else ""
        seconds = f" ({now - self._step_begun:.0f} s)" if now - self._step_begun >= 1 else ""
        text = f"{counter}{self._text}"
        room = self._width - 1 - len(seconds) - len(self._bar)
        bar = self._bar if room >= _LEAST else ""
        room = max(room if bar else room + len(self._bar), 10)
        shown = "".join(c if c.isprintable() else "?" for c in text)
        with self._lock:
            self._drawn = now
            self._stream.write(f"\r{shown if len(shown) <= room else shown[: room - 3] + '...'}{bar}{seconds}\x1b[K")
            self._stream.flush()


def _bar(done: int, of: int) -> str:
    """`` [####--------] step 50 of 150``, in signs that every terminal has; nothing where steps are not counted."""
    if of <= 0:
        return ""
    done = min(max(done, 0), of)
    full = _CELLS * done // of
    return f" [{'#' * full}{'-' * (_CELLS - full)}] step {done} of {of}"

"""The parent's side of a run: start the child, hear its events, end it in time and whole.

Whatever happens to the child, every event that it had sent is kept, and :class:`ChildOutcome` says how it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Any

from ae_audit.runtime.sandbox import bubblewrap, processes, run_folder, scratch_dir
from ae_audit.runtime.sandbox.channel import EVENTS, REQUEST, WHEREABOUTS
from ae_audit.runtime.sandbox.clock import MOST_STRETCH, waited
from ae_audit.runtime.sandbox.interpreters import OWN, Interpreter
from ae_audit.runtime.sandbox.policy import FILE_BYTES
from ae_audit.runtime.sandbox.start import EMPTY, Child, Start
from ae_audit.runtime.sandbox.zygote import Zygote
from ae_audit.schema.messages import Finished
from ae_audit.source.notebook_cells import CELL_MARK

Event = dict[str, Any]

_KEPT_OUTPUT = 64 << 10
"""bytes of each stream: the last lines tell why a program failed"""
LONGEST_EVENT = 4 << 20
"""bytes of one event; a capture's own are a few kilobytes, and what JSON unfolds to is some twenty times as large"""
MOST_EVENTS = 20_000
"""of one child before it is ended: each costs us time and memory, and an audit's own are some dozens"""
_MOST_EVENT_BYTES = 64 << 20
"""bytes that are read from a child before it is ended as one that floods us"""
_FINISHED = Finished.__name__
_MOST_PROCESSES = 400
"""of one child: loaders have a worker a core, a fork bomb soon has thousands"""
_GRACE = 0.5
"""seconds from the request to end (SIGTERM) to the end (SIGKILL)"""
_POLL = 0.05
"""seconds between looks at the clock"""
_CENSUS = 0.2
"""seconds between looks at who belongs to the family; each reads a file for every thread"""
_MARK = "AE_AUDIT_RUN"


class Ending(Enum):
    """How a child ended."""

    FINISHED = "finished"
    """it said that all was done"""
    EXITED = "exited"
    """it ended by itself, without saying so: ``os._exit``, ``exec``"""
    SIGNALLED = "killed by a signal"
    TIMED_OUT = "timed out"
    MEMORY = "out of memory"
    PROCESSES = "too many processes"
    FLOODED = "too many events"
    NOT_STARTED = "not started"


@dataclass(frozen=True, slots=True)
class ChildOutcome:
    """What became of a child."""

    ending: Ending
    events: tuple[Event, ...]
    """all that arrived whole, in order; none where a listener heard them"""
    exit_code: int | None = None
    signal: str | None = None
    """name of the signal that killed it: ``SIGSEGV``"""
    seconds: float = 0.0
    peak_memory: int = 0
    """bytes, of all its processes together"""
    stdout: str = ""
    """the last part of what the program printed"""
    stderr: str = ""
    where: tuple[tuple[str, int], ...] = ()
    """file and line of each frame that was being run when it crashed or was stopped, the innermost first"""
    limit: str = ""
    """the bound that it met: ``60 s``, ``4 GiB``"""
    ignored: int = 0
    """lines that were no event, too long, too many, or came after the end"""

    @property
    def ok(self) -> bool:
        return self.ending is Ending.FINISHED

    def place_in(self, script: str | Path) -> tuple[int, int | None] | None:
        """Line of ``script`` (a notebook: line and cell) that was being run when it ended, where that is known."""
        wanted = os.path.realpath(script)
        for path, line in self.where:
            stem, _, cell = path.rpartition(CELL_MARK)
            if stem and cell.isdigit() and os.path.realpath(stem) == wanted:
                return line, int(cell)
            if os.path.realpath(path) == wanted:
                return line, None
        return None

    def line_in(self, script: str | Path) -> int | None:
        """The line alone."""
        place = self.place_in(script)
        return None if place is None else place[0]

    def sentence(self, script: str | Path | None = None) -> str:
        """What happened, in one clause that goes on from `the program`: ``was stopped after 60 s, at line 12``."""
        place = None if script is None else self.place_in(script)
        at = "" if place is None else f" at line {place[0]}" + ("" if place[1] is None else f" of cell {place[1]}")
        if self.ending is Ending.FINISHED:
            return "ended"
        if self.ending is Ending.TIMED_OUT:
            return f"was still running{at} after {self.limit} and was stopped"
        if self.ending is Ending.MEMORY:
            return f"took more than {self.limit} of memory{at} and was stopped"
        if self.ending is Ending.PROCESSES:
            return f"started more than {_MOST_PROCESSES} processes{at} and was stopped"
        if self.ending is Ending.FLOODED:
            return f"sent more than {self.limit}{at} and was stopped"
        if self.ending is Ending.SIGNALLED:
            return f"was killed by {self.signal}{_SIGNAL_MEANS.get(self.signal or '', '')}{at}"
        if self.ending is Ending.NOT_STARTED:
            return f"could not be started: {_last_line(self.stderr)}"
        if self.exit_code == 0:
            return f"ended its process{at} before the audit was done (os._exit or exec)"
        cause = _last_line(self.stderr)
        return f"ended its process{at} with exit code {self.exit_code}" + (f": {cause}" if cause else "")


_SIGNAL_MEANS = {
    "SIGSEGV": " (segmentation fault)",
    "SIGABRT": " (abort)",
    "SIGFPE": " (arithmetic error)",
    "SIGILL": " (illegal instruction)",
    "SIGBUS": " (bus error)",
    "SIGXCPU": " (processor time used up)",
    "SIGKILL": " (by itself, or for want of memory)",
}


def default_memory_limit() -> int:
    """Three quarters of the memory that is free now, at most 16 GiB; 4 GiB where the system does not tell."""
    figures = processes.memory_of_machine()
    return 4 << 30 if figures is None else max(1 << 30, min(16 << 30, figures[1] * 3 // 4))


def run_child(
    request: Mapping[str, Any],
    *,
    module: str,
    timeout: float,
    script: str | Path | None = None,
    memory_bytes: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    env: Mapping[str, str] | None = None,
    allow_write: Sequence[str | Path] = (),
    allow_network: bool = False,
    file_bytes: int = FILE_BYTES,
    working_folders: Sequence[str | Path] = (),
    home: str | Path | None = None,
    interpreter: Interpreter = OWN,
    zygote: Zygote | None = None,
) -> ChildOutcome:
    """Run ``python -m module`` as a confined child (:mod:`ae_audit.runtime.sandbox.channel`) and hear it to its end.

    Args:
        request: any JSON object; the child finds it as ``Session.request``.
        module: the child's entry.
        timeout: seconds that the child has, without those that it waits for a processor; at most four times as many
            pass by the clock on the wall.
        script: the program whose folder is mirrored as the working folder; None: an empty one.
        memory_bytes: bound on the memory of all its processes together; None: :func:`default_memory_limit`.
        on_event: hears each event as it arrives; what it raises ends the child and is raised here.
        env: variables added to the cleared environment.
        allow_write: folders that the program may write in.
        allow_network: whether it may open connections.
        file_bytes: size of the largest file it may write.
        working_folders: further folders whose entries appear in the working folder (where the command was given).
        home: the folder that is mirrored as the working folder, where it is not the script's own.
        interpreter: the Python that the child runs in.
        zygote: a process of that Python from which the child is forked; None: it is started by itself.
    """
    if not hasattr(os, "mkfifo"):
        return ChildOutcome(Ending.NOT_STARTED, (), stderr="running programs requires Linux or macOS")
    memory = default_memory_limit() if memory_bytes is None else memory_bytes
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(run_folder.held())
            scratch = folder / "scratch"
            if script is None:
                place = scratch / "work"
                place.mkdir(parents=True)
            else:
                place = scratch_dir.mirror(
                    Path(script), scratch, map(Path, working_folders), None if home is None else Path(home)
                )
            order = {
                "request": request,
                "scratch": str(scratch),
                "working_folder": str(place),
                "allow_write": [os.path.realpath(path) for path in allow_write],
                "allow_network": allow_network,
                "cpu_seconds": int(timeout * (os.cpu_count() or 1)) + 60,
                "file_bytes": file_bytes,
            }
            (folder / REQUEST).write_text(json.dumps(order), encoding="utf-8")
            os.mkfifo(folder / EVENTS, 0o600)
            (folder / EMPTY).mkdir()
            variables = scratch_dir.environment(scratch, network=allow_network, extra=env)
        except OSError as error:  # the disk is full, or nobody may write where temporary files go
            return ChildOutcome(Ending.NOT_STARTED, (), stderr=f"its folder cannot be made: {error.strerror or error}")
        run = _Run(folder, timeout, memory, on_event)
        return run.through(Start(interpreter, module, zygote), variables)


@dataclass
class _Run:
    """One run of a child, from start to end."""

    folder: Path
    timeout: float
    memory: int
    on_event: Callable[[Event], None] | None
    mark: str = field(default_factory=lambda: secrets.token_hex(16))
    events: list[Event] = field(default_factory=list)
    partial: bytearray = field(default_factory=bytearray)
    event_bytes: int = 0
    heard: int = 0
    ignored: int = 0
    finished: bool = False
    peak: int = 0
    family: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    next_census: float = 0.0
    tails: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})

    def through(self, begin: Start, variables: dict[str, str]) -> ChildOutcome:
        # Open for reading and writing: no end of file when the child closes its end, and opens it again.
        fifo = os.open(self.folder / EVENTS, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        start = time.monotonic()
        try:
            child = begin(self.folder, {**variables, _MARK: self.mark})
        except OSError as error:
            os.close(fifo)
            return ChildOutcome(Ending.NOT_STARTED, (), stderr=str(error))
        try:
            stopped = self._listen(child, fifo, start + self.timeout)
            if stopped is not None:
                self._ask_whereabouts(child)
            processes.end(child.pid, self.mark, grace=_GRACE if stopped is Ending.TIMED_OUT else 0.0)
            boxed = processes.name(child.pid) == bubblewrap.NAME
            code = bubblewrap.code_of(child.wait()) if boxed else child.wait()
            self._drain(child, fifo)
        finally:
            if child.returncode is None:  # an exception came in between
                processes.end(child.pid, self.mark, grace=0.0)
                child.wait()
            for stream in (child.stdout, child.stderr):
                if stream is not None:
                    stream.close()
            os.close(fifo)
            processes.remove_shared_memory(self.seen)
        return self._outcome(stopped, code, time.monotonic() - start)

    def _listen(self, child: Child, fifo: int, deadline: float) -> Ending | None:
        """Until the child ends (None) or has to be ended (why)."""
        with selectors.DefaultSelector() as selector, processes.end_of(child) as end:
            if end is not None:
                selector.register(end, selectors.EVENT_READ, "end")
            selector.register(fifo, selectors.EVENT_READ, "events")
            for name, stream in _streams(child):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, name)
            next_look = 0.0
            finished_at: float | None = None
            while True:
                for key, _ in selector.select(_POLL):
                    if key.data == "events":
                        self._read_events(fifo)
                    elif key.data != "end" and not self._read_output(key.data, key.fd):
                        selector.unregister(key.fileobj)
                now = time.monotonic()
                if processes.has_ended(child):
                    return None
                if self.event_bytes > _MOST_EVENT_BYTES or self.heard > MOST_EVENTS:
                    return Ending.FLOODED
                if self.finished:
                    finished_at = finished_at or now
                    if now > finished_at + 2:
                        return None
                most = deadline + (MOST_STRETCH - 1) * self.timeout
                if now > deadline and (now > most or now - waited(processes.program_of(child.pid)) > deadline):
                    return Ending.TIMED_OUT
                if now >= next_look:
                    next_look = now + _POLL
                    stopped = self._look_at_memory(child.pid)
                    if stopped is not None:
                        return stopped

    def _look_at_memory(self, root: int) -> Ending | None:
        now = time.monotonic()
        if now >= self.next_census:
            self.family, self.next_census = processes.descendants(root), now + _CENSUS
            self.seen |= self.family
        if len(self.family) > _MOST_PROCESSES:
            return Ending.PROCESSES
        held = processes.memory(self.family, self.memory)
        self.peak = max(self.peak, held)
        if held > self.memory or (processes.machine_is_short_of_memory() and held > 256 << 20):
            return Ending.MEMORY
        return None

    def _read_events(self, fifo: int) -> bool:
        try:
            data = os.read(fifo, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            return False
        self.event_bytes += len(data)
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._extend(line)
            self._take(bytes(self.partial))
            self.partial.clear()
        self._extend(rest)
        return True

    def _extend(self, data: bytes) -> None:
        """Keep more of a line, as far as it matters: one byte too many shows that it is too long."""
        self.partial += data[: LONGEST_EVENT + 1 - len(self.partial)]

    def _take(self, line: bytes) -> None:
        self.heard += 1
        wanted = not self.finished and self.heard <= MOST_EVENTS and len(line) <= LONGEST_EVENT
        event = _event(line) if wanted else None
        if event is None:
            self.ignored += 1
            return
        self.finished = event["type"] == _FINISHED
        if self.on_event is None:
            self.events.append(event)
        else:
            self.on_event(event)

    def _read_output(self, name: str, descriptor: int) -> bool:
        """Whether the stream goes on."""
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        tail = self.tails[name]
        tail += data
        if len(tail) > 2 * _KEPT_OUTPUT:
            del tail[:-_KEPT_OUTPUT]
        return bool(data)

    def _drain(self, child: Child, fifo: int) -> None:
        while self._read_events(fifo):
            pass
        for name, stream in _streams(child):
            for _ in range(64):  # a process that we could not end may go on printing
                if _is_ready(stream) and not self._read_output(name, stream.fileno()):
                    break

    def _ask_whereabouts(self, child: Child) -> None:
        if not processes.has_ended(child):
            with contextlib.suppress(OSError):
                os.kill(processes.program_of(child.pid), signal.SIGUSR1)
            time.sleep(0.1)

    def _outcome(self, stopped: Ending | None, code: int, seconds: float) -> ChildOutcome:
        ending, name = stopped, None
        if self.finished:
            ending = Ending.FINISHED
        elif ending is None:
            ending = Ending.SIGNALLED if code < 0 else Ending.EXITED
        if ending is Ending.SIGNALLED:
            name = _signal_name(-code)
        limit = {
            Ending.TIMED_OUT: f"{self.timeout:g} s",
            Ending.MEMORY: _size(self.memory),
            Ending.FLOODED: f"{MOST_EVENTS:,} messages or {_size(_MOST_EVENT_BYTES)} of them",
        }.get(ending, "")
        stdout, stderr = (_text(self.tails[key]) for key in ("stdout", "stderr"))
        return ChildOutcome(
            ending=ending,
            events=tuple(self.events),
            exit_code=code if code >= 0 else None,
            signal=name,
            seconds=seconds,
            peak_memory=self.peak,
            stdout=stdout,
            stderr=stderr,
            where=_frames(self._whereabouts()) or _frames(stderr if ending is Ending.SIGNALLED else ""),
            limit=limit,
            ignored=self.ignored,
        )

    def _whereabouts(self) -> str:
        try:
            with open(self.folder / WHEREABOUTS, errors="replace") as file:
                return file.read(1 << 16)
        except OSError:
            return ""


def _streams(child: Child) -> list[tuple[str, IO[bytes]]]:
    pairs = [("stdout", child.stdout), ("stderr", child.stderr)]
    return [(name, stream) for name, stream in pairs if stream is not None]


def _is_ready(stream: IO[bytes]) -> bool:
    """Whether something can be read from ``stream`` at once."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(0))


def _event(line: bytes) -> Event | None:
    """The JSON object in ``line`` that names its kind; None where there is none."""
    try:
        event = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _frames(dump: str) -> tuple[tuple[str, int], ...]:
    """Frames of the main thread in a dump by faulthandler (the last dump, its last thread or the current one)."""
    threads: list[tuple[str, list[tuple[str, int]]]] = []
    for line in dump.splitlines():
        if "(most recent call first)" in line:
            threads.append((line, []))
        elif threads and (found := re.match(r'  File "(.*)", line (\d+) in ', line)):
            threads[-1][1].append((found[1], int(found[2])))
    if not threads:
        return ()
    # The main thread has the lowest frame `runpy`; faulthandler lists it last, the current one first.
    main = [frames for _, frames in threads if any(path.endswith("runpy.py") or "runpy" in path for path, _ in frames)]
    return tuple(main[-1] if main else threads[-1][1])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _size(count: int) -> str:
    return f"{count / (1 << 30):.3g} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.3g} MiB"


def _text(data: bytearray) -> str:
    return bytes(data[-_KEPT_OUTPUT:]).decode("utf-8", errors="replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""

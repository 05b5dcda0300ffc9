"""A torch training watched from first batch to end: when to look, when to log, what to say of what was not seen."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ae_audit.base.errors import FindingsError
from ae_audit.watching.loggers import Loggers
from ae_audit.watching.session import LiveAudit, Log, WatchedReport, loss_line

if TYPE_CHECKING:
    from ae_audit.runtime.torch.readings import Reading, Readings
    from ae_audit.runtime.torch.watch import LiveTorchRecorder

FIRST_LOG, LOG_GROWTH, LAST_LOG = 5.0, 2.0, 300.0
"""seconds until the first line of the log after that of the first batches, and how they grow"""
MOST_RECORDINGS = 8
"""trainings of one block that are looked at"""

OTHER_KERAS = (
    "Keras trains a model here, which ae_audit.watch() cannot see: it watches torch loops. "
    "Give fit the callback instead: model.fit(…, callbacks=[ae_audit.Watch()])"
)
NOTHING_SEEN = (
    "no training step was seen: neither backward() nor an optimizer's step ran in the thread that "
    "entered ae_audit.watch()"
)
NO_LOSS = "a training was seen, but in its first steps no loss that compares the model's output with data"
ALREADY = "this process is being watched already, so this watching sees nothing"


class TorchWatching:
    """Watches the torch trainings of this thread from :meth:`begin` to :meth:`end`."""

    def __init__(
        self,
        audit: LiveAudit,
        report: WatchedReport,
        log: Log | None,
        batches: int,
        *,
        loggers: Callable[[], Loggers] | None = None,
        step: Callable[[], int | None] | None = None,
    ) -> None:
        self._audit = audit
        self._report = report
        self._log = log
        self._batches = batches
        self._recorder: LiveTorchRecorder | None = None
        self._readings: Readings | None = None
        self._kept: list[Any] = []
        self._recordings = self._steps = 0
        self._stack = contextlib.ExitStack()
        self._last: list[Reading] = []
        self._last_at = 0.0
        self._logged_at = 0.0
        self._pause = FIRST_LOG
        self._keras = False
        self._active = False
        self._stepped: set[int] = set()
        """optimizers whose first steps were seen"""
        self._idle: list[Any] = []
        self._find_loggers = loggers
        self._own_step = step
        self._loggers = Loggers(())
        self._optimizers: list[Any] = []

    def begin(self) -> None:
        """Begin to watch this thread."""
        import torch

        if torch.nn.Module.__call__.__module__.startswith("ae_audit"):
            self._audit.note(ALREADY, warn=False)
            return
        self._active = True
        self._stack.enter_context(self._without_keras())
        self._stack.enter_context(self._new_optimizers(torch))
        self._record()

    def end(self, error: BaseException | None = None) -> None:
        """The training is over: judge what was not judged yet, settle, log, fill the report, leave nothing behind.

        Raises:
            FindingsError: where an error was found and the audit is strict, unless the training ended with ``error``.
        """
        if not self._active:
            self._report.fill(self._audit.report())
            return
        self._active = False
        recorder, self._recorder = self._recorder, None
        self._stop_reading()
        if recorder is not None:
            recorder.remove()
        self._forget_idle()
        self._stack.close()
        try:
            if recorder is not None and not isinstance(error, FindingsError):
                self._look(recorder)
            self._settle()
        except FindingsError:
            if error is None:
                raise
        finally:
            self._say_the_rest()
            self._report.fill(self._audit.report())
            self._audit.log_findings(self._loggers, self._step())
            self._optimizers.clear()

    # --- recording --------------------------------------------------------------------------------------------------

    def _record(self) -> None:
        from ae_audit.runtime.torch.watch import LiveTorchRecorder

        self._stop_reading()  # both exchange methods of torch, so one must be over before the other begins
        self._recordings += 1
        self._recorder = LiveTorchRecorder(
            self._audit.path,
            steps=self._batches,
            on_first=self._first,
            on_enough=self._enough,
            on_failure=self._audit.failed,
            for_trials=self._audit.probe,
        )
        self._recorder.install()

    def _stop_reading(self) -> None:
        readings, self._readings = self._readings, None
        if readings is not None:
            readings.close()

    def _first(self) -> None:
        if self._recorder is not None:
            with self._audit.ours():
                self._audit.first_look(self._recorder.captures())

    def _enough(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        self._look(recorder)
        self._stepped |= recorder.stepped
        self._forget_idle()
        if self._recordings < MOST_RECORDINGS:
            self._await(recorder.optimizers_elsewhere)
        if self._worth(recorder.readings.values()) and self._recorder is None:
            from ae_audit.runtime.torch.readings import Readings

            self._readings = Readings(self._read)
            self._readings.begin()

    def _look(self, recorder: LiveTorchRecorder) -> None:
        self._keras = self._keras or recorder.keras
        self._steps += recorder.steps
        with self._audit.ours():
            captures = recorder.captures()
            if self._audit.probe:
                self._kept += captures
            else:
                self._audit.look(captures)
            self._report.fill(self._audit.report())
        self._optimizers += [weakref.ref(record.optimizer) for record in recorder.optimizers.values()]
        if self._find_loggers is not None:
            with self._audit.ours():
                self._loggers = self._find_loggers()
        if recorder.readings:
            self._last, self._last_at = list(recorder.readings.values()), time.monotonic()
            self._write_figures()
            self._write("first batches")

    def _worth(self, readings: Iterable[Reading]) -> bool:
        """Whether anybody is there to be told of such readings."""
        return any(reading.has_floor and self._log is not None for reading in readings) or (
            bool(self._loggers) and any(True for _ in readings)
        )

    def _step(self) -> int | None:
        """Steps that the training has taken, where somebody counts them: a trainer, or the optimizer's own state."""
        if self._own_step is not None:
            return self._own_step()
        counted = [
            int(state["step"])
            for reference in self._optimizers
            if (optimizer := reference()) is not None
            for state in list(optimizer.state.values())[:1]
            if "step" in state
        ]
        return max(counted, default=None)

    def _write_figures(self) -> None:
        if self._loggers:
            with self._audit.ours():
                for reading in self._last:
                    name = "" if len(self._last) == 1 else reading.name
                    self._loggers.write(name, reading.value, reading.floor, reading.r2, self._step())

    def _settle(self) -> None:
        if self._kept:
            with self._audit.ours():
                self._audit.look(self._kept, settle=True)

    # --- what comes later in the block ------------------------------------------------------------------------------

    def _await(self, optimizers: Sequence[Any]) -> None:
        """Watch again when one of these takes its first step: a model that is trained after another."""
        for optimizer in optimizers:
            if id(optimizer) not in self._stepped:
                self._idle.append(optimizer.register_step_pre_hook(self._another))

    def _another(self, optimizer: Any, *_: Any) -> None:
        if self._active and self._recorder is None and id(optimizer) not in self._stepped:
            self._stepped.add(id(optimizer))
            if self._recordings < MOST_RECORDINGS:
                self._record()

    def _forget_idle(self) -> None:
        for handle in self._idle:
            handle.remove()
        self._idle.clear()

    @contextlib.contextmanager
    def _new_optimizers(self, torch: Any) -> Any:
        """Watch again where the block makes another optimizer; nothing of this is in a training step's way."""
        original = torch.optim.Optimizer.__init__

        @functools.wraps(original)
        def construct(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            original(optimizer, *args, **kwargs)
            if self._recorder is None:
                self._stepped.discard(id(optimizer))
                self._await([optimizer])

        torch.optim.Optimizer.__init__ = construct
        try:
            yield
        finally:
            torch.optim.Optimizer.__init__ = original

    @contextlib.contextmanager
    def _without_keras(self) -> Any:
        """Say so where the block trains a Keras model, and stay out of its way."""
        model = getattr(sys.modules.get("keras"), "Model", None)
        if model is None:
            yield
            return
        original: Callable[..., Any] = model.fit

        @functools.wraps(original)
        def fit(*args: Any, **kwargs: Any) -> Any:
            self._tell_keras()
            with self._recorder.aside() if self._recorder is not None else contextlib.nullcontext():
                return original(*args, **kwargs)

        model.fit = fit
        try:
            yield
        finally:
            model.fit = original

    def _tell_keras(self) -> None:
        self._keras = True
        self._audit.note(OTHER_KERAS)

    # --- the log ----------------------------------------------------------------------------------------------------

    def _read(self, readings: list[Reading]) -> None:
        self._last, self._last_at = readings, time.monotonic()
        self._write_figures()
        if time.monotonic() - self._logged_at >= self._pause:
            self._pause = min(LAST_LOG, self._pause * LOG_GROWTH)
            self._write("now")

    def _write(self, when: str) -> None:
        self._logged_at = time.monotonic()
        told = [reading for reading in self._last if reading.has_floor]
        for reading in told if self._log is not None else ():
            name = "loss" if len(told) == 1 else reading.name
            with contextlib.suppress(Exception):  # a log of the user's own must not end the training
                assert self._log is not None
                self._log(f"ae-audit: {when}: {loss_line(name, reading.value, reading.floor)}")

    def _say_the_rest(self) -> None:
        if self._last and self._last_at > self._logged_at:
            age = time.monotonic() - self._last_at
            self._write(f"{age:.1f} s before the end")
        if not self._audit.empty or self._audit.has_failed:
            return
        if self._keras:
            self._tell_keras()
        else:
            self._audit.note(NO_LOSS if self._steps else NOTHING_SEEN)

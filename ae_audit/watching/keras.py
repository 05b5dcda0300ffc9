"""A Keras training watched from inside its callback: what to look at, and what the log says at the end of an epoch."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ae_audit.theory.floors import NEGLIGIBLE_FLOOR
from ae_audit.watching.loggers import Loggers, open_loggers
from ae_audit.watching.session import LiveAudit, Log, WatchedReport, exact_floor, loss_line

if TYPE_CHECKING:
    from ae_audit.runtime.keras.batches import Batches
    from ae_audit.runtime.keras.watch import Fit, PassingBatches, Scored
    from ae_audit.schema.training_setup import TrainingSetup

UNKNOWN_FIT = "this training is not run by Keras' own fit, so its data were not seen"
UNREADABLE = "the data of this training cannot be looked at: {}"
NO_BATCH = "the training ended before a batch was seen, or its batches are of a kind that cannot be looked at"
NO_LOSS = "no prediction and no loss were seen in this training step"


class KerasWatching:
    """Watches one ``fit`` from :meth:`begin` to :meth:`end`."""

    def __init__(self, audit: LiveAudit, report: WatchedReport, log: Log | None, batches: int) -> None:
        self._audit = audit
        self._report = report
        self._log = log
        self._count = 1 if audit.strict else batches
        self._model: Any = None
        self._fit: Fit | None = None
        self._passing: PassingBatches | None = None
        self._looked = False
        self._kept: Batches | None = None
        self._initial: Any = None
        self._floors: dict[str, float] = {}
        self._exact: dict[str, float] = {}
        """as ``_floors``, those at 0 too"""
        self._loggers = Loggers(())
        self._scored: Scored | None = None
        self._epoch = 0

    def begin(self, model: Any) -> None:
        """``fit`` is about to take its first step.

        Raises:
            FindingsError: where the data show an error and the audit is strict.
        """
        from ae_audit.runtime.keras.batches import Unreadable
        from ae_audit.runtime.keras.watch import PassingBatches, array_batches, running_fit

        self._model = model
        with self._audit.ours():
            self._fit = running_fit(model, self._audit.path)
            if self._fit is None:
                if not _in_sandbox():
                    self._audit.note(UNKNOWN_FIT)
                return
            if self._audit.probe:
                from ae_audit.runtime.keras.variables import read, variables_of

                self._initial = read(variables_of(model))
            try:
                batches = array_batches(self._fit)
            except Unreadable as cause:
                self._audit.note(UNREADABLE.format(cause))
                return
            if batches is None:
                self._passing = PassingBatches(model, self._count, self._passed)
            else:
                self._look(batches)

    def epoch(self, number: int, logs: Mapping[str, Any]) -> None:
        """An epoch is over; ``logs`` are Keras' own, means over the epoch."""
        self._epoch = number + 1
        self._write_figures(number, logs)
        if self._log is None:
            return
        for key, least in self._floors.items():
            with contextlib.suppress(Exception):  # a log of the user's own must not end the training
                self._log(f"ae-audit: epoch {number + 1}: {loss_line(key, float(logs[key]), least)}")

    def end(self) -> None:
        """The training is over: judge what was seen, settle, fill the report.

        Raises:
            FindingsError: where an error was found and the audit is strict.
        """
        try:
            if self._passing is not None:
                self._passing.close()
                if not self._looked:
                    self._passed(self._passing.parts)
            if self._kept is not None:
                self._settle(self._kept)
        finally:
            self._report.fill(self._audit.report())
            self._audit.log_findings(self._loggers, self._epoch)

    def _write_figures(self, number: int, logs: Mapping[str, Any]) -> None:
        """What loggers get at the end of an epoch: Keras' own loss of it, and R² on the first samples that passed."""
        if not number:
            self._loggers = open_loggers(self._model, callbacks=None if self._fit is None else self._fit.callbacks)
            if not self._audit.probe:  # in the end Keras' TensorBoard is closed already
                self._audit.log_findings(self._loggers, number)
        if not self._loggers or "loss" not in logs:
            return
        with self._audit.ours():
            score = None if self._scored is None else self._scored.r2(self._model)
            self._loggers.write("", float(logs["loss"]), self._exact.get("loss"), score, number)

    # --- looking ----------------------------------------------------------------------------------------------------

    def _passed(self, parts: list[Any]) -> None:
        """The first batches of a stream have passed."""
        from ae_audit.runtime.keras.batches import Unreadable, join

        self._looked = True
        with self._audit.ours():
            try:
                batches = join([part if isinstance(part, tuple) else (part,) for part in parts])
            except Unreadable as cause:
                self._audit.note(UNREADABLE.format(cause) if parts else NO_BATCH)
                return
            self._look(batches)

    def _look(self, batches: Batches) -> None:
        from ae_audit.runtime.keras.watch import capture_watched, untouched

        assert self._fit is not None
        if self._audit.probe:
            self._kept = batches
        with untouched(self._model):
            captures = capture_watched(self._model, batches, self._fit)
        if not captures:
            self._audit.note(NO_LOSS)
        try:
            setups = self._audit.certified(captures) if self._audit.probe else self._audit.look(captures)
        finally:
            self._report.fill(self._audit.report())
        weighted = self._fit.weighted or (isinstance(batches.data, tuple) and len(batches.data) > 2)
        if not weighted:
            self._exact = _floors(self._model, setups)
            self._floors = {key: least for key, least in self._exact.items() if least > NEGLIGIBLE_FLOOR}
        if len(setups) == 1:
            from ae_audit.runtime.keras.watch import Scored

            self._scored = Scored.of(batches, setups[0])

    def _settle(self, batches: Batches) -> None:
        from ae_audit.runtime.keras.watch import capture_watched, untouched

        assert self._fit is not None
        with self._audit.ours(), untouched(self._model, self._initial):
            self._audit.look(capture_watched(self._model, batches, self._fit), settle=True)


def _floors(model: Any, setups: list[TrainingSetup]) -> dict[str, float]:
    """By the name under which Keras logs it, the floor of each loss whose figure there is that loss alone."""
    names = list(getattr(model, "output_names", None) or ())
    keys = ["loss"] if len(setups) == 1 else [f"{name}_loss" for name in names] if len(names) == len(setups) else []
    found = {}
    for key, setup in zip(keys, setups, strict=False):
        least = exact_floor(setup)
        penalised = key == "loss" and (bool(model.losses) or setup.loss.weight not in {None, 1.0})
        known = setup.loss.name is not None and not setup.loss.custom
        if least is not None and known and not penalised and setup.loss.reduction != "sum":
            found[key] = least
    return found


def _in_sandbox() -> bool:
    """Whether the training is a program's that ae-audit runs, where nothing is trained."""
    fit = getattr(getattr(sys.modules.get("keras"), "Model", None), "fit", None)
    return getattr(getattr(fit, "__code__", None), "co_filename", "").endswith("keras_recorder.py")

"""What both kinds of children do with a set-up that they have judged: settle its findings, and tell the parent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ae_audit.engine.settling import PROBE_SHARE, settled
from ae_audit.probe import ProbeOptions
from ae_audit.probe.grid import NothingToCompare, Spend, compare_grid
from ae_audit.runtime.capture import Capture
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.codec import from_json
from ae_audit.schema.comparison import GridOptions
from ae_audit.schema.findings import Finding
from ae_audit.schema.messages import (
    CellFitted,
    ComparisonBegun,
    Message,
    Progressed,
    RunStage,
    SetupSettled,
    SetupShown,
    StageFailed,
)
from ae_audit.schema.training_setup import TrainingSetup

Emit = Callable[[Message], None]


def settle_and_tell(
    number: int,
    capture: Capture,
    audited: AuditedSetup,
    request: dict[str, Any],
    time: float,
    emit: Emit,
    processes: int = 1,
    of: int = 1,
) -> None:
    """Settle the findings of the set-up that was told as ``number``; tell their verdicts, and what there is to look at.

    Args:
        number: of the message ``SetupSeen`` that came before.
        capture: to be fitted again.
        audited: as it was told.
        request: of the parent, with ``probe`` and ``seed``.
        time: seconds that are this set-up's.
        emit: sends a message to the parent.
        processes: that may fit seeds side by side.
        of: set-ups that are looked at altogether.
    """
    options = ProbeOptions(seed=request["seed"], time=max(1.0, PROBE_SHARE * time), processes=processes)

    def progress(now: Progressed) -> None:
        emit(replace(now, text=f"{which}{now.text}"))

    place = audited.setup.location
    which = f"training at line {place.line}" if place.cell is None else f"training at cell {place.cell}:{place.line}"
    which += f" ({number + 1} of {of}), " if of > 1 else ", "

    def before_fits(findings: tuple[Finding, ...]) -> None:
        emit(SetupSettled(number, findings, final=False))

    after = settled(capture, audited, options if request["probe"] else None, progress, before_fits)
    if after.findings != audited.findings:
        emit(SetupSettled(number, after.findings))
    if after.sight is not None:
        emit(SetupShown(number, after.sight))


def compare_and_tell(
    number: int,
    capture: Capture,
    setup: TrainingSetup,
    request: dict[str, Any],
    time: float,
    emit: Emit,
    processes: int = 1,
) -> None:
    """Compare heads and losses on what was captured, as ``request["compare"]`` asks, and tell each as it is fitted.

    The arguments are those of :func:`settle_and_tell`; ``setup`` is the capture's, with what else is known of it.
    """
    options = from_json(GridOptions, request["compare"])
    if options.part is not None and not options.part.of_training(number):
        return
    try:
        compare_grid(
            capture,
            setup,
            options,
            Spend(max(1.0, PROBE_SHARE * time), processes, request["seed"]),
            lambda comparison: emit(ComparisonBegun(number, comparison)),
            lambda cell: emit(CellFitted(number, cell)),
            lambda text: emit(Progressed(text)),
            number,
        )
    except NothingToCompare as cause:
        emit(StageFailed(RunStage.PROBE, f"line {setup.location.line}: {cause}."))

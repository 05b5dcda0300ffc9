"""``ae_audit.audit``: audit a live model together with its data, in the process that holds both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ae_audit.base.errors import UsageError
from ae_audit.report.comparison_display import PresentedComparison
from ae_audit.report.display import PresentedReport
from ae_audit.schema.findings import Severity
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report as BareReport

if TYPE_CHECKING:
    from ae_audit.runtime.capture import Capture

__all__ = ["Comparison", "Report", "assert_sound", "audit", "compare"]

Report = PresentedReport
Comparison = PresentedComparison


def audit(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    loss: Any = None,
    probe: bool = True,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    optimizer: Any = None,
    batch_size: int = 100,
    seed: int = 0,
) -> PresentedReport:
    """Audit ``model`` as if it were about to be trained on ``x`` and ``y`` with ``loss``. The model is not changed.

    Args:
        model: a Keras model, compiled or not, or a ``torch.nn.Module``.
        x: the model's input: an array or tensor of shape ``(samples, …)``, or a torch ``DataLoader``. It may be larger
            than memory: a Dask or Zarr array, an HDF5 data set, a memory-mapped file. Ranges and moments are computed
            over all of it; the short fits use a sample of its rows.
        y: the target, of shape ``(samples, …)``; None if the model is to reconstruct ``x``.
        loss: a loss as ``compile`` accepts it (name, function or object), or a torch loss module or function. May be
            omitted for a compiled Keras model.
        probe: whether to confirm or refute findings with short fits, which take a few seconds each on a CPU.
        select: codes, code prefixes or names of the rules to apply; empty for all.
        ignore: codes, code prefixes or names of the rules to skip.
        optimizer: an optimizer of the framework; by default the compiled one, or Adam.
        batch_size: samples per batch of the short fits, 1 or more.
        seed: of the short fits; the same seed gives the same figures.

    Returns:
        A report whose ``findings`` carry verdicts; its ``ok`` is False if there is an error that was not refuted.

    Raises:
        UsageError: if the model is neither Keras' nor torch's, the loss is missing, or a rule is unknown.
    """
    return audit_at(
        _caller(),
        model,
        x,
        y,
        loss=loss,
        probe=probe,
        select=select,
        ignore=ignore,
        optimizer=optimizer,
        batch_size=batch_size,
        seed=seed,
    )


def compare(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    loss: Any = None,
    heads: Sequence[str] = (),
    losses: Sequence[str] = (),
    seeds: int = 3,
    steps: int = 600,
    reach: float | None = None,
    optimizer: Any = None,
    batch_size: int = 100,
    seed: int = 0,
    log: Callable[[str], None] | None = None,
) -> PresentedComparison:
    """Fit output activations and losses side by side on ``x`` and ``y``, from the same initial weights.

    Each pair of output activation and loss is fitted ``seeds`` times for ``steps`` steps. The model is not changed.

    Args:
        model: a Keras model, compiled or not, or a ``torch.nn.Module``.
        x: the model's input, of shape ``(samples, …)``, or a torch ``DataLoader``.
        y: the target, of shape ``(samples, …)``; None if the model is to reconstruct ``x``.
        loss: the current loss, as in :func:`audit`.
        heads: names of output activations; empty for those that suit the data.
        losses: names of losses as Keras or torch spell them: ``"bce"`` takes probabilities, ``"BCEWithLogitsLoss"``
            logits. Empty for those that suit the data.
        seeds: fits per pair, 1 or more. With one there is no uncertainty.
        steps: optimizer steps per fit, 1 or more.
        reach: the R², between 0 and 1, up to which steps and seconds are counted; None for 0.8 of the best.
        optimizer: an optimizer of the framework; by default the compiled one, or Adam.
        batch_size: samples per batch, 1 or more.
        seed: the first seed; seed 0 starts from the model's own weights, others draw new ones.
        log: called with a line of text as each pair begins.

    Returns:
        A comparison whose ``cells`` hold R², bias of the mean, sharpness, dead outputs and curves of each pair;
        ``best`` is the cell with the highest mean R².

    Raises:
        UsageError: if the model, a head, a loss or a number is not valid, or predictions cannot be scored.
    """
    from ae_audit.schema.comparison import GridOptions
    from ae_audit.schema.comparison_names import head_named, loss_named

    for name, number in (("seeds", seeds), ("steps", steps), ("batch_size", batch_size)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UsageError(f"{name} is a whole number, 1 or more, not {number!r}.")
    if reach is not None and not 0.0 < reach < 1.0:
        raise UsageError(f"reach is an R² between 0 and 1, not {reach!r}.")
    options = GridOptions(tuple(map(head_named, heads)), tuple(map(loss_named, losses)), seeds, steps, reach)
    captures = _captures(model, x, y, loss, optimizer, batch_size, _caller())
    if len(captures) != 1:
        raise UsageError(f"this model has {len(captures)} losses, and a comparison is of one.")

    from ae_audit.engine.settling import certified
    from ae_audit.probe.grid import NothingToCompare, Spend, compare_grid

    capture = captures[0]
    setup = certified(capture.setup, capture.targets)
    try:
        found = compare_grid(capture, setup, options, Spend(seed=seed), progress=log or (lambda _: None))
    except NothingToCompare as cause:
        raise UsageError(f"nothing can be compared here: {cause}.") from None
    return PresentedComparison(**{part.name: getattr(found, part.name) for part in fields(found)})


def assert_sound(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    loss: Any = None,
    fail_on: Severity | str = Severity.ERROR,
    probe: bool = True,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    optimizer: Any = None,
    batch_size: int = 100,
    seed: int = 0,
) -> None:
    """Audit as :func:`audit` does, and fail on findings of severity ``fail_on`` or worse: for unittest and the like.

    Raises:
        FindingsError: an ``AssertionError`` whose text is the report.
        UsageError: as in :func:`audit`.
        ValueError: if ``fail_on`` is not a severity.
    """
    __tracebackhide__ = True
    Severity(fail_on)  # before the slow part
    report = audit_at(
        _caller(),
        model,
        x,
        y,
        loss=loss,
        probe=probe,
        select=select,
        ignore=ignore,
        optimizer=optimizer,
        batch_size=batch_size,
        seed=seed,
    )
    report.raise_for_findings(fail_on)


def audit_at(
    location: Location,
    model: Any,
    x: Any,
    y: Any,
    *,
    loss: Any,
    probe: bool,
    select: Sequence[str],
    ignore: Sequence[str],
    optimizer: Any,
    batch_size: int,
    seed: int,
) -> PresentedReport:
    """:func:`audit`, with the place in the source that the findings are reported at."""
    from ae_audit.rules.registry import select_rules

    rules = select_rules(tuple(select) or None, ignore)
    captures = _captures(model, x, y, loss, optimizer, batch_size, location)

    from ae_audit.engine.settling import certified, judged, settled
    from ae_audit.probe import ProbeOptions, tried
    from ae_audit.schema.audited import numbered, without_candidates

    options = ProbeOptions(seed=seed) if probe else None
    setups = (tried(capture, certified(capture.setup, capture.targets)) for capture in captures)
    found = (settled(capture, judged(setup, rules), options) for capture, setup in zip(captures, setups, strict=True))
    audited = numbered(map(without_candidates, found))
    report = BareReport(
        tuple(finding for item in audited for finding in item.findings),
        tuple(item.setup for item in audited),
        tuple(dict.fromkeys(one for item in audited for one in item.undecided)),
        files=(location.path,),
        sights=tuple(item.sight for item in audited),
    )
    return PresentedReport.of(report)


def _caller() -> Location:
    """Where the function that calls this one was called."""
    caller = sys._getframe(2)
    return Location(caller.f_code.co_filename, caller.f_lineno)


def _captures(
    model: Any, x: Any, y: Any, loss: Any, optimizer: Any, batch_size: int, location: Location
) -> Sequence[Capture]:
    from ae_audit.runtime.frontend import FRONTENDS, framework_of
    from ae_audit.runtime.measure.sliced_arrays import UnknownLength

    framework = framework_of(model)
    if framework is None:
        raise UsageError(
            f"{type(model).__module__}.{type(model).__qualname__} is neither a Keras model nor a torch.nn.Module, "
            "so there is nothing that could be audited."
        )
    if loss is None and framework == "keras" and getattr(model, "loss", None) is None:
        raise UsageError("this Keras model is not compiled: pass loss=…, or compile it first.")
    if loss is None and framework == "torch":
        raise UsageError("a torch model does not know its loss: pass loss=…, for example loss=torch.nn.BCELoss().")
    try:
        return FRONTENDS[framework].capture_live(
            model, x, y, loss, optimizer=optimizer, batch_size=batch_size, location=location
        )
    except UnknownLength as problem:
        raise UsageError(str(problem)) from None

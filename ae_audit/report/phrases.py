"""Sentences that several formats share: a setup in one line, figures, counts, the summary."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ae_audit.report.text_layout import Segment
from ae_audit.schema.findings import Severity, Verdict
from ae_audit.schema.report import Report
from ae_audit.schema.training_setup import DataFacts, Head, LossUse, Structure, TrainingSetup
from ae_audit.theory.intervals import format_number
from ae_audit.theory.ranges import Tri

BARS = "▁▂▃▄▅▆▇█"


def count(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def head_in_words(head: Head) -> str:
    """The output layer: ``softmax over 784 units (axis -1)``, ``unknown head``."""
    if head.activation is None:
        return head.written or "unknown head"
    words = "linear output" if head.activation == "linear" else head.activation
    if head.activation in {"softmax", "log_softmax"} and head.units is not None:
        words += f" over {count(head.units, 'unit')}"
        words += "" if head.axis in {None, -1} else f" (axis {head.axis})"
    return words + "".join(f", then {name}" for name in head.after)


def loss_in_words(loss: LossUse) -> str:
    """The loss: ``bce``, ``bce on logits``, ``mse, written out``, ``own loss my_loss``, ``unknown loss``."""
    if loss.name is None or (loss.custom and loss.name == "distance"):
        return f"own loss {loss.written or ''}".rstrip() if loss.custom else loss.written or "unknown loss"
    words = f"{loss.name} on logits" if loss.from_logits is Tri.YES else loss.name
    return f"{words}, written out" if loss.custom else words


def data_in_words(data: DataFacts) -> str:
    """What an array holds: ``in [0, 255]``, ``class index``, ``unknown``."""
    if data.structure not in {Structure.UNKNOWN, Structure.CONTINUOUS}:
        return str(data.structure.value)
    if data.values.unknown:
        return f"{data.source} of unknown range" if data.source else "unknown"
    hull, reach = data.values.hull, data.values.reach
    if reach is None:
        return f"within {hull}"
    if hull.is_real_line:
        return f"reaching {reach}"
    return f"in {hull}" if reach.closure() == hull.closure() else f"within {hull}, reaching {reach}"


def target_in_words(target: DataFacts) -> str:
    """The target: ``target in [0, 255]``, ``target: class index``, ``unknown target``."""
    words = data_in_words(target)
    if target.structure not in {Structure.UNKNOWN, Structure.CONTINUOUS}:
        return f"target: {words}"
    return "unknown target" if words == "unknown" else f"target {words}"


def setup_in_words(setup: TrainingSetup) -> str:
    """One line: head × loss × target, floor and bound where they are known."""
    framework = setup.framework.value + (
        f" on {setup.backend}" if setup.backend not in {None, setup.framework.value} else ""
    )
    words = f"{head_in_words(setup.head)} × {loss_in_words(setup.loss)} × {target_in_words(setup.target)}; {framework}"
    certificate = setup.certificate
    if certificate is not None and certificate.floor is not None:
        words += f"; floor {figure(certificate.floor)}"
    elif certificate is not None and (loss := setup.loss.theory) is not None and loss.floor_unknown is not None:
        words += f"; floor not known: {loss.floor_unknown}"
    if certificate is not None and certificate.attainable_r2 is not None:
        words += f"; attainable R² {figure(certificate.attainable_r2)}"
    return words + (f"; when `{setup.condition.text}`" if setup.condition is not None else "")


def figure(value: object) -> str:
    """A figure of the evidence as the report shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else format_number(value).replace("-", "−")
    return "unknown" if value is None else str(value)


def r2(value: float) -> str:
    """An R² to two decimals, with a real minus sign; large ones as a power of ten."""
    if math.isnan(value):
        return "NaN"
    text = f"{value:.2f}" if abs(value) < 1000 else f"{value:.1e}"
    return text.replace("-", "−")


def mean_and_spread(values: Sequence[float]) -> str:
    """``0.52 ± 0.01``: mean and (sample) standard deviation."""
    mean = sum(values) / len(values)
    if len(values) == 1 or not all(map(math.isfinite, values)):
        return r2(mean)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return f"{r2(mean)} ± {r2(spread)}"


def sparkline(values: Sequence[float], low: float, high: float, most: int = 20) -> str:
    """``values`` as bars between ``low`` and ``high``, values beyond at the ends; NaN as ``?``."""
    if len(values) > most:
        values = [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
    span = high - low or 1.0
    top = len(BARS) - 1
    return "".join(
        "?" if math.isnan(value) else BARS[round(top * min(max((value - low) / span, 0.0), 1.0))] for value in values
    )


def counts(report: Report) -> dict[Severity, int]:
    """How many findings of each severity stand."""
    return {severity: sum(1 for finding in report.standing if finding.severity is severity) for severity in Severity}


def summary(report: Report) -> list[Segment]:
    """The last line: what was found in how much."""
    pieces: list[Segment] = []
    for severity, number in counts(report).items():
        if number:
            noun = severity.value
            words = f"{number} info" if severity is Severity.INFO else count(number, noun)
            pieces += [Segment(", ") if pieces else Segment(""), Segment(words, severity.value)]
    extras = []
    if report.undecided:
        extras.append(f"{len(report.undecided)} not decided")
    refuted = sum(1 for finding in report.findings if finding.verdict is Verdict.REFUTED)
    if refuted:
        extras.append(f"{refuted} withdrawn")
    if report.suppressed:
        extras.append(f"{len(report.suppressed)} suppressed")
    if report.errors:
        extras.append(count(len(report.errors), "stage") + " failed")
    if not pieces:
        clean = not extras and bool(report.setups)
        pieces = [Segment("No findings" if report.setups else "No training setup found", "good" if clean else "bold")]
    where = f" in {count(len(report.setups), 'training setup')} of {count(len(report.files), 'file')}"
    pieces.append(Segment(where if report.setups else f" in {count(len(report.files), 'file')}"))
    pieces.append(Segment("".join(f"; {extra}" for extra in extras) + "."))
    return pieces

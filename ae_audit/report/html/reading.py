"""What the head reaches beside what the target holds, where both are known from reading alone."""

from __future__ import annotations

import math

from ae_audit.report.html.svg import Tone, drawing, line, rectangle, words
from ae_audit.report.html.tiles import tile
from ae_audit.report.phrases import figure
from ae_audit.schema.training_setup import Structure, TrainingSetup
from ae_audit.theory.activations import Constraint
from ae_audit.theory.intervals import Interval


def reading_tile(setup: TrainingSetup) -> str:
    """Two spans over one axis; nothing where one of them is unknown or the target stands for something else."""
    reached, target = setup.head.range, setup.target
    if reached.values.unknown or target.values.unknown:
        return ""
    if target.structure not in {Structure.UNKNOWN, Structure.CONTINUOUS}:
        return ""
    spans = [("the output reaches", reached.values.hull), ("the target lies in", target.values.hull)]
    ends = [end for _, span in spans for end in (span.lo, span.hi) if math.isfinite(end)]
    if len(set(ends)) < 2:
        return ""
    told = f"Read, not run: the output reaches {_span(spans[0][1])}, the target lies in {_span(spans[1][1])}"
    told += "; the outputs sum to 1." if reached.constraint is Constraint.SIMPLEX else "."
    return tile("Reach", told, _drawn(spans, min(ends), max(ends), told))


def _drawn(spans: list[tuple[str, Interval]], low: float, high: float, told: str) -> str:
    width, left, right = 380.0, 24.0, 356.0

    def x(value: float) -> float:
        return left + (right - left) * (min(max(value, low), high) - low) / (high - low)

    parts = []
    for index, (label, span) in enumerate(spans):
        top = 26.0 + 46 * index
        start = x(span.lo) if math.isfinite(span.lo) else 4.0
        end = x(span.hi) if math.isfinite(span.hi) else width - 4
        tone = Tone.GOOD if index == 0 else Tone.FIRST
        parts.append(words(left, top - 6, f"{label} {_span(span)}"))
        parts.append(rectangle(start, top, max(end - start, 2), 14, tone.colour))
    parts.append(line(left, 92, right, 92))
    parts += [words(left, 107, figure(low)), words(right, 107, figure(high), anchor="end")]
    return drawing("Reach, from reading", told, width, 114, "\n".join(parts), name="histogram")


def _span(span: Interval) -> str:
    if math.isinf(span.lo) and math.isinf(span.hi):
        return "every value"
    if math.isinf(span.hi):
        return f"{figure(span.lo)} and above"
    return f"{figure(span.hi)} and below" if math.isinf(span.lo) else f"{figure(span.lo)} to {figure(span.hi)}"

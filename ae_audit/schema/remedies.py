"""Remedies: the change that a finding asks for, said once.

The probe turns a remedy into a counterfactual arm, the fixer into an edit of the source, the report into a sentence.
"""

from __future__ import annotations

from ae_audit.base.records import dataclass
from ae_audit.theory.intervals import format_number


@dataclass(frozen=True, slots=True)
class SwapActivation:
    """Replace the output activation by another elementwise one (``linear`` removes it)."""

    to: str

    def __str__(self) -> str:
        return "no activation at the output" if self.to == "linear" else f"{self.to} at the output"


@dataclass(frozen=True, slots=True)
class SwapLoss:
    """Replace the loss; ``to`` is a canonical name."""

    to: str
    from_logits: bool = False

    def __str__(self) -> str:
        return f"{self.to}{' on logits' if self.from_logits else ''} as the loss"


@dataclass(frozen=True, slots=True)
class ExpectLogits:
    """Keep loss and head, change only whether the loss takes its prediction for a logit."""

    from_logits: bool

    def __str__(self) -> str:
        return f"from_logits={self.from_logits}"


@dataclass(frozen=True, slots=True)
class Rescale:
    """Map the data by ``x -> scale * x + shift``: the input, the target, or both."""

    scale: float
    shift: float = 0.0
    input: bool = True
    target: bool = True

    def __str__(self) -> str:
        what = "input and target" if self.input and self.target else "the input" if self.input else "the target"
        if self.scale == 1:
            return f"{what} {'plus' if self.shift > 0 else 'minus'} {format_number(abs(self.shift))}"
        by = f"divided by {format_number(1 / self.scale)}" if self.scale < 1 else f"times {format_number(self.scale)}"
        shift = f", then {'+' if self.shift > 0 else '−'} {format_number(abs(self.shift))}" if self.shift else ""
        return f"{what} {by}{shift}"


@dataclass(frozen=True, slots=True)
class DropMetric:
    """Remove a metric, or replace it by ``to``; no experiment can settle it."""

    metric: str
    to: str | None = None

    def __str__(self) -> str:
        return f"no {self.metric} metric" if self.to is None else f"{self.to} in place of {self.metric}"


@dataclass(frozen=True, slots=True)
class Advice:
    """A change of the program's design, in words: another head, other shapes. No experiment can put it in."""

    text: str

    def __str__(self) -> str:
        return self.text


Remedy = SwapActivation | SwapLoss | ExpectLogits | Rescale | DropMetric | Advice

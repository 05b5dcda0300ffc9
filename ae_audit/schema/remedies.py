"""Remedies: the change that a finding asks for, said once.

The probe turns a remedy into a counterfactual arm, the fixer into an edit of the source, the report into a sentence.
"""

from __future__ import annotations

from enum import Enum

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
    undo: bool = False
    """the data were scaled twice: one of the two scalings is to go, where it can be found"""

    def __str__(self) -> str:
        what = "input and target" if self.input and self.target else "the input" if self.input else "the target"
        if self.undo:
            return f"{what} divided by {format_number(self.scale)} only once"
        return f"{what} {affine_words(self.scale, self.shift)}"


def affine_words(scale: float, shift: float) -> str:
    """``divided by 127.5, then − 1``; of a map that centres the data first, ``minus 9.99, divided by 0.489``."""
    if scale == 1:
        return f"{'plus' if shift > 0 else 'minus'} {format_number(abs(shift))}"
    if abs(shift) > 1:
        centre = -shift / scale
        sign = "minus" if centre > 0 else "plus"
        return f"{sign} {format_number(abs(centre))}, divided by {format_number(1 / scale)}"
    by = f"divided by {format_number(1 / scale)}" if scale < 1 else f"times {format_number(scale)}"
    return f"{by}, then {'+' if shift > 0 else '−'} {format_number(abs(shift))}" if shift else by


@dataclass(frozen=True, slots=True)
class DropMetric:
    """Remove a metric, or replace it by ``to``; no experiment can settle it."""

    metric: str
    to: str | None = None

    def __str__(self) -> str:
        return f"no {self.metric} metric" if self.to is None else f"{self.to} in place of {self.metric}"


class Change(Enum):
    """What an editor can do of its own where an advice asks for it."""

    CLASS_AXIS = "class axis"
    """normalise along the axis of the classes"""
    CLASSES = "classes"
    """one unit for each class, a softmax over them, and the loss that takes class indices"""
    ZERO_GRADIENTS = "zero gradients"
    """set the gradients to zero before they are computed"""
    SHAPE = "shape"
    """give prediction and target one shape, where one of them has a second axis of extent 1 that the other lacks"""
    POSITIVE_LOSS = "positive loss"
    """minimise the loss, not its negative"""
    SCALE_LATER = "scale later"
    """scale what the trained model is given as the training data are"""


@dataclass(frozen=True, slots=True)
class Advice:
    """A change of the program's design, in words: another head, other shapes. No experiment can put it in."""

    text: str
    change: Change | None = None

    def __str__(self) -> str:
        return self.text


Remedy = SwapActivation | SwapLoss | ExpectLogits | Rescale | DropMetric | Advice

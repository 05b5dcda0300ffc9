"""An output activation half of whose range can never be a target.

## What it finds

`tanh` or `softsign` (−1 to 1) at the output while the target lies on [0, 1].

## Why it hurts

Half of the range is for values that never occur. The background of an image, exactly 0, then sits in the steepest part
of the activation instead of at its end, so noise stays visible there, and negative pixels appear. On MNIST digits a
sigmoid explains more of the variance after the same number of steps, and the gap closes only slowly.

## How it is decided

- *static* and *runtime*: the output is bounded, and the hull of the target, which also reaches both of its ends, covers
  at most two thirds of it.
- *probe*: as written against the activation whose range is the target's.

## When it stays silent

With outputs that are unbounded on a side (`relu` and `linear` lose nothing on [0, 1]), and where the target leaves the
range on the other side (that is AE102). Where the target is unknown it says nothing: AE102 already asks for it.

## Fix safety

Replacing the activation changes what the program computes: unsafe.

## References

- LeCun, Bottou, Orr, Müller, *Efficient BackProp* (1998), section 4.5: choosing target values.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Rule
from ae_audit.rules.facts import (
    LABELS,
    POINTWISE,
    ROUNDING,
    activation_words,
    evidence,
    head_place,
    spans,
    values_words,
)
from ae_audit.rules.findings import Severity, Unsettled, Violation
from ae_audit.rules.remedies import SwapActivation
from ae_audit.rules.repair import wasted
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import Tri
from ae_audit.training_setup import TrainingSetup


class ActivationRangeWasted(Rule):
    """A good part of the output's range can never be a target."""

    code = "AE103"
    name = "activation-range-wasted"
    severity = Severity.WARNING

    def check(self, setup: TrainingSetup) -> Iterator[Violation | Unsettled]:
        head, target = setup.head.range, setup.target
        if head.constraint is not None or target.structure in LABELS or setup.loss.name not in POINTWISE:
            return
        # both ends must be known to occur: a narrow hull alone could be a narrow sample of the data
        values = target.values
        filled = values.reach is not None and values.reach.width > 0.5 and UNIT.covers(values.hull, ROUNDING)
        if filled and values.leaves(head.values.hull) is Tri.NO and wasted(head.values.hull, UNIT):
            place = head_place(setup)
            yield Violation(
                message=f"{activation_words(setup)} spreads over {head.values.hull}, but the target is "
                f"{values_words(target)}: a part of the range can never be right",
                location=place,
                remedies=(SwapActivation("sigmoid"),),
                spans=spans(setup, but=place),
                evidence=evidence(setup, "head", "target"),
            )


RULE = ActivationRangeWasted()

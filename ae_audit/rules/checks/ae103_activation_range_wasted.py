"""An output activation that wastes half of its range.

## What it finds

`tanh` or `softsign` (−1 to 1) at the output while the target lies on [0, 1].

## Why it hurts

Half of the range is for values that never occur. The background of an image, exactly 0, then sits in the steepest part
of the activation instead of at its end: noise stays visible there, and negative pixels appear. A 784-32-784 net ends at
R² 0.51 to 0.53 with tanh after 1,000 Adam steps on 5,000 MNIST digits on [0, 1], at 0.61 to 0.67 with a sigmoid. (In
deeper nets the two are level: a warning.)

## How it is decided

- *static* and *runtime*: the output is bounded, and the hull of the target, which also reaches both of its ends, covers
  at most two thirds of it.
- *probe*: none. The harm shows late in the training.

## When it stays silent

With outputs that are unbounded on a side (`relu` and `linear` are common on [0, 1]), and where the target leaves the
range on the other side (that is AE102). With dropout after the activation, which widens the range in training only
(AE107 speaks of that). Where the target is unknown it says nothing: AE102 already asks for it.

## Fix safety

Replacing the activation changes what the program computes: unsafe.

## References

- LeCun, Bottou, Orr, Müller, *Efficient BackProp* (1998), section 4.5: choosing target values.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import (
    LABELS,
    ROUNDING,
    activation_words,
    compares_values,
    evidence,
    head_place,
    spans,
    values_words,
)
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.rules.repair import wasted
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import SwapActivation
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import Tri

KERAS = dense_keras('layers.Dense(784, activation="tanh")')

TORCH = dense_torch("nn.Linear(32, 784)", "nn.Tanh()")


class ActivationRangeWasted(Rule):
    """A good part of the output's range can never be a target."""

    code = "AE103"
    name = "activation-range-wasted"
    severity = Severity.WARNING
    probed = False
    """what it costs shows late in the training, later than a probe can wait"""
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE103",), fixed=KERAS.replace("tanh", "sigmoid")),
        Example(Framework.TORCH, TORCH, codes=("AE103",), fixed=TORCH.replace("Tanh", "Sigmoid")),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("/ 255.0", "/ 127.5 - 1.0")),
        Example(Framework.KERAS, KERAS.replace("tanh", "relu")),
        Example(Framework.TORCH, TORCH.replace("Tanh", "Sigmoid")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        head, target = setup.head.range, setup.target
        if head.constraint is not None or target.structure in LABELS or not compares_values(setup):
            return
        if any("Dropout" in layer for layer in setup.head.after):
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

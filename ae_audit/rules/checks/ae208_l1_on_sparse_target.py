"""The mean absolute error on targets most of which share one value.

## What it finds

`mae` or `nn.L1Loss()` where more than half of all target values are the same number: the black background of digits,
the zeros of counts.

## Why it hurts

The best constant under the absolute error is the median, and the median of such a target is that number: predicting
black everywhere is a stable resting place. After 300 Adam steps on MNIST digits, a 784-32-784 net with a sigmoid is at
R² −0.2 under L1 (black images) and at 0.35 under the mean squared error.

## How it is decided

- *runtime*: the most frequent value makes up more than half of the target.
- *probe*: none; it is a note.

## When it stays silent

With other losses, and statically: how often a value occurs is only seen by running.

## Fix safety

There is nothing that must be fixed: L1 gives sharp edges once it has left the resting place.

## References

- Bishop, *Pattern Recognition and Machine Learning* (2006), section 1.5.5: the absolute loss and the median.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import evidence, loss_place, spans
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.intervals import format_number

HALF = 0.5
"""beyond this share one value is the median of the target, whatever the others are"""


KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', compiled='loss="mae"')

TORCH = dense_torch("nn.Linear(32, 784)", "nn.Sigmoid()", criterion="nn.L1Loss()")


class L1OnSparseTarget(Rule):
    """The median of the target is its most frequent value, and L1 rests there."""

    code = "AE208"
    name = "l1-on-sparse-target"
    severity = Severity.INFO
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE208",)),
        Example(Framework.TORCH, TORCH, codes=("AE208",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('"mae"', '"mse"')),
        Example(Framework.TORCH, TORCH.replace("L1Loss", "MSELoss")),
    )
    needs_data = True
    probed = False

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        seen = setup.target.measured
        if setup.loss.name != "mae" or seen is None or seen.mode_share <= HALF:
            return
        place = loss_place(setup)
        yield Violation(
            message=f"{seen.mode_share:.0%} of the target is {format_number(seen.mode)}, and the mean absolute error "
            f"rewards predicting it everywhere",
            location=place,
            remedies=(Advice("mse as the loss, or a weight on the values that are rare"),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "target"),
        )


RULE = L1OnSparseTarget()

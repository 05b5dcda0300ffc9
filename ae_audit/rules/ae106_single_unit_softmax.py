"""A softmax over one unit: the constant 1.

## What it finds

`Dense(1, activation="softmax")`, `Softmax(dim=1)` over an axis of extent 1.

## Why it hurts

A softmax divides by the sum over its axis. Over one value that is the value itself, so the output is 1 whatever goes
in, and every gradient is 0. Nothing is learned: R² is at most 0 on any data.

## How it is decided

- *static* and *runtime*: the output is a simplex along an axis whose extent is 1.
- *probe*: as written against a sigmoid.

## When it stays silent

Where the extent of the axis is unknown, or more than 1.

## Fix safety

Replacing the activation changes what the program computes: unsafe.

## References

- [Keras: softmax](https://keras.io/api/layers/activations/#softmax-function)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Rule
from ae_audit.rules.facts import (
    BINARY,
    CATEGORICAL,
    beaten_by_the_mean,
    evidence,
    head_place,
    is_simplex,
    spans,
)
from ae_audit.rules.findings import Severity, Unsettled, Violation
from ae_audit.rules.remedies import Remedy, SwapActivation, SwapLoss
from ae_audit.rules.repair import repair
from ae_audit.theory.ranges import Tri
from ae_audit.training_setup import Framework, Structure, TrainingSetup


class SingleUnitSoftmax(Rule):
    """Softmax over one unit is the constant 1."""

    code = "AE106"
    name = "single-unit-softmax"
    severity = Severity.ERROR

    def check(self, setup: TrainingSetup) -> Iterator[Violation | Unsettled]:
        if setup.head.units != 1 or not is_simplex(setup):
            return
        place = head_place(setup)
        yield Violation(
            message="softmax over a single unit is the constant 1, whatever the weights",
            location=place,
            remedies=_remedies(setup),
            spans=spans(setup, but=place, target=False),
            evidence=evidence(setup, "head", "target"),
            proved=beaten_by_the_mean(setup),
        )


def _remedies(setup: TrainingSetup) -> tuple[Remedy, ...]:
    if setup.target.structure is Structure.CONTINUOUS:
        change = repair(setup)
        return change.pairing or (SwapActivation("linear"),)
    logits = setup.loss.from_logits is Tri.YES
    if logits and setup.framework is Framework.TORCH:
        return (SwapActivation("linear"), SwapLoss("bce", from_logits=True))
    if setup.loss.name in CATEGORICAL:
        return (SwapActivation("sigmoid"), SwapLoss("bce"))
    return (SwapActivation("linear" if logits and setup.loss.name in BINARY else "sigmoid"),)


RULE = SingleUnitSoftmax()

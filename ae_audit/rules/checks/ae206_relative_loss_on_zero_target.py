"""A relative loss on targets where it has no meaning.

## What it finds

The mean absolute percentage error (MAPE) on targets that hold zeros, the mean squared logarithmic error (MSLE) on
targets that hold negative values.

## Why it hurts

MAPE divides by the target. Four fifths of the pixels of an MNIST digit are 0; Keras puts 10⁻⁷ in their place, so an
error of 0.01 there counts as 10⁷ %, and the loss is about nothing but the background. Written by hand, without that
guard, it is infinite at the first step. MSLE takes the logarithm of 1 + y; Keras clips negative values to 10⁻⁷ and so
makes all of them equal: half of the data on [−1, 1] is never learned. It clips predictions likewise, and
what is below 0 has no gradient: on 8 × 8 digits on [0, 1] a linear output ends at R² −7.6 where softplus reaches 0.75
(a warning, where the target holds zeros).

## How it is decided

- *static* and *runtime*: the target is never negative and surely holds a 0 (MAPE), or surely holds negative values
  (MSLE).
- *probe*: as written against the mean squared error.

## When it stays silent

Where the target stays away from 0 (MAPE), or is never negative (MSLE), and where that is unknown.

## Fix safety

Replacing the loss changes what the program computes: unsafe.

## References

- [Keras: regression losses](https://keras.io/api/losses/regression_losses/)
- Tofallis, *A better measure of relative prediction accuracy* (2015).
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import ROUNDING, evidence, head_place, loss_place, output_words, spans, values_words
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import SwapActivation, SwapLoss
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup
from ae_audit.theory.intervals import NON_NEGATIVE
from ae_audit.theory.ranges import Tri

KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', compiled='loss="mape"')

TORCH = dense_torch(
    "nn.Linear(32, 784)",
    "nn.Sigmoid()",
    criterion=None,
    step=["target = images.flatten(1)", "error = (model(images) - target) / target", "loss = error.abs().mean()"],
)


class RelativeLossOnZeroTarget(Rule):
    """A percentage or logarithmic loss on targets where it has no meaning."""

    code = "AE206"
    name = "relative-loss-on-zero-target"
    severity = Severity.ERROR
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE206",), fixed=KERAS.replace('"mape"', '"mse"')),
        Example(Framework.TORCH, TORCH, codes=("AE206",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("mape", "mse")),
        Example(Framework.TORCH, TORCH.replace(" - target) / target", " - target)")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.loss.name == "mape" and _holds_zeros(setup.target):
            fault = "divides by the target, which holds zeros"
        elif setup.loss.name == "msle" and _holds_negatives(setup.target):
            fault = "takes the logarithm of 1 + target, which holds negative values"
        elif setup.loss.name == "msle" and _holds_zeros(setup.target) and _falls_below_zero(setup):
            place = head_place(setup)
            yield Violation(
                message=f"MSLE counts every negative prediction as 0, without a gradient, but {output_words(setup)} "
                f"produces values in {setup.head.range.values.hull} and the target holds zeros",
                location=place,
                remedies=(SwapActivation("softplus"),),
                spans=spans(setup, but=place),
                evidence=evidence(setup, "head", "target"),
                severity=Severity.WARNING,
            )
            return
        else:
            return
        place = loss_place(setup)
        yield Violation(
            message=f"{setup.loss.name.upper()} {fault}: {values_words(setup.target)}",
            location=place,
            remedies=(SwapLoss("mse"),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "loss", "target"),
        )


def _holds_zeros(target: DataFacts) -> bool:
    if target.measured is not None:
        return target.measured.zero_share > 0
    reach = target.values.reach
    # some value is at or below the lower end of the reach, and none is below 0
    return reach is not None and reach.lo <= 0 and target.values.hull.lo == 0


def _holds_negatives(target: DataFacts) -> bool:
    reach = target.values.reach
    return reach is not None and reach.lo < -ROUNDING


def _falls_below_zero(setup: TrainingSetup) -> bool:
    return setup.head.range.values.leaves(NON_NEGATIVE, ROUNDING) is Tri.YES


RULE = RelativeLossOnZeroTarget()

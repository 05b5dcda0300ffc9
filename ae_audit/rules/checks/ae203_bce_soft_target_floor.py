"""Binary cross-entropy on values strictly between 0 and 1: right, but its floor is not 0.

## What it finds

A sound reconstruction: a probability (or a logit) against grey values in [0, 1] under binary cross-entropy.

## Why it hurts

It does not, but its figures mislead. The least that the loss can be for a target y is the entropy H(y) = −y·log y − (1
− y)·log(1 − y), reached by the prediction y itself: 0.693 for a mid-grey pixel. For targets (0.5, 0.3, 0.5, 0.9) a
perfect prediction scores 0.5806. On 5,000 MNIST digits the floor is 0.0590, where the mean image scores 0.2635. Whoever
waits for 0 trains for ever; the excess over the floor, the KL divergence, is what goes to 0.

## How it is decided

- *static*: the target holds quantities in [0, 1] and the output suits the loss.
- *runtime*: values other than 0 and 1 occurred.
- *certificate*: the floor on the captured data, and what the mean image scores.

## When it stays silent

With 0/1 targets, whose floor is 0, and wherever output, loss and target do not suit each other: other rules speak
there.

## Fix safety

There is nothing to fix.

## References

- Loaiza-Ganem, Cunningham, *The continuous Bernoulli: fixing a pervasive error in variational autoencoders* (2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import ROUNDING, evidence, exactly_binary, is_simplex, loss_place, spans
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.schema.findings import Evidence, Severity, UnknownFact, Violation
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import Tri

KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', compiled='loss="binary_crossentropy"')

TORCH = dense_torch("nn.Linear(32, 784)", "nn.Sigmoid()", criterion="nn.BCELoss()")


class BceSoftTargetFloor(Rule):
    """Binary cross-entropy on grey values never reaches 0."""

    code = "AE203"
    name = "bce-soft-target-floor"
    severity = Severity.INFO
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE203",)),
        Example(Framework.TORCH, TORCH, codes=("AE203",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace(") / 255.0", ") > 127"), note="black and white: the floor is 0"),
        Example(Framework.KERAS, KERAS.replace("binary_crossentropy", "mse")),
        Example(Framework.TORCH, TORCH.replace("BCELoss", "MSELoss")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        target = setup.target
        if setup.loss.name != "bce" or target.structure is not Structure.CONTINUOUS:
            return
        if target.values.leaves(UNIT, ROUNDING) is not Tri.NO or exactly_binary(target) is not Tri.NO:
            return
        if _suits(setup):
            place = loss_place(setup)
            yield Violation(
                message=_message(setup),
                location=place,
                spans=spans(setup, but=place),
                evidence=(*evidence(setup, "target"), *_floor(setup)),
            )


def _suits(setup: TrainingSetup) -> bool:
    """Whether the head gives what this form of the loss takes, and its floor is the entropy."""
    if setup.loss.weighted:
        return False
    hull = setup.head.range.values.hull
    if setup.loss.from_logits is Tri.YES:
        return setup.head.activation == "linear"
    probability = UNIT.covers(hull, ROUNDING) and hull.covers(UNIT, ROUNDING) and not is_simplex(setup)
    return setup.loss.from_logits is Tri.NO and probability


def _message(setup: TrainingSetup) -> str:
    bound = setup.certificate
    if bound is None or bound.floor is None:
        return "binary cross-entropy on values between 0 and 1 never reaches 0: its floor is the entropy of the target"
    each = {"sum": " a sample", "none": " a value"}.get(setup.loss.reduction or "", "")
    text = f"this loss cannot fall below {bound.floor:.4f}{each} on this data, the entropy of the target"
    if bound.mean_prediction_loss is None:
        return text
    return f"{text}; predicting the mean scores {bound.mean_prediction_loss:.4f}"


def _floor(setup: TrainingSetup) -> Iterator[Evidence]:
    bound = setup.certificate
    if bound is None or bound.floor is None:
        if "runtime" not in setup.seen_by:
            yield Evidence(
                "static",
                "the number depends on the data: a run that reaches this training (without --static) computes it",
            )
        return
    text = f"judge the loss by its excess over {bound.floor:.4f}, which is what a perfect model scores"
    figures = (("floor", bound.floor), ("mean_prediction_loss", bound.mean_prediction_loss), ("samples", bound.samples))
    yield Evidence("certificate", text, None, figures)


RULE = BceSoftTargetFloor()

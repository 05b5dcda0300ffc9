"""Binary cross-entropy on targets outside [0, 1].

## What it finds

Binary cross-entropy, on probabilities or on logits, whose target leaves [0, 1]: raw [0, 255] images, images normalised
to [−1, 1], standardised data, labels {−1, 1} or {1, 2}.

## Why it hurts

For a target y above 1, −y·log p − (1 − y)·log(1 − p) falls without end as p goes to 1: there is nothing to converge to.
Keras on [0, 255] images runs to −2·10¹² within five epochs and raises nothing. `torch.nn.BCELoss` raises on the CPU
(`all elements of target should be between 0 and 1`) and fails inside the device on CUDA; `BCEWithLogitsLoss` says
nothing anywhere.

## How it is decided

- *static* and *runtime*: target values that surely occur outside [0, 1].
- *certificate*: the floor of the loss on the data is −∞.
- *probe*: as written against rescaled targets, or against the mean squared error.

## When it stays silent

Where the hull of the target lies within [0, 1], up to rounding, and where the target is one-hot, multi-hot or a 0/1
label (in Keras with noise of up to 0.1, as adversarial nets are given). Where the target is unknown it says so.

## Fix safety

Rescaling the data or replacing the loss changes what the program computes: unsafe.

## References

- [torch: BCELoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html)
- Loaiza-Ganem, Cunningham, *The continuous Bernoulli* (2019): what the loss means for values between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.checks.ae307_target_is_labels import reconstructs_labels
from ae_audit.rules.predicates import (
    LABEL_NOISE,
    LABELS,
    ROUNDING,
    class_count,
    evidence,
    loss_place,
    spans,
    unknown_target,
    values_words,
)
from ae_audit.rules.programs import RAW, SIGNED, dense_keras, dense_torch
from ae_audit.rules.repair import Repair, class_head, repair
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice, Remedy
from ae_audit.schema.training_setup import DataFacts, Framework, Structure, TrainingSetup
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.loss_families import BINARY
from ae_audit.theory.ranges import Tri

KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', compiled='loss="binary_crossentropy"', data=[RAW])

TORCH = dense_torch("nn.Linear(32, 784)", criterion="nn.BCEWithLogitsLoss()", transform=SIGNED)


class BceTargetOutOfRange(Rule):
    """Binary cross-entropy on targets outside [0, 1]."""

    code = "AE201"
    name = "bce-target-out-of-range"
    severity = Severity.ERROR
    bad = (
        Example(
            Framework.KERAS,
            KERAS,
            codes=(
                "AE102",
                "AE201",
                "AE301",
            ),
            fixed=KERAS.replace("autoencoder.fit", "x_train = x_train / 255.0\nautoencoder.fit"),
        ),
        Example(Framework.TORCH, TORCH, codes=("AE201",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('astype("float32")', 'astype("float32") / 255.0')),
        Example(Framework.TORCH, TORCH.replace("    transforms.Normalize((0.5,), (0.5,)),\n", "")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        target = setup.target
        if setup.loss.name not in BINARY or reconstructs_labels(setup):
            return  # of labels in the place of images, AE307 tells
        labels = target.structure in LABELS or _noisy_labels(target)
        slack = LABEL_NOISE if setup.framework is Framework.KERAS and labels else ROUNDING
        outside = target.values.leaves(UNIT, slack)
        if outside is Tri.YES:
            yield self._violation(setup)
        elif outside is Tri.UNKNOWN and (target.structure not in LABELS or target.structure is Structure.CLASS_INDEX):
            yield unknown_target(setup)

    def _violation(self, setup: TrainingSetup) -> Violation:
        place = loss_place(setup)
        change = repair(setup)
        wider = class_head(setup) if class_count(setup) == 1 else None
        raises = setup.framework is Framework.TORCH and setup.loss.from_logits is Tri.NO
        consequence = "torch raises on the CPU" if raises else "the loss has no floor and runs to −∞"
        bound = setup.certificate
        return Violation(
            message=f"binary cross-entropy needs targets in [0, 1], but the target is {values_words(setup.target)}: "
            f"{consequence}",
            location=place,
            remedies=(wider,) if wider is not None else _onto_unit(change),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "loss", "target"),
            proved=bound is not None and bound.floor == float("-inf"),
        )


def _onto_unit(change: Repair) -> tuple[Remedy, ...]:
    if change.rescale is not None and change.rescale.target:
        return (change.rescale,)
    return change.pairing or (Advice("the target scaled to [0, 1]"),)


def _noisy_labels(target: DataFacts) -> bool:
    """Whether the values seen, one a sample, lie about 0 and 1: labels of an adversarial net with noise."""
    if target.measured is None or math.prod(extent or 1 for extent in (target.shape or (None, 2))[1:]) != 1:
        return False
    return all(min(abs(value), abs(value - 1)) <= LABEL_NOISE for value in target.measured.quantiles)


RULE = BceTargetOutOfRange()

"""An autoencoder trained against class labels.

## What it finds

A network whose output is as large as its input, compared with the class labels of the data instead of with the data:
`fit(x_train, y_train)` where `fit(x_train, x_train)` was meant, or `criterion(reconstruction, labels)`.

## Why it hurts

The labels are broadcast over all outputs, so each of the 784 pixels of the reconstruction learns the digit's number: an
image of a seven comes back as a plain grey 7.0. The loss falls nicely meanwhile, since the number of a digit can be
learned.

## How it is decided

- *static* and *runtime*: the target holds class labels, the loss compares value with value, and one sample of the
  output has as many values as one of the input, at least 16.

## When it stays silent

With losses that take labels (classification, segmentation), with small outputs, and where a shape is unknown.

## Fix safety

There is no automatic fix: which of the arguments is wrong is for the author to say.

## References

- Goodfellow, Bengio, Courville, *Deep Learning* (2016), chapter 14: autoencoders.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import evidence, spans, structure_of
from ae_audit.rules.programs import SCALED, dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, Relation, Structure, TrainingSetup
from ae_audit.theory.loss_families import BINARY, POINTWISE

SMALLEST = 16
"""outputs with fewer values than this may as well be meant for labels"""


KERAS = dense_keras(
    "layers.Dense(784)",
    data=[SCALED, "y_train = y_train.reshape(-1, 1)"],
    loaded="(x_train, y_train), _",
    fitted="x_train, y_train",
)

TORCH = dense_torch(
    "nn.Linear(32, 784)", batch="images, labels", step=["loss = criterion(model(images), labels.float().unsqueeze(1))"]
)


class TargetIsLabels(Rule):
    """A reconstruction compared with class labels."""

    code = "AE307"
    name = "target-is-labels"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE307",)),
        Example(Framework.TORCH, TORCH, codes=("AE307",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("fit(x_train, y_train", "fit(x_train, x_train")),
        Example(Framework.TORCH, TORCH.replace("labels.float().unsqueeze(1)", "images.flatten(1)")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if not reconstructs_labels(setup):
            return
        place = setup.location
        yield Violation(
            message="the output is as large as the input, as of an autoencoder, but the target is the class labels",
            location=place,
            remedies=(Advice("the input as the target"),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "target"),
        )


def reconstructs_labels(setup: TrainingSetup) -> bool:
    """Whether an output surely as large as the input is compared, value by value, with one label a sample."""
    if setup.relation is not Relation.LABELS or setup.loss.name not in POINTWISE | BINARY:
        return False
    if structure_of(setup) not in {Structure.CLASS_INDEX, Structure.BINARY_LABEL}:
        return False
    target = setup.target.shape
    if target is not None and len(target) > 1 and _size(target) != 1:
        return False
    given, made = _size(setup.input.shape), _size(setup.head.shape)
    return given is not None and given == made and given >= SMALLEST


def _size(shape: tuple[int | None, ...] | None) -> int | None:
    """The number of values of one sample."""
    if shape is None:
        return None
    extents = [extent for extent in shape[1:] if extent is not None]
    return prod(extents) if len(extents) == len(shape) - 1 else None


RULE = TargetIsLabels()

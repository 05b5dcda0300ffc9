"""A categorical loss against values that are no distribution.

## What it finds

Categorical cross-entropy, `CrossEntropyLoss`, negative log-likelihood or KL divergence whose target holds pixels or
measurements.

## Why it hurts

These losses read the values along an axis as one distribution, −Σ y·log p. For a target whose values do not sum to 1,
the best prediction is y / Σy: a digit whose pixels sum to 100 comes back a hundred times too dark. Under Keras, which
divides the prediction by its sum, the scale of the prediction has no influence on the loss at all, so it is left to
chance. Negative values (data on [−1, 1]) reward probability 0 and the loss has no floor.

## How it is decided

- *static* and *runtime*: the target is known to hold quantities, or its values surely leave [0, 1].
- *probe*: as written against binary cross-entropy (targets on [0, 1]) or the mean squared error.

## When it stays silent

With one-hot targets, class indices and distributions (classifiers, segmentation, language models, soft assignments of a
clustering). In a reconstruction whose target is unknown it says so.

## Fix safety

Replacing the loss changes what the program computes: unsafe.

## References

- [Keras: CategoricalCrossentropy](https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class)
- [torch: CrossEntropyLoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import (
    BEYOND_PROBABILITY,
    evidence,
    indices_for_vectors,
    loss_place,
    loss_words,
    spans,
    structure_of,
    unknown_structure,
    values_words,
)
from ae_audit.rules.programs import CLASSIFICATION, dense_keras, dense_torch
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.loss_families import CATEGORICAL, TAKES_CLASS_INDEX
from ae_audit.theory.ranges import Tri

KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', compiled='loss="categorical_crossentropy"')

TORCH = dense_torch("nn.Linear(32, 784)", criterion="nn.CrossEntropyLoss()")

CLASSIFIER = dense_torch(
    "nn.Linear(32, 10)", criterion="nn.CrossEntropyLoss()", batch="images, labels", step=[CLASSIFICATION]
)


class CategoricalLossOnReconstruction(Rule):
    """A categorical loss against values that are no distribution."""

    code = "AE202"
    name = "categorical-loss-on-reconstruction"
    severity = Severity.ERROR
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE202",), fixed=KERAS.replace("categorical", "binary")),
        Example(Framework.TORCH, TORCH, codes=("AE202",), fixed=TORCH.replace("CrossEntropyLoss", "BCEWithLogitsLoss")),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("categorical", "binary")),
        Example(Framework.TORCH, TORCH.replace("CrossEntropyLoss", "BCEWithLogitsLoss")),
        Example(Framework.TORCH, CLASSIFIER),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.loss.name not in CATEGORICAL or indices_for_vectors(setup):
            return
        quantities = _holds_quantities(setup)
        if quantities is Tri.YES:
            yield self._violation(setup)
        elif quantities is Tri.UNKNOWN and setup.reconstruction is Tri.YES:
            yield unknown_structure(setup)

    def _violation(self, setup: TrainingSetup) -> Violation:
        place = loss_place(setup)
        change = repair(setup)
        return Violation(
            message=f"{loss_words(setup)} reads its target as a distribution, but the target holds separate values: "
            f"{values_words(setup.target)}",
            location=place,
            remedies=change.everything if change.rescale and change.rescale.target else change.pairing,
            spans=spans(setup, but=place),
            evidence=evidence(setup, "loss", "target"),
        )


def _holds_quantities(setup: TrainingSetup) -> Tri:
    """Whether the target holds values that are neither labels nor a distribution along any axis."""
    target = setup.target
    if target.measured is not None and target.measured.sums_to_one_along:
        return Tri.NO
    structure = structure_of(setup)
    if structure is Structure.CONTINUOUS:
        return Tri.YES
    if structure is not Structure.UNKNOWN:
        return Tri.NO
    if setup.loss.name not in TAKES_CLASS_INDEX and target.values.leaves(UNIT, BEYOND_PROBABILITY) is Tri.YES:
        return Tri.YES
    return Tri.UNKNOWN


RULE = CategoricalLossOnReconstruction()

"""Class indices that are no whole numbers, or for which there is no unit.

## What it finds

Labels divided by 255 along with the images and given to sparse categorical cross-entropy, labels standardised or
averaged; labels 1 to 7 for seven units, which count from 0; a background of 255 that nobody told the loss to ignore.

## Why it hurts

A class index selects a unit. Keras cuts `y / 255` off to whole numbers, so every label becomes class 0: the loss falls
to 0 at once and the accuracy on 5,000 digits stays at 0.10, where the labels as they are reach 0.94. An index for
which there is no unit ends the program in torch ("Target 7 is out of bounds") and in Keras on TensorFlow and torch;
JAX, and TensorFlow on a GPU, go on.

## How it is decided

- *static* and *runtime*: a loss that takes class indices, and values of its target that are surely no whole numbers, or
  below 0, or not below the number of units.
- *runtime*: also where the loss itself refuses an index and the program ends there; that proves it.
- *probe*: none: which labels are meant only the author knows.

## When it stays silent

With `ignore_index` (`ignore_class` in Keras) for the value in question; where the number of units or the labels are
unknown; with images as the target, which AE202 judges; and with soft labels, which torch's cross-entropy takes as a
distribution.

## Fix safety

There is no automatic fix.

## References

- [torch: CrossEntropyLoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html): class
  indices in [0, C).
- [Keras: SparseCategoricalCrossentropy](https://keras.io/api/losses/probabilistic_losses/)"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import class_count, evidence, loss_place, loss_words, raised, spans, values_words
from ae_audit.rules.programs import CLASSIFICATION, SCALED, dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice
from ae_audit.schema.training_setup import Framework, Relation, Structure, TrainingSetup
from ae_audit.theory.intervals import format_number

KERAS = dense_keras(
    'layers.Dense(10, activation="softmax")',
    compiled='loss="sparse_categorical_crossentropy"',
    data=[SCALED, "y_train = y_train / 255.0"],
    loaded="(x_train, y_train), _",
    fitted="x_train, y_train",
    model="classifier",
)

TORCH = dense_torch(
    "nn.Linear(32, 9)", criterion="nn.CrossEntropyLoss()", batch="images, labels", step=[CLASSIFICATION]
)

INDEX_LOSSES = frozenset({"sparse_cce", "nll"})
"""losses whose target is an index for certain; ``cross_entropy`` may be given a distribution"""
WHOLE = 1e-6
"""how far from a whole number a value may lie, as a float"""


class FractionalClassLabels(Rule):
    """Class indices that are no whole numbers, or beyond the last unit."""

    code = "AE211"
    name = "fractional-class-labels"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE211",)),
        Example(Framework.TORCH, TORCH, codes=("AE211",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("y_train = y_train / 255.0\n", "")),
        Example(Framework.TORCH, TORCH.replace("32, 9)", "32, 10)")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.loss.name not in INDEX_LOSSES or setup.loss.custom or not _holds_labels(setup):
            return
        fault = _fractional(setup) or _out_of_bounds(setup)
        if fault is None:
            return
        text, advice = fault
        place = loss_place(setup)
        yield Violation(
            message=text,
            location=place,
            remedies=(Advice(advice),),
            spans=spans(setup, but=place),
            evidence=(*evidence(setup, "target", "head"), *raised(setup)),
            proved=setup.loss.raises is not None,
        )


def _holds_labels(setup: TrainingSetup) -> bool:
    """Whether the target stands for one class a sample or place, not for an image that is to come out again."""
    return setup.relation not in {
        Relation.SAME,
        Relation.RESCALED,
        Relation.NOISED_INPUT,
        Relation.NOISED_TARGET,
    } and setup.target.structure not in {Structure.ONE_HOT, Structure.DISTRIBUTION, Structure.MULTI_HOT}


def _fractional(setup: TrainingSetup) -> tuple[str, str] | None:
    """Labels between the whole numbers."""
    target = setup.target
    seen, reach = target.measured, target.values.reach
    if seen is not None:
        surely = seen.integer_share < 1 and seen.non_finite == 0
    else:
        surely = reach is not None and target.structure is not Structure.CONTINUOUS and not _whole(reach.lo, reach.hi)
    if not surely:
        return None
    return (
        f"{loss_words(setup)} needs whole numbers for class indices, but the target is {values_words(target)}",
        "the labels as whole numbers, unscaled",
    )


def _whole(*numbers: float) -> bool:
    return all(abs(number - round(number)) <= WHOLE for number in numbers if abs(number) != float("inf"))


def _out_of_bounds(setup: TrainingSetup) -> tuple[str, str] | None:
    """Labels for which there is no unit."""
    reach, units = setup.target.values.reach, class_count(setup)
    if reach is None or units is None or not _whole(reach.lo, reach.hi):
        return None
    parameters = dict(setup.loss.parameters)
    ignored = {parameters.get(name, default) for name, default in (("ignore_index", -100), ("ignore_class", None))}
    low, high = reach.lo, reach.hi
    outside = [label for label in (low, high) if not 0 <= label < units and label not in ignored]
    if not outside or units == 1:  # of a single unit AE209 tells
        return None
    bounds = f"{units} units count from 0 to {units - 1}"
    if high == units and low == 1:
        advice = "labels that start at 0 (labels - 1)"
    elif high >= units and high <= 1000:
        advice = f"{int(high) + 1} units, or labels below {units}"
    else:
        advice = "labels from 0 on, or ignore_index for those that do not count"
    return (
        f"the class indices run from {format_number(low)} to {format_number(high)}, but {bounds}: "
        f"{format_number(outside[-1])} selects no unit{_consequence(setup)}",
        advice,
    )


def _consequence(setup: TrainingSetup) -> str:
    if setup.framework is Framework.TORCH:
        return ", and torch raises"
    if setup.backend == "jax":
        return ", and JAX goes on as if nothing were wrong"
    return ", and Keras raises (on a GPU, and on JAX, it goes on)"


RULE = FractionalClassLabels()

"""Training data are scaled, validation data are not, or otherwise.

## What it finds

`fit(x_train, x_train, validation_data=(x_test, x_test))` where only one of the two was divided by 255.

## Why it hurts

The validation loss is then about other numbers than the training loss: on raw [0, 255] images it starts thousands of
times as high (255² = 65,025 for a mean squared error), never follows, and early stopping or the choice of a checkpoint
by it picks at random. Predictions on data prepared like the validation data are rubbish.

## How it is decided

- *static* and *runtime*: the spans of training and validation data are known and differ by a factor of ten or more.
- *probe*: none; the training itself is not at fault.

## When it stays silent

Below that factor, and where one of the spans is unknown.

## Fix safety

There is no automatic fix: scale the validation data as the training data are, with the same numbers.

## References

- [scikit-learn: common pitfalls, inconsistent preprocessing](https://scikit-learn.org/stable/common_pitfalls.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import LABELS, evidence, span_of, spans, values_words
from ae_audit.rules.programs import SCALED, dense_keras
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup

FACTOR = 10.0
"""spans of two samples of the same data differ by less, a forgotten division by 255 or 16 makes more of it"""


KERAS = dense_keras(
    'layers.Dense(784, activation="sigmoid")',
    data=[SCALED, 'x_test = x_test.reshape(-1, 784).astype("float32")'],
    loaded="(x_train, _), (x_test, _)",
    fitted="x_train, x_train, validation_data=(x_test, x_test)",
)


class TrainValidationScaleMismatch(Rule):
    """Training and validation data are on different scales."""

    code = "AE304"
    name = "train-validation-scale-mismatch"
    severity = Severity.ERROR
    frameworks = (Framework.KERAS,)
    """a loop in torch is not told which data are for validation"""
    probed = False
    bad = (Example(Framework.KERAS, KERAS, codes=("AE304",)),)
    good = (Example(Framework.KERAS, KERAS.replace('astype("float32")\n', 'astype("float32") / 255.0\n')),)

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        for part, trained, validated in (
            ("input", setup.input, setup.validation_input),
            ("target", setup.target, setup.validation_target),
        ):
            if validated is not None and _differ(trained, validated):
                place = setup.location
                yield Violation(
                    message=f"the {part} is {values_words(trained)} in training, but {values_words(validated)} "
                    "in validation",
                    location=place,
                    spans=spans(setup, but=place, loss=False),
                    evidence=evidence(setup, part),
                )
                return


def _differ(trained: DataFacts, validated: DataFacts) -> bool:
    if trained.structure in LABELS or validated.structure in LABELS:
        return False
    one, other = span_of(trained), span_of(validated)
    if not one or not other:
        return False
    return max(one, other) >= FACTOR * min(one, other)


RULE = TrainValidationScaleMismatch()

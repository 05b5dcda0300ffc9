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

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import beaten_by_the_mean, evidence, head_place, is_simplex, spans
from ae_audit.rules.programs import SCALED, dense_keras, dense_torch
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Remedy, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.activations import Constraint
from ae_audit.theory.loss_families import BINARY, CATEGORICAL
from ae_audit.theory.ranges import Tri

KERAS = dense_keras(
    'layers.Dense(1, activation="softmax")',
    compiled='loss="binary_crossentropy"',
    data=[SCALED, 'y_train = (y_train == 7).astype("float32")'],
    loaded="(x_train, y_train), _",
    fitted="x_train, y_train",
    model="classifier",
)

TORCH = dense_torch(
    "nn.Linear(32, 1)",
    "nn.Softmax(dim=1)",
    criterion="nn.BCELoss()",
    batch="images, labels",
    step=["sevens = (labels == 7).float().unsqueeze(1)", "loss = criterion(model(images), sevens)"],
)


class SingleUnitSoftmax(Rule):
    """Softmax over one unit is the constant 1."""

    code = "AE106"
    name = "single-unit-softmax"
    severity = Severity.ERROR
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE106",), fixed=KERAS.replace("softmax", "sigmoid")),
        Example(Framework.TORCH, TORCH, codes=("AE106",), fixed=TORCH.replace("Softmax(dim=1)", "Sigmoid()")),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("softmax", "sigmoid")),
        Example(Framework.TORCH, TORCH.replace("Softmax(dim=1)", "Sigmoid()")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if not _constant(setup):
            return
        place = head_place(setup)
        yield Violation(
            message=_message(setup),
            location=place,
            remedies=_remedies(setup),
            spans=spans(setup, but=place, target=False),
            evidence=evidence(setup, "head", "target"),
            proved=beaten_by_the_mean(setup),
        )


def _message(setup: TrainingSetup) -> str:
    name, constant = ("log_softmax", 0) if setup.head.activation == "log_softmax" else ("softmax", 1)
    return f"{name} over a single unit is the constant {constant}, whatever the weights"


def _constant(setup: TrainingSetup) -> bool:
    produced, units = setup.head.range, setup.head.units
    constant = {"softmax": 1.0, "log_softmax": 0.0}.get(setup.head.activation or "")
    if constant is not None and produced.values.hull.lo == produced.values.hull.hi == constant:
        return True
    return units == 1 and (is_simplex(setup) or produced.constraint is Constraint.LOG_SIMPLEX)


def _remedies(setup: TrainingSetup) -> tuple[Remedy, ...]:
    logits = setup.loss.from_logits is Tri.YES
    if setup.target.structure is Structure.CONTINUOUS:
        probability = setup.loss.name in BINARY and not logits  # which the constant 1 is as well
        return repair(setup).pairing or (SwapActivation("sigmoid" if probability else "linear"),)
    if logits and setup.framework is Framework.TORCH:
        return (SwapActivation("linear"), SwapLoss("bce", from_logits=True))
    if setup.loss.name in CATEGORICAL:
        return (SwapActivation("sigmoid"), SwapLoss("bce"))
    return (SwapActivation("linear" if logits and setup.loss.name in BINARY else "sigmoid"),)


RULE = SingleUnitSoftmax()

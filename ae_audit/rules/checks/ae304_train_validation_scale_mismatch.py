"""Training data and what the model is given later are scaled differently.

## What it finds

`fit(x_train, x_train, validation_data=(x_test, x_test))` where only one of the two was divided by 255; and a trained
model that is asked about data which were scaled otherwise: `predict(x_test)` on raw bytes, `model(images)` after
`ToTensor()` alone where training had `Normalize` as well.

## Why it hurts

The validation loss is then about other numbers than the training loss: on raw [0, 255] images it starts thousands of
times as high (255² = 65,025 for a mean squared error), never follows, and early stopping or the choice of a checkpoint
by it picks at random. Predictions on data prepared like the validation data are meaningless.

## How it is decided

- *static* and *runtime*: the spans of training and validation data are known and differ by a factor of ten or more.
- *static*: data of one source, whose raw values are known, reach training and use (`predict`, `evaluate`, a call)
  through scalings that are known and differ.
- *probe*: none; the training itself is not at fault.

## When it stays silent

Below that factor, and where one of the spans is unknown. Of what the model is given later: data of another source,
random tensors, noise, data that the program makes, files whose values are not known, and data that it is trained on as
well.

## Fix safety

There is no automatic fix: scale the validation data as the training data are, with the same numbers.

## References

- [scikit-learn: common pitfalls, inconsistent preprocessing](https://scikit-learn.org/stable/common_pitfalls.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import LABELS, ROUNDING, evidence, span_of, spans, values_words
from ae_audit.rules.programs import SCALED, dense_keras
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Evidence, Severity, Span, UnknownFact, Violation
from ae_audit.schema.remedies import Advice, Change, Remedy, affine_words
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup
from ae_audit.theory.intervals import Interval, affine_onto

FACTOR = 10.0
"""spans of two samples of the same data differ by less, a forgotten division by 255 or 16 makes more of it"""
MOST = 2.0
"""times that data may become wider; beyond that they were scaled twice, or the training data never were"""


KERAS = dense_keras(
    'layers.Dense(784, activation="sigmoid")',
    data=[SCALED, 'x_test = x_test.reshape(-1, 784).astype("float32")'],
    loaded="(x_train, _), (x_test, _)",
    fitted="x_train, x_train, validation_data=(x_test, x_test)",
)


TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
train_loader = DataLoader(datasets.MNIST("data", download=True, transform=transform), batch_size=256)
test_loader = DataLoader(datasets.MNIST("data", train=False, transform=transforms.ToTensor()), batch_size=256)

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), nn.Tanh())
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for images, _ in train_loader:
    loss = criterion(model(images), images.flatten(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    for images, _ in test_loader:
        output = model(images)
"""


class TrainValidationScaleMismatch(Rule):
    """Training and validation data are on different scales."""

    code = "AE304"
    name = "train-validation-scale-mismatch"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE304",)),
        Example(Framework.TORCH, TORCH, codes=("AE304",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('astype("float32")\n', 'astype("float32") / 255.0\n')),
        Example(
            Framework.TORCH,
            TORCH.replace("train=False, transform=transforms.ToTensor()", "train=False, transform=transform"),
        ),
    )

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
                    remedies=_scaled(setup, validated, trained, f"the validation {part}"),
                    spans=spans(setup, but=place, loss=False),
                    evidence=evidence(setup, part),
                )
                return
        if setup.asked is not None and setup.input.structure not in LABELS:
            place = setup.location
            where = setup.asked.location
            yield Violation(
                message=f"the model is trained on {values_words(setup.input)}, but then given {setup.asked.values} of "
                "the same source: what it is given later must be scaled as in training",
                location=place,
                remedies=_scaled(setup, setup.asked, setup.input, "what the model is given later"),
                spans=(Span(where, "given later"),) if where is not None and where != place else (),
                evidence=(*evidence(setup, "input"),
                          *(Evidence("static", step.text, step.location) for step in setup.asked.trail)),
            )  # fmt: skip


def _scaled(setup: TrainingSetup, later: DataFacts, trained: DataFacts, what: str) -> tuple[Remedy, ...]:
    """How later data come onto the scale of the training data; or these, where theirs is to change anyway."""
    change, data, hull = repair(setup).rescale, setup.input.values.hull, later.values.hull
    if change is not None and change.input and data.bounded and hull.bounded:
        made = Interval(change.scale * data.lo + change.shift, change.scale * data.hi + change.shift)
        if hull.covers(made, ROUNDING) and made.covers(hull, ROUNDING):
            return (change,)
    onto = affine_onto(hull, trained.values.hull)
    if onto is None or onto[0] > MOST:
        return (Advice(f"scale {what} as in training", Change.SCALE_LATER),)
    return (Advice(f"{what} {affine_words(*onto)}, as in training", Change.SCALE_LATER),)


def _differ(trained: DataFacts, validated: DataFacts) -> bool:
    if trained.structure in LABELS or validated.structure in LABELS:
        return False
    one, other = span_of(trained), span_of(validated)
    if not one or not other:
        return False
    return max(one, other) >= FACTOR * min(one, other)


RULE = TrainValidationScaleMismatch()

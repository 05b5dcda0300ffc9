"""Data that were scaled twice.

## What it finds

`ToTensor()`, which already divides by 255, and then `/ 255`; the same division in two places of a program; `/ 255`
outside and a `Rescaling` layer inside, or a model of the library that scales its input itself (EfficientNet,
MobileNetV3). What reaches the network spans a hundredth of the range it should.

## Why it hurts

Twice divided by 255, images lie in [0, 0.0039]. A network whose outputs start around 0.5 or around 0 with a spread of
tenths sees its target as a constant 0: the loss is small from the first step and falls to next to nothing, and what is
learned is a black image. R² stays near or below 0 for as long as the outputs' own noise is larger than the data.

## How it is decided

- *static* and *runtime*: both ends of the range of input or target are known, and it is narrower than 0.02.
- *static*: the same of the input behind the scaling that the model itself does before its first weights.
- *probe*: as written against the data multiplied back.

## When it stays silent

Where one end of the range is unknown, with constant arrays, and with labels. A scale that is merely unusual ([0, 0.1],
[0, 10]) is no fault. Of values that a run measured and nothing else is known of (a network's features, Gram
matrices) only those that bytes leave after two divisions by 255.

## Fix safety

There is no automatic fix: which of the two divisions goes is for the author to say.

## References

- [torchvision: ToTensor](https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import LABELS, evidence, spans, structure_of, values_words
from ae_audit.rules.programs import SCALED, dense_keras, dense_torch
from ae_audit.schema.findings import Evidence, Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice, Rescale
from ae_audit.schema.training_setup import DataFacts, Framework, Relation, Structure, TrainingSetup

NARROW = 0.02
"""fifty times narrower than [0, 1]: no habitual scaling is, and a second division by 255 leaves 0.0039 or 0.0078"""

CLOSE = 0.1
"""by which such a range may fall short of a whole one"""

KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', data=[SCALED, "x_train = x_train / 255.0"])

TORCH = dense_torch(
    "nn.Linear(32, 784)",
    "nn.Sigmoid()",
    step=["images = images.flatten(1) / 255.0", "loss = criterion(model(images), images)"],
)


class DoubleNormalisation(Rule):
    """The data were scaled twice."""

    code = "AE303"
    name = "double-normalisation"
    severity = Severity.ERROR
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE303",)),
        Example(Framework.TORCH, TORCH, codes=("AE303",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("x_train = x_train / 255.0\n", "")),
        Example(Framework.TORCH, TORCH.replace(" / 255.0", "")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        given = setup.input.structure not in LABELS and _narrow(setup.input)
        wanted = structure_of(setup) not in LABELS and _narrow(setup.target)
        if not given and not wanted:
            inside = setup.entering
            if inside is not None and _narrow(inside) and setup.input.structure not in LABELS:
                yield self._inside(setup, inside)
            return
        part, data = ("target", setup.target) if wanted else ("input", setup.input)
        place = setup.location
        both = setup.relation is Relation.SAME
        yield Violation(
            message=f"the {part} seems to be scaled twice: it is {values_words(data)}",
            location=place,
            remedies=(Rescale(255.0, input=given or both, target=wanted or both, undo=True),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, part),
        )

    def _inside(self, setup: TrainingSetup, inside: DataFacts) -> Violation:
        """The data are scaled, and the model scales them again before its first weights."""
        place = setup.location
        return Violation(
            message=f"the input is {values_words(setup.input)}, and the model scales it once more, to {inside.values}: "
            "scale outside or inside, not both",
            location=place,
            remedies=(Advice("one of the two left out: the division of the data, or the scaling in the model"),),
            spans=spans(setup, but=place, loss=False),
            evidence=(*evidence(setup, "input"), *(Evidence("static", step.text, step.location)
                                                   for step in inside.trail[len(setup.input.trail):])),
        )  # fmt: skip


def _narrow(data: DataFacts) -> bool:
    """Whether both ends of the range are known, and lie close together."""
    hull, reach = data.values.hull, data.values.reach
    if data.structure is not Structure.CONTINUOUS or reach is None or not hull.bounded:
        return False
    if not (reach.width > 0 and hull.width < NARROW and reach.width > hull.width / 2):
        return False
    # of values that were measured and no more is known of, only those that a division of bytes by 255 twice leaves
    of_bytes = any(abs(hull.width * 255.0 / width - 1.0) < CLOSE for width in (1.0, 2.0))
    return of_bytes or data.measured is None or bool(data.trail) or data.source is not None


RULE = DoubleNormalisation()

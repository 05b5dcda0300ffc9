"""Input and target of a reconstruction are the same data on different scales.

## What it finds

`fit(x / 255, x)` and its relatives: one of the two was divided, the other was not.

## Why it hurts

The network has to learn the factor 255 besides the reconstruction, with weights initialised for outputs near 1: the
loss starts 255² times as large as it would (a mean squared error of thousands), and a bounded output cannot get there
at all: a sigmoid against [0, 255] stays below R² −0.65. A 784-32-784 net with linear output ends at R² 0.24 after 1,000
Adam steps, at 0.52 with both on one scale.

## How it is decided

- *static* and *runtime*: the target is known to be an affine map of the input (or its clean form), and its span differs
  from the input's by a factor of ten or more.
- *probe*: as written against both on one scale.

## When it stays silent

Below a factor of ten: standardised inputs against [0, 1] targets are a legitimate choice, since the loss only sees the
target. Where the output's own range is bounded and is the target's (a `Rescaling(255)` as last layer), and where the
model begins with a normalisation. Where only the input is raw and the target is scaled, training works, less well: a
warning. Other data as target (super-resolution, colourisation) is not compared.

## Fix safety

Rescaling the data changes what the program computes: unsafe.

## References

- Goodfellow, Bengio, Courville, *Deep Learning* (2016), chapter 14: autoencoders.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import LABELS, ROUNDING, evidence, span_of, spans, structure_of, values_words
from ae_audit.rules.programs import RAW, dense_keras
from ae_audit.rules.repair import repair, scores_meet_indices
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Rescale
from ae_audit.schema.training_setup import Framework, Relation, TrainingSetup
from ae_audit.theory.loss_families import CATEGORICAL
from ae_audit.theory.ranges import Tri

FACTOR = 10.0
"""scales that differ by less are choices (standardised against [0, 1]); 255 and 127.5 are forgotten divisions"""


KERAS = dense_keras("layers.Dense(784)", data=[RAW, "x_scaled = x_train / 255.0"], fitted="x_scaled, x_train")

TORCH = """\
import torch
from torch import nn
from torchvision import datasets

digits = datasets.MNIST("data", train=True, download=True).data
x = digits.flatten(1).float()

model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for batch in x.split(256):
    loss = criterion(model(batch / 255.0), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class InputTargetScaleMismatch(Rule):
    """Input and target are the same data on different scales."""

    code = "AE302"
    name = "input-target-scale-mismatch"
    severity = Severity.ERROR
    bad = (
        Example(
            Framework.KERAS,
            KERAS,
            codes=("AE302",),
            fixed=KERAS.replace("autoencoder.fit", "x_train = x_train / 255.0\nautoencoder.fit"),
        ),
        Example(Framework.TORCH, TORCH, codes=("AE302",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("fit(x_scaled, x_train", "fit(x_scaled, x_scaled")),
        Example(Framework.TORCH, TORCH.replace(", batch)", ", batch / 255.0)")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.head.activation is None and setup.head.range.unknown and setup.input.values.unknown:
            return  # a network out of reach, whose output may be scaled as its target is
        if setup.reconstruction is not Tri.YES or structure_of(setup) in LABELS or setup.loss.name in CATEGORICAL:
            return
        if scores_meet_indices(setup):
            return  # classes that are called by their grey levels have no scale
        scale = _scale(setup)
        if scale is None or 1 / FACTOR < scale < FACTOR:
            return
        larger_target = scale > 1
        if larger_target and _head_rescales(setup):
            return
        if not larger_target and setup.model.normalises_input is not Tri.NO:
            return
        yield self._violation(setup, larger_target, scale)

    def _violation(self, setup: TrainingSetup, larger_target: bool, scale: float) -> Violation:
        place = setup.location
        return Violation(
            message=f"the input is {values_words(setup.input)}, but the target, which it should become, is "
            f"{values_words(setup.target)}",
            location=place,
            remedies=(_remedy(setup, larger_target, scale),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "input", "target"),
            severity=None if larger_target else Severity.WARNING,
        )


def _scale(setup: TrainingSetup) -> float | None:
    """The factor from input to target, where it is known."""
    if setup.relation is Relation.RESCALED and setup.relation_scale is not None:
        return abs(setup.relation_scale[0]) or None
    if setup.relation is Relation.SAME:
        return None
    given, wanted = span_of(setup.input), span_of(setup.target)
    return wanted / given if given and wanted else None


def _head_rescales(setup: TrainingSetup) -> bool:
    """Whether the output layer is made for the scale of the target."""
    hull = setup.head.range.values.hull
    return hull.bounded and setup.target.values.leaves(hull, ROUNDING * hull.width) is Tri.NO


def _remedy(setup: TrainingSetup, larger_target: bool, scale: float) -> Rescale:
    change = repair(setup).rescale
    if larger_target:
        return change if change is not None and change.target and not change.input else Rescale(1 / scale, input=False)
    return change if change is not None and change.input and not change.target else Rescale(scale, target=False)


RULE = InputTargetScaleMismatch()

"""A softmax along an axis of the output where the target is no distribution.

## What it finds

An output layer with `softmax` over values that stand for themselves: the 784 pixels of an image, the features of a
table row, the three colours of a pixel.

## Why it hurts

The outputs of a softmax sum to 1. The pixels of an MNIST digit on [0, 1] sum to about 100, so every pixel of the
reconstruction is about a hundredth of what it should be. On 5,000 real digits *no* weights reach an R² above −0.632
(predicting the mean image scores 0). Keras on TensorFlow hides it: it computes binary cross-entropy from the logits
behind the softmax and prints the very loss curve of a sigmoid (0.569, 0.289, 0.210, …), while `predict` returns the
softmax.

## How it is decided

- *static*: the output is a simplex along an axis, and the target is known to hold quantities, or its values surely
  leave [0, 1], so that they cannot be a distribution along that axis.
- *runtime*: the same facts, from the tensors that met in the loss.
- *certificate*: the targets are projected on the simplex; where even that projection explains no variance, it is
  proved.
- *probe*: the program as written against the same program with the activation that suits the target.

## When it stays silent

Where the target is one-hot, a class index or a distribution along the axis of the softmax: classification, segmentation
over channels, a vocabulary, 256 grey levels for each pixel. A softmax over a single unit is AE106. Where it is unknown
what the target holds, the rule says so instead of guessing.

## Fix safety

Replacing the activation changes what the program computes: unsafe.

## References

- Bishop, *Pattern Recognition and Machine Learning* (2006), section 4.3.6: which output activation goes with which
  loss.
- [Keras: layer activation functions](https://keras.io/api/layers/activations/)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.checks.ae109_softmax_over_batch import over_batch
from ae_audit.rules.predicates import (
    ROUNDING,
    beaten_by_the_mean,
    evidence,
    head_place,
    indices_for_vectors,
    is_simplex,
    on_tensorflow,
    spans,
    structure_of,
    target_is_distribution,
    unknown_loss,
    unknown_structure,
    values_words,
)
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Evidence, Severity, UnknownFact, Violation
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.activations import Constraint
from ae_audit.theory.intervals import UNIT, format_number
from ae_audit.theory.loss_families import BINARY, CATEGORICAL
from ae_audit.theory.ranges import Tri

KERAS = dense_keras('layers.Dense(784, activation="softmax")', compiled='loss="binary_crossentropy"')

TORCH = dense_torch("nn.Linear(32, 784)", "nn.Softmax(dim=1)")

SEGMENTATION = """\
import keras
import numpy as np
from keras import layers

images = np.random.rand(128, 28, 28, 1).astype("float32")
masks = np.random.randint(0, 3, size=(128, 28, 28))

segmenter = keras.Sequential([
    keras.Input(shape=(28, 28, 1)),
    layers.Conv2D(8, 3, padding="same", activation="relu"),
    layers.Conv2D(3, 1, activation="softmax"),
])
segmenter.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
segmenter.fit(images, masks, epochs=1, batch_size=32)
"""

ONE_HOT = """\
import torch
from torch import nn
from torch.nn import functional as F

letters = F.one_hot(torch.randint(0, 26, (512, 12)), num_classes=26).float()

model = nn.Sequential(nn.Linear(26, 8), nn.ReLU(), nn.Linear(8, 26), nn.Softmax(dim=-1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters())

for batch in letters.split(64):
    loss = criterion(model(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


class SoftmaxOnPerPixelTarget(Rule):
    """Softmax over values that are no distribution."""

    code = "AE101"
    name = "softmax-on-per-pixel-target"
    severity = Severity.ERROR
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE101",), fixed=KERAS.replace("softmax", "sigmoid")),
        Example(Framework.TORCH, TORCH, codes=("AE101",), fixed=TORCH.replace("Softmax(dim=1)", "Sigmoid()")),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("softmax", "sigmoid")),
        Example(Framework.KERAS, SEGMENTATION, note="a distribution over three classes at each pixel"),
        Example(Framework.TORCH, TORCH.replace("Softmax(dim=1)", "Sigmoid()")),
        Example(Framework.TORCH, ONE_HOT, note="every letter is a one-hot vector"),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.head.range.constraint is not Constraint.SIMPLEX or setup.head.units == 1:
            return
        if over_batch(setup) or indices_for_vectors(setup):  # which AE109 and AE309 tell of
            return
        if not is_simplex(setup) and structure_of(setup) is not Structure.CONTINUOUS:
            return  # a distribution mapped elsewhere is compared with quantities only
        suits = target_is_distribution(setup)
        if suits is Tri.YES or structure_of(setup) in {
            Structure.CLASS_INDEX,
            Structure.BINARY_LABEL,
            Structure.MULTI_HOT,
        }:
            return
        if suits is Tri.UNKNOWN:
            # a softmax under a categorical loss is how classifiers are written
            if setup.loss.name not in CATEGORICAL or setup.reconstruction is Tri.YES:
                yield unknown_structure(setup)
        elif setup.loss.name is None and setup.reconstruction is not Tri.YES:
            # the user's own loss may normalise the target (a multinomial likelihood over counts)
            yield unknown_loss(setup)
        else:
            yield self._violation(setup)

    def _violation(self, setup: TrainingSetup) -> Violation:
        place = head_place(setup)
        change = repair(setup)
        return Violation(
            message=_message(setup),
            location=place,
            remedies=change.pairing if change.activation is None else (change.activation,),
            spans=spans(setup, but=place),
            evidence=(*evidence(setup, "head", "target"), *_healthy_loss(setup)),
            proved=beaten_by_the_mean(setup),
        )


def _message(setup: TrainingSetup) -> str:
    units, seen, made = setup.head.units, setup.target.measured, setup.head.range
    outputs = "the outputs" if units is None else f"the {units} outputs"
    constant = format_number(made.scale + made.shift * units) if units is not None else "a constant"
    total = "1" if is_simplex(setup) else constant
    many = units is not None and seen is not None and units * seen.samples < seen.count
    where = "at each place" if many else "of a sample"
    text = f"softmax makes {outputs} {where} sum to {total}, but the target holds separate values"
    if units is not None and seen is not None:
        return f"{text} that sum to {format_number(seen.mean * units)} {'there ' if many else ''}on average"
    if setup.target.values.unknown:
        return f"{text}, no distribution"
    return f"{text} in {values_words(setup.target)}, no distribution"


def _healthy_loss(setup: TrainingSetup) -> Iterator[Evidence]:
    """Keras on TensorFlow computes the loss from the logits behind the activation, so its figures look right."""
    if setup.framework is not Framework.KERAS or setup.loss.name not in BINARY:
        return
    if setup.head.logits_recoverable is Tri.NO or on_tensorflow(setup) is Tri.NO:
        return
    if setup.target.values.leaves(UNIT, ROUNDING) is not Tri.NO:
        return  # outside [0, 1] the loss runs to -inf, and nobody takes that for healthy
    yield Evidence(
        "static",
        "Keras on TensorFlow computes this loss from the logits behind the softmax, as a sigmoid's: the printed loss "
        "will look healthy and fall, but predict() returns the softmax. Judge the model by its predictions.",
        setup.loss.location,
    )


RULE = SoftmaxOnPerPixelTarget()

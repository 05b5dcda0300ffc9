"""A loss that does not see the scale of what it compares.

## What it finds

Cosine similarity as the only loss of a reconstruction: Keras' `CosineSimilarity`, `1 - F.cosine_similarity(…)`,
`nn.CosineEmbeddingLoss` with labels of 1.

## Why it hurts

The cosine of the angle between prediction and target is the same for every positive multiple of the prediction: an
image at half its brightness, or at a hundred times it, costs as little as the image itself. Nothing in training ever
tells the output layer how bright a pixel is. After 150 steps on MNIST a dense Keras model trained this way explains 10
% of the variance of the pixels (R² 0.10), with the mean squared error 39 %. Along an axis of one value, such as the
channel of a grey image, all that is left of it is the sign.

## How it is decided

- *static* and *runtime*: the target is the input (or its clean form), holds known values, and the loss is the cosine
  similarity and nothing else.
- *probe*: as written against the mean squared error, by the predictions.

## When it stays silent

Beside another loss that sees the scale (a mean squared error added to it); where the target is no reconstruction, as
embeddings and directions are not, or has unit norm itself; and as a metric. Where something unknown is added to it, or
the target is unknown, it says that it is undecided.

## Fix safety

Replacing the loss changes what the program computes: unsafe.

## References

- [Keras: CosineSimilarity](https://keras.io/api/losses/regression_losses/#cosinesimilarity-class)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import evidence, loss_place, spans, unknown_target, values_words
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import SwapLoss
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup
from ae_audit.theory.ranges import Tri

UNIT_NORM = 0.02
"""how far from 1 the mean squared norm of samples may be that were scaled to norm 1: float16 rounds by less"""

KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', compiled='loss="cosine_similarity"')

TORCH = dense_torch(
    "nn.Linear(32, 784)",
    criterion=None,
    step=["output = model(images)", "loss = 1 - F.cosine_similarity(output, images.flatten(1)).mean()"],
).replace("from torch import nn\n", "from torch import nn\nfrom torch.nn import functional as F\n")

EMBEDDING = TORCH.replace("from torch.nn import functional as F\n", "").replace(
    "1 - F.cosine_similarity(output, images.flatten(1)).mean()",
    "nn.CosineEmbeddingLoss()(output, images.flatten(1), torch.ones(len(images)))",
)


class ScaleFreeLoss(Rule):
    """Cosine similarity alone cannot recover intensities."""

    code = "AE207"
    name = "scale-free-loss"
    severity = Severity.WARNING
    bad = (
        Example(
            Framework.KERAS, KERAS, codes=("AE207",), fixed=KERAS.replace("cosine_similarity", "mean_squared_error")
        ),
        Example(Framework.TORCH, TORCH, codes=("AE207",)),
        Example(Framework.TORCH, EMBEDDING, codes=("AE207",)),
    )
    good = (
        Example(
            Framework.KERAS, KERAS.replace('loss="cosine', 'loss="mse", metrics=["cosine').replace('ty")', 'ty"])')
        ),
        Example(
            Framework.TORCH,
            TORCH.replace(".mean()\n", ".mean() + F.mse_loss(output, images.flatten(1))\n"),
            note="with a loss that sees the scale",
        ),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if setup.loss.name != "cosine_similarity" or setup.loss.alone is Tri.NO or setup.reconstruction is Tri.NO:
            return
        if setup.reconstruction is Tri.UNKNOWN:
            yield UnknownFact("relation of target and input", "cosine similarity suits directions, not intensities")
            return
        if setup.target.values.reach is None:
            yield unknown_target(setup)
            return
        if _has_unit_norm(setup.target):
            return
        if setup.loss.alone is Tri.UNKNOWN:
            yield UnknownFact("loss", "what is minimised beside the cosine similarity is not known")
            return
        place, swap = loss_place(setup), repair(setup).loss
        yield Violation(
            message="cosine similarity costs the same for every positive multiple of the prediction: alone it cannot "
            f"recover the intensities of the target, {values_words(setup.target)}{_sign_only(setup)}",
            location=place,
            remedies=(swap if isinstance(swap, SwapLoss) else SwapLoss("mse"),),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "loss", "target"),
        )


def _has_unit_norm(target: DataFacts) -> bool:
    """Whether the samples seen have norm 1, so that their direction is all there is to them."""
    seen = target.measured
    if seen is None or not seen.samples:
        return False
    return abs((seen.mean**2 + seen.std**2) * seen.count / seen.samples - 1) < UNIT_NORM


def _sign_only(setup: TrainingSetup) -> str:
    axis, shape = dict(setup.loss.parameters).get("axis"), setup.head.shape
    if not isinstance(axis, int) or shape is None or not -len(shape) <= axis < len(shape) or shape[axis] != 1:
        return ""
    return f"; along axis {axis}, of one value, it compares nothing but signs"


RULE = ScaleFreeLoss()

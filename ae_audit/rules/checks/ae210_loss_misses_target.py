"""A loss that rewards something else than its target, whatever the network.

## What it finds

A loss with its sign reversed (`loss = -F.mse_loss(output, images)`), a similarity that is minimised, a Dice or Jaccard
loss on raw logits or against masks of 0 and 255, a loss that costs the same whatever the answers are, an output without
gradient where training starts, the divergence of a variational code taken from the loss that it should be added to
(`bce + 0.5 * torch.sum(1 + v - m**2 - v.exp())`): any pair of head and loss, also the program's own, under which no
network arrives at the target.

## Why it hurts

The loss falls, and the predictions leave the target. Under the negative of the mean squared error a dense autoencoder
of MNIST ends at R² −13.3; under a Dice loss on raw logits the loss falls below −8 (it should end at 0), and the
correlation of mask and prediction is −1.

## How it is decided

- *static*: a loss that surely is the only one, compares value with value, and enters what is minimised with a negative
  sign; a similarity or an overlap that enters with a positive one; the divergence of a code, written out, whose sign
  is not that of the reconstruction's loss. *runtime* measures the same sign from the gradients of both.
- *ideal*: the network is replaced by one that could output anything. Its values before the output activation are free,
  a set for each sample, and the program's own loss is minimised over them from two starts. The rule fires where (a) the
  output layer cannot produce the target on the loss's own scale, (b) what does not resemble the target (correlation
  below 0.9) costs materially less than the target itself, (c) the targets of other samples cost as little as a sample's
  own, and a constant no more, (d) the loss has no gradient where the network starts, or (e) it is no number there,
  though the target itself has a cost: a logarithm of logits.

## When it stays silent

Where another rule says why (`AE101`, `AE102`, `AE201`, `AE209`, `AE303`, `AE309` …). Where the target can be produced
and nothing that was found costs less: perceptual, spectral and SSIM losses, correlation and scale-invariant losses,
smoothed labels, quantiles, masks and weights. Not judged, and named so, are losses that are linear in the prediction
(policy gradients, critics), that order samples rather than match them (survival, ranking), that pass another network's
weights, that compare picked values of the prediction alone (`gather`, an index), or that miss beside other terms on the
same prediction; targets that a network gave (a teacher, a bootstrapped value), that do not vary, or that have fewer
values than the prediction.

## Fix safety

There is no automatic fix: only the author knows what the loss was to be.

## References

- Bishop, *Pattern Recognition and Machine Learning* (2006), section 1.5.5: loss functions and what minimises them.
- Milletari et al., *V-Net* (2016), section 3: the Dice loss is defined on probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import LABELS, evidence, loss_place, loss_words, number_words, spans, structure_of
from ae_audit.rules.programs import dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.remedies import Advice, Change
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.loss_families import BINARY, CATEGORICAL, OVERLAP, POINTWISE
from ae_audit.theory.ranges import Tri

FUNCTIONAL = "import torch\nfrom torch import nn\n"
WITH_F = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"

TORCH = dense_torch(
    "nn.Linear(32, 784)",
    "nn.Sigmoid()",
    criterion=None,
    step=["loss = -F.mse_loss(model(images), images.flatten(1))"],
).replace(FUNCTIONAL, WITH_F)

DICE = dense_torch(
    "nn.Linear(32, 784)",
    criterion=None,
    step=[
        "masks = (images.flatten(1) > 0.5).float()",
        "scores = model(images)",
        "overlap = torch.einsum('nd,nd->', scores, masks)",
        "loss = 1 - (2 * overlap + 1) / (scores.sum() + masks.sum() + 1)",
    ],
)

KERAS_DICE = """\
import keras
from keras import layers, ops

(x_train, _), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0
masks = (x_train > 0.5).astype("float32")


def dice_loss(y_true, y_pred):
    overlap = ops.einsum("nd,nd->", y_true, y_pred)
    return 1 - (2 * overlap + 1) / (ops.sum(y_true) + ops.sum(y_pred) + 1)


segmenter = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(32, activation="relu"),
    layers.Dense(784),
])
segmenter.compile(optimizer="adam", loss=dice_loss)
segmenter.fit(x_train, masks, epochs=1, batch_size=256)
"""

SIMILARITY = dense_keras(
    "layers.Dense(784)", compiled="loss=lambda y_true, y_pred: -keras.losses.mean_squared_error(y_true, y_pred)"
)


class LossMissesTarget(Rule):
    """Under this loss no network arrives at the target."""

    code = "AE210"
    name = "loss-misses-target"
    severity = Severity.ERROR
    probed = False
    silenced_by = ("AE1", "AE20", "AE211", "AE303", "AE305", "AE307", "AE309")
    bad = (
        Example(Framework.TORCH, TORCH, codes=("AE210",)),
        Example(Framework.TORCH, DICE, codes=("AE210",), by_running=True),
        Example(Framework.KERAS, KERAS_DICE, codes=("AE210",), by_running=True),
        Example(Framework.KERAS, SIMILARITY, codes=("AE210",)),
    )
    good = (
        Example(Framework.TORCH, TORCH.replace("= -F.mse", "= F.mse")),
        Example(
            Framework.TORCH,
            DICE.replace("784),\n)", "784),\n    nn.Sigmoid(),\n)"),
            note="on probabilities",
            by_running=True,
        ),
        Example(Framework.KERAS, KERAS_DICE.replace("Dense(784)", 'Dense(784, activation="sigmoid")'), by_running=True),
        Example(Framework.KERAS, SIMILARITY.replace("-keras.", "keras.")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if _parts_with_prior(setup):
            yield self._violation(setup, _PARTS_WITH_PRIOR, proved=False)
            return
        ideal = setup.ideal
        if ideal is None:
            if _reversed_by_reading(setup):
                yield self._violation(setup, _reversed_words(setup), proved=False)
            return
        if ideal.outcome is Outcome.NOT_JUDGED:
            if setup.loss.name is None and ideal.why is not None:
                yield UnknownFact("loss", f"not judged: {ideal.why}")
            return
        if ideal.misses:
            text = _reversed_words(setup) if _is_reversed(setup) else _words(setup, ideal)
            yield self._violation(setup, text, proved=True)

    def _violation(self, setup: TrainingSetup, text: str, *, proved: bool) -> Violation:
        place = loss_place(setup)
        remedies = (_upright(setup),) if _is_reversed(setup) else ()
        if _parts_with_prior(setup):
            assert setup.variational is not None
            place, remedies = setup.variational.location or place, (Advice("the divergence with the other sign"),)
        return Violation(
            message=text,
            location=place,
            remedies=remedies,
            spans=spans(setup, but=place),
            evidence=evidence(setup, "head", "loss", "target"),
            proved=proved,
        )


def _upright(setup: TrainingSetup) -> Advice:
    if setup.loss.name == "cosine_similarity" and setup.framework is Framework.TORCH:
        return Advice("1 minus the similarity as the loss, or mse where intensities count")
    if setup.loss.name in OVERLAP:
        return Advice("1 minus the overlap as the loss")
    return Advice("the loss without its minus sign", Change.POSITIVE_LOSS)


def _words(setup: TrainingSetup, ideal: Ideal) -> str:
    loss = loss_words(setup)
    target, end = number_words(ideal.target_loss), number_words(ideal.end_loss)
    if ideal.outcome is Outcome.UNREACHABLE:
        return (
            f"the output layer cannot produce what {loss} rewards most: the target itself would cost {target}, and the "
            f"best that any weights could output costs {end}"
        )
    if ideal.outcome is Outcome.BLIND:
        return (
            f"{loss} costs the same whatever the predictions say of their own targets: with each sample's target "
            f"{target}, with those of other samples {number_words(ideal.shuffled_loss)}"
        )
    if ideal.outcome is Outcome.UNDEFINED:
        return (
            f"{loss} of what the network gives at first is NaN, and after one step all weights are: it takes a "
            "logarithm, a root or a power of values that may be negative"
        )
    if ideal.outcome is Outcome.DEAD:
        return f"{loss} has no gradient where the network starts, at {number_words(ideal.start_loss)}: it cannot learn"
    return f"{loss} rewards something else than the target: the target itself costs {target}, what beats it {end}"


def _reversed_words(setup: TrainingSetup) -> str:
    if setup.loss.name in OVERLAP:
        return "the sign of the loss is reversed: the overlap of prediction and target is minimised"
    if setup.loss.name == "cosine_similarity":
        return "the sign of the loss is reversed: the similarity of prediction and target is minimised"
    weight = number_words(setup.loss.weight)
    return (
        f"the sign of the loss is reversed: what is minimised, {loss_words(setup)} times {weight}, falls as the "
        "prediction leaves the target"
    )


_PARTS_WITH_PRIOR = (
    "the sign of the divergence is reversed: what is minimised falls without end as the code leaves its prior, and the "
    "reconstruction counts for less and less beside it"
)


def _parts_with_prior(setup: TrainingSetup) -> bool:
    """Whether a code's divergence is maximised beside a loss of the reconstruction that is minimised."""
    found = setup.variational
    if found is None or found.divergence.weight is None or found.divergence.weight >= 0.0:
        return False
    return setup.loss.name in POINTWISE or setup.loss.name in BINARY or setup.loss.name in CATEGORICAL


def _is_reversed(setup: TrainingSetup) -> bool:
    """Whether the loss, of which the least value is at the target, enters with a negative weight."""
    loss = setup.loss
    known = any(loss.name in family for family in (POINTWISE, BINARY, OVERLAP)) or loss.name == "cosine_similarity"
    return known and loss.weight is not None and loss.weight < 0.0


def _reversed_by_reading(setup: TrainingSetup) -> bool:
    """The same where nothing else is minimised with it, and it is meant for no attack and no generator's judge."""
    return _is_reversed(setup) and setup.loss.alone is Tri.YES and not _may_be_meant(setup)


def _may_be_meant(setup: TrainingSetup) -> bool:
    """Whether a classifier may be attacked or deceived here: but not by a loss written out whose minus is missing."""
    labelled = setup.reconstruction is not Tri.YES and (structure_of(setup) in LABELS or setup.loss.name in BINARY)
    forgotten = setup.loss.custom and setup.target.values.hull.width > 0
    return labelled and not forgotten


RULE = LossMissesTarget()

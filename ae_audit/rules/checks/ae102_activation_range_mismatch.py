"""Target values that the output activation can never produce.

## What it finds

A target outside the range of the output layer: `sigmoid` (0 to 1) against raw [0, 255] images or standardised data,
`relu` (never negative) against images on [−1, 1], `tanh` against [0, 255].

## Why it hurts

What lies outside the range is out of reach of any weights, however long the training. On 5,000 real MNIST digits on [0,
255], a sigmoid cannot reach an R² above −0.654: predicting the mean image does better. On digits standardised by
(0.1307, 0.3081), a sigmoid cannot show the background, which is four fifths of every image.

## How it is decided

- *static*: the range of the data is followed through the program. Values that surely occur outside the activation range
  accuse; a hull inside the range acquits; in between the rule says that it cannot decide. Of an activation that is fed
  what another one leaves (`sigmoid(relu(x))`: [0.5, 1)) the range is what comes out, and the remedy is to feed it the
  layer itself.
- *runtime*: from the smallest and largest value that met the loss.
- *ideal network*: a loss that has no name is one whose reward lies beyond the output, where a network that could output
  anything shows it.
- *certificate*: the targets are clipped to the range; where that explains no variance, it is proved.
- *probe*: as written against rescaled data, or against an activation that reaches the target.

## When it stays silent

With losses that read the prediction on another scale (logits, log-probabilities), with class indices, and with an
unbounded output. Values that leave the range by rounding only (0.1 % of its width) do not count.
Where less than 1 % of the values are out of reach and 99 % of the variance can be explained, it is a warning.

## Fix safety

Dividing the data or replacing the activation changes what the program computes: unsafe.

## References

- Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 6.2.2: output units.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import (
    LABEL_NOISE,
    LABELS,
    ROUNDING,
    activation_words,
    beaten_by_the_mean,
    compares_values,
    evidence,
    fed_narrowly,
    head_known,
    head_place,
    spans,
    structure_of,
    unknown_head,
    unknown_loss,
    unknown_target,
    values_words,
)
from ae_audit.rules.programs import RAW, SIGNED, dense_keras, dense_torch
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Evidence, Severity, UnknownFact, Violation
from ae_audit.schema.ideal import Outcome
from ae_audit.schema.remedies import Advice, Remedy
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.activations import FREE_HEADS, Constraint
from ae_audit.theory.loss_families import BINARY, CATEGORICAL
from ae_audit.theory.ranges import Tri

FEW = 0.01
"""share of unreachable values, and of lost variance, up to which the mismatch only blurs the extremes"""


KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', data=[RAW])

TORCH = dense_torch("nn.Linear(32, 784)", "nn.Sigmoid()", transform=SIGNED)


class ActivationRangeMismatch(Rule):
    """Target values lie outside the range of the output activation."""

    code = "AE102"
    name = "activation-range-mismatch"
    severity = Severity.ERROR
    bad = (
        Example(
            Framework.KERAS,
            KERAS,
            codes=(
                "AE102",
                "AE301",
            ),
            fixed=KERAS.replace("autoencoder.fit", "x_train = x_train / 255.0\nautoencoder.fit"),
        ),
        Example(Framework.TORCH, TORCH, codes=("AE102",), fixed=TORCH.replace("Sigmoid", "Tanh")),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('astype("float32")', 'astype("float32") / 255.0')),
        Example(Framework.TORCH, TORCH.replace("Sigmoid", "Tanh")),
        Example(
            Framework.TORCH, TORCH.replace("    nn.Sigmoid(),\n", ""), note="an unbounded output reaches everything"
        ),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        head, target = setup.head.range.values, setup.target
        if target.structure is Structure.CLASS_INDEX or head.hull.width == 0:
            return
        if not _same_scale(setup):
            return
        if not head_known(setup):
            if not target.values.unknown and setup.reconstruction is Tri.YES:
                yield unknown_head(setup)
            return
        tolerance = ROUNDING * head.hull.width if head.hull.bounded else ROUNDING
        if target.structure in LABELS and setup.loss.name in BINARY:
            tolerance = LABEL_NOISE  # which is AE201's to judge
        outside = target.values.leaves(head.hull, tolerance)
        if outside is Tri.NO or (outside is Tri.UNKNOWN and target.structure in LABELS):
            return
        if outside is Tri.UNKNOWN:
            yield unknown_target(setup)
        elif setup.loss.name is None and not _cannot_give(setup):
            yield unknown_loss(setup)
        else:
            yield self._violation(setup)

    def _violation(self, setup: TrainingSetup) -> Violation:
        place = head_place(setup)
        change = repair(setup)
        bound = setup.certificate
        barely = bound is not None and bound.unreachable_share < FEW and (bound.attainable_r2 or 0.0) > 1 - FEW
        return Violation(
            message=f"{activation_words(setup)} produces values in {setup.head.range.values.hull} only, "
            f"but the target is {values_words(setup.target)}",
            location=place,
            remedies=(change.rescale,) if change.rescale and change.rescale.target else change.pairing or _words(setup),
            spans=spans(setup, but=place),
            evidence=(*evidence(setup, "head", "target"), *_feeding(setup)),
            severity=Severity.WARNING if barely else None,
            proved=beaten_by_the_mean(setup),
        )


def _cannot_give(setup: TrainingSetup) -> bool:
    """Whether a loss without a name was seen to reward what lies beyond the output, and on the target's own scale.

    Behind an activation that makes no logits or logarithms nothing but the target and its multiples was tried.
    """
    found = setup.ideal
    return found is not None and found.outcome is Outcome.UNREACHABLE and setup.head.activation not in FREE_HEADS


def _words(setup: TrainingSetup) -> tuple[Remedy, ...]:
    """What to do where no exchange of head, loss or scale does it."""
    if fed_narrowly(setup):
        return (Advice(f"no activation of the last layer's own before the {activation_words(setup)}"),)
    reached = setup.head.range.values.hull.closure()
    return (Advice(f"the target scaled to {reached}" if reached.bounded else "no activation at the output"),)


def _feeding(setup: TrainingSetup) -> Iterator[Evidence]:
    """Where the activation is not to blame but what it is fed."""
    if fed_narrowly(setup):
        name = activation_words(setup)
        yield Evidence(
            "static", f"{name} itself reaches further: apply it to the last layer, with no activation in between"
        )


def _same_scale(setup: TrainingSetup) -> bool:
    """Whether the loss compares the prediction, as it is, with the target (unknown losses: perhaps)."""
    if setup.loss.name in BINARY:
        return setup.loss.from_logits is Tri.NO
    if setup.loss.name in CATEGORICAL:
        # AE202 asks for another loss, under which the range of an activation counts
        return structure_of(setup) is Structure.CONTINUOUS and setup.head.range.constraint is not Constraint.LOG_SIMPLEX
    return setup.loss.name is None or compares_values(setup)


RULE = ActivationRangeMismatch()

"""An output that is no probability in front of a loss that expects one.

## What it finds

A `linear`, `relu` or `tanh` output under binary or categorical cross-entropy on probabilities, under the generalized
cross-entropy, the Dice or the Tversky loss, and anything but log-probabilities under `NLLLoss` or torch's `KLDivLoss`.

## Why it hurts

The loss takes the logarithm of the output. `torch.nn.BCELoss` raises on the CPU (`all elements of input should be
between 0 and 1`) and fails inside the device on CUDA. Keras clips the output to (10⁻⁷, 1 − 10⁻⁷): the loss falls, but
outside that interval the gradient is zero, so what has left it never comes back. Measured on MNIST digits after five
epochs: `linear` ends at R² −2.26, `relu` at 0.33, `sigmoid` at 0.52. `NLLLoss` of a softmax is minus a probability: its
floor is −1 and its gradient vanishes just where the model is wrong. The generalized cross-entropy takes a power of the
output, which is NaN below 0; a Dice loss falls below 0 without having met its target.

## How it is decided

- *static* and *runtime*: the range of the output against the domain of the loss.
- *probe*: as written against a sigmoid (or softmax), or against the same loss on logits.

## When it stays silent

With every output within [0, 1], whatever it is called (`hard_sigmoid`, a clip, `(tanh + 1) / 2`), and with losses on
logits. Where the output is unknown it says so.

## Fix safety

It changes what the program computes: unsafe.

## References

- [torch: BCELoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html)
- [Keras: probabilistic losses](https://keras.io/api/losses/probabilistic_losses/)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import (
    ROUNDING,
    evidence,
    head_known,
    head_place,
    loss_words,
    output_words,
    spans,
    unknown_head,
    unknown_loss,
)
from ae_audit.rules.programs import CLASSIFICATION, dense_keras, dense_torch
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Remedy, SwapActivation
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.loss_families import BINARY, CATEGORICAL, OVERLAP, takes_log_probabilities
from ae_audit.theory.ranges import Tri

NON_POSITIVE = Interval(float("-inf"), 0.0)


KERAS = dense_keras("layers.Dense(784)", compiled='loss="binary_crossentropy"')

TORCH = dense_torch(
    "nn.Linear(32, 10)",
    "nn.Softmax(dim=1)",
    criterion="nn.NLLLoss()",
    batch="images, labels",
    step=[CLASSIFICATION],
)


class LogitsInProbabilityLoss(Rule):
    """The output is no probability and the loss takes it for one."""

    code = "AE105"
    name = "logits-in-probability-loss"
    severity = Severity.ERROR
    bad = (
        Example(
            Framework.KERAS,
            KERAS,
            codes=("AE105",),
            fixed=KERAS.replace("Dense(784)", 'Dense(784, activation="sigmoid")'),
        ),
        Example(Framework.TORCH, TORCH, codes=("AE105",), fixed=TORCH.replace("Softmax", "LogSoftmax")),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("Dense(784)", 'Dense(784, activation="sigmoid")')),
        Example(
            Framework.KERAS, KERAS.replace('"binary_crossentropy"', "keras.losses.BinaryCrossentropy(from_logits=True)")
        ),
        Example(Framework.TORCH, TORCH.replace("Softmax", "LogSoftmax")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        domain = _domain(setup)
        if domain is None or setup.loss.from_logits is Tri.YES:
            return
        if not head_known(setup):
            yield unknown_head(setup)
            return
        outside = setup.head.range.values.leaves(domain, ROUNDING)
        if outside is Tri.NO:
            return
        if setup.loss.from_logits is Tri.UNKNOWN:
            yield unknown_loss(setup)
        elif outside is Tri.UNKNOWN:
            yield unknown_head(setup)
        else:
            yield self._violation(setup, domain)

    def _violation(self, setup: TrainingSetup, domain: Interval) -> Violation:
        place = head_place(setup)
        kind = "log-probabilities" if domain is NON_POSITIVE else "probabilities"
        return Violation(
            message=f"{loss_words(setup)} takes {kind}, but {output_words(setup)} produces values in "
            f"{setup.head.range.values.hull}{_consequence(setup)}",
            location=place,
            remedies=_remedies(setup, domain),
            spans=spans(setup, but=place, target=False),
            evidence=evidence(setup, "head", "loss"),
        )


def _domain(setup: TrainingSetup) -> Interval | None:
    """What the loss takes for its prediction, where that is a probability or its logarithm."""
    name = setup.loss.name
    if takes_log_probabilities(name, torch=setup.framework is Framework.TORCH):
        return NON_POSITIVE
    # torch has cross-entropy on logits only; what is written there on probabilities is the user's own
    return UNIT if name in BINARY or name in CATEGORICAL or name in OVERLAP else None


def _consequence(setup: TrainingSetup) -> str:
    below = setup.head.range.values.hull.lo < 0.0
    if setup.loss.name in OVERLAP:
        return "; outside [0, 1] the loss falls below 0, where it has not met the target"
    if setup.loss.name == "generalized_cross_entropy":
        return "; a power of a negative value is NaN" if below else "; above 1 the loss falls without end"
    if setup.framework is Framework.KERAS:
        return "; Keras clips them, and what is clipped has no gradient"
    return "; torch raises on the CPU" if setup.loss.name == "bce" else ""


def _remedies(setup: TrainingSetup, domain: Interval) -> tuple[Remedy, ...]:
    change = repair(setup)
    if domain is NON_POSITIVE and change.loss is None:
        return (SwapActivation("log_softmax"),)
    return change.pairing or (SwapActivation("sigmoid" if setup.loss.name in BINARY else "softmax"),)


RULE = LogitsInProbabilityLoss()

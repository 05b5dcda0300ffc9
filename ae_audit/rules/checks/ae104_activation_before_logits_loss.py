"""A bounded activation in front of a loss that expects logits.

## What it finds

`sigmoid` before `BCEWithLogitsLoss` or `BinaryCrossentropy(from_logits=True)`, `softmax` before `CrossEntropyLoss`,
and other outputs that cannot grow in both directions where the loss applies its own sigmoid or softmax. Also where two
calls make the second activation: `F.nll_loss(F.log_softmax(p, dim=1), y)` of a model that ends in a softmax, or the
logarithm of a softmax of a softmax.

## Why it hurts

The activation is applied twice. A sigmoid of a value in (0, 1) lies in (0.5, 0.731): black pixels come out as mid-grey,
and a class among ten never gets a probability above 0.232. On MNIST digits the double sigmoid ends at R² −0.36 where
one sigmoid reaches 0.54.

## How it is decided

- *static*: the loss expects logits, and the range of the output is bounded; or the loss expects probabilities, and a
  softmax of bounded values leaves the likeliest class below 95 %.
- *backend*: Keras on TensorFlow finds the logits behind a sigmoid or softmax and uses those, so there it trains as it
  should and only warns: a warning here. Keras on torch or JAX, and torch itself, apply both: an error. So do
  TensorFlow's own `tf.nn.*_with_logits`, which never look behind an activation (at p = ½ and y = 0 they give 0.974,
  where Keras' loss gives 0.693), and two activations in a row on every backend.
- *probe*: as written against the program with one of the two removed.

## When it stays silent

With unbounded outputs; with `log_softmax` before `CrossEntropyLoss`, which changes nothing; with a bounded range that
is wide enough for a softmax (clipped logits, scaled cosines), and where it is unknown what the loss expects and the
output is free.

## Fix safety

Changing what the loss expects, or removing the activation, changes what the program computes: unsafe.

## References

- [torch: BCEWithLogitsLoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html)
- [pytorch issue 55902](https://github.com/pytorch/pytorch/issues/55902): a warning for softmax before cross-entropy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import (
    activation_words,
    evidence,
    head_known,
    head_place,
    loss_words,
    on_tensorflow,
    spans,
    structure_of,
    unknown_loss,
)
from ae_audit.rules.programs import CLASSIFICATION, dense_keras, dense_torch
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Evidence, Severity, UnknownFact, Violation
from ae_audit.schema.remedies import ExpectLogits, Remedy, SwapActivation
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.activations import Constraint
from ae_audit.theory.intervals import format_number
from ae_audit.theory.loss_families import BINARY, CATEGORICAL
from ae_audit.theory.ranges import Tri

LOWEST_LOGIT = -3.0
"""an output that stays above this can never predict less than 5 % (sigmoid(−3) = 0.047)"""

SURE = 0.95
"""a class that never gets more is never told for sure"""

NARROW = 5.0
"""logits that differ by less than this leave the likeliest of ten classes below 95 % (1 / (1 + 9·exp(−5)) = 0.94)"""


KERAS = dense_keras(
    'layers.Dense(784, activation="sigmoid")', compiled="loss=keras.losses.BinaryCrossentropy(from_logits=True)"
)

TORCH = dense_torch("nn.Linear(32, 784)", "nn.Sigmoid()", criterion="nn.BCEWithLogitsLoss()")

CLASSIFIER = dense_torch(
    "nn.Linear(32, 10)",
    "nn.Softmax(dim=1)",
    criterion="nn.CrossEntropyLoss()",
    batch="images, labels",
    step=[CLASSIFICATION],
)


class ActivationBeforeLogitsLoss(Rule):
    """The output is activated and the loss activates it again."""

    code = "AE104"
    name = "activation-before-logits-loss"
    severity = Severity.ERROR
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE104",), fixed=KERAS.replace("from_logits=True", "from_logits=False")),
        Example(Framework.TORCH, TORCH, codes=("AE104",), fixed=TORCH.replace("    nn.Sigmoid(),\n", "")),
        Example(
            Framework.TORCH, CLASSIFIER, codes=("AE104",), fixed=CLASSIFIER.replace("    nn.Softmax(dim=1),\n", "")
        ),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace(', activation="sigmoid"', "")),
        Example(Framework.TORCH, TORCH.replace("WithLogits", "")),
        Example(Framework.TORCH, CLASSIFIER.replace("    nn.Softmax(dim=1),\n", "")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        if not head_known(setup):
            return
        if _softmax_twice(setup):
            yield self._twice(setup)
        if not _squeezed(setup):
            return
        if setup.loss.from_logits is Tri.UNKNOWN and setup.head.activation in {"sigmoid", "softmax"}:
            if setup.loss.name is not None:
                yield unknown_loss(setup)
        elif setup.loss.from_logits is Tri.YES:
            yield self._violation(setup)

    def _twice(self, setup: TrainingSetup) -> Violation:
        place = head_place(setup)
        best = _likeliest(setup)
        return Violation(
            message=f"the output is activated twice, last by {activation_words(setup)}: the likeliest class "
            f"never gets a probability above {format_number(best)}",
            location=place,
            remedies=(SwapActivation(setup.head.activation or "softmax"),),
            spans=spans(setup, but=place, target=False),
            evidence=evidence(setup, "head", "loss"),
        )

    def _violation(self, setup: TrainingSetup) -> Violation:
        place = head_place(setup)
        undone = _undone(setup)
        hull = setup.head.range.values.hull
        twice = setup.head.activation in {"sigmoid", "softmax"}
        fault = "activates it a second time" if twice else f"needs logits, which {hull} cannot hold"
        keras = "; on torch and JAX the activation is applied twice" if undone is Tri.UNKNOWN else ""
        undoing = f", although Keras on TensorFlow undoes it{keras}" if undone is not Tri.NO else ""
        return Violation(
            message=f"{activation_words(setup)} feeds {loss_words(setup)}, which {fault}{undoing}",
            location=place,
            remedies=_remedies(setup),
            spans=spans(setup, but=place, target=False),
            evidence=(*evidence(setup, "head", "loss"), *_backends(setup)),
            severity=Severity.ERROR if undone is Tri.NO else Severity.WARNING,
        )


def _softmax_twice(setup: TrainingSetup) -> bool:
    """Whether a categorical loss of probabilities is given a softmax of values that are bounded themselves."""
    if setup.loss.name not in CATEGORICAL or setup.loss.from_logits is not Tri.NO:
        return False
    if setup.head.range.constraint not in {Constraint.SIMPLEX, Constraint.LOG_SIMPLEX}:
        return False
    return 0.0 < _likeliest(setup) < SURE and setup.head.units != 1


def _likeliest(setup: TrainingSetup) -> float:
    """The highest probability that the output can give to a class."""
    top = setup.head.range.values.hull.hi
    return math.exp(min(top, 0.0)) if setup.head.range.constraint is Constraint.LOG_SIMPLEX else top


def _squeezed(setup: TrainingSetup) -> bool:
    """Whether the output cannot serve as the logits of this loss."""
    produced, loss = setup.head.range, setup.loss.name
    hull = produced.values.hull
    if loss in BINARY:
        return hull.lo > LOWEST_LOGIT or hull.hi < -LOWEST_LOGIT
    if loss in CATEGORICAL and setup.head.units != 1:
        return produced.constraint is not Constraint.LOG_SIMPLEX and hull.bounded and hull.width < NARROW
    return False


def _undone(setup: TrainingSetup) -> Tri:
    """Whether Keras on TensorFlow computes the loss from the logits behind the activation."""
    if setup.framework is not Framework.KERAS or setup.head.activation not in {"sigmoid", "softmax"}:
        return Tri.NO
    if setup.head.logits_recoverable is Tri.NO:
        return Tri.NO
    return on_tensorflow(setup)


def _backends(setup: TrainingSetup) -> Iterator[Evidence]:
    """Why the same source is right on one backend of Keras and wrong on the others."""
    if setup.framework is not Framework.KERAS or setup.head.activation not in {"sigmoid", "softmax"}:
        return
    name = setup.head.activation
    shortcut = f"Keras on TensorFlow finds the logits behind a {name} that reaches the loss untouched, and uses those"
    if setup.backend not in {None, "tensorflow"}:
        yield Evidence("static", f"{shortcut}; on {setup.backend} it takes the {name}'s output for a logit")
    elif setup.head.logits_recoverable is Tri.NO:
        yield Evidence("static", f"{shortcut}; here the loss is not Keras' own, or something lies in between")
    else:
        yield Evidence("static", f"{shortcut}; on torch and JAX it takes the {name}'s output for a logit")


def _remedies(setup: TrainingSetup) -> tuple[Remedy, ...]:
    if setup.framework is Framework.KERAS and "_with_logits" in (setup.loss.written or ""):
        return (SwapActivation("linear"),)  # the loss is TensorFlow's, which can be told nothing else
    change = repair(setup).pairing
    if change:
        return change
    if setup.framework is Framework.KERAS and structure_of(setup) is not Structure.UNKNOWN:
        return (ExpectLogits(False),)
    return (SwapActivation("linear"),)


RULE = ActivationBeforeLogitsLoss()

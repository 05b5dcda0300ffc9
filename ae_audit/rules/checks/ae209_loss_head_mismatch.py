"""Head and loss of a classifier, or of any model, that do not belong together.

## What it finds

`sigmoid` before categorical cross-entropy and its relatives (focal, generalized, the KL divergence, `LogSigmoid` before
`NLLLoss`), `softmax` with categorical cross-entropy on multi-hot labels, `softmax` before binary cross-entropy on
one-hot classes, cross-entropy over a single logit, a regression loss against class indices, a hinge or soft-margin loss
against targets that are not −1 and 1, and a Poisson likelihood whose rate can be negative or cannot be as small as the
target, or whose target is negative.

## Why it hurts

The prediction that the loss rewards is not the target. Keras divides a sigmoid's outputs by their sum under categorical
cross-entropy, so (0.9, 0.9, 0.9) and (0.1, 0.1, 0.1) cost the same; the generalized cross-entropy and the KL divergence
take them as they are and reward the largest outputs of every class. A softmax cannot say that three of ten labels hold:
at best it gives each 0.33. Cross-entropy over one logit is 0 whatever the weights. The mean squared error against class
indices makes class 9 nine times as far from class 0 as class 1 is. A margin loss rewards the sign of its target alone:
of the targets 0 and 1 it learns the 1s and gets nothing from the 0s (Keras turns 0 and 1 into −1 and 1, torch does
not). The logarithm of a negative rate does not exist, and a negative target makes the likelihood grow without end.

## How it is decided

- *static* and *runtime*: the range of the output, the loss, and what the target is known to stand for.
- *probe*: as written against the pair that belongs together.

## When it stays silent

Where the structure of the target is unknown and the pair may be right, with a two-unit softmax under binary
cross-entropy on one-hot labels (the same up to a factor), and where a more particular rule speaks (AE101, AE104, AE105,
AE106, AE202, AE307). Softmax before binary cross-entropy on more classes trains, less well: a warning. On shares of a
whole it is as good as any, but for Keras on TensorFlow, which trains it as a sigmoid (R² −0.03 against 0.44): a warning
there alone.

## Fix safety

Replacing head or loss changes what the program computes: unsafe.

## References

- Bishop, *Pattern Recognition and Machine Learning* (2006), section 4.3.6: canonical link functions.
- [Keras: probabilistic losses](https://keras.io/api/losses/probabilistic_losses/)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules import special_losses
from ae_audit.rules.base import Example, Rule
from ae_audit.rules.checks.ae307_target_is_labels import reconstructs_labels
from ae_audit.rules.predicates import (
    ROUNDING,
    evidence,
    head_known,
    is_simplex,
    loss_place,
    loss_words,
    on_tensorflow,
    output_words,
    spans,
    structure_of,
)
from ae_audit.rules.programs import SCALED, dense_keras, dense_torch
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Remedy, SwapLoss
from ae_audit.schema.training_setup import Framework, Relation, Structure, TrainingSetup
from ae_audit.theory.activations import ELEMENTWISE
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.loss_families import (
    BINARY,
    CATEGORICAL,
    CLASS_SCORES,
    MARGIN,
    POINTWISE,
    RATES,
    UNNORMALISED,
    takes_log_probabilities,
)
from ae_audit.theory.ranges import Tri

NON_POSITIVE = Interval(float("-inf"), 0.0)
CLASSES = frozenset({Structure.CLASS_INDEX, Structure.ONE_HOT})


KERAS = dense_keras(
    'layers.Dense(10, activation="sigmoid")',
    compiled='loss="categorical_crossentropy"',
    data=[SCALED, "y_train = keras.utils.to_categorical(y_train, 10)"],
    loaded="(x_train, y_train), _",
    fitted="x_train, y_train",
    model="classifier",
)

TORCH = dense_torch(
    "nn.Linear(32, 1)", batch="images, labels", step=["loss = criterion(model(images), labels.float().unsqueeze(1))"]
)


class LossHeadMismatch(Rule):
    """The prediction that the loss rewards is not the target."""

    code = "AE209"
    name = "loss-head-mismatch"
    severity = Severity.ERROR
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE209",), fixed=KERAS.replace('"sigmoid"', '"softmax"')),
        Example(Framework.TORCH, TORCH, codes=("AE209",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace('"sigmoid"', '"softmax"')),
        Example(
            Framework.TORCH,
            TORCH.replace("32, 1)", "32, 10)").replace("MSE", "CrossEntropy").replace(".float().unsqueeze(1)", ""),
        ),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        fault = _fault(setup)
        if fault is None:
            return
        text, severity = fault
        place = loss_place(setup)
        yield Violation(
            message=text,
            location=place,
            remedies=_remedies(setup),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "head", "loss", "target"),
            severity=severity,
        )


def _fault(setup: TrainingSetup) -> tuple[str, Severity] | None:
    head, loss, units = setup.head, setup.loss.name, setup.head.units
    structure, logits = structure_of(setup), setup.loss.from_logits
    varies = head_known(setup) and head.range.values.hull.width > 0  # AE106 speaks of a softmax over one unit
    relative = loss in CLASS_SCORES or (loss in CATEGORICAL and logits is Tri.YES)
    if relative and units == 1 and head.range.constraint is None and varies:
        return f"{loss_words(setup)} over a single unit is 0, whatever the weights", Severity.ERROR
    if loss in UNNORMALISED and units == 1 and varies and setup.framework is Framework.KERAS:
        return f"{loss_words(setup)} over a single unit rewards the largest output, whatever the target", Severity.ERROR
    if loss in CATEGORICAL and logits is Tri.NO:
        if is_simplex(setup):
            if structure is Structure.MULTI_HOT:
                return (
                    "softmax makes the labels of a sample exclude each other, but several of them hold",
                    Severity.ERROR,
                )
            return None
        independent = head.range.constraint is None and _probabilities_of_their_own(setup)
        labels = structure in CLASSES | {Structure.MULTI_HOT, Structure.DISTRIBUTION, Structure.BINARY_LABEL}
        if independent and head.range.values.hull.width > 0 and (labels or _unknown_labels(setup)):
            return (
                f"{loss_words(setup)} needs a softmax, but {output_words(setup)} gives each class a "
                "probability of its own",
                Severity.ERROR,
            )
        return None
    if loss in BINARY and logits is Tri.NO and is_simplex(setup):
        if structure in CLASSES and units is not None and units > 2:
            return "softmax over classes belongs with categorical, not binary, cross-entropy", Severity.WARNING
        seen_through = setup.head.logits_recoverable is Tri.YES and on_tensorflow(setup) is Tri.YES
        if structure is Structure.DISTRIBUTION and seen_through:
            return (
                f"Keras on TensorFlow computes {loss_words(setup)} from the logits behind the softmax, as a sigmoid's: "
                "the shares that predict() returns are not those that were trained",
                Severity.WARNING,
            )
        return None
    special = special_losses.fault(setup)
    if special is not None:
        return special
    if loss in POINTWISE and structure is Structure.CLASS_INDEX and setup.relation is Relation.LABELS:
        several = setup.target.values.reach is not None and setup.target.values.reach.hi > 1 + ROUNDING
        if several and not reconstructs_labels(setup):
            return f"{loss_words(setup)} takes class indices for quantities", Severity.ERROR
    return None


def _probabilities_of_their_own(setup: TrainingSetup) -> bool:
    """Whether each output is what the loss takes for a probability (or its logarithm), whatever the others are."""
    head = setup.head
    if not takes_log_probabilities(setup.loss.name, torch=setup.framework is Framework.TORCH):
        return UNIT.covers(head.range.values.hull, ROUNDING)
    # a logarithm may be that of a distribution, guarded by an epsilon
    own = head.activation is not None and head.activation in ELEMENTWISE - {"log", "linear"} and not head.after
    return own and NON_POSITIVE.covers(head.range.values.hull, ROUNDING)


def _unknown_labels(setup: TrainingSetup) -> bool:
    """Whether the target, of which nothing is known, can only be labels."""
    return structure_of(setup) is Structure.UNKNOWN and setup.relation in {Relation.LABELS, Relation.OTHER}


def _remedies(setup: TrainingSetup) -> tuple[Remedy, ...]:
    if setup.head.units == 1 and (setup.loss.name in CATEGORICAL or setup.loss.name in CLASS_SCORES):
        return (SwapLoss("bce", from_logits=setup.loss.from_logits is Tri.YES),)
    if setup.loss.name in MARGIN or setup.loss.name in RATES:
        return special_losses.remedies(setup)
    if setup.head.units == 1:
        return ()
    return repair(setup).pairing


RULE = LossHeadMismatch()

"""Head and loss of a classifier, or of any model, that do not belong together.

## What it finds

`sigmoid` before categorical cross-entropy and its relatives (focal, generalized, the KL divergence, `LogSigmoid` before
`NLLLoss`), `softmax` with categorical cross-entropy, binary cross-entropy or a regression loss on multi-hot labels,
`softmax` before binary cross-entropy on one-hot classes, cross-entropy over a single unit, a regression loss against
class indices, a hinge or soft-margin loss against targets that are not −1 and 1, and a Poisson likelihood whose rate
can be negative or cannot be as small as the target, or whose target is negative.

## Why it hurts

The prediction that the loss rewards is not the target. Keras divides a sigmoid's outputs by their sum under categorical
cross-entropy, so (0.9, 0.9, 0.9) and (0.1, 0.1, 0.1) cost the same; the generalized cross-entropy and the KL divergence
take them as they are and reward the largest outputs of every class. A softmax cannot say that three of ten labels hold:
at best it gives each 0.33 (of five labels, two on average: R² 0.16 against a sigmoid's 0.42, under binary cross-entropy
and under the squared error alike). Cross-entropy over one unit is 0 whatever the weights, since the one output is
divided by itself. The mean squared error against class
indices makes class 9 nine times as far from class 0 as class 1 is. A margin loss rewards the sign of its target alone:
of the targets 0 and 1 it learns the 1s and gets nothing from the 0s (Keras turns 0 and 1 into −1 and 1, torch does
not). The logarithm of a negative rate does not exist, and a negative target makes the likelihood grow without end.

## How it is decided

- *static* and *runtime*: the range of the output, the loss, and what the target is known to stand for. Sigmoid with
  categorical cross-entropy and a single unit need no target: the pair alone decides.
- *backend*: for sigmoid and categorical cross-entropy on exclusive classes Keras on TensorFlow takes the logits behind
  the sigmoid and trains a softmax: on 1,797 digits its loss is the softmax program's to the last digit (0.108184), and
  so is its accuracy (0.980). What is hurt is what `predict` returns: R² 0.54 where the softmax has 0.96, for the values
  are no probabilities. A warning there. On torch and JAX the loss itself is another one (0.1068 on torch, where the
  softmax has 0.1059; R² 0.14 on both): an error.
  Of one unit, measured on Keras 3.15: `categorical_crossentropy` is 0 on all three backends (6e-8 at most);
  `sparse_categorical_crossentropy` against the labels 0 and 1 is 0 on JAX alone, and raises on TensorFlow and torch, as
  `nn.CrossEntropyLoss` does.
- *probe*: as written against the pair that belongs together.

## When it stays silent

Where the structure of the target is unknown and the pair may be right; for the program's own losses where the target is
unknown; with a two-unit softmax under binary
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

from ae_audit.rules import class_losses, special_losses
from ae_audit.rules.base import Example, Rule
from ae_audit.rules.checks.ae307_target_is_labels import reconstructs_labels
from ae_audit.rules.predicates import (
    ROUNDING,
    class_count,
    evidence,
    is_simplex,
    loss_place,
    loss_words,
    spans,
    structure_of,
)
from ae_audit.rules.programs import SCALED, dense_keras, dense_torch
from ae_audit.rules.repair import class_head, repair
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Remedy, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Framework, Relation, Structure, TrainingSetup
from ae_audit.theory.loss_families import (
    BINARY,
    CATEGORICAL,
    CLASS_SCORES,
    MARGIN,
    POINTWISE,
    RATES,
)
from ae_audit.theory.ranges import Tri

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
    loss = setup.loss.name
    single = class_losses.over_one_unit(setup)
    if single is not None:
        return single, Severity.ERROR
    if loss in CATEGORICAL and setup.loss.from_logits is Tri.NO:
        return class_losses.categorical_fault(setup)
    if loss in CATEGORICAL and setup.loss.from_logits is Tri.YES and class_losses.excludes(setup):
        return class_losses.EXCLUSIVE, Severity.ERROR
    if is_simplex(setup) and loss in POINTWISE and class_losses.several_hold(setup):
        return class_losses.EXCLUSIVE, Severity.ERROR
    if loss in BINARY and setup.loss.from_logits is Tri.NO and is_simplex(setup):
        return class_losses.binary_fault(setup)
    special = special_losses.fault(setup)
    if special is not None:
        return special
    if loss in POINTWISE and structure_of(setup) is Structure.CLASS_INDEX and setup.relation is Relation.LABELS:
        several = setup.target.values.reach is not None and setup.target.values.reach.hi > 1 + ROUNDING
        if several and not reconstructs_labels(setup):
            return f"{loss_words(setup)} treats class indices as quantities", Severity.ERROR
    return None


def _remedies(setup: TrainingSetup) -> tuple[Remedy, ...]:
    single = class_count(setup) == 1
    wider = class_head(setup) if single else None
    if wider is not None:
        return (wider,)
    if single and (setup.loss.name in CATEGORICAL or setup.loss.name in CLASS_SCORES):
        return (SwapLoss("bce", from_logits=setup.loss.from_logits is Tri.YES),)
    if setup.loss.name in MARGIN or setup.loss.name in RATES:
        return special_losses.remedies(setup)
    if single:
        return ()
    if structure_of(setup) is Structure.UNKNOWN and setup.loss.name in class_losses.CROSS_ENTROPIES:
        return (SwapActivation("softmax"),)  # of what nothing is known, the loss says that the classes are exclusive
    return repair(setup).pairing


RULE = LossHeadMismatch()

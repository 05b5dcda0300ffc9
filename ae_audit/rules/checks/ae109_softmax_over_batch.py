"""A softmax along the axis of the samples, or along any other than that of the classes.

## What it finds

`nn.Softmax(dim=0)`, `F.log_softmax(x, dim=0)` or `Softmax(axis=0)` as the output of a network whose first axis is the
batch; `LogSoftmax(dim=1)` over the 15 steps of a sequence whose 7 classes lie along `dim=2`.

## Why it hurts

The softmax makes the values along its axis sum to 1. Along the axis of the samples the probability of each class is
divided among the samples of a batch, so a sample's output depends on which others it meets: in a batch of 64
the average is 1/64, and a sample by itself gets 1 for every class. Even free predictions reach R² −0.07 against the
classes, where those along the classes reach 1.00. On 1,797 digits the arg max happens to survive (0.96 in batches of
64), which hides the fault until single samples are predicted, or the values are compared with a threshold.

## How it is decided

- *static* and *runtime*: the axis of the output's softmax is the first, of an output of two axes or four (in Keras, of
  any output); or the number of values over which it is taken is not that of the classes among which the loss chooses.
- *ideal network*: where even a network that could output anything misses its target, it is proved.
- *probe*: none: no experiment exchanges the axis.

## When it stays silent

With one sample that has no batch axis; with outputs of three axes in torch, which may have the sequence first; with
square outputs, which are similarities of pairs and may be normalised either way, as `logits.t()` in CLIP; where a
second softmax follows along another axis (Sinkhorn); and with attention inside the network, which is no output.

## Fix safety

Another axis changes what the program computes: unsafe.

## References

- [torch: Softmax](https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html): `dim` is the dimension along
  which the values sum to 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import activation_words, evidence, head_place, shown_by_the_run, simplex_axis, spans
from ae_audit.rules.programs import CLASSIFICATION, SCALED, dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice, Change
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.activations import Constraint
from ae_audit.theory.loss_families import CATEGORICAL
from ae_audit.theory.ranges import Tri

KERAS = dense_keras(
    "layers.Dense(10)",
    "layers.Softmax(axis=0)",
    compiled='loss="sparse_categorical_crossentropy"',
    data=[SCALED],
    loaded="(x_train, y_train), _",
    fitted="x_train, y_train",
    model="classifier",
)

TORCH = dense_torch(
    "nn.Linear(32, 10)",
    "nn.LogSoftmax(dim=0)",
    criterion="nn.NLLLoss()",
    batch="images, labels",
    step=[CLASSIFICATION],
)

MOVING = frozenset(
    {"view", "reshape", "flatten", "contiguous", "squeeze", "unsqueeze", "permute", "transpose"}
    | {"Reshape", "Flatten", "Permute"}
)
"""what is done to an output between its softmax and its loss that leaves the values as they are"""
BATCH_FIRST = frozenset({2, 4})
"""axes of an output whose first is surely the batch: a table of classes, images"""


class SoftmaxOverBatch(Rule):
    """Softmax along the axis of the samples, or another than that of the classes."""

    code = "AE109"
    name = "softmax-over-batch"
    severity = Severity.ERROR
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE109",)),
        Example(Framework.TORCH, TORCH, codes=("AE109",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("axis=0", "axis=-1")),
        Example(Framework.TORCH, TORCH.replace("dim=0", "dim=1")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        place = head_place(setup)
        name = activation_words(setup)
        classes = _classes_apart(setup)
        if over_batch(setup):
            axis = "axis=-1" if setup.framework is Framework.KERAS else "dim=1"
            message = (
                f"{name} along axis 0 shares each class out among the samples of the batch, "
                "instead of each sample among the classes"
            )
            remedy = Advice(f"{axis} in the {name}", Change.CLASS_AXIS)
        elif classes is not None:
            message = (
                f"{name} shares each class out among {setup.head.units} places, "
                f"instead of each place among the {classes} classes"
            )
            remedy = Advice(f"the {name} along the axis of the {classes} classes")
        else:
            return
        yield Violation(
            message=message,
            location=place,
            remedies=(remedy,),
            spans=spans(setup, but=place, target=False),
            evidence=evidence(setup, "head", "loss"),
            proved=shown_by_the_run(setup),
        )


def over_batch(setup: TrainingSetup) -> bool:
    """Whether the output is surely normalised along the axis of the samples."""
    head = setup.head
    if head.range.constraint not in {Constraint.SIMPLEX, Constraint.LOG_SIMPLEX} or head.after:
        return False
    shape, axis = head.shape, simplex_axis(setup)
    if axis is None or shape is None or len(shape) < 2 or axis % len(shape) != 0:
        return False
    if setup.framework is not Framework.KERAS and len(shape) not in BATCH_FIRST:
        return False
    return shape[-1] is not None and shape[-1] != shape[0] and shape[-1] != 1


def _classes_apart(setup: TrainingSetup) -> int | None:
    """The number of classes among which the loss chooses, where the output is normalised over another number."""
    head, loss = setup.head, setup.loss
    if head.range.constraint not in {Constraint.SIMPLEX, Constraint.LOG_SIMPLEX} or loss.name not in CATEGORICAL:
        return None
    if loss.custom or loss.from_logits is not Tri.NO or any(name not in MOVING for name in head.after):
        return None  # one that is written out sums over whichever axis it likes
    shape, along = head.shape, simplex_axis(setup)
    if along is not None and shape is not None and along % max(len(shape), 1) == 0:
        return None  # the samples', or the steps' of a sequence that comes first
    axis = dict(loss.parameters).get("axis", 1 if setup.framework is Framework.TORCH else -1)
    if shape is None or len(shape) < 2 or not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        return None
    classes = shape[axis]
    return classes if classes not in {None, 1} and head.units not in {None, 1, classes} else None


RULE = SoftmaxOverBatch()

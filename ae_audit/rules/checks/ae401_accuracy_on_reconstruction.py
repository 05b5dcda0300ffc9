"""Accuracy as a metric of continuous values.

## What it finds

`metrics=["accuracy"]` where the target holds pixels or measurements, and an accuracy that the program counts itself:
`(output == target).sum()`, `torch.eq(output, target)`.

## Why it hurts

Accuracy counts exact agreements of classes. Keras picks the kind from the shapes: for images it compares the rounded
output with a target that is hardly ever exactly 0 or 1, or the index of the brightest pixel. A perfect reconstruction
of MNIST digits scores about 0.81, the share of exact zeros, and a blurred one nearly as much: the number says nothing.

## How it is decided

- *static* and *runtime*: an accuracy among the metrics, and a target that holds quantities; or a reconstruction under a
  loss of regression.
- *static*: a network's output compared for equality, value by value, with data that hold quantities.

## When it stays silent

With classes that were picked (`output.argmax(1) == labels`), labels, one-hot and binary targets, and masks of two
values (0 and 255), where accuracy means what it says. Where it is unknown what the target holds, it says so for
reconstructions and is silent elsewhere.

## Fix safety

A metric does not change the training: the fix is safe for the model, but callbacks and plots may name the metric
(`monitor="val_accuracy"`, `history.history["accuracy"]`): unsafe.

## References

- [Keras: accuracy metrics](https://keras.io/api/metrics/accuracy_metrics/)
"""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.predicates import (
    LABELS,
    evidence,
    exactly_binary,
    spans,
    structure_of,
    two_valued,
    unknown_structure,
)
from ae_audit.rules.programs import SIGNED, dense_keras, dense_torch
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.remedies import Advice, DropMetric, Remedy
from ae_audit.schema.training_setup import DataFacts, Framework, MetricUse, Structure, TrainingSetup
from ae_audit.theory.loss_families import POINTWISE
from ae_audit.theory.ranges import Tri

IMAGE_RANK = 4
"""batch, height, width, channels: an unbounded output of this shape under a regression loss gives pixels, not labels"""


KERAS = dense_keras('layers.Dense(784, activation="sigmoid")', compiled='loss="mse", metrics=["accuracy"]')
AGREEING = "right = (output == images).float().mean().item()"

TORCH = dense_torch(
    "nn.Linear(32, 784)",
    "nn.Tanh()",
    transform=SIGNED,
    step=["images = images.flatten(1)", "output = model(images)", "loss = criterion(output, images)", AGREEING],
)

CLASSIFIER = """\
import keras
from keras import layers

(x_train, y_train), _ = keras.datasets.mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32") / 255.0
y_train = y_train.astype("int64")

classifier = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(32, activation="relu"),
    layers.Dense(10, activation="softmax"),
])
classifier.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
classifier.fit(x_train, y_train, epochs=1, batch_size=256)
"""


class AccuracyOnReconstruction(Rule):
    """Accuracy of continuous values says nothing."""

    code = "AE401"
    name = "accuracy-on-reconstruction"
    severity = Severity.WARNING
    probed = False
    bad = (
        Example(Framework.KERAS, KERAS, codes=("AE401",), fixed=KERAS.replace("accuracy", "mae")),
        Example(Framework.TORCH, TORCH, codes=("AE401",)),
    )
    good = (
        Example(Framework.KERAS, KERAS.replace("accuracy", "mae")),
        Example(Framework.KERAS, CLASSIFIER),
        Example(Framework.TORCH, TORCH.replace(AGREEING, "error = (output - images).abs().mean().item()")),
    )

    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        accuracies = [metric for metric in setup.metrics if "accuracy" in metric.name]
        if not accuracies:
            return
        meaningless = _continuous(setup)
        written_out = [metric for metric in accuracies if metric.data is not None]
        for metric in written_out:
            if metric.data is not None and _quantities(metric.data):
                yield self._violation(setup, metric)
        if len(written_out) == len(accuracies):
            return
        if meaningless is Tri.YES:
            for metric in accuracies:
                if metric not in written_out:
                    yield self._violation(setup, metric)
        elif meaningless is Tri.UNKNOWN and setup.reconstruction is Tri.YES:
            yield unknown_structure(setup)

    def _violation(self, setup: TrainingSetup, metric: MetricUse) -> Violation:
        place = metric.location or setup.location
        kind = "a reconstruction" if setup.reconstruction is Tri.YES else "continuous values"
        message = f"{metric.name.replace('_', ' ')} counts agreements of classes, so it says nothing about {kind}"
        if metric.shared:
            message += "; give it by name to the output that classifies, and to that alone"
        return Violation(
            message=message,
            location=place,
            remedies=_remedies(setup, metric),
            spans=spans(setup, but=place),
            evidence=evidence(setup, "target"),
        )


def _remedies(setup: TrainingSetup, metric: MetricUse) -> tuple[Remedy, ...]:
    other = "mae" if setup.loss.name == "mse" else "mse"
    if metric.data is not None:
        return (Advice(f"report the {other} of output and target"),)
    # of a metric that a classifier shares, what to write instead depends on the names of the outputs
    return () if metric.shared else (DropMetric(metric.name, to=other),)


def _quantities(data: DataFacts) -> bool:
    """Whether two values that are nearly the same are nearly right: no labels, and no masks."""
    return data.structure is Structure.CONTINUOUS and exactly_binary(data) is not Tri.YES and not two_valued(data)


def _continuous(setup: TrainingSetup) -> Tri:
    """Whether the target holds values between which no class is the right one."""
    target = setup.target
    structure = structure_of(setup)
    one_class = target.values.hull.width == 0 and target.values.hull.lo in {0.0, 1.0}  # `all of these are real`
    if structure in LABELS or one_class or exactly_binary(target) is Tri.YES or two_valued(target):
        return Tri.NO
    if structure is Structure.CONTINUOUS:
        return Tri.YES
    if setup.loss.name not in POINTWISE:
        return Tri.UNKNOWN
    if setup.reconstruction is Tri.YES:
        return Tri.YES
    image = setup.head.shape is not None and len(setup.head.shape) >= IMAGE_RANK
    unbounded = not setup.head.range.values.unknown and not setup.head.range.values.hull.bounded
    return Tri.of(True if image and unbounded else None)


RULE = AccuracyOnReconstruction()

"""Hand-built reports: one with everything in it, one with nothing."""

from __future__ import annotations

import json
import math

import pytest

from ae_audit.schema.findings import Arm, Edit, Evidence, Finding, Fix, Severity, Span, Verdict
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.remedies import Rescale, SwapActivation
from ae_audit.schema.report import Note, Report, StageError, Suppressed, Undecided
from ae_audit.schema.training_setup import (
    Certificate,
    Condition,
    DataFacts,
    Framework,
    Head,
    LossUse,
    MetricUse,
    Relation,
    TrainingSetup,
)
from ae_audit.source.text import Sources
from ae_audit.theory.activations import ActivationRange, Constraint
from ae_audit.theory.intervals import BYTE, OPEN_UNIT, UNIT
from ae_audit.theory.ranges import ValueRange

SCRIPT = '''\
"""The dense autoencoder of the forum."""
from keras.datasets import mnist

(x_train, _), (x_test, _) = mnist.load_data()
x_train = x_train.reshape(60000, 784).astype("float32")

inputs = Input(shape=(784,))
encoded = Dense(28, activation="relu")(inputs)
decoded = Dense(784, activation="softmax")(encoded)

autoencoder = Model(inputs, decoded)
autoencoder.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])  # größer als nötig, und lang
autoencoder.fit(x_train, x_train, epochs=5, batch_size=100, validation_data=(x_test, x_test))
'''

CELLS = [
    {"cell_type": "markdown", "source": ["# A notebook\n", "with words"]},
    {"cell_type": "code", "source": ["model = Sequential()\n", "model.add(Dense(1,\n", "    activation='softmax'))"]},
    {"cell_type": "code", "source": "\tmodel.compile(loss='mse')\nmodel.fit(x, x)"},
]


def place(line: int, text: str, path: str = "first.py") -> Location:
    """Where ``text`` stands in that line of the script."""
    column = SCRIPT.splitlines()[line - 1].index(text) + 1
    return Location(path, line, column, line, column + len(text))


@pytest.fixture
def sources() -> Sources:
    return Sources(
        {"first.py": SCRIPT.encode(), "book.ipynb": json.dumps({"cells": CELLS}).encode(), "broken.py": b"x = (\n"}
    )


@pytest.fixture
def rich_report() -> Report:
    """Every part of a report, in every state that the stages can leave it in."""
    softmax, loss, load = (
        place(9, 'activation="softmax"'),
        place(12, '"binary_crossentropy"'),
        place(4, "mnist.load_data()"),
    )
    softmax_finding = Finding(
        "AE101",
        "softmax-on-per-pixel-target",
        Severity.ERROR,
        "Softmax makes the 784 outputs sum to 1, but the pixels of the target stand for themselves: on average they "
        "sum to 26,122, so nearly every pixel of the reconstruction is far too dark.",
        softmax,
        Verdict.CONFIRMED,
        (
            Evidence("static", "`mnist.load_data()` gives uint8 images in [0, 255]", load),
            Evidence("static", '`astype("float32")` leaves the values as they are', place(5, "x_train")),
            Evidence("runtime", "target: float32 (100, 784) in [0, 255]", figures=(("samples", 100), ("min", 0.0))),
            Evidence(
                "certificate",
                "with any weights, R² of the predictions is at most −0.669 on 5000 samples",
                figures=(("attainable_r2", -0.6691), ("unreachable_share", 1.0), ("kind", "simplex")),
            ),
            Evidence(
                "probe",
                "`sigmoid at the output` against `as written` gains 1.19 ± 0.01 in R² (250 steps, 3 seeds, on cpu)",
                figures=(("gain", math.inf), ("steps", 250), ("device", "cpu"), ("spread", math.nan)),
                arms=(
                    Arm("as written", (-0.672, -0.669, -0.671), (-1.4, -0.9, -0.7, -0.67), (0.5691, 0.289, 0.2103)),
                    Arm("sigmoid at the output", (0.52, 0.531, 0.519), (-0.1, 0.2, 0.4, 0.52), (0.5691, 0.2103)),
                    Arm("input and target divided by 255", (-2e12,), (math.nan, -5.0), (0.5, -2.0e12)),
                    Arm("bce on logits as the loss", (), failed="ValueError: `target` out of range"),
                    Arm("mse as the loss", (), bound=-0.678),
                ),
            ),
        ),
        (Span(softmax, "softmax over 784 pixels"), Span(loss, "the loss"), Span(load, "uint8 in [0, 255]")),
        (SwapActivation("sigmoid"),),
        Fix("sigmoid at the output", False, (Edit(softmax, 'activation="sigmoid"'),)),
        setup=0,
    )
    raw_input = Finding(
        "AE301",
        "unnormalised-input",
        Severity.WARNING,
        "Raw bytes in [0, 255] enter the network.",
        place(13, "x_train"),
        spans=(
            Span(place(13, "x_train"), "the input, under a label that is too long to stand beside anything else here"),
            Span(place(13, "validation_data"), "never scaled either"),
        ),
        remedies=(Rescale(1 / 255),),
        condition='act == "tanh"',
        setup=0,
    )
    floor = Finding(
        "AE203",
        "bce-soft-target-floor",
        Severity.INFO,
        "Binary cross-entropy on grey values never reaches 0: here its floor is 0.0590.",
        loss,
        Verdict.PROVED,
        (Evidence("certificate", "floor 0.0590; the mean image scores 0.2635"),),
    )
    refuted = Finding(
        "AE104",
        "activation-before-logits-loss",
        Severity.ERROR,
        "The sigmoid is applied twice.",
        loss,
        Verdict.REFUTED,
        (Evidence("probe", "Keras on TensorFlow takes the logits behind the activation"),),
    )
    in_cell = Finding(
        "AE106",
        "single-unit-softmax",
        Severity.ERROR,
        "Softmax over one unit is the constant 1.",
        Location("book.ipynb", 2, 11, 3, 26, 1),
        Verdict.PROVED,
        spans=(Span(Location("book.ipynb", 1, 16, 1, 26, 2), "the loss"),),
        fix=Fix("linear at the output", True, (Edit(Location("book.ipynb", 3, 5, 3, 25, 1), "activation=None"),)),
        setup=1,
    )
    first = TrainingSetup(
        Framework.KERAS,
        place(13, "autoencoder.fit"),
        backend="tensorflow",
        head=Head(
            "softmax",
            '"softmax"',
            (("axis", -1),),
            ActivationRange(ValueRange.exactly(OPEN_UNIT), Constraint.SIMPLEX, -1),
            axis=-1,
            units=784,
            location=softmax,
            trail=(TrailStep("the last layer", softmax),),
        ),
        loss=LossUse("bce", '"binary_crossentropy"', location=loss),
        target=DataFacts(ValueRange(BYTE, UNIT), "float32", (None, 784), source="mnist.load_data()"),
        relation=Relation.SAME,
        metrics=(MetricUse("accuracy", '"accuracy"'),),
        certificate=Certificate(5000, 1.0, -0.6691, -math.inf, 0.2635),
    )
    second = TrainingSetup(
        Framework.TORCH, Location("book.ipynb", 2, 1, cell=2), condition=Condition("flag", default=True)
    )
    return Report(
        findings=(softmax_finding, raw_input, floor, refuted, in_cell),
        setups=(first, second),
        undecided=(
            Undecided(
                "first.py",
                "target range",
                "it comes from `np.load(path)`, whose values nobody knows before it runs: run without --static",
                13,
                rules=("AE102", "AE201"),
            ),
            Undecided("book.ipynb", "loss", "it is chosen by a configuration file", 1, 2),
        ),
        errors=(
            StageError("broken.py", "static", "does not parse: '(' was never closed", 1),
            StageError("first.py", "runtime", "the script raised ValueError: \x1b[31mbad\u202e at line 9", 9),
        ),
        notes=(Note("first.py", "MNIST is not on this machine: a stand-in of the same shape and range was used"),),
        files=("first.py", "book.ipynb"),
        suppressed=(Suppressed(floor, "known"),),
    )

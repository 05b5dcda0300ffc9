"""Whatever is wrong with head, loss and scale: the remedies of all findings agree, and leave nothing wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.findings import Severity
from ae_audit.schema.remedies import DropMetric, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup
from ae_audit.theory.activations import find_activation
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri
from tests.rules.setups import (
    CLASSES,
    GREY,
    KERAS,
    ONE_HOT,
    RAW,
    SIGNED,
    STANDARDISED,
    TORCH,
    YES_OR_NO,
    data,
    setup,
)

HEADS = ("linear", "relu", "sigmoid", "tanh", "softmax", "softplus", "elu", "hard_sigmoid")
RECONSTRUCTION_LOSSES = (
    ("mse", Tri.NO),
    ("mae", Tri.NO),
    ("bce", Tri.NO),
    ("bce", Tri.YES),
    ("cce", Tri.NO),
    ("cross_entropy", Tri.YES),
)
QUANTITIES = (GREY, RAW, SIGNED, STANDARDISED, data(Interval(0.0, 16.0)), data(Interval(-0.5, 0.5)))
CLASS_LOSSES = (("cce", Tri.NO), ("cce", Tri.YES), ("sparse_cce", Tri.NO), ("sparse_cce", Tri.YES), ("bce", Tri.YES))


def mended(subject: TrainingSetup, remedy: Remedy) -> TrainingSetup:
    """What the setup becomes under a remedy."""
    match remedy:
        case SwapActivation(to):
            known = find_activation(to, **({"axis": -1} if "softmax" in to else {}))
            assert known is not None
            return replace(subject, head=replace(subject.head, activation=to, range=known.range))
        case SwapLoss(to, from_logits):
            return replace(subject, loss=replace(subject.loss, name=to, from_logits=Tri.of(from_logits)))
        case ExpectLogits(from_logits):
            return replace(subject, loss=replace(subject.loss, from_logits=Tri.of(from_logits)))
        case Rescale(scale, shift, of_input, of_target):

            def scaled(facts: DataFacts) -> DataFacts:
                return replace(facts, values=facts.values.affine(scale, shift))

            given = scaled(subject.input) if of_input else subject.input
            target = scaled(subject.target) if of_target else subject.target
            return replace(subject, input=given, target=target)
        case DropMetric():
            return replace(subject, metrics=())


def slots(remedy: Remedy) -> tuple[str, ...]:
    match remedy:
        case SwapActivation():
            return ("activation",)
        case SwapLoss():
            return ("loss", "logits")
        case ExpectLogits():
            return ("logits",)
        case Rescale():
            return ("data",)
        case DropMetric():
            return ("metric",)


def closes(subject: TrainingSetup) -> None:
    findings, _ = check([subject])
    grave = [one for one in findings if one.severity is not Severity.INFO]
    remedies = list(dict.fromkeys(remedy for one in grave for remedy in one.remedies))
    taken: dict[str, Remedy] = {}
    for remedy in remedies:
        for slot in slots(remedy):
            assert taken.setdefault(slot, remedy) == remedy, [(one.code, one.remedies) for one in grave]
    for one in grave:
        assert one.remedies, f"{one.code} has no remedy"
    for remedy in remedies:
        subject = mended(subject, remedy)
    left = [(one.code, one.message) for one in check([subject])[0] if one.severity is not Severity.INFO]
    assert not left, (remedies, left)


@pytest.mark.parametrize("framework", [KERAS, TORCH], ids=lambda framework: framework.value)
@pytest.mark.parametrize("target", QUANTITIES, ids=lambda target: str(target.values))
def test_reconstructions(framework: Framework, target: DataFacts) -> None:
    floats = replace(target, dtype="float32")
    for head, (loss, logits) in product(HEADS, RECONSTRUCTION_LOSSES):
        if framework is KERAS and loss == "cross_entropy":
            continue
        closes(setup(head, loss, floats, framework=framework, logits=logits, backend=framework.value))


@pytest.mark.parametrize("framework", [KERAS, TORCH], ids=lambda framework: framework.value)
@pytest.mark.parametrize("target", [CLASSES, ONE_HOT], ids=lambda target: target.structure.value)
@pytest.mark.parametrize("given", [GREY, RAW], ids=lambda given: str(given.values))
def test_classifiers(framework: Framework, target: DataFacts, given: DataFacts) -> None:
    for head, (loss, logits) in product(HEADS, CLASS_LOSSES):
        if framework is TORCH and logits is Tri.NO:
            continue  # torch has no cross-entropy on probabilities over classes
        closes(setup(head, loss, target, given=given, framework=framework, logits=logits, units=10, backend="torch"))


@pytest.mark.parametrize("framework", [KERAS, TORCH], ids=lambda framework: framework.value)
def test_labels_of_one_unit(framework: Framework) -> None:
    for head, logits in product(("linear", "relu", "sigmoid", "tanh"), (Tri.YES, Tri.NO)):
        closes(setup(head, "bce", YES_OR_NO, given=GREY, framework=framework, logits=logits, units=1, backend="torch"))

"""Every loss on probabilities under every kind of head: the rules speak just where the theory says that they must."""

from __future__ import annotations

import pytest

from ae_audit.rules.registry import all_rules
from ae_audit.schema.findings import Violation
from ae_audit.schema.training_setup import Framework, Relation, TrainingSetup
from ae_audit.theory.activations import Constraint, find_activation
from ae_audit.theory.loss import Loss, PredictionKind, TargetKind
from ae_audit.theory.loss_families import CATEGORICAL, CLASS_SCORES, OVERLAP
from ae_audit.theory.losses import LOSSES, find_loss
from ae_audit.theory.ranges import Tri
from tests.rules.setups import CLASSES, GREY, ONE_HOT, YES_OR_NO, remedies, setup, violations

HEADS = ("linear", "relu", "tanh", "sigmoid", "hard_sigmoid", "softmax", "log_softmax", "log_sigmoid")
DISTRIBUTIONS = {PredictionKind.SIMPLEX: Constraint.SIMPLEX, PredictionKind.LOG_SIMPLEX: Constraint.LOG_SIMPLEX}
TARGETS = {
    TargetKind.CLASS_INDEX: CLASSES,
    TargetKind.DISTRIBUTION_OR_INDEX: CLASSES,
    TargetKind.UNIT_INTERVAL: GREY,
    TargetKind.BINARY: YES_OR_NO,
}
ON_PROBABILITIES = {PredictionKind.PROBABILITY, *DISTRIBUTIONS}


def _loss(name: str, framework: Framework) -> Loss:
    loss = find_loss(name, log_input=framework is Framework.TORCH)
    assert loss is not None
    return loss


def _pairs() -> list[tuple[Framework, str, str]]:
    return [
        (framework, name, head)
        for framework in Framework
        for name in sorted(LOSSES)
        if _loss(name, framework).prediction_kind in ON_PROBABILITIES
        for head in HEADS
    ]


def _expected(loss: Loss, head: str) -> str | None:
    """``AE105`` for values that are no probabilities, ``AE209`` for probabilities that exclude nothing."""
    activation = find_activation(head)
    assert activation is not None
    if not loss.prediction.closure().covers(activation.range.values.hull):
        return "AE105"
    wanted = DISTRIBUTIONS.get(loss.prediction_kind)
    return None if wanted is None or activation.constraint is wanted else "AE209"


def _found(subject: TrainingSetup) -> set[str]:
    return {
        rule.code
        for rule in all_rules()
        if rule.code in {"AE105", "AE209"}
        for outcome in rule.check(subject)
        if isinstance(outcome, Violation)
    }


@pytest.mark.parametrize(("framework", "name", "head"), _pairs())
def test_probabilities(framework: Framework, name: str, head: str) -> None:
    loss = _loss(name, framework)
    target = TARGETS.get(loss.target_kind, ONE_HOT)
    subject = setup(head, name, target, given=GREY, relation=Relation.LABELS, units=10, framework=framework)
    expected = _expected(loss, head)
    assert _found(subject) == (set() if expected is None else {expected})


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_scores_of_classes_compare_nothing_over_a_single_unit(name: str) -> None:
    logits = find_loss(name, from_logits=True)
    assert logits is not None
    subject = setup(
        "linear", name, CLASSES, given=GREY, relation=Relation.LABELS, units=1, logits=Tri.of(logits.from_logits)
    )
    said = any(
        "a loss of 0" in violation.message or "single unit is 0" in violation.message
        for violation in violations("AE209", subject)
    )
    assert said == (name in CLASS_SCORES or (name in CATEGORICAL and logits.from_logits))


def test_generalized_cross_entropy_is_told_what_becomes_of_it() -> None:
    linear, relu = (
        setup(head, "generalized_cross_entropy", CLASSES, given=GREY, relation=Relation.LABELS, units=10)
        for head in ("linear", "relu")
    )
    assert "NaN" in violations("AE105", linear)[0].message
    assert "falls without end" in violations("AE105", relu)[0].message
    assert remedies("AE105", linear) == ["softmax at the output"]


@pytest.mark.parametrize("name", sorted(OVERLAP))
def test_a_set_overlap_is_kept_and_given_probabilities(name: str) -> None:
    assert remedies("AE105", setup("linear", name, YES_OR_NO, units=1)) == ["sigmoid at the output"]
    assert remedies("AE105", setup("linear", name, ONE_HOT, given=GREY, units=10)) == ["softmax at the output"]


def test_a_guarded_logarithm_of_a_distribution_is_one() -> None:
    softmax, log = find_activation("softmax", axis=-1), find_activation("log")
    assert softmax is not None
    assert log is not None
    guarded = log.range_of(softmax.range.affine(1.0, 1e-8))
    assert guarded.constraint is Constraint.LOG_SIMPLEX
    assert log.range_of(softmax.range.affine(1.0, 0.5)).constraint is None

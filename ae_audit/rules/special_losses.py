"""Losses with a domain of their own: margins, whose targets are signs, and likelihoods of rates, whose are counts."""

from __future__ import annotations

import math
from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.rules.predicates import (
    ROUNDING,
    SIGNED_UNIT,
    exactly_binary,
    loss_words,
    of_log_rates,
    output_words,
    target_is_distribution,
    values_words,
)
from ae_audit.rules.repair import repair
from ae_audit.schema.findings import Severity
from ae_audit.schema.remedies import Remedy, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.theory.activations import Constraint
from ae_audit.theory.intervals import INFINITY, NON_NEGATIVE, UNIT, Interval
from ae_audit.theory.loss_families import MARGIN, RATES
from ae_audit.theory.ranges import Tri

LARGEST_EXPONENT = 700.0
"""the exponential of more is no double"""


def fault(setup: TrainingSetup) -> tuple[str, Severity] | None:
    """What is wrong with head or target under such a loss, as a sentence; None where nothing surely is."""
    judge = _judge(setup.loss.name)
    text = None if judge is None or setup.target.values.unknown else judge(setup)
    if text is not None:
        return text, Severity.ERROR
    produced = setup.head.range.values
    if judge is _margin_fault and not produced.unknown and produced.hull.lo >= 0.0:
        # against hard labels a sigmoid saturates at 0, which still tells them apart; a relu ends at 0 everywhere
        severity = Severity.WARNING if UNIT.covers(produced.hull, ROUNDING) else Severity.ERROR
        return f"{setup.loss.name} needs scores below 0 too, but {output_words(setup)} never gives one", severity
    return None


def remedies(setup: TrainingSetup) -> tuple[Remedy, ...]:
    """What mends such a fault."""
    if setup.loss.name in RATES and setup.target.values.leaves(NON_NEGATIVE, ROUNDING) is not Tri.YES:
        return (SwapActivation("linear" if of_log_rates(setup) else "softplus"),)
    if setup.loss.name in MARGIN and _margin_fault(setup) is None:
        return (SwapActivation("linear"),)
    activation = repair(replace(setup, loss=replace(setup.loss, name="mse"))).activation
    return (*((activation,) if activation else ()), SwapLoss("mse"))


def _margin_fault(setup: TrainingSetup) -> str | None:
    """A loss of the product of target and score, where the target is no sign."""
    target, seen = setup.target, setup.target.measured
    keras = setup.framework is Framework.KERAS
    if seen is not None:
        signs = seen.integer_share == 1.0 and seen.zero_share == 0.0 and max(map(abs, seen.quantiles)) == 1.0
        if signs or (keras and exactly_binary(target) is Tri.YES):
            return None
    else:
        reach = target.values.reach
        zeros = reach is not None and reach.lo <= 0.0 <= target.values.hull.lo
        if target.values.leaves(SIGNED_UNIT, ROUNDING) is not Tri.YES and (keras or not zeros):
            return None
    return f"{setup.loss.name} needs targets of -1 and 1, but the target is {values_words(target)}"


def _rate_fault(setup: TrainingSetup) -> str | None:
    """A rate that does not exist, or that cannot be the target."""
    produced, target = setup.head.range.values, setup.target
    if target.values.leaves(NON_NEGATIVE, ROUNDING) is Tri.YES:
        return f"{loss_words(setup)} needs targets of at least 0, but the target is {values_words(target)}"
    logarithm = of_log_rates(setup)
    if not logarithm and produced.leaves(NON_NEGATIVE, ROUNDING) is Tri.YES:
        return f"{loss_words(setup)} takes rates, but {output_words(setup)} produces values in {produced.hull}"
    if logarithm and setup.head.range.constraint is Constraint.LOG_SIMPLEX:
        if target_is_distribution(setup) is Tri.NO:
            return (
                f"{output_words(setup)} makes rates that sum to 1 in every sample, but the target holds separate values"
            )
    elif logarithm:
        low, high = (math.exp(min(end, LARGEST_EXPONENT)) for end in (produced.hull.lo, produced.hull.hi))
        rates = Interval(low, high if produced.hull.hi < LARGEST_EXPONENT else INFINITY)
        if target.values.leaves(rates, ROUNDING) is Tri.YES:
            return (
                f"{loss_words(setup)} takes the logarithm of a rate: {output_words(setup)} makes rates in {rates}, "
                f"but the target is {values_words(target)}"
            )
    return None


def _judge(name: str | None) -> Callable[[TrainingSetup], str | None] | None:
    return _rate_fault if name in RATES else _margin_fault if name in MARGIN else None

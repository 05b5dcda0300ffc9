"""Cross-entropies written out: the halves ``t · log(p)`` and ``(1 - t) · log(1 - p)``, with and without a target."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import LossUse
from ae_audit.static.domain import arrays
from ae_audit.static.domain.values import Array, LossTerm, LossValue, Tensor, Value, number
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.evaluator import Evaluator

POSITIVE, NEGATIVE = "t·log(p)", "(1-t)·log(1-p)"
"""the names of the halves, until they are added up"""
RATIO = "p/q"
"""the name of a likelihood, or of its ratio to another one: ``exp(p.log_prob(x) - before)``"""


def cross_term(prediction: Tensor, weight: Value, where: Where) -> LossValue:
    """``t · log(p)``, one half of a cross-entropy written out."""
    name = NEGATIVE if prediction.complement else POSITIVE
    use = LossUse(name=name, written=where.written, location=where.location, custom=True)
    sign = 1.0
    if isinstance(weight, Array) and weight.scalings[-1:] == ("* -1",):  # -t * log(p)
        sign = -1.0
        trail = tuple(step for step in weight.trail if not step.text.startswith("* -1 "))
        plain = arrays.affine(weight, sign, 0.0, "* -1", None)
        weight = replace(plain, scalings=weight.scalings[:-1], trail=trail)
    return LossValue((LossTerm(use, prediction, weight, where, sign),))


def certain(run: Evaluator, value: Value, where: Where) -> LossValue | None:
    """``log(p)`` and ``log(1 - p)`` by themselves: what a judge's binary cross-entropy is for the answers 1 and 0.

    None for everything else.
    """
    judged = value.log_of if isinstance(value, Tensor) else None
    if judged is None or judged.head.activation != "sigmoid":
        return None
    answer = 0.0 if judged.complement else 1.0
    target = Array(
        ValueRange.exactly(Interval(answer, answer)), shape=(), root=run.fresh(), where=where, synthetic=True
    )
    use = LossUse(name="bce", written=where.written, location=where.location, custom=True)
    # log p is the negative of the loss
    return LossValue((LossTerm(use, replace(judged, complement=False), target, where, -1.0),))


def answers(run: Evaluator, symbol: str, left: Value, right: Value, where: Where) -> tuple[Value, Value]:
    """Two operands, logarithms of a judge's answers among them as losses: added up, or multiplied by a number."""
    if symbol not in {"+", "-", "*", "/"} or not any(isinstance(v, Tensor) and v.log_of for v in (left, right)):
        return left, right
    losses = certain(run, left, where), certain(run, right, where)
    added = [loss or value for loss, value in zip(losses, (left, right), strict=True)]
    summed = symbol in {"+", "-"} and all(isinstance(value, LossValue) for value in added)
    scaled = symbol in {"*", "/"} and any(number(value) is not None for value in (left, right))
    return (added[0], added[1]) if summed or scaled else (left, right)

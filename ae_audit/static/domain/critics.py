"""Scores of a critic: means of what a network gives, set against one another, with no target between them.

``d(fake).mean() - d(real).mean()`` is the loss of a Wasserstein critic, and so is Keras' ``mean(y_true * y_pred)`` with
labels of -1 and 1. What is minimised is linear in the output, which is followed here into the loss.
"""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.static.domain.network_values import Score, Tensor
from ae_audit.static.domain.plain_values import Array, Value, number
from ae_audit.static.source.sources import Where


def averaged(value: Tensor, made: Value, name: str, where: Where) -> Value:
    """``made``, the ``name`` of all values of a network's output, with the score that it is."""
    if not isinstance(made, Tensor) or name != "mean":
        return _without(made)
    if value.score is not None:
        return replace(made, score=replace(value.score, averaged=True, where=where))
    return replace(made, score=Score(value, (1.0,), where=where))


def after(symbol: str, left: Value, right: Value, made: Value) -> Value:
    """``made`` of an operator with a network tensor on at least one side, with the score that it is."""
    if not isinstance(made, Tensor):
        return made
    ours, theirs = (value.score if isinstance(value, Tensor) else None for value in (left, right))
    if symbol == "*" and ours is None and theirs is None:
        return replace(made, score=_weighed(left, right))
    found = _sum(symbol, ours, theirs) if symbol in {"+", "-"} else _multiple(symbol, left, right, ours or theirs)
    moved = symbol in {"+", "-"} and any(number(side) not in {None, 0.0} for side in (left, right))
    return replace(made, score=None if moved else found)  # `1 - d(x)` speaks of probabilities


def _sum(symbol: str, ours: Score | None, theirs: Score | None) -> Score | None:
    sign = 1.0 if symbol == "+" else -1.0
    if theirs is not None:
        theirs = replace(theirs, signs=tuple(None if one is None else sign * one for one in theirs.signs))
    if ours is None or theirs is None:
        return ours or theirs  # beside a penalty
    if not ours.averaged or ours.averaged is not theirs.averaged or not _same_network(ours, theirs):
        return None
    return replace(ours, signs=(*ours.signs, *theirs.signs)[:8])


def _same_network(ours: Score, theirs: Score) -> bool:
    one, other = ours.prediction.head, theirs.prediction.head
    return (one.location, one.activation) == (other.location, other.activation)


def _multiple(symbol: str, left: Value, right: Value, score: Score | None) -> Score | None:
    """A score times or divided by a number."""
    factor = number(right if isinstance(left, Tensor) else left)
    if score is None or symbol not in {"*", "/"} or not factor or (symbol == "/" and not isinstance(left, Tensor)):
        return None
    sign = 1.0 if factor > 0 else -1.0
    return replace(score, signs=tuple(None if one is None else sign * one for one in score.signs))


def _weighed(left: Value, right: Value) -> Score | None:
    """``y_true * y_pred``."""
    for tensor, data in ((left, right), (right, left)):
        if isinstance(tensor, Tensor) and isinstance(data, Array) and data.shape != ():
            return Score(tensor, (None,), averaged=False)
    return None


def _without(made: Value) -> Value:
    return replace(made, score=None) if isinstance(made, Tensor) and made.score is not None else made

"""Overlaps written out: Dice, Jaccard and Tversky losses as quotients of sums over a prediction and its target.

A sum of products of both, each divided by its own length before, is their cosine.

What is computed from a prediction p and a target y is followed as ``a + b · p + c · y + d · p · y`` until it is
summed up; the quotient of ``I = Σ p y`` and a sum of that form is a Tversky index where the coefficients fit:
``I / (I + α (Σ y - I) + β (Σ p - I))``. Of p and y that are 0 or 1 the squares are they themselves, and what is added
to a sum for the sake of a division changes neither.
"""

from __future__ import annotations

import math

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import LossUse
from ae_audit.static.domain.loss_values import LossTerm, LossValue
from ae_audit.static.domain.network_values import Overlap, Tensor
from ae_audit.static.domain.plain_values import Array, Value, number
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import UNIT

EPSILON = 1e-3
"""up to which a sum is kept from zero"""
SUMMING = frozenset({"sum", "mean"})
_OURS, _THEIRS, _COMPLEMENT = (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (1.0, 0.0, -1.0, 0.0)


def reduced(value: Tensor, made: Value, how: str, where: Where, *, whole: bool) -> Value:
    """``made``, the ``how`` of what a tensor holds, as the sum that it is; ``whole``: one number is left.

    One number of products of unit vectors is their mean cosine; before, it may be a score that a loss is yet to judge.
    """
    if not isinstance(made, Tensor):
        return made
    found = _of(value) if how in SUMMING else None
    cosine = _cosine(found, where) if found is not None and whole else None
    if cosine is not None:
        return cosine
    return _with(made, None if found is None else replace(found, summed=True))


def squared(value: Tensor, made: Tensor) -> Tensor:
    """``p ** 2``, which is p where p is 0 or 1."""
    found = _of(value)
    return _with(made, found if found is not None and found.parts == _OURS and not found.summed else None)


def clipped(value: Tensor, low: float, high: float) -> bool:
    """Whether a clip only keeps a sum from being zero, for the sake of a division."""
    known = value.overlap
    return known is not None and known.summed and known.seen == _state(value) and low <= EPSILON and high == math.inf


def after(symbol: str, left: Value, right: Value, made: Value, where: Where) -> Value:
    """``made`` of an operator with a network tensor on at least one side; of a quotient of sums, their index."""
    if not isinstance(made, Tensor):
        return made
    a, b = _number(left), _number(right)
    ours, theirs = _of(left) if a is None else None, _of(right) if b is None else None
    if ours is not None and b is not None:
        return _with(made, _with_number(symbol, ours, b))
    if theirs is not None and a is not None:
        return _with(made, _number_with(symbol, a, theirs))
    if ours is None or theirs is None or not _of_the_same(ours, theirs):
        return _with(made, None)
    if symbol == "/":
        return _index(ours, theirs, where) or _with(made, None)
    return _with(made, _combined(symbol, ours, theirs))


def _of(value: Value) -> Overlap | None:
    """A prediction, a target, or what was made of both."""
    if isinstance(value, Tensor):
        known = value.overlap
        if known is not None and known.seen == _state(value):
            return known
        return None if value.derived else Overlap(value, None, _OURS)
    noise = isinstance(value, Array) and value.random and not (UNIT.covers(value.values.hull) or _is_unit(value))
    if not isinstance(value, Array) or noise:
        return None
    turned = value.scalings[-1:] == ("1 -",) if value.scale is None else value.scale < 0
    if value.statistic is not None:
        return Overlap(None, value, _THEIRS, summed=True) if value.statistic in SUMMING and not turned else None
    if value.shape == ():
        return None
    inverse = turned and UNIT.covers(value.values.hull)
    return Overlap(None, value, _COMPLEMENT if inverse else _THEIRS)


def _number(value: Value) -> float | None:
    return None if isinstance(value, Array) and value.shape not in {(), None} else number(value)


def _state(value: Tensor) -> object:
    return value.head.activation, value.head.range


def _with(made: Tensor, overlap: Overlap | None) -> Tensor:
    if overlap is not None and not any(overlap.parts[1:]):
        overlap = None
    if overlap is None:
        return made if made.overlap is None else replace(made, overlap=None)
    return replace(made, overlap=replace(overlap, seen=_state(made)))


def _with_number(symbol: str, form: Overlap, n: float) -> Overlap | None:
    if symbol in {"*", "/"}:
        if not math.isfinite(n) or n == 0:
            return None
        return replace(form, parts=_scaled(form, n if symbol == "*" else 1.0 / n))
    if symbol in {"+", "-"}:
        return _moved(form, n if symbol == "+" else -n)
    return form if symbol == "**" and n == 2 and form.parts == _OURS and not form.summed else None


def _number_with(symbol: str, n: float, form: Overlap) -> Overlap | None:
    if symbol in {"*", "+"}:
        return _with_number(symbol, form, n)
    return _moved(replace(form, parts=_scaled(form, -1.0)), n) if symbol == "-" else None


def _moved(form: Overlap, n: float) -> Overlap:
    one, *parts = form.parts
    return form if form.summed else replace(form, parts=(one + n, parts[0], parts[1], parts[2]))


def _scaled(form: Overlap, factor: float) -> tuple[float, float, float, float]:
    one, ours, theirs, both = form.parts
    return one * factor, ours * factor, theirs * factor, both * factor


def _of_the_same(left: Overlap, right: Overlap) -> bool:
    """Whether two forms are of one prediction and one target, as far as they have any, both summed up or neither."""
    heads = [form.prediction.head for form in (left, right) if form.prediction is not None]
    roots = {form.target.root for form in (left, right) if form.target is not None}
    places = {(head.location, head.activation) for head in heads}
    return len(roots) < 2 and len(places) < 2 and left.summed is right.summed


def _combined(symbol: str, left: Overlap, right: Overlap) -> Overlap | None:
    prediction, target = left.prediction or right.prediction, left.target or right.target
    if symbol in {"+", "-"}:
        other = right.parts if symbol == "+" else _scaled(right, -1.0)
        a, b, c, d = (one + two for one, two in zip(left.parts, other, strict=True))
        return Overlap(prediction, target, (a, b, c, d), left.summed)
    if symbol != "*" or left.summed:
        return None
    if left.parts == right.parts == _OURS:
        return left
    for form, other_form in ((left, right), (right, left)):
        one, ours, theirs, both = form.parts
        other_one, other_ours, other_theirs, other_both = other_form.parts
        if theirs == both == other_ours == other_both == 0:
            parts = (one * other_one, ours * other_one, one * other_theirs, ours * other_theirs)
            return Overlap(prediction, target, parts)
    return None


def by_sample(value: Tensor, where: Where) -> Value:
    """What a loss function gives for each sample, as a loss where it is one of products of unit vectors."""
    found = _of(value)
    return value if found is None else _cosine(found, where) or value


def _is_unit(array: Array) -> bool:
    """Whether its vectors were divided by their lengths."""
    return array.scalings[-1:] in {("unit_norm",), ("unit_norm()",)}


def _cosine(form: Overlap, where: Where) -> LossValue | None:
    """The similarity that sums of ``p * y`` over unit vectors are, as a loss with its sign turned."""
    *others, both = form.parts
    ours, target = form.prediction, form.target
    if any(others) or not both or ours is None or target is None or not _is_unit(target):
        return None
    if ours.head.activation != "unit_norm" or ours.activation_of is None:
        return None
    use = LossUse(name="cosine_similarity", written=where.written, location=where.location, custom=True)
    return LossValue((LossTerm(use, ours.activation_of, target, where, -both),))


def _index(above: Overlap, below: Overlap, where: Where) -> LossValue | None:
    """The similarity that a quotient of two sums is, as a loss with its sign turned."""
    one, ours, theirs, both = above.parts
    if not above.summed or both <= 0 or one or ours or theirs or above.prediction is None or above.target is None:
        return None
    one, beta, alpha, rest = (part / both for part in below.parts)
    if one or alpha <= 0 or beta <= 0 or not math.isclose(rest, 1.0 - alpha - beta, abs_tol=1e-6):
        return None
    halves = math.isclose(alpha, 0.5) and math.isclose(beta, 0.5)
    use = LossUse(
        name="dice" if halves else "tversky", written=where.written, location=where.location, custom=True,
        parameters=() if halves else (("alpha", alpha), ("beta", beta)),
    )  # fmt: skip
    return LossValue((LossTerm(use, above.prediction, above.target, where, -1.0),))

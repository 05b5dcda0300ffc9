"""The divergence of a variational code from its prior: recognised where it is written out, followed into the loss.

The elements of ``½ (μ² + e^v − v − 1)`` show by a square and an exponential of network tensors with one coefficient;
their sum or mean is the divergence, and what it is multiplied by afterwards is its weight.
"""

from __future__ import annotations

import math

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Reduction, VariationalTerms
from ae_audit.static.domain.values import Array, Divergence, LossTerm, Pair, Tensor, Value, number
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.values import Exponent, Step

HALF = 0.5
"""coefficient of the square and of the exponential in the divergence of two normal distributions"""
SQUARE, EXPONENTIAL = "square", "exponential"
MERGED = "merged"
"""a step that makes one axis of all from the given one on (a text where that is not known)"""


def after(symbol: str, left: Value, right: Value, result: Value) -> Value:
    """``result`` of an operator on network tensors, with what it holds of a divergence."""
    if not isinstance(result, Tensor):
        return result
    parts = _parts(symbol, left, right)
    divergence = _divergence(symbol, left, right)
    exponent = _exponent(left, right) if parts else result.exponent
    if (parts, divergence, exponent) == (result.parts, result.divergence, result.exponent):
        return result
    return replace(result, parts=parts, divergence=divergence, exponent=exponent)


def _exponent(left: Value, right: Value) -> Exponent | None:
    """Of a sum in which one exponential is."""
    found = [value.exponent for value in (left, right) if isinstance(value, Tensor) and value.exponent is not None]
    return found[0] if len(found) == 1 else None


def _parts(symbol: str, left: Value, right: Value) -> tuple[tuple[str, float], ...]:
    a, b = _scalar(left), _scalar(right)
    ours, theirs = _parts_of(left), _parts_of(right)
    if symbol == "*" and isinstance(left, Tensor) and left == right:
        return ((SQUARE, 1.0),)
    if symbol in {"+", "-"}:
        sign = 1.0 if symbol == "+" else -1.0
        total = dict(ours)
        for name, coefficient in theirs:
            total[name] = total.get(name, 0.0) + sign * coefficient
        return tuple(sorted(total.items()))
    if symbol == "*" and (a is not None or b is not None):
        factor = a if a is not None else b
        assert factor is not None
        return tuple((name, factor * coefficient) for name, coefficient in (*ours, *theirs))
    if symbol == "/" and b:
        return tuple((name, coefficient / b) for name, coefficient in ours)
    if symbol == "**" and b == 2.0:
        return ((SQUARE, 1.0),)
    return ()


def _parts_of(value: Value) -> tuple[tuple[str, float], ...]:
    return value.parts if isinstance(value, Tensor) else ()


def _scalar(value: Value) -> float | None:
    if isinstance(value, Tensor) or (isinstance(value, Array) and value.shape not in {(), None}):
        return None
    return number(value)


def _divergence(symbol: str, left: Value, right: Value) -> Divergence | None:
    ours = left.divergence if isinstance(left, Tensor) else None
    theirs = right.divergence if isinstance(right, Tensor) else None
    if (ours is None) == (theirs is None):
        return None
    found, other = (ours, right) if ours is not None else (theirs, left)
    assert found is not None
    factor = _scalar(other)
    if symbol in {"+", "-"}:
        if factor is None:
            return None
        return scaled(found, -1.0) if symbol == "-" and theirs is not None else found
    if symbol == "*":
        return scaled(found, factor)
    if symbol == "/" and ours is not None:
        return scaled(found, None if not factor else 1.0 / factor)
    return None


def scaled(divergence: Divergence, factor: float | None) -> Divergence:
    """A multiple of it; ``factor`` is None where it is not known."""
    weight = None if factor is None or divergence.weight is None else divergence.weight * factor
    return replace(divergence, weight=weight)


def reduced(value: Tensor, made: Value, how: str, axis: object, where: Where) -> Value:
    """``made``, the ``mean`` or ``sum`` of ``value``, with the divergence that it is or goes on being."""
    if how not in {"mean", "sum"} or not isinstance(made, Tensor):
        return made
    divergence = value.divergence
    if divergence is None:
        parts = dict(value.parts)
        square, exponential = parts.get(SQUARE, 0.0), parts.get(EXPONENTIAL, 0.0)
        if square == 0.0 or not math.isclose(square, exponential, rel_tol=1e-6):
            return made
        divergence = Divergence(square / HALF, (), value.head.shape, where, value.exponent)
    return replace(made, divergence=replace(divergence, steps=(*divergence.steps, (how, axis))[:8]), parts=())


def terms(pair: Pair | None, framework: Framework) -> VariationalTerms | None:
    """What a pair amounts to; None where there is none, or how one of the two is reduced cannot be told."""
    if pair is None:
        return None
    term, divergence = pair.term, pair.divergence
    prediction = term.prediction
    shape = prediction.head.shape if isinstance(prediction, Tensor) else None
    if shape is None and isinstance(term.target, Array):
        shape = term.target.shape
    code = divergence.shape
    reconstruction = _reduction(_first_steps(term, framework) + term.steps, shape, term.weight, framework)
    regulariser = _reduction(divergence.steps, code, divergence.weight, framework, code=True)
    latents = _size(code)
    if reconstruction is None or regulariser is None:
        return None
    regulariser = _explained(regulariser, latents)
    if _opposed(term.weight, divergence.weight):
        regulariser = replace(regulariser, weight=-(regulariser.weight or 1.0))
    return VariationalTerms(
        _explained(reconstruction, _size(shape)), regulariser, latents, location=divergence.where.location
    )


def _opposed(ours: float | None, theirs: float | None) -> bool:
    """Whether one of the two is minimised and the other maximised; the negative of both is a bound to be maximised."""
    return ours is not None and theirs is not None and ours * theirs < 0.0


def _first_steps(term: LossTerm, framework: Framework) -> tuple[Step, ...]:
    """What the loss itself does before anything is done to it."""
    how = term.use.reduction
    if term.use.custom or how is None:
        return ()
    if how == "sum" and framework is Framework.KERAS:  # Keras' losses average along the last axis, whatever follows
        return (("mean", -1), ("sum", None))
    return {"mean": (("mean", None),), "sum": (("sum", None),), "sum_over_batch_size": (("mean", None),)}.get(how, ())


def _size(shape: tuple[int | None, ...] | None) -> int | None:
    if shape is None or len(shape) < 2 or any(extent is None for extent in shape[1:]):
        return None
    return math.prod(extent for extent in shape[1:] if extent is not None)


def _reduction(
    steps: tuple[Step, ...], shape: tuple[int | None, ...] | None, weight: float | None, framework: Framework,
    *, code: bool = False,
) -> Reduction | None:  # fmt: skip
    """The reduction that the steps amount to; None where some axis is left, or not all go the same way."""
    if (shape is None or len(shape) < 2) and not (code or all(axis is None for _, axis in steps)):
        return None  # what is left after one axis of an unknown number is not known
    if shape is None or len(shape) < 2:
        shape = (None, None)  # a code is a vector
    rank = len(shape)
    ways: dict[int, str] = {}
    left: list[tuple[int, ...]] = [(place,) for place in range(rank)]
    for how, axis in steps:
        if not left:
            break
        if how == MERGED and isinstance(axis, int):
            left = [*left[:axis], tuple(place for group in left[axis:] for place in group)]
            continue
        chosen = _taken(left, axis)
        if chosen is None or how == MERGED:
            return None
        for place in (place for group in chosen for place in group):
            ways[place] = how
        left = [group for group in left if group not in chosen]
    inner = {ways.get(place, "left") for place in range(1, rank) if shape[place] != 1}
    if len(inner) > 1 or "left" in inner:
        return None
    batch = ways.get(0, "mean" if framework is Framework.KERAS else None)  # Keras averages what a loss returns
    return Reduction(next(iter(inner), "sum"), batch, None if weight is None else abs(weight))


def _taken(left: list[tuple[int, ...]], axis: object) -> list[tuple[int, ...]] | None:
    """Those of the axes that are left along which a step goes (None: along all); None where that is not known."""
    if axis is None:
        return list(left)
    places = axis if isinstance(axis, tuple) else (axis,)
    if not all(isinstance(place, int) and -len(left) <= place < len(left) for place in places):
        return None
    return [left[place] for place in places]


def _explained(found: Reduction, size: int | None) -> Reduction:
    """A factor that is the number of values turns a mean into a sum, and its reciprocal a sum into a mean."""
    if found.weight is None or size is None or size < 2:
        return found
    if found.sample == "mean" and math.isclose(found.weight, size, rel_tol=1e-6):
        return replace(found, sample="sum", weight=1.0)
    if found.sample == "sum" and math.isclose(found.weight * size, 1.0, rel_tol=1e-6):
        return replace(found, sample="mean", weight=1.0)
    return found

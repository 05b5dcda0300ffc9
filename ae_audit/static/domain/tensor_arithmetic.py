"""Arithmetic on tensors of a network: sums, products and powers of outputs, with numbers, data and each other."""

from __future__ import annotations

import math

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Head
from ae_audit.static.domain import critics, divergences, overlaps, tensors
from ae_audit.static.domain.cross_entropies import cross_term
from ae_audit.static.domain.values import Array, Difference, Exponent, Meeting, Tensor, Value, number
from ae_audit.static.source.sources import Where
from ae_audit.theory.activations import LINEAR_RANGE, ActivationRange
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.evaluator import Evaluator


def arithmetic(run: Evaluator, symbol: str, left: Value, right: Value, where: Where) -> Value:
    """An operator with a network tensor on at least one side."""
    made = divergences.after(symbol, left, right, _arithmetic(run, symbol, left, right, where))
    made = critics.after(symbol, left, right, _after_meeting(run, symbol, left, right, made, where))
    return overlaps.after(symbol, left, right, made, where)


def _after_meeting(run: Evaluator, symbol: str, left: Value, right: Value, made: Value, where: Where) -> Value:
    """``made`` of an operator, with the data or the number that a prediction met there."""
    if not isinstance(made, Tensor):
        return made
    tensor, other = (left, right) if isinstance(left, Tensor) else (right, left)
    if not isinstance(tensor, Tensor) or isinstance(other, Tensor) or symbol == "@":
        return made
    n = _scalar(other)
    if n is None:
        return meeting(run, made, tensor, other, where)
    if symbol == "-" and isinstance(left, Tensor) and made.met is None and abs(n) > tensors.CLOSE:
        return replace(made, met=Meeting(tensor, other, where, moved=True))
    return tensors.without_number(made) if symbol in {"*", "/"} else made


def meeting(run: Evaluator, made: Tensor, tensor: Tensor, other: Value, where: Where) -> Tensor:
    """``made`` of a prediction and of data: what its loss compares, should it be one."""
    array = run.as_array(other)
    if array is None or array.shape == () or array.values.hull.width == 0 or not tensor.fed:
        return made
    if made.met is not None and made.met.target is not None and not made.met.moved:
        return made
    return replace(made, met=Meeting(tensor, array, where))


def _arithmetic(run: Evaluator, symbol: str, left: Value, right: Value, where: Where) -> Value:
    if symbol == "@":
        fed = next(value for value in (left, right) if isinstance(value, Tensor))
        before, after = (v.head.shape if isinstance(v, Tensor) else getattr(v, "shape", None) for v in (left, right))
        shape = (*before[:-1], after[-1]) if before and after and len(after) == 2 else None
        units = shape[-1] if shape and fed.framework is Framework.KERAS else None
        return tensors.through_weights(run, fed.framework, [left, right], "matmul", where, units=units, shape=shape)
    a, b = _scalar(left), _scalar(right)
    if isinstance(left, Tensor) and b is not None:
        return _with_number(run, left, symbol, b, where, reverse=False)
    if isinstance(right, Tensor) and a is not None:
        return _with_number(run, right, symbol, a, where, reverse=True)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return _two(run, symbol, left, right, where)
    tensor, other = (left, right) if isinstance(left, Tensor) else (right, left)
    assert isinstance(tensor, Tensor)
    array = run.as_array(other)
    if array is None:
        return tensors.opaque(run, tensor.framework, [tensor, other], f"`{where.written}` is not known")
    same = array.values.hull
    if symbol == "*" and same.bounded and same.width == 0 and same.lo not in {0.0, 1.0}:
        # the rate that a sparse code should have, no target: p * log(p / q)
        return _with_number(run, tensor, symbol, same.lo, where, reverse=tensor is right)
    if tensor.log_of is not None and symbol == "*":
        return cross_term(tensor.log_of, array, where)
    if not tensor.fed and not array.random and symbol in {"+", "-", "*"} and tensor.head.range == LINEAR_RANGE:
        # weights by themselves: y = w * x + b written out
        return tensors.through_weights(run, tensor.framework, [tensor, array], "weights", where)
    if symbol == "-":
        return Difference(tensor, array, where)
    if symbol in {"+", "-"}:
        return tensors.combined(tensor, array, 1.0, where)
    if array.random:
        drawn = _stretching(tensor, where) if symbol == "*" else None
        return replace(tensor, variational=Tri.YES, latent=tensor.latent or _one_sided_log_variance(tensor),
                       drawn=drawn or tensor.drawn)  # fmt: skip
    if symbol == "*":
        hull = tensor.head.range.values.hull.multiply(array.values.hull)
        return replace(tensor, head=replace(tensor.head, range=ActivationRange(ValueRange(hull)),
                                            after=(*tensor.head.after, where.written)[:8],
                                            logits_recoverable=Tri.NO))  # fmt: skip
    return tensors.opaque(run, tensor.framework, [tensor, array], f"the range of `{where.written}` is not known")


def _scalar(value: Value) -> float | None:
    if isinstance(value, Array) and value.shape not in {(), None}:
        return None
    return number(value)


def _with_number(run: Evaluator, tensor: Tensor, symbol: str, n: float, where: Where, *, reverse: bool) -> Value:
    if not math.isfinite(n):
        return replace(tensor, head=Head(), why=f"the range of `{where.written}` is not known")
    if symbol == "+":
        return _epsilon(tensor) if abs(n) <= tensors.CLOSE else tensors.rescaled(tensor, 1.0, n, where)
    if symbol == "-":
        if reverse:
            made = tensors.rescaled(tensor, -1.0, n, where)
            return replace(made, complement=not tensor.complement) if abs(n - 1.0) <= tensors.CLOSE else made
        return _epsilon(tensor) if abs(n) <= tensors.CLOSE else tensors.rescaled(tensor, 1.0, -n, where)
    if symbol == "*":
        return tensors.rescaled(tensor, n, 0.0, where)
    if symbol == "/" and not reverse and n != 0:
        return tensors.rescaled(tensor, 1.0 / n, 0.0, where)
    if symbol == "/" and n == 1.0 and tensor.activation_of is not None and _one_plus_exponential(tensor):
        return tensors.activated(run, tensor.activation_of, "sigmoid", where, framework=tensor.framework)
    if symbol == "**" and not reverse:
        return squared(run, tensor, where) if n == 2 else tensors.unknown_range(tensor, where)
    return tensors.unknown_range(tensor, where)


def _one_plus_exponential(tensor: Tensor) -> bool:
    """``1 + exp(-x)``, of which the sigmoid is the reciprocal."""
    hull = tensor.head.range.values.hull
    return tensor.head.activation == "exponential" and len(tensor.head.after) == 1 and hull.lo == 1.0


def _epsilon(tensor: Tensor) -> Tensor:
    return replace(tensor, head=replace(tensor.head, logits_recoverable=Tri.NO))


def squared(run: Evaluator, tensor: Tensor, where: Where) -> Value:
    """``prediction ** 2``; where a number was taken away first, a squared error against that number."""
    met = tensor.met
    if met is not None and met.moved and met.target is not None and met.prediction.fed:
        target = run.as_array(met.target)
        if target is not None:
            return Difference(met.prediction, target, where, power=2.0)
    hull = tensor.head.range.values.hull
    top = max(abs(hull.lo), abs(hull.hi))
    range_ = ActivationRange(ValueRange(Interval(0.0, top * top if math.isfinite(top) else math.inf)))
    made = replace(tensor, head=replace(tensor.head, range=range_, after=(*tensor.head.after, "square")[:8],
                                        logits_recoverable=Tri.NO), log_of=None,
                   parts=((divergences.SQUARE, 1.0),), divergence=None)  # fmt: skip
    return overlaps.squared(tensor, made)


_ONE_SIDED = frozenset({"relu", "relu6", "sigmoid", "softplus", "exponential", "hard_sigmoid"})


def _stretching(tensor: Tensor, where: Where) -> Exponent | None:
    """What stretches noise that is multiplied by ``tensor``: the exponential of a layer's output, or that output."""
    head = tensor.head
    if head.activation == "exponential" and not head.after:
        return tensor.exponent
    if head.activation == "linear" and head.range == LINEAR_RANGE and head.location is not None:
        return Exponent(head.location, None, where)
    return None


def _one_sided_log_variance(tensor: Tensor) -> Head | None:
    """``eps * exp(0.5 * relu(h))``: the head of a log-variance that cannot take one of the signs."""
    inner = tensor.activation_of
    if tensor.head.activation != "exponential" or inner is None:
        return None
    return inner.head if inner.head.activation in _ONE_SIDED - {"softplus", "exponential"} else None


def _one_sided_mean(left: Tensor, right: Tensor) -> Head | None:
    """``relu(h) + eps * std``: the head of a mean that cannot take one of the signs."""
    for mean, spread in ((left, right), (right, left)):
        drawn = spread.variational is Tri.YES and mean.variational is not Tri.YES
        if drawn and mean.head.activation in _ONE_SIDED - {"exponential"}:  # which is the mean of no code
            return mean.head
    return None


def _two(run: Evaluator, symbol: str, left: Tensor, right: Tensor, where: Where) -> Value:
    base = tensors.entering(run, left.framework, [left, right])
    if symbol == "+" and base.latent is None:
        base = replace(base, latent=_one_sided_mean(left, right))
    lines = [t.head.range == LINEAR_RANGE for t in (left, right)]
    if symbol in {"+", "-"}:
        free = (left if lines[0] else right).head if any(lines) else None
        if free is not None:
            other = (right if lines[0] else left).head
            spread = tensors.broadcast_head(free, other.shape, other.units)
            return replace(base, head=replace(spread, activation="linear", after=()), why=None)
        hull = left.head.range.values.hull
        added = right.head.range.values.affine(1.0 if symbol == "+" else -1.0, 0.0).hull
        range_ = ActivationRange(ValueRange(hull.add(added)))
        spread = tensors.broadcast_head(left.head, right.head.shape, right.head.units)
        head = Head(range=range_, shape=spread.shape, units=spread.units, location=where.location,
                    written=where.written)  # fmt: skip
        return replace(base, head=head, why=f"`{where.written}` adds two outputs")
    if symbol == "*":
        for gate, gated in ((left, right), (right, left)):
            if gate.head.activation == "sigmoid" and gate.activation_of == gated:
                return tensors.activated(run, gated, "silu", where, framework=left.framework)
        hull = left.head.range.values.hull.multiply(right.head.range.values.hull)
        spread = tensors.broadcast_head(left.head, right.head.shape, right.head.units)
        head = Head(range=ActivationRange(ValueRange(hull)), shape=spread.shape, units=spread.units,
                    location=where.location, written=where.written)  # fmt: skip
        return replace(base, head=head, why=f"`{where.written}` multiplies two outputs")
    return replace(base, head=Head(shape=left.head.shape), why=f"the range of `{where.written}` is not known")

"""Activations that act on each value for itself: scalar functions cut into monotone pieces.

On each piece the function is monotone and continuous, so the image of any interval is the hull of the images of its
parts, and exact. Formulas follow the frameworks' documentation (Keras 3.15, PyTorch 2.13); where both ship a function
they agree (``hard_sigmoid`` is ``relu6(x + 3) / 6`` in both).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping

from ae_audit.base.records import dataclass
from ae_audit.theory.intervals import INFINITY, REAL_LINE, Interval

Scalar = Callable[[float], float]
Numbers = Mapping[str, object]

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
"""Klambauer et al. 2017: with these zero mean and unit variance are a fixed point"""
SILU_TURNING_POINT = -1.2784645427610738
MISH_TURNING_POINT = -1.1924312145154952
GELU_TURNING_POINT = -0.7517915246935645
GELU_TANH_TURNING_POINT = -0.7524614220710162
"""where the derivatives are 0 and the functions least, found numerically"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the real line on which the function is monotone and continuous, up to its ends."""

    domain: Interval
    function: Scalar
    at_minus_infinity: float = -INFINITY
    at_infinity: float = INFINITY
    affine: tuple[float, float] | None = None
    """``(scale, shift)`` where the function is affine on this piece"""

    def value(self, x: float) -> float:
        """The function at ``x`` in the domain; its limit where ``x`` is infinite."""
        if math.isinf(x):
            return self.at_infinity if x > 0 else self.at_minus_infinity
        return self.function(x)

    def image(self, part: Interval) -> Interval:
        """The image of ``part``, which lies in the domain."""
        at_lo, at_hi = self.value(part.lo), self.value(part.hi)
        if math.isnan(at_lo) or math.isnan(at_hi):  # an infinite slope at 0
            return REAL_LINE
        if at_lo == at_hi:
            if math.isinf(at_lo):  # the floats overflow before the function does
                largest = math.copysign(sys.float_info.max, at_lo)
                return Interval(min(largest, at_lo), max(largest, at_lo))
            return Interval(at_lo, at_lo)
        if at_lo < at_hi:
            return Interval(at_lo, at_hi, part.lo_open, part.hi_open)
        return Interval(at_hi, at_lo, part.hi_open, part.lo_open)


Pieces = tuple[Piece, ...]


def evaluate(pieces: Pieces, x: float) -> float:
    """The function's value; its limit for infinite ``x``, NaN where it is undefined."""
    for piece in pieces:
        if piece.domain.contains(x):
            return piece.value(x)
    if x == INFINITY or x == -INFINITY:
        return pieces[-1 if x > 0 else 0].value(x)
    return math.nan


def image(pieces: Pieces, interval: Interval) -> Interval:
    """The hull of all values that the function takes on ``interval``."""
    whole: Interval | None = None
    for piece in pieces:
        part = piece.domain.intersection(interval)
        if part is not None:
            found = piece.image(part)
            whole = found if whole is None else whole.hull(found)
    if whole is not None:
        return whole
    value = evaluate(pieces, interval.lo)
    return REAL_LINE if math.isnan(value) else Interval(value, value)


def affine_on(pieces: Pieces, interval: Interval) -> tuple[float, float] | None:
    """``(scale, shift)`` where the function is one affine map on the whole of ``interval``, else None."""
    parts = [(piece, piece.domain.intersection(interval)) for piece in pieces]
    maps = {piece.affine for piece, part in parts if part is not None and part.lo < part.hi}
    if len(maps) != 1:
        return None
    found = maps.pop()
    if found is None:
        return None
    scale, shift = found
    for piece, part in parts:
        if part is not None and part.lo == part.hi and piece.value(part.lo) != scale * part.lo + shift:
            return None
    return found


def sigmoid(x: float) -> float:
    """``1 / (1 + exp(-x))``, in [0, 1], without overflow."""
    if x >= 0:
        return 1.0 / (1.0 + _exp(-x))
    small = _exp(x)
    return small / (1.0 + small)


def softplus(x: float) -> float:
    """``log(1 + exp(x))``, 0 or more, without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return INFINITY


def _expm1(x: float) -> float:
    try:
        return math.expm1(x)
    except OverflowError:
        return INFINITY


def _monotone(function: Scalar, low: float, high: float) -> Pieces:
    return (Piece(REAL_LINE, function, low, high),)


def _line(domain: Interval, scale: float = 1.0, shift: float = 0.0) -> Piece:
    def value(x: float) -> float:
        return scale * x + shift

    if scale == 0:
        return Piece(domain, value, shift, shift, (scale, shift))
    low, high = (-INFINITY, INFINITY) if scale > 0 else (INFINITY, -INFINITY)
    return Piece(domain, value, low, high, (scale, shift))


def _below(cut: float, is_open: bool = False) -> Interval:
    return Interval(-INFINITY, cut, True, is_open)


def _above(cut: float, is_open: bool = False) -> Interval:
    return Interval(cut, INFINITY, is_open, True)


def _turning(function: Scalar, at: float, low: float, high: float) -> Pieces:
    """A function with one turning point."""
    return (Piece(_below(at), function, low, high), Piece(_above(at), function, low, high))


def number(parameters: Numbers, name: str, default: float) -> float:
    """A parameter as a float; the default where it is absent, None or no number."""
    value = parameters.get(name)
    if isinstance(value, (bool, int, float)):
        return float(value)
    return default


def _linear(_: Numbers) -> Pieces:
    return (_line(REAL_LINE),)


def _relu(parameters: Numbers) -> Pieces:
    """Keras's relu: the identity above ``threshold``, up to ``max_value``; elsewhere a line that ends there in 0."""
    slope = number(parameters, "negative_slope", 0.0)
    threshold = number(parameters, "threshold", 0.0)
    cap = number(parameters, "max_value", INFINITY)
    below = _line(_below(threshold), slope, -slope * threshold if slope else 0.0)
    if math.isinf(cap):
        return (below, _line(_above(threshold, True)))
    # With max_value, Keras clips what passes the threshold to [0, max_value].
    start, end = max(threshold, 0.0), max(threshold, cap)
    pieces = [below]
    if threshold < 0.0:
        pieces.append(_line(Interval(threshold, 0.0, True, False), 0.0))
    if start < end:
        pieces.append(_line(Interval(start, end, True, False)))
    return (*pieces, _line(_above(end, True), 0.0, cap))


def leaky_relu(parameters: Numbers) -> Pieces:
    """The identity above zero, a line of slope ``negative_slope`` below."""
    slope = number(parameters, "negative_slope", 0.01)
    return (_line(_below(0.0, True), slope), _line(_above(0.0)))


def _plain_elu(parameters: Numbers) -> Pieces:
    alpha = number(parameters, "alpha", 1.0)
    return _elu(1.0, alpha, 1.0)


def _selu(_: Numbers) -> Pieces:
    return _elu(SELU_SCALE, SELU_SCALE * SELU_ALPHA, 1.0)


def _celu(parameters: Numbers) -> Pieces:
    alpha = number(parameters, "alpha", 1.0)
    return _elu(1.0, alpha, 1.0 / alpha)


def _elu(scale: float, alpha: float, rate: float) -> Pieces:
    def below(x: float) -> float:
        return alpha * _expm1(rate * x)

    if alpha == 0:
        return (_line(_below(0.0, True), 0.0), _line(_above(0.0), scale))
    limit = -alpha if rate > 0 else -INFINITY
    return (Piece(_below(0.0, True), below, limit), _line(_above(0.0), scale))


def _silu(parameters: Numbers) -> Pieces:
    beta = number(parameters, "beta", 1.0)
    if beta == 0:
        return (_line(REAL_LINE, 0.5),)

    def value(x: float) -> float:
        return x * sigmoid(beta * x)

    low, high = (0.0, INFINITY) if beta > 0 else (-INFINITY, 0.0)
    return _turning(value, SILU_TURNING_POINT / beta, low, high)


def _mish(_: Numbers) -> Pieces:
    return _turning(lambda x: x * math.tanh(softplus(x)), MISH_TURNING_POINT, 0.0, INFINITY)


def _gelu(parameters: Numbers) -> Pieces:
    if parameters.get("approximate") in {True, "tanh"}:

        def approximate(x: float) -> float:
            # 0.5 (1 + tanh u) = sigmoid(2 u), without the cancellation that 1 + tanh suffers for negative u
            return x * sigmoid(2.0 * math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x))

        return _turning(approximate, GELU_TANH_TURNING_POINT, 0.0, INFINITY)
    return _turning(lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2.0)), GELU_TURNING_POINT, 0.0, INFINITY)


def _softplus_pieces(parameters: Numbers) -> Pieces:
    """torch's softplus goes over to the identity where ``beta * x > threshold``."""
    beta = number(parameters, "beta", 1.0)
    threshold = number(parameters, "threshold", INFINITY)

    def value(x: float) -> float:
        return softplus(beta * x) / beta

    low, high = (0.0, INFINITY) if beta > 0 else (-INFINITY, 0.0)
    if math.isinf(threshold):
        return (Piece(REAL_LINE, value, low, high),)
    cut = threshold / beta
    if beta > 0:
        return (Piece(_below(cut), value, low, high), _line(_above(cut, True)))
    return (_line(_below(cut, True)), Piece(_above(cut), value, low, high))


def _hard_tanh(parameters: Numbers) -> Pieces:
    lo, hi = number(parameters, "min_value", -1.0), number(parameters, "max_value", 1.0)
    return _ramp(1.0, 0.0, lo, hi)


def _hard_sigmoid(_: Numbers) -> Pieces:
    # Written out: (x + 3) / 6 rounds to exactly 0 and 1 at the knots.
    return (
        _line(_below(-3.0), 0.0),
        Piece(Interval(-3.0, 3.0), lambda x: (x + 3.0) / 6.0, affine=(1.0 / 6.0, 0.5)),
        _line(_above(3.0), 0.0, 1.0),
    )


def _sparse_sigmoid(_: Numbers) -> Pieces:
    return _ramp(0.5, 0.5, 0.0, 1.0)


def _ramp(scale: float, shift: float, lo: float, hi: float) -> Pieces:
    start, end = (lo - shift) / scale, (hi - shift) / scale
    return (_line(_below(start), 0.0, lo), _line(Interval(start, end), scale, shift), _line(_above(end), 0.0, hi))


def _hard_silu(_: Numbers) -> Pieces:
    def middle(x: float) -> float:
        return x * (x + 3.0) / 6.0

    return (
        _line(_below(-3.0), 0.0),
        Piece(Interval(-3.0, -1.5), middle),
        Piece(Interval(-1.5, 3.0), middle),
        _line(_above(3.0)),
    )


def _hard_shrink(parameters: Numbers) -> Pieces:
    cut = number(parameters, "threshold", 0.5)
    if cut < 0:
        return (_line(REAL_LINE),)
    return (_line(_below(-cut, True)), _line(Interval(-cut, cut), 0.0), _line(_above(cut, True)))


def _soft_shrink(parameters: Numbers) -> Pieces:
    cut = number(parameters, "threshold", 0.5)
    return (_line(_below(-cut), 1.0, cut), _line(Interval(-cut, cut), 0.0), _line(_above(cut), 1.0, -cut))


def _threshold(parameters: Numbers) -> Pieces:
    cut, value = number(parameters, "threshold", 0.0), number(parameters, "value", 0.0)
    return (_line(_below(cut), 0.0, value), _line(_above(cut, True)))


def _squareplus(parameters: Numbers) -> Pieces:
    b = number(parameters, "b", 4.0)

    def value(x: float) -> float:
        root = math.hypot(x, math.sqrt(b))
        if x >= 0:
            return (x + root) / 2.0
        return b / (2.0 * (root - x))  # (x + root) / 2 without its cancellation

    return (Piece(REAL_LINE, value, 0.0),)


def _sparse_plus(_: Numbers) -> Pieces:
    return (
        _line(_below(-1.0), 0.0),
        Piece(Interval(-1.0, 1.0), lambda x: (x + 1.0) ** 2 / 4.0),
        _line(_above(1.0)),
    )


def _log(_: Numbers) -> Pieces:
    return (Piece(_above(0.0), lambda x: math.log(x) if x > 0 else -INFINITY),)


def _absolute(_: Numbers) -> Pieces:
    return (_line(_below(0.0, True), -1.0), _line(_above(0.0)))


def _square(_: Numbers) -> Pieces:
    return _turning(lambda x: x * x, 0.0, INFINITY, INFINITY)


BUILDERS: dict[str, Callable[[Numbers], Pieces]] = {
    "linear": _linear,
    "relu": _relu,
    "relu6": lambda _: _relu({"max_value": 6.0}),
    "leaky_relu": leaky_relu,
    "elu": _plain_elu,
    "selu": _selu,
    "celu": _celu,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "softplus": _softplus_pieces,
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
    "exponential": lambda _: _monotone(_exp, 0.0, INFINITY),
    "sigmoid": lambda _: _monotone(sigmoid, 0.0, 1.0),
    "hard_sigmoid": _hard_sigmoid,
    "sparse_sigmoid": _sparse_sigmoid,
    "log_sigmoid": lambda _: _monotone(lambda x: -softplus(-x), -INFINITY, 0.0),
    "tanh": lambda _: _monotone(math.tanh, -1.0, 1.0),
    "hard_tanh": _hard_tanh,
    "hard_silu": _hard_silu,
    "softsign": lambda _: _monotone(lambda x: x / (1.0 + abs(x)), -1.0, 1.0),
    "arctan": lambda _: _monotone(math.atan, -math.pi / 2.0, math.pi / 2.0),
    "erf": lambda _: _monotone(math.erf, -1.0, 1.0),
    "tanh_shrink": lambda _: _monotone(lambda x: x - math.tanh(x), -INFINITY, INFINITY),
    "hard_shrink": _hard_shrink,
    "soft_shrink": _soft_shrink,
    "threshold": _threshold,
    "log": _log,
    "abs": _absolute,
    "square": _square,
}
"""Canonical name to its pieces, for parameters by name; absent parameters have the canonical defaults."""


def sine_image(interval: Interval, phase: float = 0.0) -> Interval:
    """The image of ``interval`` under ``x -> sin(x + phase)``."""
    lo, hi = interval.lo + phase, interval.hi + phase
    if not hi - lo < 2.0 * math.pi:
        return Interval(-1.0, 1.0)
    ends = [math.sin(lo), math.sin(hi)]
    crest = math.ceil((lo - math.pi / 2.0) / (2.0 * math.pi)) * 2.0 * math.pi + math.pi / 2.0
    trough = math.ceil((lo + math.pi / 2.0) / (2.0 * math.pi)) * 2.0 * math.pi - math.pi / 2.0
    if crest <= hi:
        ends.append(1.0)
    if trough <= hi:
        ends.append(-1.0)
    return Interval(min(ends), max(ends))

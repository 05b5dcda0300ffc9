"""Activations: what each of them does to the range of its input.

An elementwise activation is a scalar function known piece by piece, so the image of any input interval is exact; the
others (softmax and its relatives) constrain the values along an axis. :func:`find_activation` knows the canonical
names, :func:`canonical` translates every spelling of Keras and PyTorch into them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from ae_audit.base.records import dataclass, field
from ae_audit.theory import elementwise
from ae_audit.theory.activation_names import PARAMETER_ALIASES, arguments, canonical
from ae_audit.theory.activation_ranges import (
    LINEAR_RANGE,
    NEGLIGIBLE_CLIP,
    UNKNOWN_ACTIVATION_RANGE,
    ActivationRange,
    Constraint,
)
from ae_audit.theory.intervals import INFINITY, NON_NEGATIVE, REAL_LINE, Interval
from ae_audit.theory.ranges import ValueRange

__all__ = [
    "ELEMENTWISE",
    "LINEAR_RANGE",
    "UNKNOWN_ACTIVATION_RANGE",
    "VECTOR",
    "Activation",
    "ActivationRange",
    "Constraint",
    "arguments",
    "canonical",
    "find_activation",
]

VECTOR = frozenset(
    {"softmax", "softmin", "gumbel_softmax", "sparsemax", "log_softmax", "unit_norm", "glu"},
)
"""Canonical names of the activations that mix values along an axis."""
ELEMENTWISE = frozenset(elementwise.BUILDERS) | {"prelu", "rrelu", "sine", "cosine"}
"""Canonical names of the activations that act on each value for itself."""

FREE_HEADS: frozenset[str | None] = frozenset({None, "linear", "log_softmax", "log_sigmoid"})
"""activations behind which an output may be a logit or a logarithm; what another one gives is on the target's scale"""
PRELU_SLOPE = 0.25
RRELU_LOWER, RRELU_UPPER = 1.0 / 8.0, 1.0 / 3.0

Parameter = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation function with its parameters; found with :func:`find_activation`."""

    name: str
    parameters: tuple[tuple[str, Parameter], ...] = ()
    """by canonical parameter name, sorted"""
    axis: int | None = None
    """of a vector activation, as written; None where there is none or it is unknown"""
    pieces: elementwise.Pieces = field(default=(), compare=False, repr=False)

    @property
    def constraint(self) -> Constraint | None:
        """What it imposes along its axis."""
        if self.name in {"softmax", "softmin", "gumbel_softmax", "sparsemax"}:
            return Constraint.SIMPLEX
        return {"log_softmax": Constraint.LOG_SIMPLEX, "unit_norm": Constraint.UNIT_NORM}.get(self.name)

    @property
    def range(self) -> ActivationRange:
        """After a layer whose weights produce everything."""
        return self.range_of(LINEAR_RANGE)

    def range_of(self, input: ActivationRange, units: int | None = None) -> ActivationRange:
        """The range of the activation applied to a value (or vector) of the range ``input``.

        Args:
            input: the range before the activation; :data:`LINEAR_RANGE` after a layer with weights.
            units: extent along the activation's axis, where known: softmax over one unit is the constant 1.
        """
        if self.name in VECTOR:
            return self._vector_range(input, units)
        mapped = elementwise.affine_on(self.pieces, input.values.hull) if self.pieces else None
        if mapped is not None and input.constraint is not None:
            return input.affine(*mapped)
        values = input.values.increasing(self._image)
        if self.name == "log" and values.reach is not None and input.values.hull.lo < 0:
            values = ValueRange(values.hull)  # NaN below zero: nothing is known to come out
        as_it_is = input.scale == 1.0 and input.shift == 0.0
        guarded = input.scale == 1.0 and 0.0 <= input.shift <= NEGLIGIBLE_CLIP  # log(p + 1e-8)
        if self.name == "log" and input.constraint is Constraint.SIMPLEX and guarded:
            return ActivationRange(values, Constraint.LOG_SIMPLEX, input.axis)
        if self.name == "exponential" and input.constraint is Constraint.LOG_SIMPLEX and as_it_is:
            return ActivationRange(values, Constraint.SIMPLEX, input.axis)
        return ActivationRange(values)

    def evaluate(self, x: float) -> float:
        """The value at ``x`` (its limit where ``x`` is infinite); a learned slope is taken at its initial value.

        Raises:
            TypeError: for an activation of vectors; see :meth:`evaluate_vector`.
        """
        if self.name in VECTOR:
            raise TypeError(f"{self.name} acts on vectors")
        if self.name == "sine":
            return math.sin(x)
        if self.name == "cosine":
            return math.cos(x)
        return elementwise.evaluate(self.pieces, x)

    def evaluate_vector(self, xs: Sequence[float]) -> tuple[float, ...]:
        """The values at a vector along the activation's axis; elementwise activations value by value."""
        if self.name not in VECTOR:
            return tuple(self.evaluate(x) for x in xs)
        if self.name == "sparsemax":
            return _sparsemax(xs)
        if self.name == "unit_norm":
            norm = math.hypot(*xs)
            return tuple(x / norm if norm else 0.0 for x in xs)
        if self.name == "glu":
            half = len(xs) // 2
            return tuple(a * elementwise.sigmoid(b) for a, b in zip(xs[:half], xs[half:], strict=True))
        signed = [-x for x in xs] if self.name == "softmin" else list(xs)
        top = max(signed)
        total = math.fsum(math.exp(x - top) for x in signed)
        if self.name == "log_softmax":
            return tuple(x - top - math.log(total) for x in signed)
        return tuple(math.exp(x - top) / total for x in signed)

    def _image(self, interval: Interval) -> Interval:
        if self.name == "sine":
            return elementwise.sine_image(interval)
        if self.name == "cosine":
            return elementwise.sine_image(interval, math.pi / 2.0)
        if self.name == "prelu" and interval.lo < 0:
            return REAL_LINE  # the slope is learned: below zero anything can come out
        image = elementwise.image(self.pieces, interval)
        if self.name == "rrelu":
            parameters = dict(self.parameters)
            for slope in (
                elementwise.number(parameters, "lower", RRELU_LOWER),
                elementwise.number(parameters, "upper", RRELU_UPPER),
            ):
                image = image.hull(elementwise.image(elementwise.leaky_relu({"negative_slope": slope}), interval))
        return image

    def _vector_range(self, input: ActivationRange, units: int | None) -> ActivationRange:
        hull = input.values.hull
        reach = input.values.reach if input.constraint is None else None
        if units is not None and units < 1:  # a layer of no units, which no framework builds
            units = None
        if self.name == "glu":
            gate = find("sigmoid")._image
            return ActivationRange(
                ValueRange(
                    _gated(hull, gate(hull)),
                    None if reach is None else _gated(reach, gate(reach)),
                )
            )
        if units == 1:
            value = {"log_softmax": 0.0}.get(self.name, 1.0)
            if self.name == "unit_norm":
                return ActivationRange(ValueRange(Interval(-1.0, 1.0), reach and Interval(-1.0, 1.0)))
            return ActivationRange.exactly(Interval(value, value))
        values = ValueRange(
            self._vector_image(hull, units), None if reach is None else self._vector_image(reach, units)
        )
        return ActivationRange(values, self.constraint, self.axis)

    def _vector_image(self, interval: Interval, units: int | None) -> Interval:
        """The values of one component where every component of the input lies in ``interval``."""
        if self.name == "unit_norm":
            return Interval(0.0, 1.0) if interval.lo >= 0 else Interval(-1.0, 1.0)
        spread = interval.width
        if self.name == "sparsemax":
            if units is None:
                return Interval(0.0, 1.0)
            gain = (units - 1) * spread
            return Interval(max(0.0, (1.0 - gain) / units), min(1.0, (1.0 + gain) / units))
        if self.name == "log_softmax":
            if units is None:
                return Interval(-INFINITY, 0.0)
            low = -elementwise.softplus(spread + math.log(units - 1)) if math.isfinite(spread) else -INFINITY
            high = -math.log1p((units - 1) * math.exp(-spread))
            return _ends(low, high, interval)
        if units is None:
            return Interval(0.0, 1.0, True, False)  # over one unit it is the constant 1
        low = math.exp(-spread) / (math.exp(-spread) + units - 1)
        high = 1.0 / (1.0 + (units - 1) * math.exp(-spread))
        return _ends(low, high, interval)


def find(name: str) -> Activation:
    """:func:`find_activation` for a name that is surely in the tables.

    Raises:
        KeyError: if it is not.
    """
    found = find_activation(name)
    if found is None:
        raise KeyError(name)
    return found


def find_activation(name: str, /, **parameters: object) -> Activation | None:
    """The activation of that canonical name, or None where there is none.

    Parameters are taken by their canonical names (``negative_slope``, ``alpha``, ``beta``, ``threshold``, ``value``,
    ``min_value``, ``max_value``, ``approximate``, ``axis`` …) and by the frameworks' (``dim``, ``lambd``, ``min_val``,
    ``max_val``, ``theta``); unknown ones are ignored, and so are values that are no plain number or string.
    """
    if name not in VECTOR and name not in ELEMENTWISE:
        return None
    aliases = PARAMETER_ALIASES.get(name, {})
    plain: dict[str, Parameter] = {}
    for key, value in parameters.items():
        if value is not None and isinstance(value, (bool, int, float, str)):
            plain[aliases.get(key, {"dim": "axis"}.get(key, key))] = value
    return _build(name, tuple(sorted(plain.items())))


@lru_cache(maxsize=512)
def _build(name: str, parameters: tuple[tuple[str, Parameter], ...]) -> Activation | None:
    by_name = dict(parameters)
    if name in VECTOR:
        axis = by_name.get("axis", -1 if name in {"glu", "unit_norm"} else None)
        return Activation(name, parameters, axis if isinstance(axis, int) else None)
    if name in {"sine", "cosine"}:
        return Activation(name, parameters)
    try:
        if name == "prelu":
            slope = elementwise.number(by_name, "init", PRELU_SLOPE)
            pieces = elementwise.leaky_relu({"negative_slope": slope})
        elif name == "rrelu":
            lower = elementwise.number(by_name, "lower", RRELU_LOWER)
            upper = elementwise.number(by_name, "upper", RRELU_UPPER)
            pieces = elementwise.leaky_relu({"negative_slope": (lower + upper) / 2.0})
        else:
            pieces = elementwise.BUILDERS[name](by_name)
    except (ValueError, ZeroDivisionError):  # parameters that the frameworks refuse as well
        return None
    return Activation(name, parameters, pieces=pieces)


def _ends(low: float, high: float, interval: Interval) -> Interval:
    """An image that both its ends approach only as the input's do (they take one value at each end)."""
    is_open = interval.lo_open or interval.hi_open
    return Interval(min(low, high), high, is_open, is_open)


def _gated(value: Interval, gate: Interval) -> Interval:
    if value.lo == value.hi == 0.0:
        return value
    product = value.multiply(gate)
    if value.lo == 0.0 and not value.lo_open:
        return product.intersection(NON_NEGATIVE) or product
    return product


def _sparsemax(xs: Sequence[float]) -> tuple[float, ...]:
    """Euclidean projection on the simplex (Martins and Astudillo 2016).

    Keras up to 3.15 differs where several values survive, and its output does not sum to 1 there (keras issue 23425).
    """
    ordered = sorted(xs, reverse=True)
    total, tau = 0.0, 0.0
    for count, x in enumerate(ordered, start=1):
        total += x
        if 1.0 + count * x > total:
            tau = (total - 1.0) / count
    return tuple(max(x - tau, 0.0) for x in xs)

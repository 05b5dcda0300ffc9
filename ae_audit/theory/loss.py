"""``Loss``: what a loss demands of its prediction and target, and which prediction it rewards most.

A loss *suits* a target when the prediction that minimises it, taken to data space by the loss's link, is the target
itself. Values are those of exact arithmetic; the frameworks clip logarithms (Keras at 1e-7, ``BCELoss`` at −100).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from ae_audit.base.records import dataclass, field
from ae_audit.theory.elementwise import sigmoid
from ae_audit.theory.intervals import INFINITY, Interval

Parameter = bool | int | float | str | None
Vector = tuple[float, ...]
Target = float | Sequence[float]
Prediction = float | Sequence[float]


class PredictionKind(str, Enum):
    """What a loss takes its prediction for."""

    ANY = "any value"
    PROBABILITY = "probability"
    LOGIT = "logit"
    SIMPLEX = "probability distribution"
    LOGIT_VECTOR = "vector of logits"
    LOG_SIMPLEX = "log-probabilities"
    RATE = "rate"
    LOG_RATE = "log-rate"
    SIGN_SCORE = "signed score"
    SCORE_VECTOR = "vector of scores"


class TargetKind(str, Enum):
    """What a loss takes its target for."""

    ANY = "any value"
    UNIT_INTERVAL = "value in [0, 1]"
    BINARY = "0 or 1"
    SIGN = "-1 or 1"
    DISTRIBUTION = "probability distribution"
    LOG_DISTRIBUTION = "log-probabilities"
    CLASS_INDEX = "class index"
    DISTRIBUTION_OR_INDEX = "probability distribution or class index"
    ONE_HOT = "one-hot vector"
    MULTI_INDEX = "class indices"
    NON_NEGATIVE = "non-negative value"
    NON_ZERO = "non-zero value"


class Link(str, Enum):
    """The map from the loss's prediction to the data's space."""

    IDENTITY = "identity"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    EXP = "exp"
    SIGN = "sign"


VECTOR_TARGETS = frozenset(
    {
        TargetKind.DISTRIBUTION,
        TargetKind.LOG_DISTRIBUTION,
        TargetKind.CLASS_INDEX,
        TargetKind.DISTRIBUTION_OR_INDEX,
        TargetKind.ONE_HOT,
        TargetKind.MULTI_INDEX,
    }
)
"""Targets of losses that read the prediction as a vector along the class axis."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss with its parameters; found with :func:`ae_audit.theory.losses.find_loss`."""

    name: str
    """canonical"""
    prediction: Interval
    """where the loss is defined for each value of the prediction"""
    prediction_kind: PredictionKind
    target: Interval
    """where each value of the target must lie"""
    target_kind: TargetKind
    pointwise: bool
    """a mean (or sum) over values; else over vectors along an axis"""
    value_of: Callable[[Target, Prediction], float] = field(compare=False, repr=False)
    minimiser_of: Callable[[Target, int | None], Prediction] = field(compare=False, repr=False)
    floor_of: Callable[[Target, int | None], float] | None = field(default=None, compare=False, repr=False)
    floor_unknown: str | None = None
    """why the floor is no number: what it depends on besides the target is not known"""
    link: Link = Link.IDENTITY
    suits: bool = True
    """whether the minimiser, through the link, is the target, for every target of the loss's domain"""
    from_logits: bool = False
    parameters: tuple[tuple[str, Parameter], ...] = ()
    """those that change the loss, by canonical name, sorted"""

    @property
    def categorical(self) -> bool:
        """Whether it compares class probabilities along an axis."""
        return self.target_kind in VECTOR_TARGETS

    def value(self, y: Target, p: Prediction) -> float:
        """The loss of predicting ``p`` where the target is ``y``; numbers if pointwise, else vectors along the axis.

        A class-index loss takes ``y`` as an int and ``p`` as a vector.
        """
        return self.value_of(y, p)

    def minimiser(self, y: Target, units: int | None = None) -> Prediction:
        """The prediction p*(y) that makes the loss least; a limit may be infinite (the logit of 1).

        Where the loss has no least value the limit along which it falls is given; where many predictions share it, one.

        Args:
            y: the target value (pointwise losses) or vector, or a class index.
            units: number of classes; needed for class indices.
        """
        return self.minimiser_of(y, units)

    def floor(self, y: Target, units: int | None = None) -> float:
        """The least loss L*(y) that any prediction in the loss's domain reaches; −inf where there is none.

        NaN where it depends on what is not known (``floor_unknown``).
        """
        if self.floor_of is not None:
            return self.floor_of(y, units)
        return self.value_of(y, self.minimiser_of(y, units))

    def to_data(self, p: Prediction) -> Prediction:
        """The prediction in the data's space: the loss's link applied."""
        if isinstance(p, Sequence):
            if self.link is Link.SOFTMAX:
                return softmax(p)
            return tuple(self._linked(value) for value in p)
        return self._linked(p)

    def _linked(self, p: float) -> float:
        if self.link is Link.SIGMOID:
            return sigmoid(p)
        if self.link is Link.EXP:
            return math.exp(p)
        if self.link is Link.SIGN:
            return math.copysign(1.0, p)
        return float(p)


def times(a: float, b: float) -> float:
    """``a * b``, but 0 where ``a`` is 0 and ``b`` infinite: the limit of ``x log x`` at 0, as entropies need it."""
    return 0.0 if a == 0 else a * b


def log(x: float) -> float:
    """The natural logarithm, −inf at zero.

    Raises:
        ValueError: below zero.
    """
    return math.log(x) if x != 0 else -INFINITY


def softmax(xs: Sequence[float]) -> Vector:
    """``exp(x) / Σ exp(x)`` of one vector, which has at least one finite entry; entries of −inf become 0.

    Sums to 1 but for rounding; large scores do not overflow.
    """
    top = max(xs)
    weights = [math.exp(x - top) for x in xs]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def log_softmax(xs: Sequence[float]) -> Vector:
    """``x − log Σ exp(x)`` of one vector of finite scores, without overflow: values of at most 0."""
    top = max(xs)
    shift = top + math.log(math.fsum(math.exp(x - top) for x in xs))
    return tuple(x - shift for x in xs)


def number(parameters: Mapping[str, object], name: str, default: float) -> float:
    """A parameter as a float; the default where it is absent or no number."""
    value = parameters.get(name)
    return float(value) if isinstance(value, (bool, int, float)) else default


def known(parameters: Mapping[str, object], *names: str) -> tuple[tuple[str, Parameter], ...]:
    """Of ``parameters`` those that ``names`` lists and that are a bool, number or string; sorted by name."""
    return tuple(
        sorted((name, value) for name in names if isinstance(value := parameters.get(name), (bool, int, float, str)))
    )


def scalar(value: Target) -> float:
    """The argument of a pointwise loss.

    Raises:
        TypeError: for a vector.
    """
    if isinstance(value, Sequence):
        raise TypeError("a pointwise loss expects numbers, not vectors")
    return float(value)


def vector(value: Target) -> Vector:
    """The argument of a loss over vectors.

    Raises:
        TypeError: for a number.
    """
    if not isinstance(value, Sequence):
        raise TypeError("this loss expects vectors along the class axis")
    return tuple(float(x) for x in value)

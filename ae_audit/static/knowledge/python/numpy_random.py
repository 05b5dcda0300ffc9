"""NumPy's random numbers: what generators draw, and in what order."""

from __future__ import annotations

import math
from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import array_api
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.dtypes import dtype_name
from ae_audit.static.domain.values import (
    Array,
    Const,
    Library,
    Unknown,
    Value,
    python,
)
from ae_audit.static.interpreter.registry import Table
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("numpy random")


def _normal(call: Call) -> tuple[Any, ...]:
    return "normal", call.number(0, "loc", default=0.0), call.number(1, "scale", default=1.0), 2


def _over(low: float, high: float, size_at: int) -> Callable[[Call], tuple[Any, ...]]:
    """A distribution over all of an interval, of which no part is sure to occur."""
    return lambda call: ("spread", low, high, size_at)


_RANDOM: dict[str, Callable[[Call], tuple[Any, ...]]] = {
    "normal": _normal,
    "laplace": _normal,
    "randn": lambda c: ("normal", 0.0, 1.0, None),
    "standard_normal": lambda c: ("normal", 0.0, 1.0, 0),
    "rand": lambda c: ("uniform", 0.0, 1.0, None),
    "random": lambda c: ("uniform", 0.0, 1.0, 0),
    "random_sample": lambda c: ("uniform", 0.0, 1.0, 0),
    "ranf": lambda c: ("uniform", 0.0, 1.0, 0),
    "sample": lambda c: ("uniform", 0.0, 1.0, 0),
    "uniform": lambda c: ("uniform", c.number(0, "low", default=0.0), c.number(1, "high", default=1.0), 2),
    "randint": lambda c: ("integer", *_integer_bounds(c), 2),
    "integers": lambda c: ("integer", *_integer_bounds(c), 2),
    "random_integers": lambda c: ("integer", *_integer_bounds(c, closed=True), 2),
    "binomial": lambda c: ("integer", 0.0, c.number(0, "n"), 2),
    "poisson": lambda c: ("counts", 0.0, math.inf, 1),
    "exponential": lambda c: ("decaying", 0.0, math.inf, 1),
    "standard_exponential": lambda c: ("decaying", 0.0, math.inf, 0),
    "beta": _over(0.0, 1.0, 2),
    "power": _over(0.0, 1.0, 1),
    "gamma": _over(0.0, math.inf, 2),
    "standard_gamma": _over(0.0, math.inf, 1),
    "chisquare": _over(0.0, math.inf, 1),
    "noncentral_chisquare": _over(0.0, math.inf, 2),
    "f": _over(0.0, math.inf, 2),
    "lognormal": _over(0.0, math.inf, 2),
    "pareto": _over(0.0, math.inf, 1),
    "rayleigh": _over(0.0, math.inf, 1),
    "wald": _over(0.0, math.inf, 2),
    "weibull": _over(0.0, math.inf, 1),
    "negative_binomial": _over(0.0, math.inf, 2),
    "hypergeometric": _over(0.0, math.inf, 3),
    "geometric": _over(1.0, math.inf, 1),
    "logseries": _over(1.0, math.inf, 1),
    "zipf": _over(1.0, math.inf, 1),
    "vonmises": _over(-math.pi, math.pi, 2),
    "gumbel": _over(-math.inf, math.inf, 2),
    "logistic": _over(-math.inf, math.inf, 2),
    "standard_cauchy": _over(-math.inf, math.inf, 0),
    "standard_t": _over(-math.inf, math.inf, 1),
    "triangular": lambda c: ("spread", c.number(0, "left"), c.number(2, "right"), 3),
}
"""by name: how its numbers lie, the smallest and the largest, and where its shape is given (None: all arguments)"""
_COUNTING = frozenset({"negative_binomial", "hypergeometric", "geometric", "logseries", "zipf", "poisson"})


def _integer_bounds(call: Call, *, closed: bool = False) -> tuple[float | None, float | None]:
    low, high = call.number(0, "low"), call.number(1, "high")
    short = 0.0 if closed or call.constant(None, "endpoint") is True else 1.0
    if high is None and not call.given(1, "high"):
        return 1.0 if closed else 0.0, None if low is None else low - short
    return low, None if high is None else high - short


@TABLE.function(*(f"numpy.random.{name}" for name in _RANDOM))
def _random(run: Run, call: Call) -> Value:
    name = call.name
    kind, low, high, size_at = _RANDOM.get(name, _RANDOM["normal"])(call)
    shape: tuple[int | None, ...] | None
    if size_at is None:
        given = [python(value) for value in call.args]
        shape = tuple(array_api.whole(g) for g in given)
    else:
        size = call.get(size_at, "size")
        known = call.constant(size_at, "size")
        shape = () if size is None else (known,) if isinstance(known, int) else None
        if isinstance(known, tuple):
            shape = tuple(array_api.whole(k) for k in known)
    what = f"np.random.{name}"
    if shape == () and kind in {"uniform", "integer"}:
        return Unknown("a number drawn at random", call.where)
    if kind == "normal":
        return array_api.normal(run, call, low, high, shape, what)
    if low is None or high is None or low > high:
        return array_api.random(run, call, ValueRange(), shape, what)
    span = Interval(low, high)
    evenly = kind in {"uniform", "integer"} and math.isfinite(high)
    values = ValueRange.exactly(span) if evenly else ValueRange(span, _occurring(kind, call, shape))
    made = array_api.random(run, call, values, shape, what)
    dtype = dtype_name(call.get(None, "dtype")) or ("int64" if kind == "integer" or name in _COUNTING else None)
    return made if dtype is None else replace(made, dtype=dtype)


def _occurring(kind: str, call: Call, shape: tuple[int | None, ...] | None) -> Interval | None:
    """What some of many numbers around a mean, 0 and more, surely are: the mean, and 0 where that is near."""
    if kind not in {"counts", "decaying"}:
        return None
    mean = 1.0 if call.name == "standard_exponential" else call.number(0, "lam", "scale", default=1.0)
    if mean is None or mean <= 0 or shape == ():
        return None
    return Interval(0.0 if kind == "counts" and mean <= FEW_COUNTS else mean / 2.0, mean)


FEW_COUNTS = 2.0
"""the mean of counts up to which every seventh or more is 0"""


@TABLE.function("numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator",
                "sklearn.utils.check_random_state")  # fmt: skip
def _generator(run: Run, call: Call) -> Value:
    return Library("numpy.random")


@TABLE.function("numpy.random.dirichlet")
def _shares(run: Run, call: Call) -> Value:
    """Vectors of shares that sum to 1."""
    made = array_api.random(run, call, ValueRange(UNIT), None, "np.random.dirichlet")
    return replace(made, structure=Structure.DISTRIBUTION, structure_axis=-1)


@TABLE.function("numpy.random.multivariate_normal")
def _correlated(run: Run, call: Call) -> Value:
    """Vectors of which each has a mean and a spread of its own."""
    return array_api.random(run, call, ValueRange(), None, "np.random.multivariate_normal")


@TABLE.function("numpy.random.shuffle", "numpy.random.seed", "random.shuffle", "random.seed")
def _in_place(run: Run, call: Call) -> Value:
    return Const(None)


@TABLE.function("numpy.random.permutation", "numpy.random.choice")
def _permuted(run: Run, call: Call) -> Value:
    value = call.args[0] if call.args else None
    if isinstance(value, Array) and value.shape not in {(), None}:
        return replace(value, shape=None if value.shape is None else (None, *value.shape[1:]))
    count = value.value if isinstance(value, Const) and isinstance(value.value, int) else None
    counts = isinstance(value, Unknown) and value.reason.startswith("the length of")
    if count is None and not counts:
        return Unknown("a random order", call.where)
    drawn = call.constant(1, "size") if call.name == "choice" else count
    if call.name == "choice" and not call.given(1, "size"):
        return Unknown("a number drawn at random", call.where)
    top = math.inf if count is None else max(count - 1.0, 0.0)
    return Array(ValueRange(Interval(0.0, top)), dtype="int64", root=run.fresh(), where=call.where, synthetic=True,
                 shape=(drawn if isinstance(drawn, int) else None,))  # fmt: skip

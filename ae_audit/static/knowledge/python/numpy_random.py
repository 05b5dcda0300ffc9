"""NumPy's random numbers: what generators draw, and in what order."""

from __future__ import annotations

import math
from collections.abc import Callable

from ae_audit.base.records import replace
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
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("numpy random")


_RANDOM: dict[str, Callable[[Call], tuple[Any, ...]]] = {
    "normal": lambda c: ("normal", c.number(0, "loc", default=0.0), c.number(1, "scale", default=1.0), 2),
    "randn": lambda c: ("normal", 0.0, 1.0, None),
    "standard_normal": lambda c: ("normal", 0.0, 1.0, 0),
    "rand": lambda c: ("uniform", 0.0, 1.0, None),
    "random": lambda c: ("uniform", 0.0, 1.0, 0),
    "random_sample": lambda c: ("uniform", 0.0, 1.0, 0),
    "uniform": lambda c: ("uniform", c.number(0, "low", default=0.0), c.number(1, "high", default=1.0), 2),
    "randint": lambda c: ("integer", *_integer_bounds(c), 2),
    "integers": lambda c: ("integer", *_integer_bounds(c), 2),
    "binomial": lambda c: ("integer", 0.0, c.number(0, "n"), 2),
    "poisson": lambda c: ("counts", 0.0, math.inf, 1),
    "exponential": lambda c: ("spread", 0.0, math.inf, 1),
    "laplace": lambda c: ("normal", c.number(0, "loc", default=0.0), c.number(1, "scale", default=1.0), 2),
}


def _integer_bounds(call: Call) -> tuple[float | None, float | None]:
    low, high = call.number(0, "low"), call.number(1, "high")
    if high is None and not call.given(1, "high"):
        return 0.0, None if low is None else low - 1
    return low, None if high is None else high - 1


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
    values = ValueRange.exactly(span) if math.isfinite(high) else ValueRange(span, _occurring(kind, call, shape))
    made = array_api.random(run, call, values, shape, what)
    dtype = dtype_name(call.get(None, "dtype")) or ("int64" if kind == "integer" else None)
    return made if dtype is None else replace(made, dtype=dtype)


def _occurring(kind: str, call: Call, shape: tuple[int | None, ...] | None) -> Interval | None:
    """What some of many numbers around a mean, 0 and more, surely are: the mean, and 0 where that is near."""
    mean = call.number(0, "lam", "scale", default=1.0)
    if mean is None or mean <= 0 or shape == ():
        return None
    return Interval(0.0 if kind == "counts" and mean <= FEW_COUNTS else mean / 2.0, mean)


FEW_COUNTS = 2.0
"""the mean of counts up to which every seventh or more is 0"""


@TABLE.function("numpy.random.default_rng")
def _generator(run: Run, call: Call) -> Value:
    return Library("numpy.random")


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

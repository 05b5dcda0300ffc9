"""Operators: what ``+ - * / ** %`` and comparisons give, by the kinds of their operands."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import MetricUse, Structure
from ae_audit.static.domain import arrays, comparisons, cross_entropies, losses, tensor_arithmetic, unsigned
from ae_audit.static.domain.byte_scaling import scaled
from ae_audit.static.domain.stores import Store
from ae_audit.static.domain.values import (
    Array,
    Const,
    DefaultValue,
    Difference,
    LossFunction,
    LossValue,
    Mapping,
    Seq,
    Tensor,
    Unknown,
    Value,
    number,
)
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import Interval, odd_power, powered, raised

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.domain.evaluator import Evaluator

SYMBOLS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.MatMult: "@",
}  # fmt: skip
_PYTHON: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "|": operator.or_, "&": operator.and_, "^": operator.xor,
    "<<": operator.lshift, ">>": operator.rshift,
}  # fmt: skip
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
MAX_TEXT = 4096
MAX_ITEMS = 1024
MAX_INTEGER = 1 << 64
"""largest constants that are computed, in characters, items and value, so that no program's own number exhausts us"""


def binary(run: Evaluator, symbol: str, left: Value, right: Value, where: Where) -> Value:
    """``left symbol right``."""
    if isinstance(left, Const) and isinstance(right, Const):
        return _constants(symbol, left, right, where)
    done = _sequences(run, symbol, left, right) if isinstance(left, Seq) or isinstance(right, Seq) else None
    if done is not None:
        return done
    left, right = cross_entropies.answers(run, symbol, left, right, where)
    if isinstance(left, Mapping) and isinstance(right, Mapping) and symbol == "|":
        return Mapping({**left.items, **right.items}, left.rest or right.rest)
    if isinstance(left, LossFunction) or isinstance(right, LossFunction):
        return losses.joined(left, right, where)
    if isinstance(left, (LossValue, Difference)) or isinstance(right, (LossValue, Difference)):
        return losses.arithmetic(run, symbol, left, right, where)
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return tensor_arithmetic.arithmetic(run, symbol, left, right, where)
    if isinstance(left, Const) and isinstance(left.value, str):
        return Unknown("a text put together at run time", where)
    if isinstance(left, Array) or isinstance(right, Array) or symbol in {"+", "-", "*", "/", "**"}:
        first, second = run.as_array(left), run.as_array(right)
        if first is not None and second is not None:
            made = unsigned.settled(symbol, left, right, on_arrays(run, symbol, first, second, where), where)
            calls = {id(call): call for side in (left, right) for call in calls_out_of_reach(run, side)}
            if calls and isinstance(made, Array):
                _CALLS.of(run)[made.root] = list(calls.values())[:MAX_CALLS]
            return made
    for value in (left, right):
        if isinstance(value, Unknown):
            return Unknown(value.reason, where)
    return Unknown("arithmetic on values of unknown kind", where)


def calls_out_of_reach(run: Evaluator, value: Value) -> list[Unknown]:
    """The calls of unknown functions that a sum or a product is made of: a loss that is handed in, and a penalty."""
    if isinstance(value, Unknown):
        return [value] if isinstance(value.children.get("()"), Seq) else []
    found = _CALLS.of(run).get(value.root, ()) if isinstance(value, Array) else ()
    return list(found)


_CALLS: Store[dict[int, list[Unknown]]] = Store(dict)
"""the calls of unknown functions that an array is made of, by its root"""
MAX_CALLS = 16
"""calls in one sum that are kept: of losses and penalties there are fewer, and ``a + a`` adds no new one"""


def _constants(symbol: str, left: Const, right: Const, where: Where) -> Value:
    a, b = left.value, right.value
    if symbol == "%" and isinstance(a, str):
        return Unknown("a text put together at run time", where)
    function = _PYTHON.get(symbol)
    if function is None or not _small(symbol, a, b):
        return Unknown("a constant too large to compute", where)
    try:
        result = function(a, b)
    except Exception:
        return Unknown("a computation that fails", where)
    if isinstance(result, complex) or (isinstance(result, int) and abs(result) > MAX_INTEGER):
        return Unknown("a constant too large to compute", where)
    soft = left.soft or right.soft
    return Const(result, where, DefaultValue(soft.source) if soft is not None else None)


def _small(symbol: str, a: Any, b: Any) -> bool:
    if isinstance(a, (str, bytes)) or isinstance(b, (str, bytes)):
        if symbol == "*":
            text, count = (a, b) if isinstance(a, (str, bytes)) else (b, a)
            return isinstance(count, int) and len(text) * max(count, 0) <= MAX_TEXT
        return all(len(v) <= MAX_TEXT for v in (a, b) if isinstance(v, (str, bytes)))
    if symbol in {"**", "<<"}:
        return isinstance(b, (int, float)) and abs(b) <= 64 and isinstance(a, (int, float)) and abs(a) <= 1e6
    return True


def _sequences(run: Evaluator, symbol: str, left: Value, right: Value) -> Value | None:
    if symbol == "+" and isinstance(left, Seq) and isinstance(right, Seq):
        run.charge(len(left.items) + len(right.items))
        made = Seq(list(left.items), left.kind, left.rest, left.open or right.open)
        extend(made, right.items, right.rest)
        return made
    if symbol == "*":
        sequence, count = (left, right) if isinstance(left, Seq) else (right, left)
        if isinstance(sequence, Seq) and isinstance(count, Const) and isinstance(count.value, int):
            times = max(0, count.value)
            if times * len(sequence.items) <= 64:
                return Seq(sequence.items * times, sequence.kind, sequence.rest)
            return Seq(list(sequence.items), sequence.kind, sequence.items[0] if sequence.items else None)
        if isinstance(sequence, Seq) and isinstance(count, Unknown):
            return Seq(list(sequence.items), sequence.kind, sequence.items[0] if sequence.items else sequence.rest)
    if symbol == "+" and isinstance(left, Seq) and isinstance(right, Unknown):
        return Seq(list(left.items), left.kind, right)
    return None


def extend(sequence: Seq, items: list[Value], rest: Value | None) -> None:
    """Add items to a list; of numbers that are too many the least and the greatest stand for them all."""
    sequence.items.extend(items)
    beyond = sequence.items[MAX_ITEMS:]
    sequence.rest = sequence.rest or rest
    if not beyond:
        return
    del sequence.items[MAX_ITEMS:]
    sequence.open = True
    if sequence.rest is not None:
        beyond.append(sequence.rest)
    if all(isinstance(item, Const) and number(item) is not None for item in beyond):
        beyond.sort(key=lambda item: number(item) or 0.0)
        sequence.items.append(beyond[0])
        sequence.rest = beyond[-1]
    elif len({type(item) for item in beyond}) > 1 or isinstance(beyond[0], Const):
        sequence.rest = Unknown("an element of a list too long to be followed")
    else:
        sequence.rest = beyond[-1]


def on_arrays(run: Evaluator, symbol: str, left: Array, right: Array, where: Where) -> Value:
    """Elementwise arithmetic on data."""
    a, b = number(left), number(right)
    how = where.written
    if a is not None and b is not None:
        done = _constants(symbol, Const(a), Const(b), where)
        if isinstance(done, Const) and isinstance(done.value, (int, float)) and math.isfinite(done.value):
            return replace(arrays.of_constant(run, done), where=where, statistic=_statistics(symbol, left, right),
                           shape=_common_shape(left, right))  # fmt: skip
        return arrays.unknown_array(run, "a computation that fails", where)
    if symbol in {"+", "-"} and (_noisy_labels(left, right) or _noisy_labels(right, left)):
        return arrays.mixed(run, left, right, f"`{how}`", where, sign=1.0 if symbol == "+" else -1.0)
    if symbol == "+":
        if b is not None:
            return scaled(left, 1.0, b, f"+ {arrays.short(b)}", where)
        if a is not None:
            return scaled(right, 1.0, a, f"+ {arrays.short(a)}", where)
        return arrays.mixed(run, left, right, f"`{how}`", where)
    if symbol == "-":
        return _subtract(run, left, right, a, b, where)
    if symbol == "*":
        if b is not None:
            return scaled(left, b, 0.0, f"* {arrays.short(b)}", where)
        if a is not None:
            return scaled(right, a, 0.0, f"* {arrays.short(a)}", where)
        return arrays.product(run, left, right, f"`{how}`", where)
    if symbol == "/":
        return _divide(run, left, right, a, b, where)
    if symbol == "**" and b is not None:
        return _power(run, left, b, where)
    if symbol == "@":
        return arrays.matrix_product(run, left, right, where)
    if symbol in {"//", "%", "&", "|", "^", "<<", ">>"}:
        base = left if a is None else right
        if symbol == "//" and b is not None and b > 0:
            return arrays.increasing(base, lambda i: _floor_divided(i, b), f"// {arrays.short(b)}", where)
        if symbol == "%" and b is not None and b > 0:
            return replace(arrays.unknown_array(run, "a remainder", where), values=_within(0.0, b))
        return arrays.unknown_array(run, f"the values of `{how}`", where)
    made = arrays.unknown_array(run, f"the values of `{how}`", where)
    return replace(made, synthetic=left.synthetic and right.synthetic)


def _noisy_labels(labels: Array, noise: Array) -> bool:
    """Whether an array of ones or zeros gets noise: it is the array still, and not noise that is moved."""
    return noise.random and bool(labels.shape) and number(labels) in {0.0, 1.0} and not labels.random


def _common_shape(left: Array, right: Array) -> tuple[int | None, ...] | None:
    """The shape of ``left`` and ``right`` together, where the one is a single number or they are alike."""
    if () in {left.shape, right.shape}:
        return left.shape if right.shape == () else right.shape
    return left.shape if left.shape == right.shape else None


def _floor_divided(interval: Interval, by: float) -> Interval:
    low = math.floor(interval.lo / by) if math.isfinite(interval.lo) else interval.lo
    high = math.floor(interval.hi / by) if math.isfinite(interval.hi) else interval.hi
    return Interval(low, high)


def _within(lo: float, hi: float) -> Any:
    from ae_audit.theory.ranges import ValueRange

    return ValueRange(Interval(lo, hi))


def _subtract(run: Evaluator, left: Array, right: Array, a: float | None, b: float | None, where: Where) -> Value:
    how = where.written
    if _is_span(left, right):
        return replace(
            arrays.unknown_array(run, "the span of data whose range is unknown", where), statistic="span",
            root=left.root,
        )  # fmt: skip
    if right.statistic == "mean" and b is None:
        return _centred(left, right, where)
    if right.statistic == "min":
        if left.root == right.root and b is None:
            from ae_audit.theory.ranges import ValueRange

            return arrays.recast(left, ValueRange(Interval(0.0, math.inf), Interval(0.0, 0.0)), "minus the min", where)
        if b is not None:
            moved = scaled(left, 1.0, -b, "- min", where)
            return replace(moved, scalings=(*left.scalings, "minus the min"))
    if b is not None:
        return scaled(left, 1.0, -b, f"- {arrays.short(b)}", where)
    if a is not None:
        return scaled(right, -1.0, a, f"{arrays.short(a)} -", where)
    return arrays.mixed(run, left, right, f"`{how}`", where, sign=-1.0)


def _is_span(left: Array, right: Array) -> bool:
    return left.statistic == "max" and right.statistic == "min"


def _statistics(symbol: str, left: Array, right: Array) -> str | None:
    if symbol == "-" and _is_span(left, right):
        return "span"
    if symbol == "+" and left.statistic in {"std", "var"} and right.statistic is None:
        return left.statistic
    return None


LEAST_MEAN = 0.01
"""of the width of what pixels or signals reach: how far from both ends their mean lies at the least"""


def _centred(left: Array, mean: Array, where: Where) -> Array:
    from ae_audit.theory.intervals import REAL_LINE
    from ae_audit.theory.ranges import ValueRange

    own = (left.root, left.selection, left.scalings) == (mean.root, mean.selection, mean.scalings)
    hull, reach = left.values.hull, left.values.reach
    width = hull.hi - hull.lo if hull.bounded else math.inf
    new_hull = Interval(-width, width) if math.isfinite(width) else REAL_LINE
    tiny = 1e-3 * width if math.isfinite(width) else 1e-3
    if mean.shape == () and left.structure is Structure.CONTINUOUS and reach is not None:
        tiny = max(tiny, LEAST_MEAN * reach.width)
    values = ValueRange(new_hull, Interval(-tiny, tiny) if own else None)
    return arrays.recast(left, values, "minus the mean", where)


def _divide(run: Evaluator, left: Array, right: Array, a: float | None, b: float | None, where: Where) -> Value:
    how = where.written
    centred = bool(left.scalings) and left.scalings[-1] == "minus the mean"
    if centred and right.statistic in {"std", "sqrt var", "std scaled"}:
        return arrays.standardised(left, "(x − mean) / standard deviation", where)
    shifted = bool(left.scalings) and left.scalings[-1] == "minus the min"
    if shifted and right.statistic == "span":
        from ae_audit.theory.intervals import UNIT
        from ae_audit.theory.ranges import ValueRange

        return arrays.recast(left, ValueRange.exactly(UNIT), "(x − min) / (max − min)", where)
    if b is not None:
        if b == 0:
            return arrays.unknown_array(run, "a division by zero", where)
        return scaled(left, 1.0 / b, 0.0, f"/ {arrays.short(b)}", where)
    if right.statistic == "max":
        return arrays.divided_by_extreme(left, right, f"`{how}` divides by the maximum", where)
    if right.statistic is not None and a is None:
        return arrays.recast(left, _unbounded(), f"`{how}` divides by a statistic", where, why=f"`{how}`")
    if a is not None:
        made = arrays.unknown_array(run, f"the values of `{how}`", where)
        return replace(made, root=right.root, scale=None, shape=right.shape if left.shape == () else None, shift=None,
                       values=arrays.reciprocal(a, right), scalings=(*right.scalings, how))  # fmt: skip
    same = replace(
        left, values=_unbounded(), scale=None, shift=None, scalings=(*left.scalings, f"`{how}`"), where=where
    )
    return replace(same, why=left.why or f"`{how}` divides by values that are not known")


def _unbounded() -> Any:
    from ae_audit.theory.ranges import UNKNOWN_RANGE

    return UNKNOWN_RANGE


def _power(run: Evaluator, array: Array, power: float, where: Where) -> Value:
    if power == 0.5 and array.statistic in {"var", "var scaled"}:
        return replace(array, statistic="std")
    if array.values.hull.lo >= 0 and power > 0:
        made = arrays.increasing(array, lambda i: powered(i, power), f"** {arrays.short(power)}", where)
        return made if power.is_integer() else replace(made, dtype="float64")
    if power > 0 and power % 2 == 1:
        return arrays.increasing(array, lambda i: odd_power(i, int(power)), f"** {arrays.short(power)}", where)
    if power == 0.5 or (power > 0 and power % 2 == 0):
        from ae_audit.theory.ranges import ValueRange

        hull = array.values.hull
        values = ValueRange(Interval(0.0, raised(max(abs(hull.lo), abs(hull.hi)), power)))
        return replace(arrays.recast(array, values, f"** {arrays.short(power)}", where), why=array.why)
    return arrays.unknown_array(run, f"the values of `{where.written}`", where)


def negate(run: Evaluator, value: Value, where: Where) -> Value:
    """``-value``."""
    if isinstance(value, Const):
        try:
            return Const(-value.value, where, value.soft)
        except Exception:
            return Unknown("a computation that fails", where)
    if isinstance(value, Array) and value.dtype == "uint8":  # as a float the factor would hide that bytes wrap round
        return binary(run, "-", Const(0), value, where)
    return binary(run, "*", Const(-1.0), value, where)


def inverted(run: Evaluator, array: Array, where: Where) -> Array:
    """``~array``: of truth values the others, of bytes and other whole numbers what is left to the top or to -1."""
    top = {"bool": 1.0, "uint8": 255.0}.get(array.dtype or "")
    if top is None:
        return arrays.unknown_array(run, f"the values of `{where.written}`", where)
    made = replace(arrays.affine(array, -1.0, top, "~", where), dtype=array.dtype)
    if array.structure in {Structure.BINARY_LABEL, Structure.MULTI_HOT}:
        made = replace(made, structure=array.structure)
    comparisons.note_inverted(run, array, made)
    return made


def compare(run: Evaluator, op: ast.cmpop, left: Value, right: Value, where: Where) -> Value:
    """``left op right``: a constant where it is decided, an array of 0 and 1 for data."""
    if isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)) and (_is_none(left) or _is_none(right)):
        other = right if _is_none(left) else left
        if isinstance(other, Unknown):
            return Unknown("a test on something unknown", where)
        same = _is_none(other)
        soft = next((v.soft for v in (left, right) if isinstance(v, Const) and v.soft is not None), None)
        return Const(same if isinstance(op, (ast.Is, ast.Eq)) else not same, where, _plain(soft))
    if isinstance(left, Const) and isinstance(right, Const):
        return _compare_constants(op, left, right, where)
    same_type = comparisons.of_types(op, left, right)
    if same_type is not None:
        return Const(same_type, where)
    if isinstance(op, (ast.In, ast.NotIn)) and isinstance(left, Const):
        return _membership(op, left, right, where)
    if isinstance(op, ast.Eq):
        note_agreement(run, left, right, where)
    if isinstance(left, (Array, Unknown)) and isinstance(right, (Array, Unknown)):
        known = _same_unknown(run, op, left, right)
        if known is not None:
            return Const(known, where)
    if isinstance(left, Array) or isinstance(right, Array):
        first, second = run.as_array(left), run.as_array(right)
        base = second if first is None or (first.shape == () and second is not None) else first
        assert base is not None
        occurs = comparisons.occurring(op, left, right)
        if base.shape == () and occurs is not None and occurs[0] is occurs[1] is not None:
            return Const(occurs[0], where)
        equal = isinstance(op, (ast.Eq, ast.NotEq))
        made = arrays.thresholded(base, f"the comparison `{where.written}`", where, equal=equal)
        made = replace(made, dtype="bool")
        if first is not None and second is not None:
            made = comparisons.of_both(made, first, second)
        if occurs is not None:
            comparisons.note(run, made, *occurs)
        return made
    return comparisons.of_unknown(left if isinstance(left, Unknown) else right, type(op) in _COMPARE, where)


def note_agreement(run: Evaluator, left: Value, right: Value, where: Where) -> None:
    """Keep ``prediction == data``, value by value: an accuracy that the program counts itself."""
    for prediction, data in ((left, right), (right, left)):
        if isinstance(prediction, Tensor) and isinstance(data, Array) and data.shape != ():
            metric = MetricUse("accuracy", where.written, where.location, data=data.facts)
            run.quality.append(metric)


def _same_unknown(run: Evaluator, op: ast.cmpop, left: Value, right: Value) -> bool | None:
    """``n - 1 < n`` for an unknown number n: decided by the distance of the two."""
    a, b = run.as_array(left), run.as_array(right)
    if (
        a is None
        or b is None
        or a.root != b.root
        or a.scale is None
        or a.scale != b.scale
        or a.statistic
        or b.statistic
    ):
        return None
    if a.shape or b.shape or a.selection or b.selection or a.noise or b.noise or a.why is None:
        return None
    compare_with = _COMPARE.get(type(op))
    return None if compare_with is None or a.shift is None else bool(compare_with(a.shift, b.shift))


def _plain(soft: DefaultValue | None) -> DefaultValue | None:
    return None if soft is None else DefaultValue(soft.source)


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None


def _compare_constants(op: ast.cmpop, left: Const, right: Const, where: Where) -> Value:
    a, b = left.value, right.value
    if isinstance(op, (ast.In, ast.NotIn)):
        try:
            found = a in b
        except TypeError:
            return Unknown("a test on something unknown", where)
        return Const(found if isinstance(op, ast.In) else not found, where, _plain(left.soft or right.soft))
    if isinstance(op, (ast.Is, ast.IsNot)):
        same = a is b or (type(a) is type(b) and a == b)
        return Const(same if isinstance(op, ast.Is) else not same, where, _plain(left.soft or right.soft))
    function = _COMPARE.get(type(op))
    if function is None:
        return Unknown("a test on something unknown", where)
    try:
        result = bool(function(a, b))
    except TypeError:
        return Unknown("a test on something unknown", where)
    soft = left.soft or right.soft
    if soft is None:
        return Const(result, where)
    other = b if left.soft is not None else a
    suggestions = (other,) if isinstance(op, (ast.Eq, ast.NotEq)) else ()
    return Const(result, where, DefaultValue(soft.source, suggestions))


def _membership(op: ast.cmpop, left: Const, right: Value, where: Where) -> Value:
    keys: list[Any] | None = None
    if isinstance(right, Mapping) and right.rest is None:
        keys = list(right.items)
    elif isinstance(right, Seq) and right.rest is None and all(isinstance(i, Const) for i in right.items):
        keys = [item.value for item in right.items if isinstance(item, Const)]
    if keys is None:
        return Unknown("a test on something unknown", where)
    found = left.value in keys
    soft = None if left.soft is None else DefaultValue(left.soft.source, tuple(keys[:8]))
    return Const(found if isinstance(op, ast.In) else not found, where, soft)


def truth(value: Value) -> bool | None:
    """The truth of a value; None where it could be either."""
    if isinstance(value, Const):
        try:
            return bool(value.value)
        except Exception:
            return None
    if isinstance(value, Seq):
        return True if value.items else (False if value.rest is None else None)
    if isinstance(value, Mapping):
        return True if value.items else (False if value.rest is None else None)
    if isinstance(value, (Unknown, Array, Tensor, LossValue, Difference)):
        return None
    return True

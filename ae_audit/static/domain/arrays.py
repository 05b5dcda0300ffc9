"""Arrays of data: what arithmetic does to their ranges and to their identity."""

from __future__ import annotations

import math
from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.schema.location import TrailStep
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import indexing, random_numbers
from ae_audit.static.domain.stores import Store
from ae_audit.static.domain.values import Array, Const, Seq, Unknown, Value, within
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import NON_NEGATIVE, REAL_LINE, UNIT, Interval, format_number
from ae_audit.theory.ranges import UNKNOWN_RANGE, Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.evaluator import Evaluator

MAX_TRAIL = 12
"""steps of a trail that are kept: those at the source of the data, which decide its scale"""
RECOLOURED = "as colours of "
"""how the selection of an array begins whose channels are no longer red, green and blue"""
LAB = RECOLOURED + "lightness and two of opponent colours"
_LIGHTNESS, _OPPONENTS = Interval(0.0, 100.0), Interval(-128.0, 127.0)
COLOURED = Interval(-5.0, 5.0)
"""what the opponent colours of photographs surely reach: something is a little green, and something a little red"""
ABSOLUTE = "abs()"
"""how ``abs`` is told in the trail of an array"""
MAX_ROWS = 1024
"""lists in a list, and in those, that are looked at for their range"""
MAX_FACTORS = 6
"""arrays that are remembered of a sum of products: a mixture has four"""
MAX_PARTS = 4096
"""items of a list that are looked at for its range: more are data pasted into a program, and cost as much to read"""
QUANTISATION = 1 / 128
"""of the data's width: random values that are no wider fill the steps between bytes, and are no noise"""
UNFELT = 1e-3
"""of the spread of unbounded data: noise with no more spread is a millionth of their variance"""
_REAL_OR_FAKE = (ValueRange.exactly(Interval(0.0, 0.0)), ValueRange.exactly(Interval(1.0, 1.0)))
STANDARDISED_REACH = Interval(-0.4, 1.5)
"""What standardised data surely holds: with mean 0 and variance 1, max·(−min) ≥ 1; pixels reach −0.42 and 2.8."""
LABELS = frozenset({Structure.CLASS_INDEX, Structure.ONE_HOT, Structure.MULTI_HOT, Structure.BINARY_LABEL})
"""structures of data that name something"""


def unknown_array(run: Evaluator, why: str, where: Where | None = None, source: str | None = None) -> Array:
    """Data of which nothing is known but why."""
    return Array(root=run.fresh(), why=why, where=where, source=source)


def counter(run: Evaluator, where: Where | None) -> Unknown:
    """A number that counts something: which one is not known, but that it is whole and 0 or more."""
    made = Unknown("the counter of a loop", where)
    made.array = Array(ValueRange(Interval(0.0, math.inf)), "int64", (), root=run.fresh(), where=where)
    return made


def of_constant(run: Evaluator, value: Const) -> Array:
    """A number as an array without axes."""
    number = float(value.value)
    if math.isnan(number):
        return Array(root=run.fresh(), shape=(), where=value.where, why="it is NaN")
    return Array(
        ValueRange.exactly(Interval(number, number)), shape=(), root=run.fresh(), where=value.where, synthetic=True
    )


def of_sequence(run: Evaluator, value: Seq) -> Array | None:
    """A list of numbers or arrays as one array; its identity is that of its only array, where it has one."""
    if not within(value, 2 * MAX_PARTS, MAX_ROWS):
        run.charge(MAX_ROWS)
        return unknown_array(run, "nested lists too large to be read item by item")
    parts: list[Array] = []
    for item in [*value.items[:MAX_PARTS], *([] if value.rest is None else [value.rest])]:
        array = run.as_array(item)
        if array is None:
            return None
        parts.append(array)
    run.charge(16 * len(parts) + 32)
    if not parts:
        return Array(root=run.fresh(), why="an empty list")
    if len(value.items) > MAX_PARTS:
        return unknown_array(run, "a list too long to be read item by item", parts[0].where)
    length = None if value.rest is not None or value.open else len(parts)
    if len(parts) == 1:
        return replace(parts[0], shape=None if parts[0].shape is None else (length, *parts[0].shape))
    if all(isinstance(item, Const) for item in value.items):
        joined = concatenated(run, parts)
        integers = all(isinstance(item, Const) and isinstance(item.value, int) for item in value.items)
        return replace(joined, shape=(length,), dtype="int64" if integers else "float64")
    joined = concatenated(run, parts)
    first = parts[0].shape
    return replace(joined, shape=None if first is None else (length, *first))


def joined_shape(
    name: str, shape: tuple[int | None, ...] | None, count: int | None, axis: int | None
) -> tuple[int | None, ...] | None:
    """The shape that ``count`` arrays (None: nobody knows how many), the first of ``shape``, have when joined.

    ``name`` is that of the function in NumPy or torch, ``axis`` None where it is not known.
    """
    if shape is None or axis is None:
        return None
    if name == "stack":
        place = axis if axis >= 0 else axis + len(shape) + 1
        return (*shape[:place], count, *shape[place:]) if 0 <= place <= len(shape) else None
    if name in {"vstack", "row_stack"}:
        return (count, *shape) if len(shape) == 1 else (None, *shape[1:])
    if name == "hstack":
        axis = 0 if len(shape) == 1 else 1
    elif name == "column_stack":
        return (*shape, count) if len(shape) == 1 else (shape[0], None, *shape[2:])
    elif name == "dstack":
        return (*shape, count) if len(shape) == 2 else None
    if not -len(shape) <= axis < len(shape):
        return None
    place = axis % len(shape)
    return (*shape[:place], None, *shape[place + 1 :])


def concatenated(run: Evaluator, parts: list[Array]) -> Array:
    """Several arrays one after the other: related to what they came from where that is one array."""
    first = parts[0]
    values = first.values
    for part in parts[1:]:
        values = values.together(part.values)
    same = all(p.root == first.root and p.selection == first.selection and p.noise == first.noise for p in parts)
    steps_same = all(p.scalings == first.scalings for p in parts)
    structure = first.structure if all(p.structure is first.structure for p in parts) else Structure.UNKNOWN
    if structure is Structure.MULTI_HOT and len({p.scalings for p in parts}) > 1:
        structure = Structure.UNKNOWN  # planes of several comparisons, which may well exclude each other
    if structure is Structure.UNKNOWN and {(p.values.hull.lo, p.values.hull.hi) for p in parts} == {(0, 0), (1, 1)}:
        structure = Structure.BINARY_LABEL  # ones for the real, zeros for the fake
    return replace(
        first,
        values=values,
        shape=None if first.shape is None else (None, *first.shape[1:]),
        structure=structure,
        root=first.root if same and steps_same else _joined_root(run, parts),
        selection=first.selection if same else (),
        scale=first.scale if steps_same else None,
        shift=first.shift if steps_same else None,
        placeholder=first.placeholder and same,
        synthetic=all(p.synthetic for p in parts),
        why=next((p.why for p in parts if p.why is not None), None),
    )


def _joined_root(run: Evaluator, parts: list[Array]) -> int:
    joined, key = _JOINED.of(run), tuple((p.root, p.selection) for p in parts)
    if key not in joined:
        joined[key] = run.fresh()
    return joined[key]


_JOINED: Store[dict[tuple[tuple[int, tuple[str, ...]], ...], int]] = Store(dict)
"""the root of what is made of several arrays, by their roots and selections"""


def step(array: Array, text: str, where: Where | None) -> tuple[TrailStep, ...]:
    """The trail of ``array`` with one more reason."""
    if len(array.trail) >= MAX_TRAIL:
        return array.trail
    return (*array.trail, TrailStep(text, None if where is None else where.location))


def describe_change(how: str, before: ValueRange, after: ValueRange) -> str:
    """``/ 255 maps [0, 255] to [0, 1]``."""
    return f"{how} maps {before} to {after}" if not after.unknown else how


def affine(array: Array, scale: float, shift: float, how: str, where: Where | None) -> Array:
    """``scale · x + shift``. A scale of 0 gives a constant."""
    values = array.values.affine(scale, shift) if _finite(scale, shift) else UNKNOWN_RANGE
    new_scale = None if array.scale is None else array.scale * scale
    new_shift = None if array.shift is None else array.shift * scale + shift
    if new_scale is not None and new_shift is not None and not _finite(new_scale, new_shift):
        new_scale = new_shift = None  # no map of numbers any more, and none that a remedy could be computed from
    structure = array.structure
    counted_from_elsewhere = structure is Structure.CLASS_INDEX and scale == 1.0 and float(shift).is_integer()
    labels = {Structure.CLASS_INDEX, Structure.ONE_HOT, Structure.DISTRIBUTION}
    if structure in labels and (scale, shift) != (1.0, 0.0) and not counted_from_elsewhere:
        structure = Structure.UNKNOWN
    keep = scale == 1.0 and shift == 0.0
    return replace(
        array,
        values=values,
        dtype=_dtype_after(array.dtype, scale, shift),
        structure=structure,
        standardised=array.standardised if keep else Tri.NO if array.standardised is Tri.YES else array.standardised,
        where=where or array.where,
        trail=step(array, describe_change(how, array.values, values), where),
        scale=new_scale,
        shift=new_shift,
        scalings=array.scalings if keep else (*array.scalings, how),
        statistic=None if array.statistic is None else f"{array.statistic} scaled",
    )


def _dtype_after(dtype: str | None, scale: float, shift: float) -> str | None:
    """An unknown dtype stays unknown where whole numbers may have stayed whole (``n - 1``)."""
    if dtype is None:
        return None if scale.is_integer() and shift.is_integer() else "float64"
    if dtype.startswith("int") and scale == 1.0 and float(shift).is_integer():
        return dtype  # labels - 1
    return "float64" if dtype.startswith(("u", "i")) else dtype


def _finite(*numbers: float) -> bool:
    return all(math.isfinite(n) for n in numbers)


def increasing(
    array: Array, image: Callable[[Interval], Interval], how: str, where: Where | None, *, scaling: bool = True
) -> Array:
    """An increasing map that is not affine (clip, square root, logarithm)."""
    try:
        values = array.values.increasing(image)
    except (ValueError, OverflowError):
        values = UNKNOWN_RANGE
    return replace(
        array,
        values=values,
        where=where or array.where,
        trail=step(array, describe_change(how, array.values, values), where),
        scale=None,
        shift=None,
        scalings=(*array.scalings, how) if scaling else array.scalings,
        structure=Structure.UNKNOWN if array.structure in LABELS else array.structure,
        standardised=Tri.UNKNOWN,
    )


def ends(lo: float | None, hi: float | None) -> tuple[float, float, bool]:
    """The ends of a clip as numbers, and whether both are known; one that is not is taken to lie within the values."""
    known = not any(end is not None and math.isnan(end) for end in (lo, hi))
    return (
        -math.inf if lo is None or math.isnan(lo) else lo,
        math.inf if hi is None or math.isnan(hi) else hi,
        known,
    )


def clipped(array: Array, lo: float | None, hi: float | None, how: str, where: Where | None) -> Array:
    """``min(max(x, lo), hi)``; an end that is None does not cut, and one that is NaN cuts who knows what."""
    low, high, known = ends(lo, hi)
    if low > high:
        return replace(array, values=UNKNOWN_RANGE)
    values = array.values.clip(low, high) if known else ValueRange(array.values.hull.clip(low, high))
    return replace(
        array,
        values=values,
        where=where or array.where,
        trail=step(array, describe_change(how, array.values, values), where),
        standardised=Tri.UNKNOWN,
        columns=(),
    )


def recast(array: Array, values: ValueRange, how: str, where: Where | None, **changes: object) -> Array:
    """The same samples on another scale that is known outright: a scaler's output, a threshold."""
    changed = replace(
        array,
        values=values,
        where=where or array.where,
        trail=step(array, describe_change(how, array.values, values), where),
        scale=None,
        shift=None,
        scalings=(*array.scalings, how),
        standardised=Tri.NO if not values.unknown and values.hull.bounded else Tri.UNKNOWN,
        why=None,
        dtype="float64",
    )
    return replace(changed, **changes) if changes else changed  # type: ignore[arg-type]


def standardised(array: Array, how: str, where: Where | None) -> Array:
    """Zero mean and unit variance: no bounds, but values on both sides of 0."""
    return recast(array, ValueRange(REAL_LINE, STANDARDISED_REACH), how, where, standardised=Tri.YES)


def thresholded(array: Array, how: str, where: Where | None, *, equal: bool = False) -> Array:
    """A comparison: 0 or 1 everywhere; of class labels, one label a sample; of pixels, each for itself.

    Where it asks for equality, pixels may just as well be the classes of a map, of which this is one plane or all.
    """
    labels = array.structure in LABELS
    if array.structure is Structure.CONTINUOUS or (array.statistic is not None and array.shape != () and not labels):
        array = replace(array, structure=Structure.UNKNOWN if equal else Structure.MULTI_HOT)
    return recast(replace(array, pictured=False, statistic=None), ValueRange.exactly(UNIT), how, where,
                  structure=Structure.BINARY_LABEL if labels else array.structure, structure_axis=None)  # fmt: skip


def truth_values(array: Array, where: Where | None) -> Array:
    """What a comparison makes of data of which nothing is known."""
    return replace(thresholded(array, "a comparison", where), dtype="bool")


def selected(array: Array, what: str, shape: tuple[int | None, ...] | None) -> Array:
    """Part of an array along an axis other than the samples'; a channel of other colours has a range of its own."""
    recoloured = any(part.startswith(RECOLOURED) for part in array.selection)
    if array.selection[-1:] == (LAB,) and array.scalings[-1:] == ("rgb2lab",):
        channels = _lab_channels(what)
        if channels is not None:
            return replace(array, selection=(*array.selection, what), shape=shape, values=channels)
    values = ValueRange(array.values.hull) if recoloured else array.values
    return replace(array, selection=(*array.selection, what), shape=shape, values=values)


def _lab_channels(what: str) -> ValueRange | None:
    """The values of the last entry of a subscript into pictures in L*a*b*; None where it takes both kinds."""
    last = what.rpartition(",")[2].strip().strip("[]")
    if last in {"0", "0:1", ":1"}:
        return ValueRange(_LIGHTNESS)
    return (
        ValueRange(_OPPONENTS, COLOURED) if last in {"1", "2", "1:", "1:3", "-2:", "1:2", "2:", "2:3", "-1"} else None
    )


def _drawn(run: Evaluator, noise: Array) -> int:
    """What noise is known by: its source, where what became of it is known to the number; else it is one of its own.

    ``a * x + b * n`` and ``a * n - b * x`` hold the same draws and are two mixtures, neither of which gives the other.
    """
    return noise.root if noise.scale is not None and noise.shift is not None else run.fresh()


def mixed(run: Evaluator, left: Array, right: Array, how: str, where: Where | None, *, sign: float = 1.0) -> Array:
    """``left + right`` for two arrays neither of which is constant."""
    terms = (left, left.values), (right, right.values.affine(sign, 0.0))
    swapped = left.random and not right.random
    (base, base_values), (other, other_values) = reversed(terms) if swapped else terms
    noise = other.random and other.root != base.root
    factors = (*left.factors, *right.factors, *((other,) if noise else ()))[:MAX_FACTORS]
    try:
        hull = base_values.hull.add(other_values.hull)
        reach = None
        if noise and base_values.reach is not None and other_values.reach is not None:
            reach = base_values.reach.add(other_values.reach)
    except ValueError:
        hull, reach = REAL_LINE, None
    values = ValueRange(hull, reach)
    text = describe_change(how, base.values, values)
    base = replace(base, shape=indexing.together(left.shape, right.shape))
    if noise:
        mixed_in = () if _negligible(other_values, base_values) else (_drawn(run, other),)
        if base.synthetic and base.values.reach is not None and base_values in _REAL_OR_FAKE:
            base = replace(base, structure=Structure.BINARY_LABEL)  # the labels of a judge, made uncertain
        return replace(
            base, values=values, noise=(*base.noise, *mixed_in), where=where or base.where, factors=factors,
            trail=step(base, f"random values are added: {text}", where), standardised=Tri.UNKNOWN,
            dtype=base.dtype if base.dtype and base.dtype.startswith("f") else "float64",
        )  # fmt: skip
    if base.random and other.noise == () and other.root != base.root:
        base, other = other, base
    if base.root == other.root and base.selection == other.selection and base.noise == other.noise:
        return replace(base, values=values, scale=None, shift=None, scalings=(*base.scalings, how), where=where,
                       trail=step(base, text, where))  # fmt: skip
    return replace(
        base, values=values, root=run.fresh(), selection=(), scale=1.0, shift=0.0, structure=Structure.UNKNOWN,
        scalings=(), noise=(), placeholder=False, synthetic=base.synthetic and other.synthetic, factors=factors,
        where=where, trail=step(base, text, where),
        why=base.why or other.why or (None if not values.unknown else f"{how} joins two arrays"),
    )  # fmt: skip


def matrix_product(run: Evaluator, left: Array, right: Array, where: Where) -> Array:
    """``left @ right``: of made-up data made-up data again, of which no values are known."""
    shape: indexing.Shape | None = None
    if left.shape and right.shape and len(right.shape) <= 2:
        shape = (*left.shape[:-1], *right.shape[1:])
    made = unknown_array(run, left.why or right.why or f"the values of `{where.written}`", where, left.source)
    reach = random_numbers.weighed(left, right)
    if reach is not None:
        made = replace(made, values=ValueRange(REAL_LINE, reach), why=None, structure=Structure.CONTINUOUS)
    return replace(made, shape=shape, synthetic=left.synthetic and right.synthetic)


def product(run: Evaluator, left: Array, right: Array, how: str, where: Where | None) -> Array:
    """``left * right`` for two arrays neither of which is constant (a mask, a weight map)."""
    values = ValueRange(left.values.hull.multiply(right.values.hull))
    factors = (*(left.factors or (left,)), *(right.factors or (right,)))[:MAX_FACTORS]
    base, other = (right, left) if left.random and not right.random else (left, right)
    noise = (*base.noise, _drawn(run, other)) if other.random else base.noise
    known_same = other.random or base.root == other.root
    return replace(
        base, values=values, noise=noise, root=base.root if known_same else run.fresh(), where=where,
        shape=indexing.together(left.shape, right.shape),
        trail=step(base, describe_change(how, base.values, values), where),
        scale=base.scale if other.random else None, shift=base.shift if other.random else None,
        scalings=base.scalings if other.random else (*base.scalings, how),
        structure=Structure.UNKNOWN if base.structure in LABELS else base.structure,
        why=base.why or other.why, synthetic=base.synthetic and other.synthetic,
        factors=factors,
    )  # fmt: skip


def _negligible(added: ValueRange, base: ValueRange) -> bool:
    """Whether random values are smaller than a step of the data's quantisation: they fill the gaps between bytes."""
    if base.reach is not None and added.reach is not None and added.reach.width <= UNFELT * base.reach.width:
        return True
    return base.hull.bounded and added.hull.width <= QUANTISATION * base.hull.width


def reciprocal(number: float, array: Array) -> ValueRange:
    """The values of ``number / x`` for x that keep to one side of 0."""
    hull = array.values.hull
    if not (hull.lo > 0 or hull.hi < 0):
        return UNKNOWN_RANGE
    ends = [number / end if math.isfinite(end) else 0.0 for end in (hull.lo, hull.hi)]
    return ValueRange(Interval(min(ends), max(ends)))


def divided_by_extreme(array: Array, extreme: Array, how: str, where: Where | None) -> Array:
    """``x / x.max()``: the top is 1; where nothing is negative, the range is [0, 1]. ``x / abs(x).max()``: [−1, 1]."""
    hull, reach = array.values.hull, array.values.reach
    from_zero = bool(array.scalings) and array.scalings[-1].endswith(" min")
    positive = hull.lo >= 0 or from_zero
    bottom = 0.0 if from_zero or (reach is not None and reach.lo <= 0) else 1.0
    lowest = -math.inf
    if reach is not None and reach.hi > 0 > hull.lo:  # the greatest value lies between reach and hull
        lowest = hull.lo / reach.hi
        bottom = min(bottom, reach.lo / hull.hi)
    own = (array.root, array.selection, array.noise) == (extreme.root, extreme.selection, extreme.noise)
    if own and extreme.scalings == (*array.scalings, ABSOLUTE):
        values = ValueRange(UNIT if positive else Interval(-1.0, 1.0), Interval(1.0, 1.0) if positive else None)
    elif own and not positive and (hull.hi <= 0 or extreme.shape != ()):
        values = UNKNOWN_RANGE  # where the greatest value is negative, dividing by it turns the signs
    elif own and extreme.scalings == array.scalings:
        values = ValueRange(UNIT if positive else Interval(lowest, 1.0), Interval(bottom, 1.0))
    else:
        values = ValueRange(NON_NEGATIVE if positive and extreme.values.hull.lo >= 0 else REAL_LINE)
        return recast(array, values, how, where, why=f"{how} of other values")
    return recast(array, values, how, where)


def rebased(array: Array, placeholder: Array, actual: Array) -> Array:
    """``array``, which was computed from ``placeholder``, as computed from ``actual``."""
    if array.root != placeholder.root:
        return array
    result = actual
    if array.scale is not None and array.shift is not None and (array.scale, array.shift) != (1.0, 0.0):
        how = array.scalings[-1] if array.scalings else "a layer of the model"
        result = affine(actual, array.scale, array.shift, how, array.where)
    elif array.scale is None:
        result = replace(actual, values=array.values, scale=None, shift=None, scalings=array.scalings)
    if array.shape != placeholder.shape:
        result = replace(result, shape=array.shape)
    return replace(result, noise=(*result.noise, *array.noise), selection=(*result.selection, *array.selection))


def why_unknown(value: Value) -> str | None:
    """Why the values are unknown, where the value says so."""
    if isinstance(value, Unknown):
        return value.reason
    if isinstance(value, Array):
        return value.why
    return None


def short(value: float) -> str:
    """A number as a report shows it."""
    return format_number(value)

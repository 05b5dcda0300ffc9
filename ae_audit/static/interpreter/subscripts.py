"""Subscripts: elements, slices and columns of sequences, dictionaries and arrays."""

from __future__ import annotations

import ast
import contextlib

from ae_audit.base.records import replace
from ae_audit.static.domain import arrays, indexing, tables, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame
from ae_audit.static.domain.values import (
    Array,
    Class,
    Const,
    Function,
    Instance,
    Library,
    Mapping,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
    python,
    within,
)
from ae_audit.static.interpreter import attributes, demand, turns
from ae_audit.static.source.sources import Where
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run


MAX_KEY = 128
"""parts of a tuple that is a key; a larger one is the key of nothing that is looked up again"""


def key_of(value: Value) -> Any:
    """A hashable key for a value; None where it is unknown, or larger than anybody's key."""
    return _key_of(value) if not isinstance(value, Seq) or within(value, MAX_KEY) else None


def _key_of(value: Value) -> Any:
    if isinstance(value, Const):
        try:
            hash(value.value)
        except TypeError:
            return None
        return value.value
    if isinstance(value, Seq) and value.rest is None:
        parts = tuple(_key_of(item) for item in value.items)
        return None if None in parts else parts
    if isinstance(value, Library):
        return ("library", value.name)
    if isinstance(value, Array) and value.placeholder:
        return ("placeholder", value.root)
    return None


def put(mapping: Mapping, key: Value, value: Value) -> None:
    """``mapping[key] = value``; under an unknown key it may be any entry."""
    known = key_of(key)
    if known is None:
        mapping.rest = value
    else:
        mapping.items[known] = value


def loosen(sequence: Seq) -> None:
    """Forget which elements a list has and in what order: it was changed at a place, or in a way, that is not known."""
    items = sequence.items
    if not items:
        return
    alike = sequence.rest is None and all(item is items[0] for item in items)
    sequence.rest = items[0] if alike else Unknown("an element of a list that was changed in a way that is not known")
    sequence.items = []
    sequence.open = True


def sort(sequence: Seq, call: Call) -> None:
    """Sort a list of constants; the elements of any other stay, in whatever order."""
    items = [item for item in sequence.items if isinstance(item, Const)]
    if len(items) < len(sequence.items) or sequence.rest is not None:
        return
    backwards = call.constant(None, "reverse", default=False)
    if call.given(None, "key") or not isinstance(backwards, (bool, int)):
        loosen(sequence)
        return
    with contextlib.suppress(TypeError):
        sequence.items = [*sorted(items, key=lambda item: item.value, reverse=bool(backwards))]


def delete(run: Run, owner: Value, node: ast.Subscript, frame: Frame) -> None:
    """``del owner[key]``."""
    if isinstance(owner, Mapping):
        known = key_of(run.evaluate(node.slice, frame))
        if known is not None:
            owner.items.pop(known, None)
    elif isinstance(owner, Seq):
        place = place_of(run, node.slice, frame)
        if place is None or owner.rest is not None:
            loosen(owner)
        elif isinstance(place, slice) or -len(owner.items) <= place < len(owner.items):
            del owner.items[place]
    elif isinstance(owner, (Instance, Object)):
        run.call_method(owner, "__delitem__", Call(Where(frame.text, node), [key_for(run, node.slice, frame)]))


def key_for(run: Run, key: ast.expr, frame: Frame) -> Value:
    """The key of a subscript as ``__setitem__`` and ``__delitem__`` receive it."""
    if not isinstance(key, ast.Slice):
        return run.evaluate(key, frame)
    place = place_of(run, key, frame)
    return Unknown("a slice", Where(frame.text, key)) if place is None else Const(place)


def place_of(run: Run, key: ast.expr, frame: Frame) -> int | slice | None:
    """The index or slice that a subscript of a list is; None where that is not known."""
    if isinstance(key, ast.Slice):
        bounds = [None if part is None else run.evaluate(part, frame) for part in (key.lower, key.upper, key.step)]
        known = [None if bound is None else getattr(bound, "value", ...) for bound in bounds]
        return slice(*known) if all(bound is None or isinstance(bound, int) for bound in known) else None
    value = run.evaluate(key, frame)
    return value.value if isinstance(value, Const) and isinstance(value.value, int) else None


def subscript(run: Run, node: ast.Subscript, frame: Frame) -> Value:
    """``value[key]``, slices included."""
    value = run.evaluate(node.value, frame)
    where = Where(frame.text, node)
    if isinstance(node.slice, ast.Slice) or (
        isinstance(node.slice, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.slice.elts)
    ):
        return sliced(run, value, node.slice, frame, where)
    if isinstance(value, Mapping) and run.turning and turns.asks(run, node.slice):
        found = turns.entry(run, value) if key_of(run.evaluate(node.slice, frame)) is None else None
        if found is not None:
            return found
    return item(run, value, run.evaluate(node.slice, frame), where)


def item(run: Run, value: Value, key: Value, where: Where) -> Value:
    """``value[key]`` for a key that is no slice."""
    if isinstance(value, Seq):
        return _sequence_item(value, key, where)
    if isinstance(value, Mapping):
        known = key_of(key)
        if isinstance(key, Const) and key.soft is not None and known in value.items:
            run.offer_values(key.soft, key.value, tuple(value.items)[:8])
        if known is not None and known in value.items:
            return value.items[known]
        if known is None and len(value.items) == 1 and value.rest is None:
            return next(iter(value.items.values()))
        if value.rest is not None:
            return value.rest
        if known is not None and demand.fill_registries(run, value) and known in value.items:
            return value.items[known]
        if known is None and value.items and all(isinstance(each, (Class, Function)) for each in value.items.values()):
            return value.items[run.choose(where.written, tuple(value.items))]
        return Unknown(f"the entry `{where.written}` of a dictionary", where)
    if isinstance(value, Const) and isinstance(value.value, (str, bytes, tuple)) and isinstance(key, Const):
        try:
            return Const(value.value[key.value], where)
        except Exception:
            return Unknown("an index out of range", where)
    if isinstance(value, Array):
        return _array_item(value, key, where)
    if isinstance(value, Tensor):
        return tensors.indexed(value, indexing.parts_of(key))
    if isinstance(value, Unknown):
        known = key_of(key)
        return attributes.child(value, ("[]", known if known is not None else where.written))
    if isinstance(value, (Object, Instance)):
        method = attributes.find(run, value, "__getitem__")
        if method is not None:
            return run.call(method, Call(where, [key]))
    return Unknown(f"`{where.written}` is not known", where)


def _sequence_item(value: Seq, key: Value, where: Where) -> Value:
    if isinstance(key, Const) and isinstance(key.value, int):
        index = key.value
        if -len(value.items) <= index < len(value.items) and (value.rest is None or index >= 0):
            return value.items[index]
        if value.rest is not None:
            return value.rest
        return Unknown("an index out of range", where)
    if value.rest is not None and not value.items:
        return value.rest
    if isinstance(key, Array) and key.shape and value.items:
        if any(isinstance(entry, Const) for entry in value.items):  # as many of them as there are indices
            return Seq([], value.kind, Unknown("one of several entries", where), open=True)
        return value.items[0]
    if isinstance(key, Array) or (value.items and all(isinstance(i, Array) for i in value.items)):
        return value.items[0] if value.items else Unknown("an element of an empty list", where)
    if (
        value.items
        and all(type(i) is type(value.items[0]) for i in value.items)
        and not isinstance(value.items[0], Const)
    ):
        return value.items[0]
    return Unknown("an element whose index is not known", where)


def _array_item(value: Array, key: Value, where: Where) -> Value:
    if isinstance(key, Seq) and key.kind == "tuple":
        shape = indexing.indexed(value.shape, indexing.parts_of(key))
        if shape == ():  # which of the values it is nobody knows
            return replace(value, values=ValueRange(value.values.hull), shape=shape)
        return _columns(value, where, any(_is_full_selection(part) for part in key.items), shape)
    table = tables.is_table(value)
    rows = value.shape[:1] if table and value.shape is not None else ()
    if isinstance(key, Const) and isinstance(key.value, str):
        return tables.column_of(value, key.value) or _columns(value, where, True, rows if table else None)
    if isinstance(key, Seq) and any(isinstance(i, Const) and isinstance(i.value, str) for i in key.items):
        width = len(key.items) if key.rest is None and not key.open else None
        written = None if width is None else tables.side_by_side(value, [python(item) for item in key.items])
        if written is not None:
            return written
        return _columns(value, where, True, (*rows, width) if table else None)
    if isinstance(key, Const) and key.value is None:
        return replace(value, shape=None if value.shape is None else (1, *value.shape))
    if isinstance(key, Const) and isinstance(key.value, int):
        return attributes.first_axis_removed(value)
    if isinstance(key, (Array, Seq)) and not _is_count(key):
        by_value = isinstance(key, Array) and key.dtype == "bool" and key.root == value.root
        values = (
            ValueRange(value.values.hull) if by_value else value.values
        )  # perhaps just those that occur are left out
        return replace(value, shape=indexing.indexed(value.shape, indexing.parts_of(key)), values=values)
    taken = attributes.first_axis_removed(value)
    if table and not isinstance(key, Const) and not _is_count(key):  # a row of its values, or columns of some names
        taken = replace(taken, shape=None)
    return _moved(taken, where)


def _is_count(key: Value) -> bool:
    return isinstance(key, Array) and key.shape == ()


def _moved(value: Array, where: Where) -> Array:
    """Which stretch of a series it is, where that moves: ``x[i : i + n]``, ``x[i + n]``, ``x[1:]``, ``x[:-1]``."""
    key = where.node.slice if isinstance(where.node, ast.Subscript) else None
    lower, upper = (key.lower, key.upper) if isinstance(key, ast.Slice) else (key, None)
    runs = isinstance(lower, ast.Name) and isinstance(upper, ast.BinOp)
    if key is not None and (isinstance(lower, ast.BinOp) or runs or (isinstance(key, ast.Slice) and _is_shift(key))):
        return replace(value, selection=(*value.selection, ast.unparse(key)))
    return value


def _is_shift(key: ast.Slice) -> bool:
    """``[1:]`` and ``[:-1]``: a series and the same a few steps later."""
    if key.step is not None or (key.lower is None) is (key.upper is None):
        return False
    try:
        number = ast.literal_eval(key.lower or key.upper or key)
    except ValueError:
        return False
    return isinstance(number, int) and 0 < (number if key.upper is None else -number) <= FURTHEST_SHIFT


FURTHEST_SHIFT = 16
"""steps by which a series is shifted against itself; more are a split into training and validation data"""


def _is_full_selection(value: Value) -> bool:
    return not isinstance(value, Const) or value.value not in {None, Ellipsis}


def _columns(value: Array, where: Where, narrowing: bool, shape: tuple[int | None, ...] | None = None) -> Array:
    if not narrowing:
        return replace(value, shape=shape)
    node = where.node
    what = where.text.segment(node.slice) if isinstance(node, ast.Subscript) else where.written
    narrowed = arrays.selected(value, what, shape)
    uneven = value.structure in arrays.LABELS or any(step.startswith("column ") for step in value.scalings)
    return replace(narrowed, values=ValueRange(value.values.hull)) if uneven else narrowed


def sliced(run: Run, value: Value, node: ast.expr, frame: Frame, where: Where) -> Value:
    """``value[a:b]``, ``value[:, 1:]``."""
    if isinstance(node, ast.Slice):
        bounds = [None if part is None else run.evaluate(part, frame) for part in (node.lower, node.upper, node.step)]
        made = _range_of(run, value, bounds, where)
        width = _window(run, node, frame)
        if width is not None and isinstance(made, Array) and made.shape and made.shape[0] is None:
            return replace(made, shape=(width, *made.shape[1:]))
        return made
    assert isinstance(node, ast.Tuple)
    parts = [_part(run, part, frame) for part in node.elts]
    array = value if isinstance(value, Array) else run.as_array(value) if isinstance(value, Unknown) else None
    if array is not None:
        shape = indexing.indexed(array.shape, parts)
        narrowing = [part for index, part in enumerate(node.elts) if _narrows(part) and index > 0]
        if not narrowing:
            return replace(array, shape=shape)
        what = where.text.segment(node)
        return arrays.selected(array, _beyond_first(what), shape)
    if isinstance(value, Tensor):
        return tensors.indexed(value, parts)
    if isinstance(value, (Object, Instance)):
        method = attributes.find(run, value, "__getitem__")
        if method is not None:
            return run.call(method, Call(where, [Unknown("a slice", where)]))
    return Unknown(f"`{where.written}` is not known", where)


def _part(run: Run, node: ast.expr, frame: Frame) -> indexing.Part:
    """One entry of a subscript, for the shape that it leaves."""
    if not isinstance(node, ast.Slice):
        return indexing.part_of(run.evaluate(node, frame))
    bounds = [None if part is None else run.evaluate(part, frame) for part in (node.lower, node.upper, node.step)]
    width = _window(run, node, frame) if isinstance(bounds[0], Unknown) or isinstance(bounds[1], Unknown) else None
    if width is not None:
        return indexing.Window(width)
    return slice(*(_bound(bound) for bound in bounds))


def _window(run: Run, node: ast.Slice, frame: Frame) -> int | None:
    """How many places ``i : i + n`` and ``i - n : i`` take, whatever place ``i`` is."""
    for shifted, plain, operator in ((node.upper, node.lower, ast.Add), (node.lower, node.upper, ast.Sub)):
        if node.step is not None or plain is None or isinstance(plain, ast.Constant):
            continue
        if not isinstance(shifted, ast.BinOp) or not isinstance(shifted.op, operator):
            continue
        same = ast.dump(plain)
        width = shifted.right if ast.dump(shifted.left) == same else None
        if width is None and operator is ast.Add and ast.dump(shifted.right) == same:
            width = shifted.left
        known = None if width is None else run.evaluate(width, frame)
        if isinstance(known, Const) and type(known.value) is int and known.value > 0:
            return known.value
    return None


def _bound(value: Value | None) -> Any:
    """An end or a step of a slice: a number or None, ``...`` where it is not known."""
    if value is None:
        return None
    known = value.value if isinstance(value, Const) else ...
    return known if known is None or (isinstance(known, int) and not isinstance(known, bool)) else ...


def _beyond_first(text: str) -> str:
    return text.split(",", 1)[1].strip() if "," in text else text


def _narrows(part: ast.expr) -> bool:
    if isinstance(part, ast.Slice):
        return part.lower is not None or part.upper is not None or _strides(part)
    return not (isinstance(part, ast.Constant) and part.value in {None, Ellipsis}) and not (
        isinstance(part, ast.Attribute) and part.attr == "newaxis"
    )


def _strides(part: ast.Slice) -> bool:
    """Whether values are left out between others; ``::-1`` only turns them round."""
    return part.step is not None and ast.unparse(part.step) not in {"1", "-1"}


def _range_of(run: Run, value: Value, bounds: list[Value | None], where: Where) -> Value:
    known: list[Any] = [_bound(bound) for bound in bounds]
    plain = ... not in known
    if isinstance(value, Seq):
        if plain and value.rest is None:
            return Seq(value.items[slice(*known)], value.kind, None, value.open)
        return Seq([], value.kind, value.rest or (value.items[0] if value.items else None))
    if isinstance(value, Const) and isinstance(value.value, (str, bytes, tuple)):
        return Const(value.value[slice(*known)], where) if plain else Unknown("a part of a text", where)
    if isinstance(value, Array):
        if value.shape is not None and len(value.shape) == 1 and value.dtype is None:
            return value
        return _moved(replace(value, shape=indexing.indexed(value.shape, [slice(*known)])), where)
    if isinstance(value, Unknown):
        if value.array is not None:
            return _moved(value.array, where)
        return value
    if isinstance(value, Tensor):
        return tensors.indexed(value, [slice(*known)])
    if isinstance(value, (Object, Instance)):
        method = attributes.find(run, value, "__getitem__")
        if method is not None:
            known_slice = plain and isinstance(value, Object)
            return run.call(method, Call(where, [Const(slice(*known)) if known_slice else Unknown("a slice", where)]))
    return Unknown(f"`{where.written}` is not known", where)

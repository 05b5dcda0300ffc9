"""Assignments: what is bound to names and attributes, and what is written into arrays and containers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import array_api, arrays, operators, tables, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame, Scope
from ae_audit.static.domain.stores import ByIdentity, Store
from ae_audit.static.domain.values import (
    COLUMNS,
    Array,
    Class,
    Const,
    Function,
    Instance,
    Library,
    Mapping,
    Module,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
    is_const,
    python,
)
from ae_audit.static.interpreter import attributes, subscripts
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run


UNPACKED = "a, b = "
"""the method of what stands for the several things that a function out of reach returns"""


def assign(run: Run, target: ast.expr, value: Value, frame: Frame, written: ast.expr | None = None) -> None:
    """Bind ``value`` to a target: a name, an attribute, an element, or several of them.

    ``written``: the expression that gave it, where it stands alone.
    """
    if isinstance(target, ast.Name):
        if isinstance(value, Object) and "name" not in value.attrs:
            value.attrs.setdefault("variable", Const(target.id))
        frame.scope.bind(target.id, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        unpack(run, target, value, frame)
    elif isinstance(target, ast.Attribute):
        where = None if written is None else Where(frame.text, written)
        set_attribute(run, run.evaluate(target.value, frame), target.attr, value, where)
    elif isinstance(target, ast.Subscript):
        _set_item(run, target, value, frame)
    elif isinstance(target, ast.Starred):
        assign(run, target.value, value, frame)


def overwrite(run: Run, target: ast.expr, former: Value, value: Value, frame: Frame) -> None:
    """Change what stands in ``target`` in place: an array is seen changed under all of its names, a caller's too."""
    assign(run, target, value, frame)
    if not isinstance(former, Array) or not isinstance(value, Array) or former.shape == ():
        return
    for names in _namespaces(run):
        run.charge(len(names) // 2)
        for name, bound in names.items():
            if bound is former:
                names[name] = value


def _namespaces(run: Run) -> Iterator[dict[str, Value]]:
    """Names of everything that is being run, and the attributes of the instances that these know."""
    seen: set[int] = set()
    for running in run.scopes:
        scope: Scope | None = running
        while scope is not None and id(scope) not in seen:
            seen.add(id(scope))
            yield scope.names
            yield from (value.attrs for value in list(scope.names.values()) if isinstance(value, Instance))
            scope = scope.parent


def unpack(run: Run, target: ast.Tuple | ast.List, value: Value, frame: Frame) -> None:
    """``a, *b = value``."""
    where = Where(frame.text, target)
    names = target.elts
    parts = parts_of(run, value, len(names), where)
    star = next((i for i, name in enumerate(names) if isinstance(name, ast.Starred)), None)
    if star is not None:
        items, rest = run.iterate(value, where)
        after = len(names) - star - 1
        if rest is None and len(items) >= len(names) - 1:
            middle = items[star : len(items) - after]
            parts = [*items[:star], Seq(middle, "list"), *items[len(items) - after :]]
        elif rest is not None and items:
            parts[star:] = [Seq(items[star:], "list", rest), *[rest] * after]
        else:
            parts[star] = Seq([], "list", parts[star])
    for name, part in zip(names, parts, strict=True):
        assign(run, name, part, frame)


def parts_of(run: Run, value: Value, count: int, where: Where) -> list[Value]:
    """``count`` values that unpacking yields."""
    if isinstance(value, Seq):
        if value.rest is None and len(value.items) == count:
            return list(value.items)
        filler = value.rest or Unknown("a part of a sequence of another length", where)
        return [value.items[i] if i < len(value.items) else filler for i in range(count)]
    if isinstance(value, Unknown):
        return [attributes.child(value, ("[]", i)) for i in range(count)]
    if isinstance(value, Array):
        first = attributes.first_axis_removed(value)
        return [replace(first, selection=(*first.selection, f"part {i}")) for i in range(count)]
    if isinstance(value, Tensor):
        return [value for _ in range(count)]
    if isinstance(value, Const) and isinstance(value.value, (str, tuple)) and len(value.value) == count:
        return [Const(item) for item in value.value]
    apart = run.registry.method(value, UNPACKED)
    if apart is not None:
        return run.iterate(apart(run, value, Call(where, [Const(count)])), where)[0]
    items, rest = run.iterate(value, where)
    filler = rest or Unknown("a part of something unknown", where)
    return [items[i] if i < len(items) else filler for i in range(count)]


def set_attribute(run: Run, owner: Value, name: str, value: Value, where: Where | None = None) -> None:
    """``owner.name = value``, with ``value`` written at ``where``."""
    if isinstance(owner, Instance):
        setter = owner.cls.find(f"{name}.setter")
        if isinstance(setter, Function):
            run.call(setter, Call(setter.where, [owner, value]))
            return
        own = owner.cls.find("__setattr__")
        if isinstance(own, Function) and own not in run.active:
            run.call(own, Call(own.where, [owner, Const(name), value]))
            owner.attrs.setdefault(name, value)
            return
        owner.attrs[name] = value
    elif isinstance(owner, (Object, Class)):
        former = owner.attrs.get(name)
        owner.attrs[name] = value
        _PLACES.of(run).setdefault(owner, {})[name] = where
        if isinstance(owner, Object) and isinstance(owner.state, Seq) and former is not None:
            # a named part of a container, which holds it in its place
            owner.state.items = [value if item is former else item for item in owner.state.items]
    elif isinstance(owner, Module):
        owner.scope.own(name)
        owner.scope.names[name] = value
    elif isinstance(owner, Unknown):
        owner.children[name] = value


_PLACES: Store[ByIdentity[dict[str, Where | None]]] = Store(ByIdentity)
"""where the attributes of objects and classes were set from outside, by name"""


def place_of(run: Run, owner: Value, name: str) -> Where | None:
    """Where ``owner.name`` was set from outside; None where it was not, or where that is not known."""
    return (_PLACES.of(run).get(owner) or {}).get(name)


def delete(run: Run, target: ast.expr, frame: Frame) -> None:
    """``del target``: a name, an attribute, an element, or several of them."""
    if isinstance(target, ast.Name):
        frame.scope.unbind(target.id)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for item in target.elts:
            delete(run, item, frame)
    elif isinstance(target, ast.Attribute):
        owner = run.evaluate(target.value, frame)
        if isinstance(owner, (Instance, Object, Class)):
            owner.attrs.pop(target.attr, None)
    elif isinstance(target, ast.Subscript):
        subscripts.delete(run, run.evaluate(target.value, frame), target, frame)


def _set_item(run: Run, target: ast.Subscript, value: Value, frame: Frame) -> None:
    if _is_globals(target.value):  # asking for all names of a module, to bind one, would read all that it imports
        name = run.evaluate(target.slice, frame)
        if is_const(name, str):
            frame.scope.globals_.names[str(python(name))] = value
        return
    owner = run.evaluate(target.value, frame)
    if isinstance(target.slice, ast.Slice):
        _set_slice(run, target, owner, value, frame)
        return
    if isinstance(owner, Mapping):
        subscripts.put(owner, run.evaluate(target.slice, frame), value)
        return
    key = run.evaluate(target.slice, frame) if not isinstance(target.slice, ast.Tuple) else Unknown("a selection")
    if isinstance(owner, Seq):
        if isinstance(key, Const) and isinstance(key.value, int) and -len(owner.items) <= key.value < len(owner.items):
            owner.items[key.value] = value
        else:
            _put_somewhere(owner, value)
    elif isinstance(owner, Array):
        _write_into(run, target, owner, value, frame)
    elif isinstance(owner, Tensor):
        _overwrite(run, target, owner, value, frame)
    elif isinstance(owner, (Instance, Object)):
        run.call_method(owner, "__setitem__", Call(Where(frame.text, target), [key, value]))
    elif isinstance(owner, Unknown) and isinstance(key, Const):
        owner.children["[]", subscripts.key_of(key)] = value
    elif isinstance(owner, Library) and owner.name == "os.environ" and is_const(key, str) and is_const(value, str):
        name, text = python(key), python(value)
        if name == "KERAS_BACKEND":
            run.backends.add(text)


def _is_globals(node: ast.expr) -> bool:
    """Whether it is ``globals()``."""
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "globals" and not node.args
    )


def _put_somewhere(owner: Seq, value: Value) -> None:
    """``owner[i] = value`` for an unknown index; constants that something else takes the place of held it free."""
    if all(isinstance(item, Const) for item in owner.items) and not isinstance(value, Const):
        owner.items, owner.rest, owner.open = [], value, True
    else:
        owner.items.append(value)
        subscripts.loosen(owner)


def _set_slice(run: Run, target: ast.Subscript, owner: Value, value: Value, frame: Frame) -> None:
    if isinstance(owner, Array):
        _write_into(run, target, owner, value, frame)
    elif isinstance(owner, Tensor):
        _overwrite(run, target, owner, value, frame)
    elif isinstance(owner, Seq):
        items, rest = run.iterate(value, Where(frame.text, target))
        place = subscripts.place_of(run, target.slice, frame)
        if place == slice(None):
            owner.items[:], owner.rest = items, rest
        elif len(owner.items) + len(items) > operators.MAX_ITEMS:
            operators.extend(owner, items, rest)
            subscripts.loosen(owner)
        elif isinstance(place, slice) and place.step is None and owner.rest is None and rest is None:
            owner.items[place] = items
        else:
            owner.items.extend(items)
            subscripts.loosen(owner)
    elif isinstance(owner, (Instance, Object)):
        key = subscripts.key_for(run, target.slice, frame)
        run.call_method(owner, "__setitem__", Call(Where(frame.text, target), [key, value]))


def _overwrite(run: Run, target: ast.Subscript, owner: Tensor, value: Value, frame: Frame) -> None:
    """``y[...] = v`` on what a network computes: parts of it may have another activation from now on."""
    if isinstance(value, Tensor) and (value.head.activation, value.head.range) != (
        owner.head.activation,
        owner.head.range,
    ):
        joined = tensors.concatenated(run, [owner, value], Where(frame.text, target), owner.framework)
        assign(run, target.value, joined, frame)


def _write_into(run: Run, target: ast.Subscript, owner: Array, value: Value, frame: Frame) -> None:
    """``x[...] = v``: the array may hold the new values besides the old ones."""
    empty = owner.source is not None and owner.source.endswith("empty")
    blank = owner.values.reach is not None and owner.values.hull.width == 0 and owner.why is None
    if isinstance(value, Tensor):
        if blank or empty:
            # what a network computes step by step: from now on the array is that
            assign(run, target.value, replace(value, head=replace(value.head, shape=owner.shape)), frame)
        return
    new = run.as_array(value)
    if new is None:
        return
    if owner.dtype is not None:
        cast = array_api.cast(run, new, owner.dtype, Where(frame.text, target))
        new = cast if isinstance(cast, Array) else new
    if _all_of(target.slice):
        overwrite(run, target.value, owner, replace(new, shape=owner.shape, dtype=owner.dtype or new.dtype), frame)
        return
    plane = isinstance(target.slice, ast.Tuple) and any(not _stretch(part) for part in target.slice.elts[1:])
    single = isinstance(value, Const) or (new.shape == () and new.statistic is None)
    if blank and single:
        # single places are written: the old values and the new ones both occur, of one plane not in the others
        joined = owner.values.together(new.values)
        values = ValueRange(joined.hull, owner.values.reach) if plane else joined
        structure = _marked(target, owner, value, frame) or owner.structure
        overwrite(run, target.value, owner, replace(owner, values=values, structure=structure), frame)
        return
    if blank or empty:
        # zeros that are filled in: from now on the array is what is written into it
        apart = plane and new.structure in {Structure.BINARY_LABEL, Structure.MULTI_HOT}
        structure = Structure.UNKNOWN if apart else new.structure  # what the planes are to each other is not known
        left = new.values if empty else ValueRange(new.values.hull.hull(owner.values.hull), new.values.reach)
        overwrite(run, target.value, owner, replace(new, values=left, shape=owner.shape, structure=structure), frame)
        return
    joined = owner.values.together(new.values)
    columns = _columns_written(run, target, frame)
    if not columns and (rows_of := _rows_written(target, frame)) is not None:
        former = tables.column_of(owner, rows_of.strip("'\""))
        hull = (owner if former is None else former).values.hull
        values = ValueRange(hull.hull(new.values.hull), new.values.reach) if former is None else former.values
        columns, new = (rows_of,), replace(new, values=values.together(new.values))
        joined = owner.values.together(new.values)
    if columns:
        # a column of a table: its values occur in the table, not in every column of it
        scalings = (*owner.scalings, *(f"column {column}" for column in columns))
        made = replace(owner, values=joined, scalings=scalings)
        if joined.reach != owner.values.reach:  # by the column: what was done to it tells why
            steps = tuple(step for step in new.trail if step not in owner.trail)
            made = replace(made, trail=(*owner.trail, *steps), where=new.where or owner.where)
        made = tables.with_columns(made, owner, tuple(name.strip("'\"") for name in columns), new)
        overwrite(run, target.value, owner, made, frame)
        return
    if owner.pictured and _marks_white(target.slice, value):  # the author says which two values the files have
        levels = arrays.recast(replace(owner, pictured=False), ValueRange.exactly(UNIT), "255 becomes 1",
                               Where(frame.text, target))  # fmt: skip
        overwrite(run, target.value, owner, replace(levels, dtype=owner.dtype), frame)
        return
    partial = isinstance(target.slice, (ast.Slice, ast.Tuple, ast.Constant))
    reach = owner.values.reach if partial else None  # a mask may have replaced just the values that are reached
    standardised = owner.standardised if partial else Tri.UNKNOWN
    changed = replace(owner, values=ValueRange(joined.hull, reach), standardised=standardised, columns=())
    overwrite(run, target.value, owner, changed, frame)


def _marked(target: ast.Subscript, owner: Array, value: Value, frame: Frame) -> Structure | None:
    """What a sample's vector of zeros is in which a data set writes ones: several classes, where a loop writes them."""
    of_sample = frame.function is not None and frame.function.name == "__getitem__"
    if not of_sample or not is_const(value, int, float) or python(value) != 1 or owner.shape is None:
        return None
    assert frame.function is not None
    if len(owner.shape) != 1 or owner.values.hull.hi != 0 or isinstance(target.slice, (ast.Slice, ast.Tuple)):
        return None
    loops = (node for node in ast.walk(frame.function.node) if isinstance(node, (ast.For, ast.While)))
    return Structure.MULTI_HOT if any(part is target for loop in loops for part in ast.walk(loop)) else None


def _marks_white(key: ast.expr, value: Value) -> bool:
    """Whether ``mask[mask == 255] = 1`` is written: white becomes 1."""
    if not isinstance(key, ast.Compare) or len(key.ops) != 1 or not isinstance(key.ops[0], ast.Eq):
        return False
    white = key.comparators[0]
    return isinstance(white, ast.Constant) and white.value == 255 and isinstance(value, Const) and value.value == 1


def _columns_written(run: Run, target: ast.Subscript, frame: Frame) -> tuple[str, ...]:
    """The columns of a table that an assignment sets, as written: ``t["a"]``, ``t[["a", "b"]]``, ``t.loc[:, "a"]``."""
    key = target.slice
    if isinstance(key, ast.Tuple):
        by_label = isinstance(target.value, ast.Attribute) and target.value.attr in {"loc", "iloc"}
        if not by_label or len(key.elts) != 2 or not _all_of(key.elts[0]):
            return ()
        key = key.elts[1]
        if isinstance(key, ast.Slice):  # from one column to another
            return (frame.text.segment(key),) if key.lower is not None or key.upper is not None else ()
    if isinstance(key, ast.Constant):
        return (frame.text.segment(key),) if isinstance(key.value, str) else ()
    named = run.evaluate(key, frame)
    names = [item for item in named.items if is_const(item, str)] if isinstance(named, Seq) else []
    if isinstance(named, Seq) and names and len(names) == len(named.items):
        return tuple(repr(python(name)) for name in names)
    return (frame.text.segment(key),) if is_const(named, str) or _lists_columns(named) else ()


def _rows_written(target: ast.Subscript, frame: Frame) -> str | None:
    """The column of which some rows are set, as written: ``t.loc[t["kind"] == "b", "a"]``."""
    key = target.slice
    if not isinstance(target.value, ast.Attribute) or target.value.attr not in {"loc", "at"}:
        return None
    if not isinstance(key, ast.Tuple) or len(key.elts) != 2 or _all_of(key.elts[0]):
        return None
    column = key.elts[1]
    named = isinstance(column, ast.Constant) and isinstance(column.value, str)
    return frame.text.segment(column) if named else None


def _lists_columns(value: Value) -> bool:
    """Whether a value is what ``table.columns`` gives, or a part of it."""
    return isinstance(value, Unknown) and value.reason == COLUMNS


def _all_of(key: ast.expr) -> bool:
    """Whether a subscript takes the whole array: ``[:]``, ``[...]``, ``[:, :]``."""
    parts = key.elts if isinstance(key, ast.Tuple) else [key]
    return all(_stretch(p) and not (isinstance(p, ast.Slice) and (p.lower or p.upper or p.step)) for p in parts)


def _stretch(part: ast.expr) -> bool:
    """Whether a subscript takes a stretch of an axis, or all of one or several: ``2:30``, ``:``, ``...``."""
    return isinstance(part, ast.Slice) or (isinstance(part, ast.Constant) and part.value is ...)

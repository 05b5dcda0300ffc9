"""Methods of Python's lists, dictionaries and texts."""

from __future__ import annotations

from ae_audit.static.domain import operators
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Mapping, Seq, Unknown, Value, python
from ae_audit.static.interpreter import demand, subscripts
from ae_audit.static.interpreter.registry import Table
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("containers")
MOST_PARTS = 64
"""parts of a text that are told apart"""


def _first(call: Call) -> Value:
    return call.args[0] if call.args else Unknown("a missing argument", call.where)


@TABLE.method("list", "append", "add", "appendleft")
def _append(run: Run, receiver: Seq, call: Call) -> Value:
    receiver.open = receiver.open or run.loops > 0
    if len(receiver.items) < 256:
        receiver.items.append(_first(call))
    else:
        receiver.rest = _first(call)
    return Const(None)


@TABLE.method("list", "extend", "update")
def _extend(run: Run, receiver: Seq, call: Call) -> Value:
    items, rest = run.iterate(_first(call), call.where)
    receiver.open = receiver.open or run.loops > 0
    operators.extend(receiver, items, rest)
    return Const(None)


@TABLE.method("list", "index")
def _index(run: Run, receiver: Seq, call: Call) -> Value:
    """The place of an entry: known, or any place of a list of names, each of them in some turn of a loop."""
    wanted, known = _first(call), receiver.rest is None and not receiver.open
    if not known or len(receiver.items) < 2 or not all(isinstance(item, Const) for item in receiver.items):
        return Unknown(f"the place `{call.where.written}` in a list", call.where)
    texts = [python(item) for item in receiver.items]
    if isinstance(wanted, Const):
        return (
            Const(texts.index(wanted.value), call.where)
            if wanted.value in texts
            else Unknown("an index out of range", call.where)
        )
    places = Interval(0.0, len(texts) - 1.0)
    return Array(ValueRange(places, places if run.turning else None), "int64", (), root=run.fresh(), where=call.where)


@TABLE.method("list", "insert")
def _insert(run: Run, receiver: Seq, call: Call) -> Value:
    index = call.constant(0)
    if isinstance(index, int) and len(call.args) > 1 and len(receiver.items) < operators.MAX_ITEMS:
        receiver.items.insert(index, call.args[1])
    return Const(None)


@TABLE.method("list", "pop")
def _pop(run: Run, receiver: Seq, call: Call) -> Value:
    index = call.constant(0, default=-1 if not call.args else None)
    known = isinstance(index, int) and -len(receiver.items) <= index < len(receiver.items)
    if known and (receiver.rest is None or index >= 0):
        return receiver.items.pop(index)
    if receiver.rest is None and not known:
        subscripts.loosen(receiver)
    return receiver.rest or Unknown("an element of an empty list", call.where)


@TABLE.method("list", "copy")
def _copy(run: Run, receiver: Seq, call: Call) -> Value:
    run.charge(len(receiver.items))
    return Seq(list(receiver.items), receiver.kind, receiver.rest, receiver.open)


@TABLE.method("list", "reverse", "clear")
def _reverse(run: Run, receiver: Seq, call: Call) -> Value:
    receiver.items.reverse()
    if call.name == "clear":
        receiver.items.clear()
        receiver.rest = None
    return Const(None)


@TABLE.method("list", "sort")
def _sort(run: Run, receiver: Seq, call: Call) -> Value:
    subscripts.sort(receiver, call)
    return Const(None)


@TABLE.method("list", "remove", "discard")
def _remove(run: Run, receiver: Seq, call: Call) -> Value:
    given = _first(call)
    run.charge(len(receiver.items))
    places = [index for index, item in enumerate(receiver.items) if item is given or _equal(item, given)]
    if places and (receiver.rest is None or isinstance(given, Const)):
        del receiver.items[places[0]]
    elif not (isinstance(given, Const) and all(isinstance(item, Const) for item in receiver.items)):
        subscripts.loosen(receiver)
    return Const(None)


def _equal(item: Value, other: Value) -> bool:
    return isinstance(item, Const) and isinstance(other, Const) and bool(item.value == other.value)


@TABLE.method("dict", "get", "pop", "setdefault")
def _get(run: Run, receiver: Mapping, call: Call) -> Value:
    given = _first(call)
    key = subscripts.key_of(given)
    if isinstance(given, Const) and given.soft is not None and key in receiver.items:
        run.offer_values(given.soft, given.value, tuple(receiver.items)[:8])
    if key is not None and key in receiver.items:
        return receiver.items.pop(key) if call.name == "pop" else receiver.items[key]
    if receiver.rest is not None:
        return receiver.rest
    if key is not None and call.name == "get" and demand.fill_registries(run, receiver) and key in receiver.items:
        return receiver.items[key]
    default = call.args[1] if len(call.args) > 1 else Const(None)
    if call.name == "setdefault":
        subscripts.put(receiver, given, default)
    return default


@TABLE.method("dict", "update")
def _update(run: Run, receiver: Mapping, call: Call) -> Value:
    value = call.get(0)
    if isinstance(value, Mapping):
        run.charge(len(value.items))
        receiver.items.update(value.items)
        receiver.rest = receiver.rest or value.rest
    elif value is not None:
        receiver.rest = Unknown("an entry put in at run time")
    receiver.items.update(call.kwargs)
    return Const(None)


@TABLE.method("dict", "items")
def _items(run: Run, receiver: Mapping, call: Call) -> Value:
    run.charge(len(receiver.items))
    pairs: list[Value] = [Seq([Const(key), value], "tuple") for key, value in receiver.items.items()]
    rest = None if receiver.rest is None else Seq([Unknown("a key"), receiver.rest], "tuple")
    return Seq(pairs, "list", rest)


@TABLE.method("dict", "values")
def _values(run: Run, receiver: Mapping, call: Call) -> Value:
    run.charge(len(receiver.items))
    return Seq(list(receiver.items.values()), "list", receiver.rest)


@TABLE.method("dict", "keys")
def _keys(run: Run, receiver: Mapping, call: Call) -> Value:
    run.charge(len(receiver.items))
    return Seq([Const(key) for key in receiver.items], "list", None if receiver.rest is None else Unknown("a key"))


@TABLE.method("dict", "copy")
def _copy_dict(run: Run, receiver: Mapping, call: Call) -> Value:
    run.charge(len(receiver.items))
    return Mapping(dict(receiver.items), receiver.rest)


_TEXT_METHODS = ("lower", "upper", "strip", "lstrip", "rstrip", "title", "capitalize", "startswith",
    "endswith", "split",
                 "replace", "join", "isdigit", "partition", "rpartition", "removeprefix", "removesuffix")  # fmt: skip


@TABLE.method("str", *_TEXT_METHODS)
def _text_method(run: Run, receiver: Const, call: Call) -> Value:
    name = call.name
    given = [python(value, ...) for value in call.args]
    if name not in _TEXT_METHODS or ... in given or len(receiver.value) > 4096:
        return Unknown("a text put together at run time", call.where)
    try:
        result = getattr(receiver.value, name)(*given)
    except Exception:
        return Unknown("a text put together at run time", call.where)
    if isinstance(result, (list, tuple)):
        rest = Unknown("a part of a long text", call.where) if len(result) > MOST_PARTS else None
        return Seq([Const(part) for part in result[:MOST_PARTS]], "list" if isinstance(result, list) else "tuple", rest)
    if isinstance(result, str) and len(result) > 4096:
        return Unknown("a long text", call.where)
    return Const(result, receiver.where, receiver.soft)


@TABLE.method("str", "format", "encode")
def _text_format(run: Run, receiver: Const, call: Call) -> Value:
    return Unknown("a text put together at run time", call.where)

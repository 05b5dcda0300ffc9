"""Python itself: built-in functions, and the few standard modules that programs are configured with."""

from __future__ import annotations

import math

from ae_audit.static.domain import arrays, losses, operators
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.stores import ByIdentity, Store
from ae_audit.static.domain.values import (
    Array,
    Class,
    Const,
    DefaultValue,
    Difference,
    Function,
    Instance,
    Library,
    LossValue,
    Mapping,
    Module,
    Object,
    Partial,
    Seq,
    Tensor,
    Unknown,
    Value,
    is_const,
)
from ae_audit.static.interpreter import attributes, subscripts, turns
from ae_audit.static.interpreter.registry import Table

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("python")
MOST_CHOICES = 8
"""values of an option that are tried, where one must be given"""
MAX_CALLS = 32
"""elements for which ``map`` and ``filter`` call a function one by one"""
TABLE.aliases.update(
    {"__builtin__": "builtins", "six.moves": "builtins", "argparse.Namespace": "types.SimpleNamespace"}
)
TABLE.constants.update(
    {
        "math.pi": math.pi, "math.e": math.e, "math.inf": math.inf, "sys.argv": Unknown("a command line argument"),
        "builtins.None": None, "builtins.True": True, "builtins.False": False, "os.sep": "/",
    }
)  # fmt: skip


def _first(call: Call) -> Value:
    return call.args[0] if call.args else Unknown("a missing argument", call.where)


@TABLE.function("builtins.range", "builtins.xrange")
def _range(run: Run, call: Call) -> Value:
    bounds = [call.constant(i) for i in range(min(len(call.args), 3))]
    if bounds and all(isinstance(b, int) for b in bounds):
        try:
            numbers = range(*bounds)
        except ValueError:
            return Seq([], "range")
        if not numbers[64:]:  # len() of a longer one than memory can hold raises
            return Seq([Const(n) for n in numbers], "range")
    upwards = len(call.args) == 1
    return Seq(
        [], "range", arrays.counter(run, call.where) if upwards else Unknown("the counter of a loop", call.where)
    )


_LENGTHS: Store[ByIdentity[Unknown]] = Store(ByIdentity)
"""of lists of which it is not known"""


@TABLE.function("builtins.len")
def _len(run: Run, call: Call) -> Value:
    value = _first(call)
    if isinstance(value, Seq) and value.rest is None and not value.open:
        return Const(len(value.items), call.where)
    if isinstance(value, Mapping) and value.rest is None:
        return Const(len(value.items), call.where)
    if isinstance(value, Unknown):
        return attributes.child(value, "len()", "the length of something unknown")
    if isinstance(value, Seq):
        return _LENGTHS.of(run).setdefault(value, Unknown("the length of a list", call.where))
    if isinstance(value, Const) and isinstance(value.value, (str, bytes)):
        return Const(len(value.value), call.where)
    if isinstance(value, Array) and value.shape and value.shape[0] is not None:
        return Const(value.shape[0], call.where)
    return Unknown("the length of something", call.where)


@TABLE.function("builtins.print", "builtins.input", "builtins.open", "builtins.id", "builtins.hash")
def _no_value(run: Run, call: Call) -> Value:
    return Unknown("what it reads or prints", call.where)


@TABLE.function("builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset", "builtins.sorted",
                "builtins.reversed", "builtins.iter")  # fmt: skip
def _sequence(run: Run, call: Call) -> Value:
    kind = call.name
    if not call.args:
        return Seq([], kind)
    value = _first(call)
    if isinstance(value, (Array, Tensor, Unknown)) or (kind == "iter" and not isinstance(value, Seq)):
        return value
    items, rest = run.iterate(value, call.where)
    if kind == "reversed":
        items = items[::-1]
    made = Seq(items, {"sorted": "list", "reversed": "list", "iter": "iterator"}.get(kind, kind), rest)
    if kind in {"set", "frozenset"}:
        known = {item.value for item in items if isinstance(item, Const) and isinstance(item.value, (str, int, float))}
        if len(known) < len(items):  # what is equal is there once; what is not known may be
            first = dict.fromkeys(item.value for item in items if isinstance(item, Const) and item.value in known)
            constants = all(isinstance(item, Const) for item in items)
            made = Seq([Const(each) for each in first], made.kind, rest) if constants else made
            made.open = not constants
    made.open = made.open or (isinstance(value, Seq) and value.open)
    if kind == "sorted":
        subscripts.sort(made, call)
    return made


@TABLE.function("builtins.next")
def _next(run: Run, call: Call) -> Value:
    given = _first(call)
    if isinstance(given, Seq) and given.kind == "iterator" and given.items and not run.loops:
        return given.items.pop(0)
    return run.element(given, call.where)


@TABLE.function("builtins.enumerate", "tqdm.tenumerate")
def _enumerate(run: Run, call: Call) -> Value:
    items, rest = run.iterate(_first(call), call.where)
    start = call.constant(1, "start", default=0)
    counted: list[Value] = [Seq([Const(start + i), item], "tuple") for i, item in enumerate(items)]
    upwards = isinstance(start, int) and start >= 0
    counter = arrays.counter(run, call.where) if upwards else Unknown("the counter of a loop", call.where)
    more = None if rest is None else Seq([counter, rest], "tuple")
    given = call.args[0] if call.args else None
    return Seq(counted, "iterator", more, isinstance(given, Seq) and given.open)


@TABLE.function("builtins.zip", "itertools.zip_longest")
def _zip(run: Run, call: Call) -> Value:
    columns = [run.iterate(value, call.where) for value in call.args]
    known = [len(items) for items, rest in columns if rest is None]
    count = min(known) if known else 0
    rows: list[Value] = [
        Seq([items[i] if i < len(items) else rest or Unknown("", call.where) for items, rest in columns], "tuple")
        for i in range(count)
    ]
    if known:
        return Seq(rows, "iterator", None, any(isinstance(value, Seq) and value.open for value in call.args))
    return Seq([], "iterator", Seq([run.element(value, call.where) for value in call.args], "tuple"))


@TABLE.function("builtins.map")
def _map(run: Run, call: Call) -> Value:
    function = _first(call)
    columns = [run.iterate(value, call.where) for value in call.args[1:]]
    if not columns:
        return Seq([], "iterator")
    items = [
        run.call(function, Call(call.where, [column[0][i] for column in columns if i < len(column[0])]))
        for i in range(min(len(columns[0][0]), MAX_CALLS))
    ]
    rests = [rest for _, rest in columns if rest is not None]
    if not rests and len(items) == MAX_CALLS:
        rests = [column[0][-1] for column in columns if column[0]]
    return Seq(items, "iterator", turns.of_each(run, function, Call(call.where, rests)) if rests else None)


@TABLE.function("builtins.filter")
def _filter(run: Run, call: Call) -> Value:
    if len(call.args) < 2:
        return Seq()
    test, (items, rest) = call.args[0], run.iterate(call.args[1], call.where)
    if len(items) > MAX_CALLS:
        return Seq([], "iterator", run.element(call.args[1], call.where))
    chosen = [operators.truth(item if is_const(test) else run.call(test, Call(call.where, [item]))) for item in items]
    kept = [item for item, taken in zip(items, chosen, strict=True) if taken is not False]
    return Seq(kept, "iterator", rest, None in chosen)


@TABLE.function("builtins.dict", "collections.OrderedDict", "collections.defaultdict", "types.SimpleNamespace")
def _dict(run: Run, call: Call) -> Value:
    made = Mapping()
    value = call.get(0)
    if isinstance(value, Mapping):
        made.items.update(value.items)
        made.rest = value.rest
    elif isinstance(value, Seq):
        for pair in value.items:
            if isinstance(pair, Seq) and len(pair.items) == 2 and isinstance(pair.items[0], Const):
                made.items[pair.items[0].value] = pair.items[1]
    made.items.update(call.kwargs)
    name = call.name
    if name in {"SimpleNamespace", "Namespace"}:
        space = Object("types.SimpleNamespace", call)
        space.attrs.update(call.kwargs)
        return space
    return made


_CONVERSIONS: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "round": round, "abs": abs,
                                "pow": pow}  # fmt: skip


@TABLE.function("builtins.int", "builtins.float", "builtins.bool", "builtins.str", "builtins.round", "builtins.abs",
                "math.ceil", "math.floor", "math.sqrt", "math.log", "math.log2", "math.exp", "math.prod",
                "builtins.pow")  # fmt: skip
def _convert(run: Run, call: Call) -> Value:
    name = call.name
    value = call.get(0)
    if value is None:
        return Const({"int": 0, "float": 0.0, "bool": False, "str": ""}.get(name, 0))
    if isinstance(value, Const) and all(isinstance(v, Const) for v in call.args):
        try:
            arguments = [v.value for v in call.args if isinstance(v, Const)]
            if any(isinstance(a, (str, bytes)) and len(a) > 400 for a in arguments) or (
                name == "pow" and any(abs(a) > 64 for a in arguments)
            ):
                return Unknown("a constant too large to compute", call.where)
            function: Any = _CONVERSIONS.get(name) or getattr(math, name)
            result = function(*arguments)
        except Exception:
            return Unknown("a conversion that fails", call.where)
        return Const(result, value.where, value.soft and DefaultValue(value.soft.source))
    if name == "sqrt" and isinstance(value, LossValue):
        return losses.rooted(value)
    if name in {"abs", "pow"} and isinstance(value, (Array, Tensor, Difference)):
        from ae_audit.static.domain import array_api, operators

        exponent = call.get(1)
        if name == "abs":
            return array_api.absolute(run, value, call.where)
        return Unknown("a power", call.where) if exponent is None else operators.binary(
            run, "**", value, exponent, call.where
        )  # fmt: skip
    if name in {"float", "abs", "round"} and isinstance(value, (Array, Tensor, LossValue)):
        return value
    if isinstance(value, Array) and name == "int":
        return Unknown("an integer computed at run time", call.where)
    reason = value.reason if isinstance(value, Unknown) else "a number computed at run time"
    return Unknown(reason, call.where)


@TABLE.function("builtins.min", "builtins.max")
def _extreme(run: Run, call: Call) -> Value:
    name = call.name
    values, rest = run.iterate(call.args[0], call.where) if len(call.args) == 1 else (call.args, None)
    if values and rest is None and not call.kwargs and all(isinstance(v, Const) for v in values):
        try:
            return Const((min if name == "min" else max)(v.value for v in values if isinstance(v, Const)))
        except TypeError:
            pass
    if len(call.args) == 1 and isinstance(call.args[0], (Array, Unknown)):
        array = run.as_array(call.args[0])
        if array is not None:
            return run.call(run.attribute(array, name), Call(call.where))
    return Unknown("an extreme computed at run time", call.where)


@TABLE.function("builtins.sum")
def _sum(run: Run, call: Call) -> Value:
    items, rest = run.iterate(_first(call), call.where)
    total: Value = call.get(1, "start") or Const(0)
    values = [*items, *([] if rest is None else [rest])]
    if len(values) > 64:
        return Unknown("a long sum", call.where)
    for item in values:
        if isinstance(total, Const) and total.value == 0:
            total = item
        else:
            total = operators.binary(run, "+", total, item, call.where)
    return total


@TABLE.function("builtins.isinstance", "builtins.issubclass")
def _isinstance(run: Run, call: Call) -> Value:
    value, kind = call.get(0), call.get(1)
    kinds = kind.items if isinstance(kind, Seq) else [kind]
    names = {k.name for k in kinds if isinstance(k, Library)}
    if isinstance(value, Instance) and all(isinstance(k, Class) for k in kinds):
        return Const(any(k in value.cls.lineage() for k in kinds))
    builtin: dict[type, str] = {str: "str", int: "int", float: "float", bool: "bool"}
    if isinstance(value, Const) and names and all(n.startswith("builtins.") for n in names):
        return Const(any(f"builtins.{builtin.get(c, '')}" in names for c in type(value.value).__mro__))
    if isinstance(value, Seq) and names and all(n.startswith("builtins.") for n in names):
        return Const(f"builtins.{value.kind}" in names)
    if isinstance(value, (Array, Tensor, Mapping)) and names and all(n.startswith("builtins.") for n in names):
        return Const(isinstance(value, Mapping) and "builtins.dict" in names)
    if isinstance(value, Object) and names:
        line = run.registry.line(value.cls)
        return Const(True) if names & set(line) else Unknown("a test on something unknown", call.where)
    return Unknown("a test on something unknown", call.where)


@TABLE.function("builtins.getattr")
def _getattr(run: Run, call: Call) -> Value:
    value, name = call.get(0), call.constant(1)
    if value is None or not isinstance(name, str):
        return Unknown("an attribute chosen at run time", call.where)
    found = attributes.find(run, value, name)
    return found or call.get(2) or run.attribute(value, name, call.where)


@TABLE.function("builtins.setattr")
def _setattr(run: Run, call: Call) -> Value:
    from ae_audit.static.interpreter.assignment import set_attribute

    name = call.constant(1)
    if isinstance(name, str) and len(call.args) == 3:
        set_attribute(run, call.args[0], name, call.args[2])
    return Const(None)


@TABLE.function("builtins.hasattr")
def _hasattr(run: Run, call: Call) -> Value:
    value, name = call.get(0), call.constant(1)
    if isinstance(value, (Instance, Module)) and isinstance(name, str):
        return Const(attributes.find(run, value, name) is not None)
    return Unknown("a test on something unknown", call.where)


@TABLE.function("builtins.type")
def _type(run: Run, call: Call) -> Value:
    value = _first(call)
    return value.cls if isinstance(value, Instance) else Unknown("a type", call.where)


@TABLE.function("functools.partial", "functools.partialmethod")
def _partial(run: Run, call: Call) -> Value:
    return Partial(_first(call), tuple(call.args[1:]), tuple(call.kwargs.items()))


@TABLE.function("functools.wraps", "functools.lru_cache", "functools.update_wrapper", "contextlib.contextmanager",
                "atexit.register", "dataclasses.dataclass")  # fmt: skip
def _decorator(run: Run, call: Call) -> Value:
    if call.args and isinstance(call.args[0], (Function, Class)) and call.name != "wraps":
        return call.args[0]
    return Library("functools.identity")


@TABLE.function("functools.identity", "copy.copy", "copy.deepcopy", "typing.cast", "dataclasses.replace", "tqdm.tqdm",
                "tqdm.auto.tqdm", "tqdm.notebook.tqdm", "tqdm.trange", "tqdm.tqdm_notebook", "rich.progress.track",
                "progressbar.progressbar", "tqdm.std.tqdm", "tqdm.autonotebook.tqdm", "itertools.cycle",
                "itertools.islice", "itertools.chain")  # fmt: skip
def _identity(run: Run, call: Call) -> Value:
    if call.name == "trange":
        return _range(run, call)
    if call.name == "cast" and len(call.args) > 1:
        return call.args[1]
    return call.args[0] if call.args else call.get(None, "iterable") or Unknown("nothing", call.where)


@TABLE.function("dataclasses.field")
def _field(run: Run, call: Call) -> Value:
    default = call.get(None, "default")
    if default is not None:
        return default
    factory = call.get(None, "default_factory")
    return Unknown("a field without a default") if factory is None else run.call(factory, Call(call.where))


@TABLE.function("argparse.ArgumentParser", "optparse.OptionParser", "configargparse.ArgumentParser")
def _parser(run: Run, call: Call) -> Value:
    return Object("argparse.ArgumentParser", call)


@TABLE.method("argparse.ArgumentParser", "add_argument", "add_option")
def _add_argument(run: Run, receiver: Object, call: Call) -> Value:
    names = [v.value for v in call.args if isinstance(v, Const) and isinstance(v.value, str)]
    destination = call.constant(None, "dest")
    long = next((n for n in names if n.startswith("--")), names[0] if names else "")
    name = destination or long.lstrip("-").replace("-", "_")
    action = call.constant(None, "action")
    default = call.get(None, "default")
    source = f"args.{name}"
    if default is None:
        default = Const({"store_true": False, "store_false": True}.get(action)) if action else None
        if default is None and not long.startswith("-"):
            default = Unknown(f"the command line argument `{name}`", call.where)
        if default is None and call.constant(None, "required") is True:
            default = _demanded(run, name, source, call)
        default = default or Const(None)
    if isinstance(default, Const):
        run.soft_defaults[source] = default.value
        converter = call.get(None, "type")
        if isinstance(converter, Library) and isinstance(default.value, str):
            default = run.call(converter, Call(call.where, [default]))
    if isinstance(default, Const):
        default = run.soft(default.value, source, default.where)
    receiver.attrs[f"--{name}"] = default
    return Const(None)


def _demanded(run: Run, name: str, source: str, call: Call) -> Value:
    """An argument that must be given: any of its choices, none of which is the default."""
    choices = call.get(None, "choices")
    if isinstance(choices, Seq) and choices.items and isinstance(choices.items[0], Const):
        given = tuple(item.value for item in choices.items if isinstance(item, Const))
        run.demanded[source] = given[:MOST_CHOICES]
        return choices.items[0]
    return Unknown(f"the command line argument `{name}`, which has no default", call.where)


@TABLE.method("argparse.ArgumentParser", "add_argument_group", "add_mutually_exclusive_group", "add_subparsers",
              "add_parser")  # fmt: skip
def _argument_group(run: Run, receiver: Object, call: Call) -> Value:
    return receiver


@TABLE.method("argparse.ArgumentParser", "set_defaults")
def _set_defaults(run: Run, receiver: Object, call: Call) -> Value:
    for name, value in call.kwargs.items():
        receiver.attrs[f"--{name}"] = value
    return Const(None)


@TABLE.method("argparse.ArgumentParser", "parse_args", "parse_known_args")
def _parse_args(run: Run, receiver: Object, call: Call) -> Value:
    space = Object("types.SimpleNamespace", call)
    for name, value in receiver.attrs.items():
        if name.startswith("--"):
            space.attrs[name[2:]] = value
    known = call.name == "parse_known_args"
    return Seq([space, Unknown("other arguments")], "tuple") if known else space


@TABLE.function("builtins.vars")
def _vars(run: Run, call: Call) -> Value:
    value = call.get(0)
    if isinstance(value, (Object, Instance)):
        return Mapping(dict(value.attrs))
    return Unknown("the variables of something", call.where)


@TABLE.function("sys.exit", "os._exit", "builtins.exit", "builtins.quit")
def _leave(run: Run, call: Call) -> Value:
    return Library("exit")


@TABLE.function("os.path.exists", "os.path.isfile", "os.path.isdir", "os.getenv", "time.time", "os.environ.get")
def _outside(run: Run, call: Call) -> Value:
    if call.constant(0) == "KERAS_BACKEND" and len(call.args) > 1:
        return call.args[1]
    return Unknown("a matter of the machine that it runs on", call.where)


@TABLE.function("os.environ.setdefault")
def _environment_default(run: Run, call: Call) -> Value:
    backend = call.constant(1)
    if call.constant(0) == "KERAS_BACKEND" and isinstance(backend, str):
        run.backends.add(backend)
    return Unknown("a matter of the machine that it runs on", call.where)

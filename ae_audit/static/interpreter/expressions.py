"""Expressions: from a syntax node to an abstract value."""

from __future__ import annotations

import ast
from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.static.conventions import CONVENTIONAL
from ae_audit.static.domain import arrays, operators, tables
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame, Scope
from ae_audit.static.domain.values import (
    Array,
    Bound,
    Class,
    Const,
    Function,
    Instance,
    Library,
    Mapping,
    Seq,
    Unknown,
    Value,
)
from ae_audit.static.interpreter import attributes, branching, subscripts, turns
from ae_audit.static.interpreter.budget import BudgetSpentError
from ae_audit.static.source.sources import LOST, Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

    Evaluator = Callable[["Run", Any, Frame], Value]

MAX_COMPREHENSION = 64
"""items that a comprehension is run through one by one: lists of layers are shorter, lists of data are alike"""


def evaluate(run: Run, node: ast.expr, frame: Frame) -> Value:
    """The abstract value of an expression."""
    run.steps -= 1
    if run.steps < 0:
        raise BudgetSpentError
    evaluator = EVALUATORS.get(type(node))
    if evaluator is None:
        return Unknown("an expression of a kind that is not followed", Where(frame.text, node))
    return evaluator(run, node, frame)


def _constant(run: Run, node: ast.Constant, frame: Frame) -> Value:
    return Const(node.value, Where(frame.text, node))


def _name(run: Run, node: ast.Name, frame: Frame) -> Value:
    found = frame.scope.lookup(node.id)
    if found is not None:
        return found
    builtin = f"builtins.{node.id}"
    if builtin in run.registry.functions or node.id in _BUILTIN_NAMES:
        return Library(builtin)
    for star in run.star_imports:
        name = run.registry.normalise(f"{star}.{node.id}")
        assumed = star in run.assumed
        if run.registry.knows(name) or (assumed and star == "torch.nn" and node.id.endswith("Loss")):
            if assumed:
                run.assumed_names.add(node.id)
            return attributes.library_name(run, f"{star}.{node.id}")
    if node.id in CONVENTIONAL:
        if run.assumed:
            run.assumed_names.add(node.id)
        return attributes.library_name(run, CONVENTIONAL[node.id])
    why = "a line that does not parse" if node.id == LOST else f"the name `{node.id}` is not defined in this file"
    missing = Unknown(why, Where(frame.text, node))
    frame.scope.globals_.names.setdefault(node.id, missing)
    return missing


def _attribute(run: Run, node: ast.Attribute, frame: Frame) -> Value:
    owner = evaluate(run, node.value, frame)
    found = run.attribute(owner, node.attr, Where(frame.text, node))
    if isinstance(owner, Unknown) and isinstance(found, Bound) and found.function is None:
        return attributes.child(owner, (".", node.attr))  # not called: an attribute that a method is named like
    if isinstance(owner, Array) and attributes.find(run, owner, node.attr) is None:  # not called: a column, perhaps
        written = tables.column_of(owner, node.attr)
        if written is not None:
            return written
        if owner.shape is not None and tables.is_table(owner):
            return arrays.selected(owner, repr(node.attr), owner.shape[:1])
    return found


def _call(run: Run, node: ast.Call, frame: Frame) -> Value:
    if isinstance(node.func, ast.Name) and node.func.id == "super":
        made = _super(run, node, frame)
        if made is not None:
            return made
    if isinstance(node.func, ast.Name) and node.func.id in {"locals", "globals", "vars"} and not node.args:
        names = frame.scope.globals_.every() if node.func.id == "globals" else frame.scope.names
        run.charge(len(names))
        return Mapping(dict(names))
    if isinstance(node.func, ast.Attribute):
        return _method_calls(run, node, frame)
    return run.call(evaluate(run, node.func, frame), arguments(run, node, frame))


def _method_calls(run: Run, node: ast.Call, frame: Frame) -> Value:
    """``a.b(…).c(…)``: such a chain, too, may be longer than Python recurses."""
    chain: list[tuple[ast.Call, ast.Attribute]] = []
    owner: ast.expr = node
    while isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):
        if chain:
            run.step()
        chain.append((owner, owner.func))
        owner = owner.func.value
    value = evaluate(run, owner, frame)
    for call, method in reversed(chain):
        function = run.attribute(value, method.attr, Where(frame.text, method))
        value = run.call(function, arguments(run, call, frame))
    return value


def _super(run: Run, node: ast.Call, frame: Frame) -> Value | None:
    """``super()`` and ``super(Class, self)`` inside a method."""
    from ae_audit.static.domain.values import Super

    owner: Value | None = frame.owner
    receiver: Value | None = frame.receiver
    if node.args:
        given = [evaluate(run, argument, frame) for argument in node.args[:2]]
        owner = given[0] if isinstance(given[0], Class) else owner
        receiver = given[1] if len(given) > 1 and isinstance(given[1], (Class, Instance)) else receiver
    return Super(owner, receiver) if isinstance(owner, Class) and receiver is not None else None


def arguments(run: Run, node: ast.Call, frame: Frame) -> Call:
    """The arguments of a call, stars unpacked where their contents are known."""
    call = Call(Where(frame.text, node))
    for item in node.args:
        if isinstance(item, ast.Starred):
            items, rest = run.iterate(evaluate(run, item.value, frame), call.where)
            room = max(0, operators.MAX_ITEMS - len(call.args))
            call.args.extend(items[:room])
            if rest is not None or len(items) > room:
                call.open = True
        else:
            call.args.append(evaluate(run, item, frame))
    for keyword in node.keywords:
        value = evaluate(run, keyword.value, frame)
        if keyword.arg is not None:
            call.kwargs[keyword.arg] = value
        elif isinstance(value, Mapping):
            for key, item_value in value.items.items():
                if isinstance(key, str):
                    call.kwargs[key] = item_value
            call.open = call.open or value.rest is not None
        else:
            call.open = True
    return call


def _binary(run: Run, node: ast.BinOp, frame: Frame) -> Value:
    chain = [node]
    while isinstance(chain[-1].left, ast.BinOp):  # a sum is as deep as it is long: deeper than Python recurses
        run.step()
        chain.append(chain[-1].left)
    value = evaluate(run, chain[-1].left, frame)
    for operation in reversed(chain):
        value = _operated(run, operation, value, evaluate(run, operation.right, frame), frame)
    return value


def _operated(run: Run, node: ast.BinOp, left: Value, right: Value, frame: Frame) -> Value:
    where = Where(frame.text, node)
    symbol = operators.SYMBOLS[type(node.op)]
    for value, name in ((left, _LEFT.get(symbol)), (right, _RIGHT.get(symbol))):
        if isinstance(value, Instance) and name is not None:
            method = value.cls.find(name)
            if isinstance(method, Function):
                other = right if value is left else left
                made = run.call_method(value, name, Call(where, [other]))
                if made is not None:
                    return made
    made = operators.binary(run, symbol, left, right, where)
    if isinstance(made, Array):
        run.charge(len(made.scalings))
    return made


_LEFT = {"+": "__add__", "-": "__sub__", "*": "__mul__", "/": "__truediv__"}
_RIGHT = {"+": "__radd__", "-": "__rsub__", "*": "__rmul__", "/": "__rtruediv__"}


def _unary(run: Run, node: ast.UnaryOp, frame: Frame) -> Value:
    value = evaluate(run, node.operand, frame)
    where = Where(frame.text, node)
    if isinstance(node.op, ast.Not):
        known = operators.truth(value)
        if known is None:
            return Unknown("a test on something unknown", where)
        return Const(not known, where, value.soft if isinstance(value, Const) else None)
    if isinstance(node.op, ast.USub):
        return operators.negate(run, value, where)
    if isinstance(node.op, ast.Invert) and isinstance(value, Array):
        return operators.inverted(run, value, where)
    return value if isinstance(node.op, ast.UAdd) else Unknown("a bitwise complement", where)


def _boolean(run: Run, node: ast.BoolOp, frame: Frame) -> Value:
    stop_at = isinstance(node.op, ast.Or)
    unknown: Value | None = None
    last: Value = Const(None)
    soft = None
    for item in node.values:
        last = evaluate(run, item, frame)
        if isinstance(last, Const) and last.soft is not None:
            soft = last.soft
        known = operators.truth(last)
        if known is stop_at:
            if unknown is None or not stop_at:
                return last
            return last if not isinstance(last, Const) or not isinstance(last.value, bool) else unknown
        if known is None:
            if not isinstance(last, Unknown) and stop_at:
                return last
            unknown = unknown or last
    if unknown is not None:
        return unknown if not isinstance(last, Unknown) and isinstance(last, Const) else last
    if soft is not None and isinstance(last, Const) and last.soft is None:
        return Const(last.value, last.where, soft)
    return last


def _compare(run: Run, node: ast.Compare, frame: Frame) -> Value:
    left = evaluate(run, node.left, frame)
    result: Value = Const(True)
    where = Where(frame.text, node)
    for op, item in zip(node.ops, node.comparators, strict=True):
        right = evaluate(run, item, frame)
        result = operators.compare(run, op, left, right, where)
        if operators.truth(result) is False:
            return result
        left = right
    return result


def _conditional(run: Run, node: ast.IfExp, frame: Frame) -> Value:
    test = evaluate(run, node.test, frame)
    if run.turning and operators.truth(test) is None and turns.asks(run, node.test) and turns.is_number_choice(node):
        made = turns.chosen(run, node, frame)
        if made is not None:
            return made
    chosen = branching.decide(run, test, node.test, frame)
    return evaluate(run, node.body if chosen else node.orelse, frame)


def _lambda(run: Run, node: ast.Lambda, frame: Frame) -> Value:
    return make_function(run, node, frame)


def make_function(run: Run, node: Any, frame: Frame) -> Function:
    """A function or lambda with its closure; defaults are evaluated now, as Python does."""
    defaults = [evaluate(run, item, frame) for item in node.args.defaults]
    kw_defaults = {
        arg.arg: evaluate(run, item, frame)
        for arg, item in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if item is not None
    }
    in_class_body = frame.owner is not None and frame.function is None
    closure = frame.scope.parent if in_class_body and frame.scope.parent is not None else frame.scope
    return Function(node, closure, frame.text, defaults, kw_defaults, frame.owner)


def _sequence(kind: str) -> Evaluator:
    def build(run: Run, node: Any, frame: Frame) -> Value:
        made = Seq([], kind)
        for item in node.elts:
            if isinstance(item, ast.Starred):
                operators.extend(made, *run.iterate(evaluate(run, item.value, frame), Where(frame.text, item)))
            else:
                made.items.append(evaluate(run, item, frame))
        return made

    return build


def _dictionary(run: Run, node: ast.Dict, frame: Frame) -> Value:
    made = Mapping()
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = evaluate(run, value_node, frame)
        if key_node is None:
            if isinstance(value, Mapping):
                run.charge(len(value.items))
                made.items.update(value.items)
                made.rest = made.rest or value.rest
            else:
                made.rest = Unknown("a dictionary merged at run time")
            continue
        subscripts.put(made, evaluate(run, key_node, frame), value)
    return made


def _comprehension(kind: str) -> Evaluator:
    def build(run: Run, node: Any, frame: Frame) -> Value:
        inner = replace(frame, scope=Scope(frame.scope))
        made = Seq([], kind)
        mapping = Mapping()
        _generate(run, node, node.generators, inner, made, mapping)
        if kind == "dict" and made.open and mapping.rest is None and mapping.items:
            mapping.rest = list(mapping.items.values())[-1]
        return mapping if kind == "dict" else made

    return build


def _generate(run: Run, node: Any, generators: list[ast.comprehension], frame: Frame, made: Seq, mapping: Mapping
              ) -> None:  # fmt: skip
    from ae_audit.static.interpreter.assignment import assign

    if not generators:
        if isinstance(node, ast.DictComp):
            subscripts.put(mapping, evaluate(run, node.key, frame), evaluate(run, node.value, frame))
        else:
            made.items.append(evaluate(run, node.elt, frame))
        return
    first, others = generators[0], generators[1:]
    iterable = evaluate(run, first.iter, frame)
    items, rest = run.iterate(iterable, Where(frame.text, first.iter))
    made.open = made.open or (isinstance(iterable, Seq) and iterable.open)
    cut = len(items) > MAX_COMPREHENSION
    if cut:
        items, rest = items[:1], items[-1]
    for item in items:
        assign(run, first.target, item, frame)
        tests = [operators.truth(evaluate(run, test, frame)) for test in first.ifs]
        made.open = made.open or None in tests
        if False not in tests:
            _generate(run, node, others, frame, made, mapping)
    if rest is not None:
        assign(run, first.target, rest, frame)
        for test in first.ifs:
            evaluate(run, test, frame)
        some, some_mapping = Seq([], made.kind), Mapping()
        mark = len(run.turning)
        run.turning.extend(turns.names_of(first.target))
        try:
            _generate(run, node, others, frame, some, some_mapping)
        finally:
            del run.turning[mark:]
        made.rest = some.items[0] if some.items else some.rest
        if some_mapping.items or some_mapping.rest:
            mapping.rest = some_mapping.rest or next(iter(some_mapping.items.values()))
        if cut:  # one of many numbers or texts stands for none of the others
            made.rest, mapping.rest = _any_other(made.rest), _any_other(mapping.rest)


def _any_other(value: Value | None) -> Value | None:
    return Unknown("an entry of a list too long to be followed") if isinstance(value, Const) else value


def _formatted(run: Run, node: ast.JoinedStr, frame: Frame) -> Value:
    parts: list[str] = []
    known = True
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
            continue
        value = evaluate(run, part.value, frame) if isinstance(part, ast.FormattedValue) else Unknown("")
        if isinstance(value, Const) and isinstance(part, ast.FormattedValue) and part.format_spec is None:
            parts.append(str(value.value)[:256])
        else:
            known = False
    where = Where(frame.text, node)
    return Const("".join(parts)[:4096], where) if known else Unknown("a text put together at run time", where)


def _named(run: Run, node: ast.NamedExpr, frame: Frame) -> Value:
    value = evaluate(run, node.value, frame)
    frame.scope.bind(node.target.id, value)
    return value


def _starred(run: Run, node: ast.Starred, frame: Frame) -> Value:
    return evaluate(run, node.value, frame)


def _awaited(run: Run, node: Any, frame: Frame) -> Value:
    return evaluate(run, node.value, frame)


def _yielded(run: Run, node: Any, frame: Frame) -> Value:
    value = Const(None) if node.value is None else evaluate(run, node.value, frame)
    if isinstance(node, ast.YieldFrom):
        value = run.element(value, Where(frame.text, node))
    frame.yielded.append(value)
    return Unknown("what a generator is sent", Where(frame.text, node))


EVALUATORS: dict[type, Evaluator] = {
    ast.Constant: _constant, ast.Name: _name, ast.Attribute: _attribute, ast.Call: _call, ast.BinOp: _binary,
    ast.UnaryOp: _unary, ast.BoolOp: _boolean, ast.Compare: _compare, ast.IfExp: _conditional, ast.Lambda: _lambda,
    ast.List: _sequence("list"), ast.Tuple: _sequence("tuple"), ast.Set: _sequence("set"), ast.Dict: _dictionary,
    ast.ListComp: _comprehension("list"), ast.SetComp: _comprehension("set"),
    ast.GeneratorExp: _comprehension("iterator"), ast.DictComp: _comprehension("dict"),
    ast.Subscript: subscripts.subscript,
    ast.JoinedStr: _formatted, ast.NamedExpr: _named, ast.Starred: _starred, ast.Await: _awaited,
    ast.Yield: _yielded, ast.YieldFrom: _yielded,
}  # fmt: skip
_BUILTIN_NAMES = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "bytes",
        "callable",
        "chr",
        "dict",
        "dir",
        "divmod",
        "enumerate",
        "eval",
        "exec",
        "filter",
        "float",
        "format",
        "frozenset",
        "getattr",
        "hasattr",
        "hash",
        "hex",
        "id",
        "input",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "object",
        "open",
        "ord",
        "pow",
        "print",
        "property",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "setattr",
        "slice",
        "sorted",
        "staticmethod",
        "classmethod",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "vars",
        "zip",
        "Exception",
        "ValueError",
        "TypeError",
        "RuntimeError",
        "NotImplementedError",
        "KeyError",
        "xrange",
        "raw_input",
        "unicode",
        "ImportError",
        "ModuleNotFoundError",
        "StopIteration",
        "AssertionError",
        "OSError",
        "IOError",
    ]
)

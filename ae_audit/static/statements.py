"""Statements: each is run once; branches are chosen, loops take their element, handlers wait for a certain raise."""

from __future__ import annotations

import ast
from collections.abc import Callable
from enum import Enum

from ae_audit.static import attributes, choices, expressions, imports, operators, ops, subscripts, unfollowed
from ae_audit.static.arguments import Call
from ae_audit.static.budget import BudgetSpentError
from ae_audit.static.environment import Frame
from ae_audit.static.sources import Where
from ae_audit.static.values import (
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

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter import Run

    Executor = Callable[["Run", Any, Frame], "Signal"]

MAX_UNROLLED = 32
"""items that a loop is run through one by one; of more, the first two and the last stand for all"""
MAX_COUNTED = 12
"""turns of a loop over ``range`` that builds something: more than the blocks of most nets, less than most epochs"""


class Signal(Enum):
    """How a block was left."""

    NEXT = "next"
    BREAK = "break"
    CONTINUE = "continue"
    RETURN = "return"
    RAISE = "raise"


def execute(run: Run, body: list[ast.stmt], frame: Frame) -> Signal:
    """Run a block; how it was left."""
    for node in body:
        run.step()
        executor = EXECUTORS.get(type(node))
        if executor is None:
            continue
        try:
            signal = executor(run, node, frame)
        except BudgetSpentError:
            raise
        except Exception as error:
            unfollowed.give_up(run, node, frame, error)
            continue
        if signal is not Signal.NEXT:
            return signal
    return Signal.NEXT


def _expression(run: Run, node: ast.Expr, frame: Frame) -> Signal:
    if isinstance(node.value, ast.Constant):
        return Signal.NEXT
    value = run.evaluate(node.value, frame)
    if isinstance(value, Library) and value.name == "exit":
        return Signal.RAISE
    changed = _changed_in_place(node.value)
    if changed is not None and isinstance(value, (Array, Tensor)):
        current = frame.scope.lookup(changed.id)
        if isinstance(current, (Array, Tensor)) and type(current) is type(value):
            assign(run, changed, value, frame)
    return Signal.NEXT


def _changed_in_place(node: ast.expr) -> ast.Name | None:
    """``x`` of ``x.sub_(m).div_(s)``, ``x.resize(…)`` of NumPy, and ``np.divide(x, 255, out=x)``."""
    if not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == "out" and isinstance(keyword.value, ast.Name):
            return keyword.value
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method = node.func.attr
        if not (method == "resize" or (method.endswith("_") and not method.endswith("__"))):
            return None
        node = node.func.value
    return node if isinstance(node, ast.Name) else None


def _assign(run: Run, node: ast.Assign, frame: Frame) -> Signal:
    value = run.evaluate(node.value, frame)
    for target in node.targets:
        assign(run, target, value, frame)
    return Signal.NEXT


def _annotated(run: Run, node: ast.AnnAssign, frame: Frame) -> Signal:
    if node.value is not None:
        assign(run, node.target, run.evaluate(node.value, frame), frame)
    return Signal.NEXT


def _augmented(run: Run, node: ast.AugAssign, frame: Frame) -> Signal:
    load = _as_load(node.target)
    current = run.evaluate(load, frame)
    value = run.evaluate(node.value, frame)
    symbol = operators.SYMBOLS[type(node.op)]
    if symbol == "+" and isinstance(current, Seq) and current.kind == "list":
        items, rest = run.iterate(value, Where(frame.text, node))
        operators.extend(current, items, rest)
        current.open = current.open or run.loops > 0
        return Signal.NEXT
    assign(run, node.target, operators.binary(run, symbol, current, value, Where(frame.text, node)), frame)
    return Signal.NEXT


def _as_load(node: ast.expr) -> ast.expr:
    made: ast.expr
    if isinstance(node, ast.Name):
        made = ast.Name(node.id, ast.Load())
    elif isinstance(node, ast.Attribute):
        made = ast.Attribute(node.value, node.attr, ast.Load())
    elif isinstance(node, ast.Subscript):
        made = ast.Subscript(node.value, node.slice, ast.Load())
    else:
        return node
    return ast.copy_location(made, node)


def assign(run: Run, target: ast.expr, value: Value, frame: Frame) -> None:
    """Bind ``value`` to a target: a name, an attribute, an element, or several of them."""
    if isinstance(target, ast.Name):
        if isinstance(value, Object) and "name" not in value.attrs:
            value.attrs.setdefault("variable", Const(target.id))
        frame.scope.bind(target.id, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        unpack(run, target, value, frame)
    elif isinstance(target, ast.Attribute):
        set_attribute(run, run.evaluate(target.value, frame), target.attr, value)
    elif isinstance(target, ast.Subscript):
        _set_item(run, target, value, frame)
    elif isinstance(target, ast.Starred):
        assign(run, target.value, value, frame)


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
        return [first for _ in range(count)]
    if isinstance(value, Tensor):
        return [value for _ in range(count)]
    if isinstance(value, Const) and isinstance(value.value, (str, tuple)) and len(value.value) == count:
        return [Const(item) for item in value.value]
    items, rest = run.iterate(value, where)
    filler = rest or Unknown("a part of something unknown", where)
    return [items[i] if i < len(items) else filler for i in range(count)]


def set_attribute(run: Run, owner: Value, name: str, value: Value) -> None:
    """``owner.name = value``."""
    if isinstance(owner, Instance):
        setter = owner.cls.attrs.get(f"{name}.setter")
        if isinstance(setter, Function):
            run.call(setter, Call(setter.where, [owner, value]))
            return
        owner.attrs[name] = value
    elif isinstance(owner, (Object, Class)):
        owner.attrs[name] = value
    elif isinstance(owner, Module):
        owner.scope.names[name] = value
    elif isinstance(owner, Unknown):
        owner.children[name] = value


def _set_item(run: Run, target: ast.Subscript, value: Value, frame: Frame) -> None:
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
            owner.rest = value
    elif isinstance(owner, Array):
        _write_into(run, target, owner, value, frame)
    elif isinstance(owner, Unknown) and isinstance(key, Const):
        owner.children["[]", subscripts.key_of(key)] = value
    elif isinstance(owner, Library) and owner.name == "os.environ" and is_const(key, str) and is_const(value, str):
        name, text = python(key), python(value)
        run.marks.add(f"backend:{text}" if name == "KERAS_BACKEND" else f"environment:{name}")


def _set_slice(run: Run, target: ast.Subscript, owner: Value, value: Value, frame: Frame) -> None:
    if isinstance(owner, Array):
        _write_into(run, target, owner, value, frame)
    elif isinstance(owner, Seq):
        items, rest = run.iterate(value, Where(frame.text, target))
        owner.items[:] = items
        owner.rest = rest


def _write_into(run: Run, target: ast.Subscript, owner: Array, value: Value, frame: Frame) -> None:
    """``x[...] = v``: the array may hold the new values besides the old ones."""
    from ae_audit.records import replace
    from ae_audit.theory.ranges import Tri, ValueRange

    new = run.as_array(value)
    if new is not None and owner.dtype is not None and not owner.dtype.startswith("f"):
        cast = ops.cast(run, new, owner.dtype, Where(frame.text, target))
        new = cast if isinstance(cast, Array) else new
    if new is None:
        return
    empty = owner.source is not None and owner.source.endswith("empty")
    blank = owner.values.reach is not None and owner.values.hull.width == 0 and owner.why is None
    single = isinstance(value, Const) or (new.shape == () and new.statistic is None)
    if blank and single:
        # single places are written: the old values and the new ones both occur
        assign(run, target.value, replace(owner, values=owner.values.together(new.values)), frame)
        return
    if blank or empty:
        # zeros that are filled in: from now on the array is what is written into it
        assign(run, target.value, replace(new, shape=owner.shape), frame)
        return
    joined = owner.values.together(new.values)
    column = isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str)
    if column:
        # a column of a table: its values occur in the table, not in every column of it
        scalings = (*owner.scalings, f"column {frame.text.segment(target.slice)}")
        assign(run, target.value, replace(owner, values=joined, scalings=scalings), frame)
        return
    partial = isinstance(target.slice, (ast.Slice, ast.Tuple, ast.Constant))
    reach = owner.values.reach if partial else None  # a mask may have replaced just the values that are reached
    standardised = owner.standardised if partial else Tri.UNKNOWN
    changed = replace(owner, values=ValueRange(joined.hull, reach), standardised=standardised)
    assign(run, target.value, changed, frame)


def _if(run: Run, node: ast.If, frame: Frame) -> Signal:
    test = run.evaluate(node.test, frame)
    return execute(run, node.body if choices.decide_block(run, test, node, frame) else node.orelse, frame)


def _for(run: Run, node: ast.For | ast.AsyncFor, frame: Frame) -> Signal:
    where = Where(frame.text, node.iter)
    iterable = run.evaluate(node.iter, frame)
    items, rest = run.iterate(iterable, where)
    counted = isinstance(iterable, Seq) and iterable.kind == "range"
    if counted and (len(items) > MAX_COUNTED or not run.project.syntax.of(node, node.body).grows):
        items, rest = [], Unknown("the counter of a loop", where)
    elif len(items) > MAX_UNROLLED:
        items, rest = items[:2], items[-1] if rest is None else rest
    turns = [*items, *([] if rest is None else [rest])]
    if rest is not None and counted and isinstance(iterable, Seq):
        turns.extend(_last_turn(run, node, frame))
    for index, value in enumerate(turns):
        assign(run, node.target, value, frame)
        before = len(run.sites)
        unsure = (rest is not None and index >= len(items)) or (isinstance(iterable, Seq) and iterable.open)
        names = [part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)] if unsure else []
        run.loops += unsure
        run.turning.extend(names)
        signal = execute(run, node.body, frame)
        del run.turning[len(run.turning) - len(names) :]
        run.loops -= unsure
        if signal in {Signal.RETURN, Signal.RAISE}:
            return signal
        if signal is Signal.BREAK:
            return Signal.NEXT
        if counted and len(run.sites) > before:
            break
    if rest is not None:
        forget_counters(run, node, frame)
    return execute(run, node.orelse, frame)


def _last_turn(run: Run, node: ast.For | ast.AsyncFor, frame: Frame) -> list[Value]:
    """The last index of ``range(n)`` for an unknown n, where the body asks for it (``i < n - 1``)."""
    if not isinstance(node.target, ast.Name) or not isinstance(node.iter, ast.Call) or not node.iter.args:
        return []
    if node.target.id not in run.project.syntax.of(node, node.body).compared:
        return []
    stop = run.evaluate(node.iter.args[-1 if len(node.iter.args) == 1 else 1], frame)
    last = operators.binary(run, "-", stop, Const(1), Where(frame.text, node.iter))
    return [last] if isinstance(last, (Array, Const)) else []


def forget_counters(run: Run, node: ast.For | ast.AsyncFor | ast.While, frame: Frame) -> None:
    """What a loop of unknown length counts up is unknown after it."""
    for name in run.project.syntax.of(node, node.body).counted:
        current = frame.scope.lookup(name)
        if isinstance(current, Const) and isinstance(current.value, (int, float)):
            frame.scope.bind(name, Unknown("a number counted in a loop"))


def _while(run: Run, node: ast.While, frame: Frame) -> Signal:
    test = run.evaluate(node.test, frame)
    if operators.truth(test) is False and not (isinstance(test, Const) and test.soft is not None):
        return execute(run, node.orelse, frame)
    run.loops += 1
    signal = execute(run, node.body, frame)
    run.loops -= 1
    forget_counters(run, node, frame)
    return signal if signal in {Signal.RETURN, Signal.RAISE} else Signal.NEXT


def _with(run: Run, node: ast.With | ast.AsyncWith, frame: Frame) -> Signal:
    entered: list[str] = []
    for item in node.items:
        manager = run.evaluate(item.context_expr, frame)
        where = Where(frame.text, item.context_expr)
        value = run.call_method(manager, "__enter__", Call(where))
        if item.optional_vars is not None:
            assign(run, item.optional_vars, manager if value is None else value, frame)
        if isinstance(manager, Object) and manager.cls in {"torch.no_grad", "torch.inference_mode"}:
            entered.append("no_grad")
    new = [mark for mark in entered if mark not in run.marks]
    run.marks.update(new)
    try:
        return execute(run, node.body, frame)
    finally:
        run.marks.difference_update(new)


def _try(run: Run, node: Any, frame: Frame) -> Signal:
    before = dict(frame.scope.names)
    signal = execute(run, node.body, frame)
    for name, value in before.items():
        # What a failed attempt to load something leaves behind is what was there before.
        if isinstance(frame.scope.names.get(name), Unknown) and isinstance(value, (Instance, Object)):
            frame.scope.names[name] = value
    if signal is Signal.RAISE and node.handlers:
        handler = node.handlers[0]
        if handler.name:
            frame.scope.bind(handler.name, Unknown("an exception"))
        signal = execute(run, handler.body, frame)
    elif signal is Signal.NEXT:
        signal = execute(run, node.orelse, frame)
    final = execute(run, node.finalbody, frame)
    return final if final is not Signal.NEXT else signal


def _return(run: Run, node: ast.Return, frame: Frame) -> Signal:
    frame.returned = Const(None) if node.value is None else run.evaluate(node.value, frame)
    return Signal.RETURN


def _function(run: Run, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> Signal:
    from ae_audit.static.calls import decorated

    function = expressions.make_function(run, node, frame)
    run.functions.append(function)
    value = decorated(run, function, node.decorator_list, frame)
    frame.scope.bind(node.name, value)
    return Signal.NEXT


def _class(run: Run, node: ast.ClassDef, frame: Frame) -> Signal:
    from ae_audit.static.classes import define

    frame.scope.bind(node.name, define(run, node, frame))
    return Signal.NEXT


def _delete(run: Run, node: ast.Delete, frame: Frame) -> Signal:
    for target in node.targets:
        if isinstance(target, ast.Name):
            frame.scope.names.pop(target.id, None)
    return Signal.NEXT


def _global(run: Run, node: ast.Global, frame: Frame) -> Signal:
    for name in node.names:
        frame.scope.declare_global(name)
    return Signal.NEXT


def _nonlocal(run: Run, node: ast.Nonlocal, frame: Frame) -> Signal:
    for name in node.names:
        frame.scope.declare_nonlocal(name)
    return Signal.NEXT


def _assert(run: Run, node: ast.Assert, frame: Frame) -> Signal:
    return Signal.NEXT


def _raise(run: Run, node: ast.Raise, frame: Frame) -> Signal:
    return Signal.RAISE


def _break(run: Run, node: ast.Break, frame: Frame) -> Signal:
    return Signal.BREAK


def _continue(run: Run, node: ast.Continue, frame: Frame) -> Signal:
    return Signal.CONTINUE


def _match(run: Run, node: ast.Match, frame: Frame) -> Signal:
    subject = run.evaluate(node.subject, frame)
    for case in node.cases:
        pattern = case.pattern
        if isinstance(pattern, ast.MatchValue) and isinstance(subject, Const):
            value = run.evaluate(pattern.value, frame)
            test = operators.compare(run, ast.Eq(), subject, value, Where(frame.text, node.subject))
            if not choices.decide(run, test, pattern.value, frame, text=_case_text(node, pattern, frame)):
                continue
        elif isinstance(pattern, ast.MatchValue):
            test = Unknown("a test on something unknown")
            if not choices.decide(run, test, pattern.value, frame, text=_case_text(node, pattern, frame)):
                continue
        elif isinstance(pattern, ast.MatchAs) and pattern.name is not None:
            frame.scope.bind(pattern.name, subject)
        return execute(run, case.body, frame)
    return Signal.NEXT


def _case_text(node: ast.Match, pattern: ast.MatchValue, frame: Frame) -> str:
    return f"{frame.text.segment(node.subject)} == {frame.text.segment(pattern.value)}"


EXECUTORS: dict[type, Executor] = {
    ast.Expr: _expression, ast.Assign: _assign, ast.AnnAssign: _annotated, ast.AugAssign: _augmented, ast.If: _if,
    ast.For: _for, ast.AsyncFor: _for, ast.While: _while, ast.With: _with, ast.AsyncWith: _with, ast.Try: _try,
    ast.Return: _return, ast.FunctionDef: _function, ast.AsyncFunctionDef: _function, ast.ClassDef: _class,
    ast.Delete: _delete, ast.Global: _global, ast.Nonlocal: _nonlocal, ast.Assert: _assert, ast.Raise: _raise,
    ast.Break: _break, ast.Continue: _continue, ast.Match: _match, ast.Import: imports.import_,
    ast.ImportFrom: imports.import_from,
}  # fmt: skip
_try_star = getattr(ast, "TryStar", None)
if _try_star is not None:
    EXECUTORS[_try_star] = _try

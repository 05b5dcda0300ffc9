"""Statements: each is run once; branches are chosen, loops take their element, handlers wait for a certain raise."""

from __future__ import annotations

import ast
from collections.abc import Callable

from ae_audit.static.domain import operators
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame, Signal
from ae_audit.static.domain.values import Array, Const, Instance, Library, Object, Seq, Tensor, Unknown, Value
from ae_audit.static.interpreter import branching, expressions, imports, loop_widening, recovery, turns
from ae_audit.static.interpreter.assignment import assign, delete, overwrite
from ae_audit.static.interpreter.budget import BudgetSpentError
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

    Executor = Callable[["Run", Any, Frame], "Signal"]

MAX_UNROLLED = 32
"""items that a loop is run through one by one; of more, the first two and the last stand for all"""
MAX_COUNTED = 12
"""turns of a loop over ``range`` that builds something: more than the blocks of most nets, less than most epochs"""


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
            recovery.havoc(run, node, frame, error)
            continue
        if signal is not Signal.NEXT:
            if run.undoing:
                branching.left_early(run, node, body[body.index(node) + 1 :])
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
            overwrite(run, changed, current, value, frame)
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
        assign(run, target, value, frame, node.value)
        if run.turning:
            turns.spread(run, target, node.value)
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
    made = operators.binary(run, symbol, current, value, Where(frame.text, node))
    if _may_bind_anew(frame):
        assign(run, node.target, made, frame)
    else:
        overwrite(run, node.target, current, made, frame)
    return Signal.NEXT


def _may_bind_anew(frame: Frame) -> bool:
    """Whether ``x /= 255`` may change the name alone: tensors of TensorFlow and JAX cannot be written into.

    A function that gives nothing back is meant to change what it was given, so that cannot be such a tensor.
    """
    known = list(frame.scope.globals_.names.values())
    known.extend(filter(None, map(frame.scope.globals_.own, ("tf", "tensorflow", "jnp", "jax"))))
    if not any(isinstance(value, Library) and value.name.startswith(_IMMUTABLE) for value in known):
        return False
    body = frame.function.node if frame.function is not None else None
    return body is not None and any(isinstance(part, ast.Return) and part.value is not None for part in ast.walk(body))


_IMMUTABLE = ("tensorflow", "jax")


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


def _if(run: Run, node: ast.If, frame: Frame) -> Signal:
    test = run.evaluate(node.test, frame)
    if run.turning and operators.truth(test) is None and turns.asks(run, node.test) and turns.is_choice(node):
        return turns.both(run, node, frame)
    return execute(run, node.body if branching.decide_block(run, test, node, frame) else node.orelse, frame)


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
    endless = isinstance(iterable, Seq) and iterable.open
    carried = loop_widening.carried(run, node, frame)
    left = Signal.NEXT
    for index, value in enumerate(turns):
        assign(run, node.target, value, frame)
        before = len(run.sites)
        unsure = (rest is not None and index >= len(items)) or endless
        names = [part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)] if unsure else []
        if unsure:
            names.extend(loop_widening.widen(run, node, frame))
        run.loops += unsure
        mark = len(run.turning)
        run.turning.extend(names)
        left = execute(run, node.body, frame)
        del run.turning[mark:]
        run.loops -= unsure
        if left in {Signal.RETURN, Signal.RAISE}:
            return left
        if left is Signal.BREAK or (counted and len(run.sites) > before):
            break
    if rest is not None or endless:
        loop_widening.forget(run, node, frame, carried)
    return Signal.NEXT if left is Signal.BREAK else execute(run, node.orelse, frame)


def _last_turn(run: Run, node: ast.For | ast.AsyncFor, frame: Frame) -> list[Value]:
    """The last index of ``range(n)`` for an unknown n, where the body asks for it (``i < n - 1``)."""
    if not isinstance(node.target, ast.Name) or not isinstance(node.iter, ast.Call) or not node.iter.args:
        return []
    if node.target.id not in run.project.syntax.of(node, node.body).compared:
        return []
    stop = run.evaluate(node.iter.args[-1 if len(node.iter.args) == 1 else 1], frame)
    last = operators.binary(run, "-", stop, Const(1), Where(frame.text, node.iter))
    return [last] if isinstance(last, (Array, Const)) else []


def _while(run: Run, node: ast.While, frame: Frame) -> Signal:
    test = run.evaluate(node.test, frame)
    if operators.truth(test) is False and not (isinstance(test, Const) and test.soft is not None):
        return execute(run, node.orelse, frame)
    carried = loop_widening.carried(run, node, frame)
    names = loop_widening.widen(run, node, frame)
    run.loops += 1
    mark = len(run.turning)
    run.turning.extend(names)
    signal = execute(run, node.body, frame)
    del run.turning[mark:]
    run.loops -= 1
    loop_widening.forget(run, node, frame, carried)
    return signal if signal in {Signal.RETURN, Signal.RAISE} else Signal.NEXT


def _with(run: Run, node: ast.With | ast.AsyncWith, frame: Frame) -> Signal:
    trains_nothing = False
    for item in node.items:
        manager = run.evaluate(item.context_expr, frame)
        where = Where(frame.text, item.context_expr)
        value = run.call_method(manager, "__enter__", Call(where))
        if item.optional_vars is not None:
            assign(run, item.optional_vars, manager if value is None else value, frame)
        if isinstance(manager, Object) and manager.cls in {"torch.no_grad", "torch.inference_mode"}:
            trains_nothing = True
    kept, run.no_grad = run.no_grad, run.no_grad or trains_nothing
    try:
        return execute(run, node.body, frame)
    finally:
        run.no_grad = kept


def _try(run: Run, node: Any, frame: Frame) -> Signal:
    before = dict(frame.scope.names)
    run.charge(len(before))
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
    from ae_audit.static.interpreter.calls import decorated

    function = expressions.make_function(run, node, frame)
    run.functions.append(function)
    value = decorated(run, function, node.decorator_list, frame)
    frame.scope.bind(node.name, value)
    return Signal.NEXT


def _class(run: Run, node: ast.ClassDef, frame: Frame) -> Signal:
    from ae_audit.static.interpreter.classes import define

    frame.scope.bind(node.name, define(run, node, frame))
    return Signal.NEXT


def _delete(run: Run, node: ast.Delete, frame: Frame) -> Signal:
    for target in node.targets:
        delete(run, target, frame)
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
    from ae_audit.static.interpreter import matching  # few programs need it

    return execute(run, matching.chosen(run, node, frame), frame)


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

"""Calls: dispatch by what is called, binding of arguments, and entering the user's functions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework
from ae_audit.static.domain import losses
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame, Scope, Signal
from ae_audit.static.domain.stores import Store
from ae_audit.static.domain.values import (
    Array,
    Bound,
    Class,
    Const,
    DefaultValue,
    Function,
    Instance,
    Library,
    LossFunction,
    Mapping,
    Object,
    Partial,
    Seq,
    Unknown,
    Value,
)
from ae_audit.static.interpreter import attributes, classes, recovery, turns
from ae_audit.static.interpreter.budget import BudgetSpentError

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

MAX_RECURSION = 2
"""calls of one function within itself: a net that is built from itself shows its output layer in the second"""
MAX_YIELDED = 4
"""values that a generator yields here and there in its body; of more, which a loop yields, the first stands for all"""
MAX_DEPTH = 24
"""calls within calls: deeper than people write, and far from the end of Python's own stack"""


def call(run: Run, function: Value, call: Call) -> Value:
    """Call anything: dispatch by what is called."""
    run.step()
    if isinstance(function, Library):
        return _library(run, function.name, call)
    if isinstance(function, Function):
        return enter(run, function, call)
    if isinstance(function, Bound):
        return _bound(run, function, call)
    if isinstance(function, Class):
        return classes.instantiate(run, function, call)
    if isinstance(function, Partial):
        merged = Call(call.where, [*function.args, *call.args], {**dict(function.kwargs), **call.kwargs}, call.open)
        return run.call(function.function, merged)
    if isinstance(function, LossFunction):
        return losses.compare(run, function, call)
    if isinstance(function, (Object, Instance)):
        method = attributes.find(run, function, "__call__")
        if method is not None:
            return run.call(method, call)
    if isinstance(function, Unknown):
        return unknown_result(run, function.reason, call)
    if isinstance(function, Array):
        return unknown_result(run, function.why or "a call of something unknown", call)
    return unknown_result(run, f"what {attributes.describe(function)} returns is not known", call)


def _library(run: Run, name: str, call: Call) -> Value:
    handler = run.registry.functions.get(name)
    call.name = name.rpartition(".")[2]
    call.qualified = name
    if handler is not None:
        return _of_its_own(guarded(run, lambda: handler(run, call), name, call), call.values())
    below = run.registry.prefix(name)
    if below is not None:
        return guarded(run, lambda: below(run, name, call), name, call)
    return unknown_result(run, f"what `{name}` returns is not known", call)


OUT_OF_REACH: Store[dict[str, Call]] = Store(dict)
"""calls that made a tensor of the network and something else into what is not known, by the reason that is given"""


def unknown_result(run: Run, reason: str, call: Call) -> Value:
    """What an unknown callable returns: a tensor of the network where it was given one."""
    for value in call.values():
        tensors = run.find_tensors(value)
        if isinstance(value, Array) and value.placeholder:
            from ae_audit.static.domain.tensors import opaque

            return opaque(run, Framework.KERAS, [value], reason)
        if tensors:
            from ae_audit.static.domain.tensors import opaque

            if len(call.args) + len(call.kwargs) > 1:
                OUT_OF_REACH.of(run)[reason] = call
            return opaque(run, tensors[0].framework, [*tensors], reason)
    if len(call.args) == 1 and isinstance(call.args[0], Function) and not call.kwargs:
        return call.args[0]  # a decorator of unknown make
    maker = run.registry.functions.get("a data set of unknown make") if "transform" in call.kwargs else None
    if maker is not None:
        return maker(run, call)
    made = Unknown(reason, call.where)
    if call.args:
        made.children["()"] = Seq(list(call.args), "tuple")
    return made


def _bound(run: Run, bound: Bound, call: Call) -> Value:
    if bound.function is not None:
        if isinstance(bound.function, Function):
            return enter(run, bound.function, call, receiver=bound.receiver)
        return run.call(bound.function, call)
    handler = run.registry.method(bound.receiver, bound.name)
    call.name = bound.name
    if handler is None:
        return unknown_result(run, f"what `{bound.name}` returns is not known", call)
    made = guarded(run, lambda: handler(run, bound.receiver, call), bound.name, call)
    return _of_its_own(made, (bound.receiver, *call.values()))


def _of_its_own(made: Value, given: Iterable[Value]) -> Value:
    """What a library gives back as it was given may be a copy: what is written into one must not be seen in both."""
    return replace(made) if isinstance(made, Array) and any(made is value for value in given) else made


def guarded(run: Run, handler: Callable[[], Value], name: str, call: Call) -> Value:
    """What a handler gives; where it fails on arguments that nobody thought of, an unknown, and a note of it."""
    try:
        return handler()
    except (RecursionError, BudgetSpentError):
        raise
    except Exception as error:
        run.faults.append((call.where, recovery.why(error)))
        return unknown_result(run, f"the arguments of `{name}` could not be followed", call)


def enter(run: Run, function: Function, call: Call, receiver: Value | None = None) -> Value:
    """Interpret a user's function with these arguments."""
    run.entered.add(id(function.node))
    if run.active.count(function) >= MAX_RECURSION or len(run.active) >= MAX_DEPTH:
        return Unknown(f"`{function.name}` calls itself too deeply", call.where)
    scope = Scope(function.closure)
    if receiver is not None:
        call = Call(call.where, [receiver, *call.args], call.kwargs, call.open)
    bind(run, function, call, scope)
    frame = Frame(
        scope, function.text, function, function.owner, None, package=run.project.package_of(function.text.path)
    )
    if function.owner is not None:
        first = next(iter([*function.node.args.posonlyargs, *function.node.args.args]), None)
        frame.receiver = scope.names.get(first.arg) if first is not None else None
    run.active.append(function)
    run.scopes.append(scope)
    mark = len(run.turning)
    if run.turning:
        run.turning.extend(turns.parameters(run, function, call, method=receiver is not None))
    try:
        if isinstance(function.node, ast.Lambda):
            return run.evaluate(function.node.body, frame)
        raises = run.execute(function.node.body, frame) is Signal.RAISE
    except RecursionError:
        return Unknown(f"`{function.name}` is nested too deeply", call.where)
    finally:
        run.scopes.pop()
        run.active.pop()
        del run.turning[mark:]
    if frame.yielded:
        few = 1 < len(frame.yielded) <= MAX_YIELDED
        return Seq(list(frame.yielded) if few else [], "iterator", frame.yielded[0], few)
    several = turns.returned(run, frame)
    if several is not None:
        return several
    if raises:
        return Unknown(f"`{function.name}` raises an exception as far as it can be followed", call.where)
    return Const(None) if frame.returned is None else frame.returned


def bind(run: Run, function: Function, call: Call, scope: Scope) -> None:
    """Bind arguments to parameters; defaults stand for what was not given."""
    spec = function.node.args
    uncalled = call.where.node is function.node
    positional = [*spec.posonlyargs, *spec.args]
    kwargs = dict(call.kwargs)
    first_default = len(positional) - len(function.defaults)
    for index, parameter in enumerate(positional):
        name = parameter.arg
        if index < len(call.args):
            scope.names[name] = call.args[index]
        elif name in kwargs:
            scope.names[name] = kwargs.pop(name)
        elif call.open:
            scope.names[name] = _parameter(function, name)
        elif index >= first_default:
            scope.names[name] = _default(run, function, name, function.defaults[index - first_default], call)
        else:
            scope.names[name] = _parameter(function, name)
    if spec.vararg is not None:
        given = list(call.args[len(positional) :])
        unknown = _parameter(function, spec.vararg.arg) if call.open or uncalled else None
        more = Seq(given, "tuple", unknown)
        scope.names[spec.vararg.arg] = unknown if unknown is not None and not given else more
    for parameter in spec.kwonlyargs:
        name = parameter.arg
        if name in kwargs:
            scope.names[name] = kwargs.pop(name)
        elif name in function.kw_defaults and not call.open:
            scope.names[name] = _default(run, function, name, function.kw_defaults[name], call)
        else:
            scope.names[name] = _parameter(function, name)
    if spec.kwarg is not None:
        rest = _parameter(function, spec.kwarg.arg) if call.open or uncalled else None
        scope.names[spec.kwarg.arg] = Mapping(dict(kwargs), rest)


def _parameter(function: Function, name: str) -> Unknown:
    return Unknown(f"the parameter `{name}` of {function.name}()", function.where)


def _default(run: Run, function: Function, name: str, value: Value, call: Call) -> Value:
    """A default: what it is where the program calls the function, what a caller may override where nothing does."""
    if call.where.node is function.node and isinstance(value, Const) and value.soft is None:
        source = f"{function.name}({name})"
        run.soft_defaults[source] = value.value
        offer = run.plan.get(("soft", source))
        if offer is not None:
            return Const(offer.value, value.where, DefaultValue(source))
        return Const(value.value, value.where, DefaultValue(source))
    return value


def decorated(run: Run, function: Function, decorators: list[ast.expr], frame: Frame) -> Value:
    """The function after its decorators; those of unknown make leave it as it is."""
    value: Value = function
    for node in reversed(decorators):
        if isinstance(node, ast.Attribute) and node.attr in {"setter", "getter", "deleter"}:
            frame.scope.names[f"{function.name}.{node.attr}"] = function
            return frame.scope.names.get(function.name, function)
        decorator = run.evaluate(node, frame)
        if isinstance(decorator, Library):
            last = decorator.name.rpartition(".")[2]
            if last in {"property", "cached_property", "staticmethod", "classmethod"}:
                function.decoration = "property" if last == "cached_property" else last
            continue
        if isinstance(decorator, (Function, Bound)):
            made = run.call(decorator, Call(function.where, [value]))
            if isinstance(made, (Function, Partial, Bound)):
                value = made
    return value


def with_unknowns(run: Run, function: Function, receiver: Value | None = None) -> Value:
    """Enter a function that the program never calls, with unknown arguments and its own defaults."""
    return enter(run, function, Call(function.where), receiver)

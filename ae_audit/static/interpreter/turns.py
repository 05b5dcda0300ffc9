"""What differs from turn to turn: tests that ask something of a loop's element go both ways, in different turns.

A label that a loop, a comprehension or ``apply`` makes of each entry (``1 if line.startswith("spam") else 0``) takes
all of its values in one training. A flag of the program, which goes one way for the whole of it, is an alternative
instead (:mod:`ae_audit.static.interpreter.branching`). Which of the two a test is, names tell: those of the elements,
and those that were made from them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame, Signal
from ae_audit.static.domain.values import Array, Bound, Const, Function, Mapping, Seq, Value
from ae_audit.static.interpreter.attributes import first_axis_removed

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

MAX_WIDTH = 64
"""entries of a row that is written out: a class as a vector"""
MAX_ENTRIES = 64
"""of a dictionary that maps words to numbers"""
_ADDING = frozenset({"append", "add"})
_MAKING = frozenset({"array", "asarray", "tensor", "float", "int", "FloatTensor", "LongTensor", "float32", "int64"})
"""functions of whatever library that make an array or number of what is written out"""


def asks(run: Run, node: ast.AST) -> bool:
    """Whether an expression has a part that differs from turn to turn."""
    return bool(run.turning) and any(isinstance(part, ast.Name) and part.id in run.turning for part in ast.walk(node))


def spread(run: Run, target: ast.expr, written: ast.expr) -> None:
    """Note the names that are bound to something made from what differs from turn to turn."""
    if run.turning and asks(run, written):
        run.turning.extend(names_of(target))


def names_of(target: ast.expr) -> list[str]:
    """The names that a target binds."""
    return [part.id for part in ast.walk(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]


def parameters(run: Run, function: Function, call: Call, *, method: bool) -> list[str]:
    """Parameters of a user's function that a call binds to something that differs from turn to turn."""
    node = call.where.node
    if not run.turning or not isinstance(node, ast.Call):
        return []
    spec = function.node.args
    names = [parameter.arg for parameter in (*spec.posonlyargs, *spec.args)][method:]
    found = [name for name, given in zip(names, node.args, strict=False) if asks(run, given)]
    return found + [item.arg for item in node.keywords if item.arg is not None and asks(run, item.value)]


def of_each(run: Run, function: Value, call: Call) -> Value:
    """What a function gives that a library calls for each of many elements, the arguments of ``call``."""
    mark = len(run.turning)
    own = function.function if isinstance(function, Bound) else function
    if isinstance(own, Function):
        spec = own.node.args
        run.turning.extend(parameter.arg for parameter in (*spec.posonlyargs, *spec.args) if parameter.arg != "self")
    try:
        return run.call(function, call)
    finally:
        del run.turning[mark:]


def is_choice(node: ast.If) -> bool:
    """Whether both arms do no more than say which number stands for something."""
    return _says_numbers(node.body) and (not node.orelse or _says_numbers(node.orelse)) and _says_any(node)


def is_number_choice(node: ast.expr) -> bool:
    """Whether an expression is one of several numbers, by tests: ``1 if … else 0 if … else 2``."""
    if isinstance(node, ast.IfExp):
        return is_number_choice(node.body) and is_number_choice(node.orelse)
    return is_written_number(node)


def is_written_number(node: ast.expr | None) -> bool:
    """Whether a number, or a row of numbers, is written out."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float))
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, (ast.USub, ast.UAdd)) and is_written_number(node.operand)
    if isinstance(node, (ast.List, ast.Tuple)):
        return 0 < len(node.elts) <= MAX_WIDTH and all(map(is_written_number, node.elts))
    if isinstance(node, ast.Call) and node.args and is_written_number(node.args[0]):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in _MAKING
    return False


def _says_numbers(body: list[ast.stmt]) -> bool:
    return all(map(_is_plain, body))


def _is_plain(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Pass, ast.Continue, ast.Raise)):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _is_printed(node.value) or _is_added(node)
    if isinstance(node, ast.AugAssign):
        return isinstance(node.target, ast.Name) and is_written_number(node.value)
    return (isinstance(node, ast.If) and is_choice(node)) or _is_said(node)


def _is_said(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return is_number_choice(node.value) and all(isinstance(t, (ast.Name, ast.Subscript)) for t in node.targets)
    return isinstance(node, ast.Return) and node.value is not None and is_number_choice(node.value)


def _is_added(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    call = node.value
    adds = isinstance(call.func, ast.Attribute) and call.func.attr in _ADDING
    return adds and len(call.args) == 1 and is_number_choice(call.args[0])


def _is_printed(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"


def _says_any(node: ast.If) -> bool:
    return any(
        _is_said(part) or _is_added(part) for part in ast.walk(node) if isinstance(part, ast.stmt) and part is not node
    )


def both(run: Run, node: ast.If, frame: Frame) -> Signal:
    """Run both arms, as different turns do; what either binds is one or the other from then on."""
    place = _one_place(node)
    if place is not None:
        from ae_audit.static.interpreter.assignment import assign  # which asks for subscripts, and these for turns

        made = one_of(run, [run.evaluate(value, frame) for value in place[1]])
        if made is not None:
            assign(run, place[0], made, frame)
            return Signal.NEXT
    assigned = [part for part in ast.walk(node) if isinstance(part, ast.Assign)]
    names = {name for part in assigned for target in part.targets for name in names_of(target)}
    before = {name: frame.scope.names.get(name) for name in names}
    left: list[Signal] = []
    bound: list[dict[str, Value | None]] = []
    for arm in (node.body, node.orelse):
        for name, value in before.items():
            if value is None:
                frame.scope.names.pop(name, None)
            else:
                frame.scope.names[name] = value
        signal = run.execute(arm, frame)
        if signal is Signal.RETURN and frame.returned is not None:
            frame.chosen.append(frame.returned)
        left.append(signal)
        if signal is Signal.NEXT:  # what leaves binds nothing for what follows
            bound.append({name: frame.scope.names.get(name) for name in names})
    for name in names:
        values = [value for arm in bound if (value := arm[name]) is not None]
        if values:
            frame.scope.names[name] = one_of(run, values) or values[-1]
    if Signal.NEXT in left:
        return Signal.NEXT
    return left[0] if left[0] is not Signal.RAISE else left[1]


def _one_place(node: ast.If) -> tuple[ast.expr, list[ast.expr]] | None:
    """The place that each arm writes, where they do nothing else and it is the same, and what they write there."""
    if len(node.body) != 1 or len(node.orelse) != 1:
        return None
    target: ast.expr | None = None
    written: list[ast.expr] = []
    for statement in (node.body[0], node.orelse[0]):
        place = _one_place(statement) if isinstance(statement, ast.If) else None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            place = statement.targets[0], [statement.value]
        if place is None or (target is not None and ast.dump(target) != ast.dump(place[0])):
            return None
        target = place[0]
        written.extend(place[1])
    return None if target is None else (target, written)


def chosen(run: Run, node: ast.IfExp, frame: Frame) -> Value | None:
    """A number that is one of several, by tests of what differs from turn to turn."""
    values = [run.evaluate(arm, frame) for arm in (node.body, node.orelse)]
    return one_of(run, values)


def returned(run: Run, frame: Frame) -> Value | None:
    """What a function gives that left by several ways in different turns; None for other functions."""
    if not frame.chosen:
        return None
    last = [] if frame.returned is None or frame.returned in frame.chosen else [frame.returned]
    return one_of(run, [*frame.chosen, *last]) or frame.chosen[0]


def entry(run: Run, mapping: Mapping) -> Value | None:
    """The entry of a dictionary of numbers by a key that differs from turn to turn."""
    if mapping.rest is not None or not 1 < len(mapping.items) <= MAX_ENTRIES:
        return None
    return one_of(run, mapping.items.values())


def one_of(run: Run, values: Iterable[Value]) -> Value | None:
    """A number (or row of numbers) that is each of these in some turn; None where one of them is something else."""
    several = list(values)
    numbers = [value.value for value in several if isinstance(value, Const)]
    if not several or not all(isinstance(number, (int, float)) for number in numbers):
        return None
    if not all(isinstance(value, (Const, Array, Seq)) for value in several):
        return None
    if len(numbers) == len(several) and len(set(numbers)) == 1:
        return several[0]
    made = run.as_array(Seq(several, "list"))
    return None if made is None else first_axis_removed(made)

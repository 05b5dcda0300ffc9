"""Edits that rescale data: a division where it enters the training, or where it was made."""

from __future__ import annotations

import ast

from ae_audit.fix.source import Text, Texts, dotted
from ae_audit.fix.twins import made_alike, twins_in_use
from ae_audit.schema.findings import Edit
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import Rescale
from ae_audit.schema.training_setup import DataFacts, Relation, TrainingSetup
from ae_audit.theory.intervals import affine_onto

_FIT_METHODS = frozenset({"fit", "train_on_batch"})
_LOOPS = (ast.For, ast.While, ast.AsyncFor)


def rescale(remedy: Rescale, setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """The edits after which the data are rescaled; None where no place for that is unambiguous."""
    if remedy.scale > 1:
        return None
    edits = _before_fit(remedy, setup, texts)
    return edits if edits is not None else _where_made(remedy, setup, texts)


def expression(remedy: Rescale, operand: str) -> str:
    """The map as Python: ``x / 255.0``, ``x / 127.5 - 1.0``."""
    factor = 1 / remedy.scale
    scaled = f"{operand} / {_number(factor)}" if remedy.scale < 1 else f"{operand} * {_number(remedy.scale)}"
    if not remedy.shift:
        return scaled
    return f"{scaled} {'+' if remedy.shift > 0 else '-'} {_number(abs(remedy.shift))}"


def _number(value: float) -> str:
    return f"{round(value, 6):.1f}" if round(value, 6) == round(value, 1) else f"{round(value, 6):g}"


def _before_fit(remedy: Rescale, setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """``x = x / 255.0`` for every variable that ``fit`` is given, in front of its statement."""
    text = texts.at(setup.location)
    call = _fit_call(text, setup.location) if text is not None else None
    if text is None or call is None:
        return None
    names = _names(remedy, call)
    statement = statement_of(text, call)
    if names is None or statement is None or _in_a_loop(text, statement):
        return None
    names = [name for name in names if not (name in _validation_only(call) and _there(remedy, setup, asked=False))]
    more = twins_in_use(text, call, names) if remedy.input and not _there(remedy, setup, asked=True) else []
    if more is None:
        return None
    names = [*names, *more]
    start = text.span(statement)[0]
    line_start = text.line_starts[statement.lineno - 1]
    indent = text.source[line_start:start]
    if indent.strip():
        return None  # another statement stands before it on the line
    lines = "".join(f"{name} = {expression(remedy, name)}\n{indent}" for name in names)
    return (text.edit(start, start, lines),)


def _there(remedy: Rescale, setup: TrainingSetup, *, asked: bool) -> bool:
    """Whether what the model is given besides has the scale already that the training data are to get."""
    pairs = (
        [(setup.asked, setup.input)]
        if asked
        else [(setup.validation_input, setup.input), (setup.validation_target, setup.target)]
    )
    for given, trained in pairs:
        if given is not None and given.values.hull.bounded and trained.values.hull.bounded:
            change = affine_onto(trained.values.hull, given.values.hull)
            if change is not None and _close(change[0], remedy.scale) and _close(change[1], remedy.shift):
                return True
    return False


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-3 * max(1e-3, abs(other))


def _validation_only(call: ast.Call) -> set[str]:
    """The variables that are given to ``fit`` as validation data and not to train on."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    trained = [*call.args[:2], *(given[name] for name in ("x", "y") if name in given)]
    held_out = given.get("validation_data")
    return (set() if held_out is None else _variables(held_out)) - {name for one in trained for name in _variables(one)}


def _fit_call(text: Text, place: Location) -> ast.Call | None:
    node = text.node_at(place)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _FIT_METHODS:
        return node
    return None


def _names(remedy: Rescale, call: ast.Call) -> list[str] | None:
    """The variables to rescale, in order; None where an argument is not a plain variable."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    pairs = [(_at(call, 0, keywords.get("x")), _at(call, 1, keywords.get("y")))]
    if pairs[0][1] is None and not remedy.target:
        return None  # one thing that holds the targets as well is a data set, which nothing divides
    validation = keywords.get("validation_data")
    if validation is not None:
        if not isinstance(validation, ast.Tuple | ast.List) or len(validation.elts) < 2:
            return None
        pairs.append((validation.elts[0], validation.elts[1]))
    names: list[str] = []
    kept: set[str] = set()
    for data, target in pairs:
        for node, wanted in ((data, remedy.input), (target, remedy.target)):
            if not wanted:
                kept.update(() if node is None else _variables(node))
            elif not isinstance(node, ast.Name):
                return None
            elif node.id not in names:
                names.append(node.id)
    # one variable that is to be rescaled in one role and kept in the other cannot be both
    return None if kept.intersection(names) or not names else names


def _variables(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _at(call: ast.Call, index: int, keyword: ast.expr | None) -> ast.expr | None:
    return call.args[index] if index < len(call.args) else keyword


def _where_made(remedy: Rescale, setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """Append the division to the expression that the data were made by, where one expression makes all of them."""
    wanted: list[DataFacts] = []
    if remedy.input:
        wanted.append(setup.input)
    if remedy.target:
        wanted.append(setup.target)
    places = {data.location for data in wanted}
    place = next(iter(places)) if len(places) == 1 else None
    alone = remedy.input and remedy.target
    if place is None or not (alone or setup.input.location != setup.target.location):
        return None
    if alone and setup.relation is not Relation.SAME:
        return None
    text = texts.at(place)
    node = text.node_at(place) if text is not None else None
    if text is None or node is None:
        return None
    edits = [append_map(remedy, one, text) for one in (node, *made_alike(node, assigned_to(node, text), text))]
    return tuple(edit for edit in edits if edit is not None) if None not in edits else None


def append_map(remedy: Rescale, node: ast.expr, text: Text) -> Edit | None:
    """The map behind an expression that is the whole value of a variable; None where it is none."""
    if assigned_to(node, text) is None or _is_constructor(node):
        return None
    source = text.text(node)
    operand = source if isinstance(node, ast.Call | ast.Name | ast.Attribute | ast.Subscript) else f"({source})"
    return text.replace(node, expression(remedy, operand))


def assigned_to(node: ast.AST, text: Text) -> ast.Name | None:
    """The variable that ``node`` is the whole value of."""
    parent = text.parents.get(node)
    if not isinstance(parent, ast.Assign) or parent.value is not node or len(parent.targets) != 1:
        return None
    return parent.targets[0] if isinstance(parent.targets[0], ast.Name) else None


def _is_constructor(node: ast.expr) -> bool:
    """Whether ``node`` makes what cannot be divided: an object of a class, a stream of batches, a bunch of arrays."""
    if not isinstance(node, ast.Call):
        return False
    last = dotted(node.func) or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
    last = last.rpartition(".")[2]
    return last[:1].isupper() or last.startswith(("flow", "load_")) or "dataset" in last


def statement_of(text: Text, node: ast.AST) -> ast.stmt | None:
    """The statement that ``node`` is a part of."""
    while node in text.parents:
        if isinstance(node, ast.stmt):
            return node
        node = text.parents[node]
    return None


def _in_a_loop(text: Text, node: ast.AST) -> bool:
    while node in text.parents:
        node = text.parents[node]
        if isinstance(node, _LOOPS):
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return False
    return False

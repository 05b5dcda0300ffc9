"""Edits for advice of which an editor can do a part: a line put in, an axis, a sign, a shape."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from ae_audit.fix.activation import swap_activation
from ae_audit.fix.data import append_map, statement_of
from ae_audit.fix.loss import swap_loss
from ae_audit.fix.source import Text, Texts, dotted
from ae_audit.fix.twins import made_later
from ae_audit.schema.findings import Edit
from ae_audit.schema.location import Location
from ae_audit.schema.remedies import Change, Rescale
from ae_audit.schema.training_setup import DataFacts, Framework, TrainingSetup
from ae_audit.theory.intervals import affine_onto


def follow(change: Change, place: Location, setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """The edits that do what an advice asks for; None where the source does not show how."""
    match change:
        case Change.CLASS_AXIS:
            return _class_axis(setup, texts)
        case Change.CLASSES:
            return _classes(setup, texts)
        case Change.ZERO_GRADIENTS:
            return _zero_gradients(place, texts)
        case Change.SHAPE:
            return _one_shape(setup, texts)
        case Change.POSITIVE_LOSS:
            return _positive(setup, texts)
        case Change.SCALE_LATER:
            return _scale_later(setup, texts)


def _node(place: Location | None, texts: Texts) -> tuple[Text, ast.expr] | None:
    text = texts.at(place) if place is not None else None
    node = text.node_at(place) if text is not None and place is not None else None
    return None if text is None or node is None else (text, node)


def _class_axis(setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """``dim=1`` for ``dim=0``, ``axis=-1`` for ``axis=0``, as a keyword or in its place."""
    found = _node(setup.head.location, texts)
    if found is None:
        return None
    text, call = found
    if not isinstance(call, ast.Call):
        return None
    wanted = "-1" if setup.framework is Framework.KERAS else "1"
    given = [word.value for word in call.keywords if word.arg in {"dim", "axis"}] or call.args[-1:]
    if len(given) != 1 or not isinstance(given[0], ast.Constant) or given[0].value != 0:
        return None
    return (text.replace(given[0], wanted),)


def _classes(setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """``Dense(3, activation="softmax")`` for ``Dense(1, activation="sigmoid")``, and the loss that goes with it."""
    found, hull = _node(setup.head.location, texts), setup.target.values.hull
    if setup.framework is not Framework.KERAS or found is None or not hull.bounded or setup.head.others:
        return None  # in torch the target wants another type and shape as well
    text = found[0]
    layer: ast.AST | None = found[1]
    while layer is not None and not (isinstance(layer, ast.Call) and (dotted(layer.func) or "").endswith("Dense")):
        layer = text.parents.get(layer) if isinstance(layer, ast.expr | ast.keyword) else None
    if not isinstance(layer, ast.Call):
        return None
    given = [word.value for word in layer.keywords if word.arg == "units"] or layer.args[:1]
    if not given or not isinstance(given[0], ast.Constant) or given[0].value != 1:
        return None
    head = swap_activation("softmax", setup.head.location, setup.framework, texts)
    loss = swap_loss("sparse_cce", False, setup.loss.location, setup.framework, texts)
    if head is None or loss is None:
        return None
    return (text.replace(given[0], str(int(hull.hi) + 1)), *head, *loss)


def _zero_gradients(place: Location, texts: Texts) -> tuple[Edit, ...] | None:
    """A line before the gradients are computed, for the optimizer that takes its step after it."""
    found = _node(place, texts)
    statement = None if found is None else statement_of(found[0], found[1])
    if found is None or statement is None:
        return None
    text = found[0]
    optimizer = _stepping(text, statement)
    if optimizer is None:
        return None
    start = text.span(statement)[0]
    indent = text.source[text.line_starts[statement.lineno - 1] : start]
    end = f"\n{indent}" if not indent.strip() else "; "
    return (text.edit(start, start, f"{optimizer}.zero_grad(){end}"),)


def _stepping(text: Text, statement: ast.stmt) -> str | None:
    """The one optimizer whose step follows ``statement`` in its block or in one around it."""
    node: ast.AST = statement
    while node in text.parents:
        parent = text.parents[node]
        for block in ("body", "orelse", "finalbody"):
            body: Sequence[ast.AST] = getattr(parent, block, None) or ()
            if isinstance(body, list) and node in body:
                steps = _steps(body[body.index(node) + 1 :])
                if steps:
                    return steps[0] if len(steps) == 1 else None
        if isinstance(parent, ast.FunctionDef | ast.For | ast.While):
            return None  # a step outside the loop is taken for many gradients
        node = parent
    return None


def _steps(body: Sequence[ast.AST]) -> list[str]:
    """What takes a step of its own in statements, schedules aside."""
    calls = (node for one in body for node in ast.walk(one) if isinstance(node, ast.Call))
    names = (
        dotted(call.func.value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "step" and not call.args
    )
    return list(dict.fromkeys(name for name in names if name is not None and "sched" not in name.lower()))


def _one_shape(setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """``criterion(pred.squeeze(1), y)``: in the call of a torch loss, which takes the prediction first."""
    made, wanted = setup.head.shape, setup.target.shape
    found = _node(setup.location, texts)
    if setup.framework is not Framework.TORCH or found is None or made is None or wanted is None:
        return None
    text, call = found
    if not isinstance(call, ast.Call) or len(call.args) < 2 or setup.loss.custom:
        return None
    if len(made) > len(wanted) and len(made) > 2:
        argument, change = call.args[1], "unsqueeze(1)"
    else:
        argument, change = call.args[0 if len(made) > len(wanted) else 1], "squeeze(1)"
    name = text.text(argument)
    simple = isinstance(argument, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return (text.replace(argument, f"{name if simple else f'({name})'}.{change}"),)


def _positive(setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """The minus sign before the loss is taken out."""
    found = _node(setup.loss.location, texts) or _node(setup.location, texts)
    if found is None or setup.loss.name == "cosine_similarity":
        return None
    text, node = found
    whole: ast.AST = node
    while isinstance(whole, ast.expr):
        if isinstance(whole, ast.UnaryOp) and isinstance(whole.op, ast.USub):
            return (text.replace(whole, text.text(whole.operand)),)
        parent = text.parents.get(whole)
        if not isinstance(parent, ast.UnaryOp) or not isinstance(parent.op, ast.USub):
            return None
        whole = parent
    return None


def _scale_later(setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """The map onto the training data's scale, behind the expression that made what the model is given later."""
    pairs = (
        (setup.asked, setup.input),
        (setup.validation_input, setup.input),
        (setup.validation_target, setup.target),
    )
    edits: dict[Edit, None] = {}
    for given, trained in pairs:
        if given is not None and given.values.hull != trained.values.hull:
            change = affine_onto(given.values.hull, trained.values.hull)
            if change is None or change[0] > MOST:
                return None
            more = _onto(Rescale(*change), given, setup, texts)
            if not more:
                return None
            edits.update(dict.fromkeys(more))
    return tuple(edits) or None


MOST = 2.0
"""times that data may become wider by an edit; what needs more was scaled twice before"""


def _onto(change: Rescale, given: DataFacts, setup: TrainingSetup, texts: Texts) -> list[Edit]:
    """The map behind what made the data, or behind what made each variable that the model is given after training."""
    found = _node(given.location, texts)
    if found is not None and (edit := append_map(change, found[1], found[0])) is not None:
        return [edit]
    call = _node(setup.location, texts)
    if call is None or not isinstance(call[1], ast.Call):
        return []
    edits = [append_map(change, made, call[0]) for made in made_later(call[0], call[1])]
    return [edit for edit in edits if edit is not None] if None not in edits else []

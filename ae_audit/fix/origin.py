"""Edits that rescale data where they enter the program, so that every use of them follows: training, test and show."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.fix.data import assigned_to, expression, statement_of
from ae_audit.fix.source import Text, Texts, dotted, without_element
from ae_audit.schema.findings import Edit
from ae_audit.schema.remedies import Rescale
from ae_audit.schema.training_setup import Relation, TrainingSetup

_ARRAYS = frozenset({"data", "train_data", "test_data", "images"})
"""attributes of torchvision's data sets, and of scikit-learn's bunches, that hold the images as they are"""
_SHAPING = frozenset({"float", "double", "reshape", "view", "unsqueeze", "flatten", "to", "type", "numpy", "astype"})
"""what is done to images before they are scaled"""


def at_origin(remedy: Rescale, setup: TrainingSetup, texts: Texts) -> tuple[Edit, ...] | None:
    """The edits after which the data are rescaled from the start; None where the place that shows them is another."""
    place = setup.target.location if remedy.target else setup.input.location
    text = texts.at(place) if place is not None else None
    node = text.node_at(place) if text is not None and place is not None else None
    if text is None or node is None or remedy.scale > 1:
        return None
    both = remedy.input and remedy.target and setup.relation is Relation.SAME
    if not both and setup.input.location == setup.target.location:
        return None
    undone = [_undone(remedy, one, text) for one in _written_alike(node, text)]
    if undone and None not in undone:
        return tuple(edit for edit in undone if edit is not None)
    if not isinstance(node, ast.Call):
        return None
    if (dotted(node.func) or "").rpartition(".")[2] == "load_data":
        return _behind_loading(remedy, node, text)
    if isinstance(node.func, ast.Attribute) and node.func.attr.startswith("flow"):
        return _in_generators(remedy, text)
    name = (dotted(node.func) or "").rpartition(".")[2]
    return _where_read(remedy, node, text) if name[:1].isupper() or name.startswith("load_") else None


def _written_alike(node: ast.expr, text: Text) -> Iterator[ast.expr]:
    """``node``, and where it is a transform those for testing that say the same."""
    whole = node if isinstance(node, ast.Call) else _as_transform(node, text)
    if whole is None or text.tree is None or not isinstance(text.parents.get(whole), ast.List):
        yield node
        return
    wanted, parent = ast.dump(node), type(text.parents.get(node))
    for one in ast.walk(text.tree):
        if isinstance(one, ast.expr) and isinstance(text.parents.get(one), parent) and ast.dump(one) == wanted:
            yield one


def _in_generators(remedy: Rescale, text: Text) -> tuple[Edit, ...] | None:
    """``rescale=1.0 / 255.0`` for every ``ImageDataGenerator`` that has none."""
    if remedy.shift or text.tree is None:
        return None
    edits = []
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] == "ImageDataGenerator":
            if any(word.arg in {"rescale", None, "preprocessing_function"} for word in node.keywords) or node.args:
                continue
            end = text.span(node)[1] - 1
            before = ", " if node.keywords else ""
            comma = text.source[:end].rstrip().endswith(",")
            edits.append(text.edit(end, end, f"{'' if comma else before}{expression(remedy, 'rescale=1.0')}"))
    return tuple(edits) or None


def _undone(remedy: Rescale, node: ast.expr, text: Text) -> Edit | None:
    """The step that brought the data off their scale, taken out: ``* 255``, ``Normalize(0.5, 0.5)``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and not remedy.shift:
        for factor, rest in ((node.right, node.left), (node.left, node.right)):
            if isinstance(factor, ast.Constant) and factor.value == round(1 / remedy.scale, 6):
                whole = _as_transform(node, text)
                return (without_element(whole, text) if whole is not None else None) or text.replace(
                    node, text.text(rest)
                )
    normalises = isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] == "Normalize"
    if normalises and (remedy.scale, remedy.shift) == (0.5, 0.5):
        return without_element(node, text)
    return None


def _as_transform(node: ast.AST, text: Text) -> ast.expr | None:
    """``transforms.Lambda(lambda x: x * 255)`` of its ``x * 255``."""
    function = text.parents.get(node)
    call = text.parents.get(function) if isinstance(function, ast.Lambda) else None
    return call if isinstance(call, ast.Call) else None


def _behind_loading(remedy: Rescale, call: ast.Call, text: Text) -> tuple[Edit, ...] | None:
    """``x, xt = …`` behind ``(x, _), (xt, _) = load_data()``, for all that the program uses."""
    statement = statement_of(text, call)
    if not isinstance(statement, ast.Assign) or statement.value is not call or len(statement.targets) != 1:
        return None
    parts = statement.targets[0]
    if not isinstance(parts, ast.Tuple) or text.tree is None:
        return None
    pairs = [part for part in parts.elts if isinstance(part, ast.Tuple)]
    images = [pair.elts[0] for pair in pairs if len(pair.elts) == 2]
    if not pairs or any(not isinstance(part, ast.Tuple | ast.Name) for part in parts.elts):
        return None
    if any(isinstance(part, ast.Name) and _is_used(part.id, text.tree) for part in parts.elts):
        return None  # a pair that is taken apart elsewhere
    names = [one.id for one in images if isinstance(one, ast.Name) and _is_used(one.id, text.tree)]
    end = text.span(statement)[1]
    if not names or text.source[end : end + 1] not in {"\n", ""} or any(_is_scaled(name, text.tree) for name in names):
        return None
    indent = " " * statement.col_offset
    lines = "".join(f"\n{indent}{name} = {expression(remedy, name)}" for name in names)
    return (text.edit(end, end, lines),)


def _is_scaled(name: str, tree: ast.AST) -> bool:
    """Whether something that is made of a variable is divided by a number, as few things but scalings are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            if any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node.left)):
                return True
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div) and dotted(node.target) == name:
            return True
    return False


def _is_used(name: str, tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load) for node in ast.walk(tree)
    )


def _where_read(remedy: Rescale, made: ast.Call, text: Text) -> tuple[Edit, ...] | None:
    """Behind every reading of the images of the data sets of one class: those for training, and those for testing."""
    edits = []
    for read in _readings(dotted(made.func) or "", text):
        top = _shaped(read, text)
        parent = text.parents.get(top)
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div) and parent.left is top:
            continue  # it is scaled as it is
        if isinstance(parent, ast.Attribute | ast.Subscript) and parent.value is top:
            return None  # of its shape or length nothing is to be divided
        scaled = expression(remedy, text.text(top))
        bare = isinstance(parent, ast.Assign | ast.Return | ast.Call | ast.keyword | ast.Tuple)
        edits.append(text.replace(top, scaled if bare else f"({scaled})"))
    return tuple(edits) or None


def _readings(name: str, text: Text) -> Iterator[ast.Attribute]:
    """``MNIST(…).data``, and ``train.data`` of ``train = MNIST(…)``."""
    if text.tree is None:
        return
    calls = [node for node in ast.walk(text.tree) if isinstance(node, ast.Call) and dotted(node.func) == name]
    variables = {variable.id for call in calls if (variable := assigned_to(call, text)) is not None}
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Attribute) and node.attr in _ARRAYS and isinstance(node.ctx, ast.Load):
            owner = node.value
            if owner in calls or (isinstance(owner, ast.Name) and owner.id in variables):
                yield node


def _shaped(read: ast.expr, text: Text) -> ast.expr:
    """The longest expression that only shapes what was read: ``ds.data.reshape(-1, 784).float()``."""
    top = read
    while True:
        parent = text.parents.get(top)
        grand = text.parents.get(parent) if parent is not None else None
        if isinstance(parent, ast.Subscript) and parent.value is top:
            top = parent
        elif isinstance(parent, ast.Attribute) and isinstance(grand, ast.Call) and grand.func is parent:
            if parent.attr not in _SHAPING:
                return top
            top = grand
        else:
            return top

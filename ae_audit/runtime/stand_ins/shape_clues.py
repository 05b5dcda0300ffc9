"""What a program's own text says of the data that it reads: the shape that its model takes, and the names in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ae_audit.runtime.stand_ins.column_clues import ColumnClues, column_clues
from ae_audit.source.notebook_cells import code_cells

_KERAS_SHAPES = ("shape", "input_shape", "batch_shape", "batch_input_shape", "input_dim")
_CONVOLUTIONS = re.compile(r"Conv(?:Transpose)?([123])d$")
_LABEL = re.compile(
    r"(^|[_/\\.\s-])(y|ys|lbl|labels?|targets?|class(es)?|diagnosis|category)([_/\\.\s-]|\d|$)", re.IGNORECASE
)

_CLASSES = re.compile(r"(n|nb|num|number_of)_?class(es)?", re.IGNORECASE)
USUAL_SIDE = 32
"""of pictures for a model that takes any size"""


@dataclass(frozen=True, slots=True)
class LineForm:
    """How a program takes a line of text apart: ``label, sentence = line.split("\\t")``."""

    separator: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clues:
    """What was found."""

    sample: tuple[int, ...] | None
    """shape of one sample as the model expects it; None where the program does not write it"""
    channels_first: bool = False
    names: tuple[str, ...] = ()
    """texts that stand in brackets: columns of tables, arrays of archives"""
    lists: tuple[tuple[str, ...], ...] = ()
    """lists of texts: where one is the name of a column, the others are"""
    line: LineForm | None = None
    """of a text"""
    classes: int = 2
    columns: ColumnClues = field(default_factory=ColumnClues)
    """what is known of some of the names, as columns"""
    seen: tuple[int, int, int] | None = None
    """height, width and channels of the pictures that the program computes with, where a run showed them"""

    @property
    def picture(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture for the model."""
        sample = self.sample or ()
        if self.seen is not None:
            return self.seen
        if len(sample) == 3:
            channels, height, width = sample if self.channels_first else (sample[2], *sample[:2])
            return height, width, channels
        if len(sample) == 2:
            return sample[0], sample[1], 1
        return USUAL_SIDE, USUAL_SIDE, 3


def is_label(name: str) -> bool:
    """Whether a file, column or array of that name holds labels rather than what a model is fed."""
    return _LABEL.search(name) is not None


def clues_of(source: str, *, notebook: bool = False) -> Clues:
    """What the text of a program says; nothing of it is run."""
    texts = [cell.source for cell in code_cells(source)] if notebook else [source]
    trees = []
    for text in texts:
        try:
            trees.append(ast.parse(text))
        except (SyntaxError, ValueError):
            continue
    nodes = [node for tree in trees for node in ast.walk(tree)]
    constants = _constants(nodes)
    calls = sorted(
        (node for node in nodes if isinstance(node, ast.Call)), key=lambda call: (call.lineno, call.col_offset)
    )
    sample, first = _sample(calls, constants)
    names = tuple(dict.fromkeys(_names(nodes)))
    named = (value for name, value in constants.items() if _CLASSES.fullmatch(name) and isinstance(value, int))
    classes = next((value for value in named if value > 1), 0) or _classes(calls, constants)
    line = next(filter(None, map(_line_form, nodes)), None)
    return Clues(sample, first, names, tuple(_lists(nodes)), line, classes, column_clues(nodes, names, is_label))


def _constants(nodes: Sequence[ast.AST]) -> dict[str, int | tuple[int, ...]]:
    """Names that are given a whole number, or a tuple of them, once."""
    found: dict[str, int | tuple[int, ...]] = {}
    several: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            value = _value(node.value, found)
            if name in found or value is None:
                several.add(name)
            else:
                found[name] = value
    return {name: value for name, value in found.items() if name not in several}


def _value(node: ast.expr, constants: dict[str, int | tuple[int, ...]]) -> int | tuple[int, ...] | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _value(node.left, constants), _value(node.right, constants)
        return left * right if isinstance(left, int) and isinstance(right, int) else None
    if isinstance(node, (ast.Tuple, ast.List)):
        parts = [_value(part, constants) for part in node.elts]
        return (
            tuple(part for part in parts if isinstance(part, int)) if all(isinstance(p, int) for p in parts) else None
        )
    return None


def _sample(
    calls: Sequence[ast.Call], constants: dict[str, int | tuple[int, ...]]
) -> tuple[tuple[int, ...] | None, bool]:
    for call in calls:
        name = _called(call)
        given = {word.arg: word.value for word in call.keywords}
        for key in _KERAS_SHAPES:
            value = given.get(key)
            if value is None and key == "shape" and name in {"Input", "InputLayer"} and call.args:
                value = call.args[0]
            if value is None or (key == "shape" and name != "Input"):
                continue
            if key.startswith("batch") and isinstance(value, (ast.Tuple, ast.List)):
                value = ast.Tuple(value.elts[1:], ast.Load())
            shape = _value(value, constants)
            shape = (shape,) if isinstance(shape, int) else shape
            if shape and all(extent > 0 for extent in shape):
                return shape, False
        convolution = _CONVOLUTIONS.search(name)
        if (name in {"Linear", "LazyLinear"} or convolution) and "in_features" not in given and call.args:
            size = _value(call.args[0], constants)
            if isinstance(size, int) and size > 0:
                return ((size, *(USUAL_SIDE,) * int(convolution[1])) if convolution else (size,)), True
    return None, False


def _classes(calls: Sequence[ast.Call], constants: dict[str, int | tuple[int, ...]]) -> int:
    """Units of the last layer that ends in a softmax, or of the last linear one: how many labels there may be."""
    found = 2
    for call in calls:
        given = {word.arg: word.value for word in call.keywords}
        written = ast.unparse(given["activation"]) if "activation" in given else ""
        if _called(call) == "Dense" and "softmax" in written and call.args:
            size = _value(call.args[0], constants)
            found = size if isinstance(size, int) and size > 1 else found
    return found


def _called(call: ast.Call) -> str:
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _line_form(node: ast.AST) -> LineForm | None:
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], (ast.Tuple, ast.List)):
        return None
    parts, call = node.targets[0].elts, node.value
    if not isinstance(call, ast.Call) or _called(call) != "split" or not all(isinstance(p, ast.Name) for p in parts):
        return None
    separator = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else " "
    names = tuple(part.id for part in parts if isinstance(part, ast.Name))
    return LineForm(separator, names) if isinstance(separator, str) and separator else None


def _lists(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ...]]:
    for node in nodes:
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)) and len(node.elts) > 1:
            texts = [part.value for part in node.elts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if len(texts) == len(node.elts):
                yield tuple(texts)


def _names(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for node in nodes:
        inside: list[ast.expr] = []
        if isinstance(node, ast.Subscript):
            inside = [] if "history" in ast.unparse(node.value) else [node.slice]  # of a training, no table
        elif isinstance(node, ast.Call) and _called(node) in {"drop", "pop"}:
            inside = [*node.args, *(word.value for word in node.keywords if word.arg in {"columns", "labels"})]
        elif isinstance(node, ast.Call) and _called(node) == "flow_from_dataframe":
            inside = [word.value for word in node.keywords if word.arg in {"x_col", "y_col"}]
        for part in inside:
            for leaf in part.elts if isinstance(part, (ast.List, ast.Tuple)) else [part]:
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                    yield leaf.value

"""What a program's own text says of the columns of its tables: which are labels, dates or words."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_DATE = re.compile(r"\d{4}-\d{1,2}(-\d{1,2})?([ T].*)?$")
_SAME_VALUES = frozenset({"astype", "copy", "to_numpy"})
"""methods that give a column's values as they are"""
_OF_FEW = frozenset({"value_counts", "unique", "nunique"})
"""methods that only a column of a few different values is asked for"""
_FROM_WORDS = frozenset({"map", "replace"})
_FILES = 64
"""names of pictures in a column that ``flow_from_dataframe`` takes them from"""


@dataclass(frozen=True, slots=True)
class ColumnClues:
    """What was found, by the columns' names."""

    labels: frozenset[str] = frozenset()
    """columns to which the program gives the name of a label (``y = df["DEFAULT"]``)"""
    dates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """columns of dates, with those that the program compares them with"""
    parsed: frozenset[str] = frozenset()
    """columns of dates that are read as such"""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """columns of words, with those that the program looks for"""
    label_at: int | None = None
    """0 or -1: the first or the last column is given a label's name (``y = data[:, -1]``)"""
    left_out: int = 0
    """columns that the program leaves out at both ends (``data[:, 3:-1]``), where it cuts its tables in one way only"""
    reached: int = 0
    """how many columns it needs for those that it takes by their place (``data[:, 3:33]``, ``data[:, 8]``)"""


def column_clues(nodes: Sequence[ast.AST], names: Sequence[str], is_label: Callable[[str], bool]) -> ColumnClues:
    """What the nodes of a program say.

    Args:
        nodes: all of them.
        names: the columns that are written in brackets; as attributes, others could be anything.
        is_label: whether a name is that of a label.
    """
    dates: dict[str, list[str]] = {}
    words: dict[str, list[str]] = {}
    labels: set[str] = set()
    parsed: set[str] = set()
    label_at: int | None = None
    cuts: set[tuple[int, int]] = set()
    reached = 0
    for node in nodes:
        first, last = _cut(node)
        reached = max(reached, last or 0)
        if first is not None and last is not None and last - first != 1:
            cuts.add((first, last))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and is_label(node.targets[0].id):
            column = _column(node.value, names)
            labels |= {column} if column is not None else set()
            label_at = label_at if label_at is not None else _end(node.value)
        elif isinstance(node, ast.Compare):
            column = _column(node.left, names)
            for other in node.comparators if column is not None else ():
                for text in _texts(other):
                    (dates if _DATE.match(text) else words).setdefault(str(column), []).append(text)
                if column in names and _is_class(node.ops[0], other):
                    labels.add(str(column))
        elif isinstance(node, ast.Call):
            parsed |= {text for word in node.keywords if word.arg == "parse_dates" for text in _texts(word.value)}
            function = node.func
            files = [text for word in node.keywords if word.arg == "x_col" for text in _texts(word.value)]
            words.update({column: [f"{number}.png" for number in range(_FILES)] for column in files})
            if isinstance(function, ast.Attribute) and function.attr in _OF_FEW:
                column = _column(function.value, names)
                labels |= {column} if column is not None else set()
            if not isinstance(function, ast.Attribute) or not node.args:
                continue
            column = _column(node.args[0] if function.attr == "to_datetime" else function.value, names)
            if column is not None and function.attr == "to_datetime":
                dates.setdefault(column, [])
            elif column is not None and function.attr in _FROM_WORDS and isinstance(node.args[0], ast.Dict):
                words.setdefault(column, []).extend(text for key in node.args[0].keys if key for text in _texts(key))
            elif column is not None and function.attr == "isin":
                words.setdefault(column, []).extend(_texts(node.args[0]))
    dates |= {name: [] for name in parsed if name not in dates}
    return ColumnClues(
        frozenset(labels),
        {name: tuple(dict.fromkeys(texts)) for name, texts in dates.items()},
        frozenset(parsed),
        {name: tuple(dict.fromkeys(texts)) for name, texts in words.items() if texts and name not in dates},
        label_at,
        sum(first - min(last, 0) for first, last in cuts if last <= 0) if len(cuts) == 1 else 0,
        reached,
    )


def _is_class(operator: ast.cmpop, other: ast.expr) -> bool:
    """Whether a comparison looks for one of a few whole numbers: ``frame["Class"] == 1``."""
    return isinstance(operator, (ast.Eq, ast.NotEq)) and isinstance(other, ast.Constant) and other.value in (0, 1)


def _column(node: ast.expr, names: Sequence[str]) -> str | None:
    """The name of the column whose values an expression gives."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SAME_VALUES:
        return _column(node.func.value, names)
    if isinstance(node, ast.Attribute):
        return node.attr if node.attr in names else _column(node.value, names) if node.attr == "values" else None
    if isinstance(node, ast.Subscript):
        return node.slice.value if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str) else None
    return None


def _cut(node: ast.AST) -> tuple[int | None, int | None]:
    """First and last column of ``data[:, a:b]`` (0 for no end) and of ``data[:, a]``, where the numbers stand there."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple) or len(node.slice.elts) != 2:
        return None, None
    rows, columns = node.slice.elts
    if ast.unparse(rows) != ":":
        return None, None
    if isinstance(columns, ast.Slice):
        if columns.step is not None:
            return None, None
        first, last = (0 if end is None else _number(end) for end in (columns.lower, columns.upper))
    else:
        first = _number(columns)
        last = None if first is None else first + 1
    return (None, None) if first is None or last is None or first < 0 else (first, last)


def _number(node: ast.expr) -> int | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if type(value) is int else None


def _end(node: ast.expr) -> int | None:
    """0 or -1 where it is that column: ``data[:, -1]``, ``frame.iloc[:, 0].values``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _end(node.func.value)
    if isinstance(node, ast.Attribute):
        return _end(node.value)
    place = node.slice if isinstance(node, ast.Subscript) else None
    if not isinstance(place, ast.Tuple) or len(place.elts) != 2 or not isinstance(place.elts[0], ast.Slice):
        return None
    return {"0": 0, "-1": -1}.get(ast.unparse(place.elts[1]))


def _texts(node: ast.expr) -> list[str]:
    parts = node.elts if isinstance(node, (ast.List, ast.Tuple, ast.Set)) else [node]
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]

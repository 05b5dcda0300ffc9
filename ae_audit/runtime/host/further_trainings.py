"""Whether a program that trains at this moment has another training before it, by the source round the running lines.

A function that trains may be called again further down, or in a loop over models, folds or settings. What is asked here
decides only how long the program runs on: a loop round batches and epochs, which makes no optimizer, is none of these.
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator, Sequence

from ae_audit.runtime.host.user_code import Caller

_BEGINNING = frozenset({"parameters", "trainable_weights", "trainable_variables", "compile", "configure_optimizers"})
"""attributes and methods that code asks for where it sets up a training: an optimizer's weights"""
_Block = Sequence[ast.stmt]


def further_trainings(callers: Sequence[Caller]) -> bool:
    """Whether the user's frames that run now, the innermost first, come by another training after this one."""
    return _further(tuple((each.f_code.co_filename, each.f_lineno, each.f_code.co_name) for each in callers))


@functools.lru_cache(maxsize=256)
def _further(frames: tuple[tuple[str, int, str], ...]) -> bool:
    called: str | None = None
    sets_up = False
    """whether the function that the frame has called sets up a training itself"""
    for filename, line, name in frames:
        tree = _tree(filename)
        block = None if tree is None else _body_of(tree, name, line)
        if block is None:
            return False
        for statement, after in _around(block, line):
            if called is not None and any(_calls(later, called) for later in after):
                return True
            loop = isinstance(statement, (ast.For, ast.While, ast.AsyncFor))
            if loop and (_sets_up(statement) or (called is not None and sets_up)):
                return True
        sets_up = sets_up or any(map(_sets_up, block))
        called = name
    return False


@functools.lru_cache(maxsize=64)
def _tree(filename: str) -> ast.Module | None:
    lines = linecache.getlines(filename)
    try:
        return ast.parse("".join(lines)) if lines else None
    except (SyntaxError, ValueError):  # a notebook's cell with a line for the shell
        return None


def _body_of(tree: ast.Module, name: str, line: int) -> _Block | None:
    """The statements of the innermost function of that name round the line; of the module for ``<module>``."""
    if name == "<module>":
        return tree.body
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name and _holds(node, line)
    ]
    return max(functions, key=lambda node: node.lineno).body if functions else None


def _around(block: _Block, line: int) -> Iterator[tuple[ast.stmt, _Block]]:
    """Each statement that holds the line, from the outermost in, with those that come after it in its block."""
    for index, statement in enumerate(block):
        if not _holds(statement, line):
            continue
        yield statement, block[index + 1 :]
        for part in ("body", "orelse", "finalbody"):
            yield from _around(getattr(statement, part, []), line)
        for handler in getattr(statement, "handlers", []):
            yield from _around(handler.body, line)
        if isinstance(statement, ast.Try) and not any(_holds(each, line) for each in statement.finalbody):
            yield statement, statement.finalbody


def _holds(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _calls(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(each, ast.Call) and getattr(each.func, "attr", getattr(each.func, "id", None)) == name
        for each in ast.walk(node)
    )


def _sets_up(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr in _BEGINNING for each in ast.walk(node))

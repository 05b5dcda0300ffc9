"""Which files can hold a training set-up at all: decided on bytes before anything is parsed, then on names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

_FRAMEWORK = re.compile(rb"\b(?:keras|tensorflow|torch|pytorch_lightning|lightning|tflearn|accelerate|ignite|fastai)\b")
_LOSS = re.compile(
    rb"loss|Loss|criterion|cross_?entropy|CrossEntropy|(?<![A-Za-z])(?:mse|MSE)"
    rb"|(?<!\bre)(?<!torch)\.compile\(|\.fit|train_on_batch|training_step|GradientTape|minimize|\.backward\(|\.train\(|LightningCLI\("
)
"""what computes a loss or trains on one; other words of the kind (a distribution's entropy, ``re.compile``) do not"""
_TRAINS = re.compile(rb"(?<!\bre)\.compile\(|\.backward\(|\.train_on_batch\(|\.fit_generator\(|\.fit\(")
"""what trains even where the framework is imported by another module of the project"""
_OWN_IMPORT = re.compile(rb"""^\s*"?(?:from|import)\s+[.\w]""", re.MULTILINE)


def may_train(source: bytes) -> bool:
    """Whether the bytes mention a framework and something that computes a loss, or plainly train a model."""
    if _FRAMEWORK.search(source) is not None:
        return _LOSS.search(source) is not None
    return _TRAINS.search(source) is not None and _OWN_IMPORT.search(source) is not None


_GUARD = re.compile(rb"""__name__\s*==\s*\\?["']__main__""")
_ACTS = re.compile(rb"""^(?:\s*")?[A-Za-z_][\w.]*\(""", re.MULTILINE)


def is_guarded(source: bytes) -> bool:
    """Whether the bytes hold ``if __name__ == "__main__"``: what only a program does that is started."""
    return _GUARD.search(source) is not None


def starts(source: bytes) -> bool:
    """Whether the bytes look like a program that is started and imports: it may call what trains in another module."""
    return (is_guarded(source) or _ACTS.search(source) is not None) and _OWN_IMPORT.search(source) is not None


def imports_nothing(trees: Iterable[ast.AST]) -> bool:
    """Whether a program has no import at all: a snippet, as it stands in a question to a forum."""
    return not any(isinstance(node, (ast.Import, ast.ImportFrom)) for tree in trees for node in ast.walk(tree))


def plainly_trains(source: bytes) -> bool:
    """Whether the bytes train something, whatever it is."""
    return _TRAINS.search(source) is not None


_NAMED = re.compile(
    "loss|Loss|criterion|cross_?entropy|CrossEntropy|(?<![A-Za-z])(?:mse|MSE)|^fit|^compile$|^backward$|^train$"
    "|train_on_batch|training_step|GradientTape|minimize|^LightningCLI$"
)


def names_training(trees: Iterable[ast.AST]) -> bool:
    """Whether a name in the program is one of those, which its comments and strings may mention to no purpose."""
    return any(_NAMED.search(name) is not None for tree in trees for name in _names(tree))


def acts(trees: Iterable[ast.Module]) -> bool:
    """Whether a program calls anything when it is started, rather than only defining what others call."""
    defining = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(
        isinstance(node, ast.Call)
        for tree in trees
        for statement in tree.body
        if not isinstance(statement, defining)
        for node in ast.walk(statement)
    )


def _names(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, (ast.keyword, ast.arg)):
            yield node.arg or ""
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.alias)):
            yield node.name

"""Whether a hand-written torch loop resets its gradients: told from the syntax of the whole program.

A call may reset them in a helper, a closure or a trainer class; so only a program in which nothing at all is reset, and
no gradient is even touched, is said not to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ae_audit.base.records import replace
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.static.source.sources import Where
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.source.projects import Program

_RESETTING = ("zero_grad", ".grad", "requires_grad_(False)")
_FOREIGN = (
    "lightning",
    "ignite",
    "fastai",
    "skorch",
    "deepspeed",
    "transformers",
    "dist_autograd",
    "distributed.autograd",
)
"""loops of others, which reset gradients themselves"""


def told(setups: tuple[TrainingSetup, ...], program: Program) -> tuple[TrainingSetup, ...]:
    """The set-ups with ``gradients_reset`` and ``backward_location`` filled in where they are torch's."""
    if not any(setup.framework is Framework.TORCH for setup in setups):
        return setups
    place = _backward_in_a_loop(program)
    if place is None:
        return setups
    texts = [text.source for text, _ in program.units]
    if any(word in text for text in texts for word in _FOREIGN):
        return setups
    reset = Tri.YES if any(word in text for text in texts for word in _RESETTING) else Tri.NO
    if reset is Tri.NO and not _steps(program):
        reset = Tri.UNKNOWN
    return tuple(
        replace(setup, gradients_reset=reset, backward_location=place) if setup.framework is Framework.TORCH else setup
        for setup in setups
    )


def _backward_in_a_loop(program: Program) -> Location | None:
    for text, tree in program.units:
        for loop in _loops(tree):
            for node in ast.walk(loop):
                if _is_method_call(node, "backward"):
                    return Where(text, node).location
    return None


def _loops(tree: ast.AST) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While, ast.AsyncFor)))


def _steps(program: Program) -> bool:
    """Whether weights are changed by an optimizer in a loop."""
    return any(
        _is_method_call(node, "step") for _, tree in program.units for loop in _loops(tree) for node in ast.walk(loop)
    )


def _is_method_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name

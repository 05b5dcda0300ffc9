"""Which way a run goes where the program alone does not say: correlated alternatives by running again.

A program is interpreted once along its default path. Every test that could have gone another way, and every default
that the program compares with other values, is an *offer*. Further runs each take up one offer (and those that led to
it); within a run every test of the same thing goes the same way, so that the sigmoid of one branch never meets the data
of another.
"""

from __future__ import annotations

import ast

from ae_audit.base.records import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

Key = tuple[str, ...]
IMPORTED = -1
"""stands for the modules of the project, where a decision is met while one is read"""
DECIDED = "decided"
"""begins the key of a test that the program decides, which only a search for its training undoes"""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way that a run could have gone: ``key`` set to ``value``."""

    key: Key
    value: Any
    text: str
    """the condition in the program's words, when the offer is taken"""
    default_text: str
    """and when it is not"""
    uncalled: int | None = field(default=None, compare=False)
    """the function that was being entered although nothing calls it, by its node; ``IMPORTED``: an imported module"""
    demanded: bool = field(default=False, compare=False)
    """whether the user must choose: what it goes against is no default"""


@dataclass(frozen=True, slots=True)
class PathPlan:
    """The offers that a run takes up, oldest first; none for the default run."""

    taken: tuple[Alternative, ...] = ()

    def get(self, key: Key) -> Alternative | None:
        for offer in self.taken:
            if offer.key == key:
                return offer
        return None

    @property
    def undoes(self) -> bool:
        """Whether it goes against what the program decides."""
        return any(offer.key[0] == DECIDED for offer in self.taken)

    def with_(self, offer: Alternative) -> PathPlan:
        return PathPlan((*self.taken, offer))

    @property
    def text(self) -> str:
        return " and ".join(offer.text for offer in self.taken)


_ENDING = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_LEAVING = {"exit", "quit", "_exit"}


def only_adds(body: list[ast.stmt]) -> bool:
    """Whether a block only adds to containers: it binds no name and leaves nothing."""
    return all(
        isinstance(statement, (ast.Expr, ast.AugAssign, ast.Pass))
        or (isinstance(statement, ast.Assign) and all(isinstance(t, ast.Subscript) for t in statement.targets))
        for statement in body
    )


def ends(body: list[ast.stmt]) -> bool:
    """Whether a block surely leaves: by ``return``, ``raise``, ``continue``, ``break`` or ``sys.exit()``."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, _ENDING):
        return True
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        function = last.value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in _LEAVING
    return False

"""What a rule is. A rule is a module of this package that defines ``RULE = TheRule()``.

The module's docstring is the rule's page; the metadata and the examples stand in the class and nowhere else.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator

from ae_audit.base.records import dataclass
from ae_audit.schema.findings import Severity, UnknownFact, Violation
from ae_audit.schema.training_setup import Framework, TrainingSetup

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Example:
    """A runnable program of the kind that users write; tests run it through every stage.

    ``codes`` are all the codes of warnings and errors that it must give (a BAD example: at least the rule's own);
    infos are listed only where the rule itself is one.
    """

    framework: Framework
    source: str
    codes: tuple[str, ...] = ()
    note: str = ""
    fixed: str | None = None
    """the source after the rule's fix, where there is one"""
    by_running: bool = False
    """whether reading alone does not see the loss for what it is"""


class Rule(ABC):
    """One check of a training setup.

    Class attributes state each fact once: ``code``, ``name`` (kebab case, reads as `allow NAME`), ``severity``,
    ``since`` (the release that brought it), ``bad`` and ``good`` examples. The class's docstring is its ``summary``.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str]
    severity: ClassVar[Severity]
    since: ClassVar[str] = "0.1.0"
    frameworks: ClassVar[tuple[Framework, ...]] = (Framework.KERAS, Framework.TORCH)
    """the frameworks in which the fault can be made"""
    needs_data: ClassVar[bool] = False
    """whether it can only be seen on real values, by running, and never in the source"""
    probed: ClassVar[bool] = True
    """whether an experiment can settle it"""
    silenced_by: ClassVar[tuple[str, ...]] = ()
    """codes, or their beginnings, of rules that give the reason: where one of them speaks this one does not"""
    bad: ClassVar[tuple[Example, ...]] = ()
    good: ClassVar[tuple[Example, ...]] = ()

    def __init_subclass__(cls) -> None:
        if "summary" not in vars(cls):
            cls.summary = (cls.__doc__ or "").strip().partition("\n")[0].rstrip(".")

    @abstractmethod
    def check(self, setup: TrainingSetup) -> Iterator[Violation | UnknownFact]:
        """Yield what is wrong with ``setup``, and which unknown fact kept the rule from deciding."""

    @property
    def page(self) -> str:
        """The rule's page: its module's docstring (Markdown)."""
        from inspect import cleandoc  # costs 10 ms, and only the pages of rules need it

        return cleandoc(sys.modules[type(self).__module__].__doc__ or "")

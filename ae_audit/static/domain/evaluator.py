"""``Evaluator``: what the arithmetic of abstract values asks of the run that they belong to."""

from __future__ import annotations

from typing import Any, Protocol

from ae_audit.schema.training_setup import MetricUse
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.stores import Store
from ae_audit.static.domain.values import Array, Site, Unknown, Value
from ae_audit.static.source.sources import Where


class Evaluator(Protocol):
    """A run of the interpreter, as :class:`ae_audit.static.interpreter.run.Run` is one; imported for its type alone."""

    sites: list[Site]
    stores: dict[Store[Any], Any]
    no_grad: bool
    collecting: bool
    unknowns: dict[int, Unknown]
    quality: list[MetricUse]

    def fresh(self) -> int:
        """A new identity."""

    def charge(self, parts: int) -> None:
        """Take from the budget what copying ``parts`` parts of a value costs."""

    def call(self, function: Value, call: Call) -> Value:
        """Call anything callable with abstract arguments."""

    def iterate(self, value: Value, where: Where | None = None) -> tuple[list[Value], Value | None]:
        """The known elements of an iterable, and what stands for the others (None: there are no others)."""

    def as_array(self, value: Value) -> Array | None:
        """The value as an array of data; None where it is something else."""

    def emit(self, site: Site) -> None:
        """Report a place where a loss is computed."""

"""The arguments of a call, as handlers receive them."""

from __future__ import annotations

from collections.abc import Iterator

from ae_audit.base.records import dataclass, field
from ae_audit.static.domain.plain_values import Const, Value, number, python
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any


@dataclass(slots=True)
class Call:
    """A call: abstract arguments, and where it stands.

    ``open`` is True where a star-argument of unknown contents was passed: absent arguments may then have been given.
    """

    where: Where
    args: list[Value] = field(default_factory=list)
    kwargs: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    name: str = ""
    """the last part of the name under which the handler was found: ``clip`` of ``numpy.clip`` or ``x.clip``"""
    qualified: str = ""
    """the whole name, for functions and constructors of a library"""

    def get(self, position: int | None, *names: str) -> Value | None:
        """The argument given at ``position`` or by one of ``names``; None where it was not given."""
        if position is not None and position < len(self.args):
            return self.args[position]
        for name in names:
            if name in self.kwargs:
                return self.kwargs[name]
        return None

    def constant(self, position: int | None, *names: str, default: Any = None) -> Any:
        """The same as a Python constant (tuples for sequences); ``default`` where it is absent or unknown."""
        value = self.get(position, *names)
        return default if value is None else python(value, default)

    def number(self, position: int | None, *names: str, default: float | None = None) -> float | None:
        value = self.get(position, *names)
        return default if value is None else number(value)

    def extent(self, position: int | None, *names: str) -> int | None:
        """How many units or channels an argument asks for; None where that is not known.

        A single one that an option merely has by default is not: with the data, its user gives another number.
        """
        value = self.get(position, *names)
        found = None if value is None else python(value)
        if not isinstance(found, int) or isinstance(found, bool):
            return None
        return None if found == 1 and isinstance(value, Const) and value.soft is not None else found

    def given(self, position: int | None, *names: str) -> bool:
        """Whether the argument was given and is not the constant None."""
        value = self.get(position, *names)
        return value is not None and not (isinstance(value, Const) and value.value is None)

    def values(self) -> Iterator[Value]:
        yield from self.args
        yield from self.kwargs.values()

    def without_first(self) -> Call:
        return Call(self.where, self.args[1:], self.kwargs, self.open)

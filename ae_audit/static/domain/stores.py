"""What a run keeps beside its values: a typed store for each table that needs one.

A table declares its store once, as a constant, and asks for its content in a run::

    _COMPILED: Store[ByIdentity[Compiled]] = Store(ByIdentity)
    _COMPILED.of(run).put(model, compiled)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable
    from typing import Any, Generic, Protocol, TypeVar

    from ae_audit.static.domain.values import Value

    T = TypeVar("T")

    class Keeper(Protocol):
        """A run, as far as stores are concerned."""

        stores: dict[Store[Any], Any]

else:
    T = None

    class Generic:
        """A class with a parameter that only a type checker reads."""

        __slots__ = ()

        def __class_getitem__(cls, parameter):
            return cls


class Store(Generic[T]):
    """The key to what one table keeps in a run; ``make`` makes its first content."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make

    def of(self, run: Keeper) -> T:
        """What the table keeps in ``run``; made when it is first asked for."""
        if self not in run.stores:
            run.stores[self] = self._make()
        kept: T = run.stores[self]
        return kept


class ByIdentity(Generic[T]):
    """Facts about values, each by its identity; the values are kept alive, so that no identity comes twice."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Value, T]] = {}

    def get(self, owner: Value | None) -> T | None:
        """What is known of ``owner``; None where nothing is."""
        entry = self._entries.get(id(owner))
        return None if entry is None else entry[1]

    def put(self, owner: Value, fact: T) -> None:
        """Keep ``fact`` of ``owner``, instead of what was known of it before."""
        self._entries[id(owner)] = owner, fact

    def setdefault(self, owner: Value, fact: T) -> T:
        """What is known of ``owner``; ``fact`` from now on where nothing was."""
        return self._entries.setdefault(id(owner), (owner, fact))[1]

    def items(self) -> list[tuple[Value, T]]:
        """Every value with what is known of it, in the order in which they were first put."""
        return list(self._entries.values())

    def __contains__(self, owner: Value) -> bool:
        return id(owner) in self._entries

    def __len__(self) -> int:
        return len(self._entries)


class ListsByIdentity(ByIdentity[list[T]]):
    """A list for each value."""

    __slots__ = ()

    def add(self, owner: Value, item: T) -> None:
        """Append ``item`` to the list of ``owner``."""
        self.of(owner).append(item)

    def of(self, owner: Value) -> list[T]:
        """The list of ``owner``, empty at first."""
        return self.setdefault(owner, [])

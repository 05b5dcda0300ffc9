"""Arguments that a function has renamed or dropped."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ae_audit.runtime.compat.uses import Uses

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Argument:
    """What became of an argument."""

    new: str | None
    """its name now; None: it told only where, how fast or how loudly to work, and is left out"""
    convert: Callable[[Any], Any] | None = None
    """its value under the new name"""
    only: Callable[[Any], bool] | None = None
    """values of which this is so; others have a meaning that is gone, and are refused as ever"""


DROPPED = Argument(None)
Renamed = Mapping[str, "str | Argument"]
"""old name: new name"""


def _entry(entry: str | Argument) -> Argument:
    return entry if isinstance(entry, Argument) else Argument(entry)


def take_old_arguments(
    owner: Any, name: str, renamed: Renamed, uses: Uses, *, shown: str, library: str, kin: frozenset[str] = frozenset()
) -> None:
    """Have ``owner.name`` take the ``renamed`` arguments that its signature does not have."""
    original = getattr(owner, name, None)
    if original is None:
        return
    parameters = inspect.signature(original).parameters
    entries = {old: _entry(entry) for old, entry in renamed.items() if old not in parameters}
    libraries = kin or frozenset({library})

    @functools.wraps(original)
    def taking(*args: Any, **kwargs: Any) -> Any:
        if not entries.keys().isdisjoint(kwargs) and uses.answers(libraries, sys._getframe(1), named=False):
            kwargs = _translated(kwargs, entries, functools.partial(_told, uses=uses, shown=shown, library=library))
        return original(*args, **kwargs)

    with_signature_of(original, taking)
    setattr(owner, name, taking)


def with_signature_of(original: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """``wrapper``, with the signature of ``original`` also for those (Keras) who do not look behind wrappers."""
    functools.update_wrapper(wrapper, original)
    wrapper.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return wrapper


def _told(old: str, entry: Argument, *, uses: Uses, shown: str, library: str) -> None:
    done = "it was left out, as it does not change what is trained" if entry.new is None else f"{entry.new}= was given"
    uses.tell(f"{shown}({old}=…)", library, done)


def _translated(given: Arguments, entries: Mapping[str, Argument], tell: Callable[[str, Argument], None]) -> Arguments:
    made: Arguments = {}
    for name, value in given.items():
        entry = entries.get(name)
        if entry is None or (entry.only is not None and not entry.only(value)) or entry.new in given:
            made[name] = value
            continue
        tell(name, entry)
        if entry.new is not None:
            made[entry.new] = value if entry.convert is None else entry.convert(value)
    return made

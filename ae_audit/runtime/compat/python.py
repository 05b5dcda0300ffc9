"""Python's own: names of the standard library that are gone."""

from __future__ import annotations

from typing import Any, NamedTuple

from ae_audit.runtime.compat.names import OldNames, Successor
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

_HERE = "ae_audit.runtime.compat.python"

_ABSTRACT = (
    *("Callable", "Container", "Generator", "Hashable", "Iterable", "Iterator", "Mapping", "MutableMapping"),
    *("MutableSequence", "MutableSet", "Sequence", "Set", "Sized"),
)
NAMES: dict[str, dict[str, str | Successor]] = {
    "collections": {name: f"collections.abc:{name}" for name in _ABSTRACT},
    "time": {"clock": "time:perf_counter"},
    "fractions": {"gcd": "math:gcd"},
    "inspect": {"getargspec": Successor(f"{_HERE}:getargspec", "inspect.getfullargspec")},
}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what Python no longer has."""
    for module, table in NAMES.items():
        names.names(module, table)


class ArgSpec(NamedTuple):
    """The four things that :func:`getargspec` told, which programs unpack."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(func: Any) -> ArgSpec:
    """The parameters of a function of Python 2.

    Raises:
        ValueError: for parameters that only Python 3 has, as it did.
        TypeError: for what is no function.
    """
    import inspect

    found = inspect.getfullargspec(func)
    if found.kwonlyargs or found.annotations:
        raise ValueError("Function has keyword-only parameters or annotations: inspect.signature tells of them")
    return ArgSpec(found.args, found.varargs, found.varkw, found.defaults)

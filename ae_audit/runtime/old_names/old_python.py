"""Python's own: names of the standard library that are gone."""

from __future__ import annotations

from ae_audit.runtime.imports import ImportWatch
from ae_audit.runtime.old_names.names import OldNames, Successor
from ae_audit.runtime.old_names.uses import Uses

_ABSTRACT = (
    *("Callable", "Container", "Generator", "Hashable", "Iterable", "Iterator", "Mapping", "MutableMapping"),
    *("MutableSequence", "MutableSet", "Sequence", "Set", "Sized"),
)
NAMES: dict[str, dict[str, str | Successor]] = {
    "collections": {name: f"collections.abc:{name}" for name in _ABSTRACT},
    "time": {"clock": "time:perf_counter"},
    "fractions": {"gcd": "math:gcd"},
    "inspect": {"getargspec": "inspect:getfullargspec"},
}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what Python no longer has."""
    for module, table in NAMES.items():
        names.names(module, table)

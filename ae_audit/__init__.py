"""Tells why a model does not learn: output activation, loss and data that do not fit together, found and proved."""

from __future__ import annotations

from ae_audit.base.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.api import Comparison, Report, assert_sound, audit, compare
    from ae_audit.base.errors import AuditWarning
    from ae_audit.watching.api import Watch, watch

__all__ = [
    "AuditWarning",
    "Comparison",
    "Report",
    "Watch",
    "__version__",
    "assert_sound",
    "audit",
    "compare",
    "watch",
]

_PLACES = {
    "AuditWarning": "ae_audit.base.errors",
    "Comparison": "ae_audit.api",
    "Report": "ae_audit.api",
    "Watch": "ae_audit.watching.api",
    "assert_sound": "ae_audit.api",
    "audit": "ae_audit.api",
    "compare": "ae_audit.api",
    "watch": "ae_audit.watching.api",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    """Load the Python interface when it is first asked for: the command and the pytest plugin do without it."""
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

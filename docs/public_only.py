"""For ``griffe check``: what ``ae_audit`` exports is public, the rooms behind it are not."""

from __future__ import annotations

from typing import Any

import griffe


class PublicOnly(griffe.Extension):
    """Takes the modules of the package for private; the names in ``__all__`` lead to what is compared."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Called when the package is loaded."""
        for module in pkg.modules.values():
            module.public = False

"""Where the page of a rule is, and rule codes as links to it for terminals that have them (OSC 8).

The addresses are those that the installed package names (``[project.urls]`` of pyproject.toml), nowhere else. While
that names no documentation, a code leads to the module whose docstring is its page on this machine, and to nothing in
what is read elsewhere: SARIF, HTML. No link leads nowhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import TextIO

_CODE = re.compile(r"\bAE\d{3}\b")
_WITH_LINKS = ("iTerm.app", "WezTerm", "vscode", "Hyper", "ghostty", "Tabby", "rio")
"""values of TERM_PROGRAM"""
_VTE = 5000
"""version of the library of GNOME's terminal, and of others, from which it has links"""

Link = Callable[[str], str]


def has_links(stream: TextIO) -> bool:
    """Whether the terminal shows links; FORCE_HYPERLINK decides, then what terminals say of themselves."""
    forced = os.environ.get("FORCE_HYPERLINK")
    if forced is not None:
        return forced != "0"
    if not stream.isatty() or os.environ.get("TERM") == "dumb" or "CI" in os.environ:
        return False
    known = {"WT_SESSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "DOMTERM"} & set(os.environ)
    vte = os.environ.get("VTE_VERSION", "")
    terminal = os.environ.get("TERM", "")
    return bool(
        known
        or os.environ.get("TERM_PROGRAM") in _WITH_LINKS
        or (vte.isdigit() and int(vte) >= _VTE)
        or terminal.startswith(("xterm-kitty", "foot", "alacritty", "wezterm", "xterm-ghostty"))
    )


def linked(text: str, address: Callable[[str], str | None] | None = None) -> str:
    """``text`` with each rule code as a link, where the rule's page has an address."""
    find = address or address_of
    known: dict[str, str | None] = {}

    def link(found: re.Match[str]) -> str:
        code = found.group()
        if code not in known:
            known[code] = find(code)
        target = known[code]
        return code if target is None else f"\x1b]8;;{target}\x1b\\{code}\x1b]8;;\x1b\\"

    return _CODE.sub(link, text)


def address_of(code: str) -> str | None:
    """Of a rule's page, for a reader on this machine: published, else the module whose docstring the page is.

    None for a code that no rule has; a rule of a project's own has no page in our documentation.
    """
    import sys
    from pathlib import Path

    module = _module_of(code)
    if module is None:
        return None
    path = getattr(sys.modules.get(module), "__file__", None)
    return published(code) or (None if path is None else Path(path).resolve().as_uri())


def published(code: str) -> str | None:
    """Of a rule's page in the documentation that the package names; None where it names none or has no such page."""
    module = _module_of(code)
    documentation = _documentation() if module is not None and module.startswith("ae_audit.") else None
    return None if documentation is None else f"{documentation}/rules/{code}.html"


def _module_of(code: str) -> str | None:
    from ae_audit.base.errors import UsageError
    from ae_audit.rules.registry import find_rule

    try:
        return type(find_rule(code)).__module__
    except UsageError:
        return None


def _documentation() -> str | None:
    """The address of the documentation that the installed package names."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("ae-audit").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    for entry in urls:
        name, _, url = str(entry).partition(",")
        if name.strip().lower() == "documentation" and url.strip().startswith("https://"):
            return url.strip().rstrip("/")
    return None

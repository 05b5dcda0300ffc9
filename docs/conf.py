"""Sphinx: the same Markdown that GitHub shows, as a site. ``nox -s docs`` builds it, warnings are errors."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from ae_audit.base.version import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY: str | None = (
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {}).get("Source")
)

project = "ae-audit"
author = "The ae-audit authors"
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["README.md", "_build", "_extra"]
html_theme = "furo"
html_title = "ae-audit"
html_theme_options = (
    {}
    if REPOSITORY is None
    else {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
)

html_extra_path = ["_extra"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
suppress_warnings = ["myst.header"]  # a generated page begins where its source does

_CHAPTERS = {"rules/README": "AE*", "dev/README": "[!R]*"}
"""pages that list others, which GitHub would show a table of contents of as code"""
_LINK = re.compile(r"\[([^\]]*)\]\((\.\./[^)#\s]+)(#[^)]*)?\)")


def _to_repository(app: Any, document: str, source: list[str]) -> None:
    """Links to files of the repository that are no pages lead there; without an address their words stay."""
    here = (ROOT / "docs" / document).parent

    def link(found: re.Match[str]) -> str:
        target = (here / found[2]).resolve()
        if not target.exists() or (ROOT / "docs") in target.parents:
            return found[0]
        if REPOSITORY is None:
            return found[1]
        return f"[{found[1]}]({REPOSITORY}/blob/main/{target.relative_to(ROOT)}{found[3] or ''})"

    source[0] = _LINK.sub(link, source[0])
    if document in _CHAPTERS:
        source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{_CHAPTERS[document]}\n```\n"


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _to_repository)

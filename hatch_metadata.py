"""The README as PyPI shows it: links to files of the repository lead there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

REPOSITORY = "https://github.com/ae-audit/ae-audit"
RAW = "https://raw.githubusercontent.com/ae-audit/ae-audit"


def for_pypi(readme: str, version: str) -> str:
    """``readme`` with absolute links, to the files of that release."""

    def link(found: re.Match[str]) -> str:
        image = found[1] == "!"
        return f"{found[1]}{found[2]}({RAW if image else REPOSITORY + '/blob'}/v{version}/{found[3]})"

    return re.sub(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)", link, readme)


class ReadmeHook(MetadataHookInterface):
    """Asked by hatchling for what pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the readme."""
        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_pypi(text, metadata["version"])}

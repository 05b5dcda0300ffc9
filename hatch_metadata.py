"""The README as PyPI shows it: links to files of the repository lead there, once it has an address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def for_pypi(readme: str, version: str, repository: str | None) -> str:
    """``readme`` with links to the files of that release; without an address their words alone, and no pictures."""

    def link(found: re.Match[str]) -> str:
        image, words, path = found[1] == "!", found[2], found[3]
        if repository is None:
            return "" if image else words
        return f"{found[1]}[{words}]({repository}/{'raw' if image else 'blob'}/v{version}/{path})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)", link, readme)


class ReadmeHook(MetadataHookInterface):
    """Asked by hatchling for what pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the readme."""
        text = (Path(self.root) / "README.md").read_text("utf-8")
        text = for_pypi(text, metadata["version"], metadata.get("urls", {}).get("Source"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}

"""What strangers see of the package: no placeholder, no promise that does not hold yet, links that lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.yml"), ROOT / "action.yml"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_placeholder_and_no_release_that_is_not_there(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "OWNER" not in re.sub(r"OWNER\+NAME", "", text)
    assert not re.search(r"pip install ['\"]?ae-audit\b", text), "it is not on PyPI yet"


def test_readme_installs_one_framework_and_the_test_command_is_there_for_ci() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^\$ (python3 -m venv .*)$", readme, flags=re.MULTILINE)
    assert "'.[tensorflow]'" in commands[0]
    assert "'.[test]'" in commands[1]
    assert "pytest" in commands[1]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_metadata_names_authors_places_and_kinds() -> None:
    import tomllib

    project: Any = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["authors"]
    assert all(url.startswith("https://") for url in project.get("urls", {}).values())
    assert "Framework :: Pytest" in project["classifiers"]


def test_the_readme_of_pypi_has_absolute_links_alone() -> None:
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_metadata", ROOT / "hatch_metadata.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    readme = (ROOT / "README.md").read_text("utf-8")
    for address in ("https://git.example/team/ae-audit", None):
        text = module.for_pypi(readme, "1.2.3", address)
        assert ("](https://git.example/team/ae-audit/blob/v1.2.3/docs/README.md)" in text) is (address is not None)
        assert all(link.startswith(("https:", "http:", "#")) for link in re.findall(r"\]\(([^)]*)\)", text))


def test_addresses_of_ours_stand_in_one_place() -> None:
    """Whoever publishes it writes them there; an address that leads nowhere is shown to nobody until then."""
    kinds = {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".ipynb"}
    places = [path for folder in ("ae_audit", "docs", "editors", ".github") for path in (ROOT / folder).rglob("*")]
    texts = [path for path in (*ROOT.glob("*.*"), *places) if path.suffix in kinds and "node_modules" not in path.parts]
    ours = re.compile(
        r"(github\.com|github\.io|readthedocs\.io|pypi\.org/project)[/:][\w-]*/?ae-audit|ae-audit\.(github|readthedocs)"
    )
    assert len(texts) > 300
    assert [str(path) for path in texts if ours.search(path.read_text("utf-8")) and path.name != "pyproject.toml"] == []

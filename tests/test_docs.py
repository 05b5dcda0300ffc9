"""The documentation says what the program does today."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from ae_audit.settings.options import FORMATS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_generated_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("regenerate", ROOT / "docs" / "regenerate.py")
    assert spec is not None
    assert spec.loader is not None
    regenerate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(regenerate)
    assert regenerate.stale() == [], "python docs/regenerate.py --rules"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith(("http:", "https:", "#")):
            path, _, anchor = target.partition("#")
            found = page.parent / path
            assert found.exists(), target
            if anchor:
                headings = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), flags=re.MULTILINE)
                assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_every_format_and_flag_that_is_written_of_exists() -> None:
    from ae_audit.cli.completion import script

    flags = set(re.findall(r"--[a-z-]+", script("bash"))) | {
        "--all",
        "--test",
        "--junitxml",
        "--dist",
        "--no-loadscope-reorder",
        "--max-worker-restart",
        *("--host", "--port", "--nworkers", "--nthreads"),  # of dask
        "--FORMAT-output",
    }
    for page in (page for page in PAGES if page.parent.name != "rules"):
        # what follows a bare -- is the audited program's own
        text = re.sub(r" -- --[^`\n]*|arguments = \[.*\]|python benchmarks/[^`]*", "", page.read_text("utf-8"))
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text):
            assert flag in flags or flag.startswith("--ae-audit"), f"{page.name}: {flag}"
    table = (ROOT / "docs" / "formats.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == list(FORMATS)


def test_every_page_is_in_the_sites_table_of_contents() -> None:
    listed = set(re.findall(r"^[\w/-]+$", (ROOT / "docs" / "index.md").read_text("utf-8"), flags=re.MULTILINE))
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"README", "index"}
    assert pages <= listed, "a page in no table of contents fails `nox -s docs`"

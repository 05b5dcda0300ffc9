"""What a user may read is written as docs/dev/wording.md has it: no guillemets, none of the words on its list."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ae_audit.rules.base import Rule
from ae_audit.rules.registry import all_rules
from ae_audit.settings.options import OPTIONS

PACKAGE = Path(__file__).parents[2] / "ae_audit"
BLACK_LIST = re.compile(
    r"[«»]|\b(excuses?|excused|mends?|mended|takes such|as it does as well|stands? here|none of ours|put up with"
    r"|folders? of pictures|is no approval|makes no sense|on the line excuses)\b"
)
SPELLS_SIGNS = {"text_layout.py"}
"""modules whose business is characters: what a user's own text may hold"""


def user_facing(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of a module but its documentation and its bare words (keys, names)."""
    tree = ast.parse(path.read_text("utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_text_of_a_module_is_on_the_black_list(path: Path) -> None:
    if path.name in SPELLS_SIGNS:
        return
    wrong = {
        (line, found[0], text) for line, text in user_facing(path) if " " in text and (found := BLACK_LIST.search(text))
    }
    wrong |= {(line, "«", text) for line, text in user_facing(path) if "«" in text or "»" in text}
    assert not wrong


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_no_page_of_a_rule_is(rule: Rule) -> None:
    assert not BLACK_LIST.findall(f"{rule.summary}\n{rule.page}")


def test_no_option_is() -> None:
    assert not [option.key for option in OPTIONS if BLACK_LIST.search(option.help)]


def test_the_black_list_finds_what_it_is_for() -> None:
    assert BLACK_LIST.search("a comment that excuses it")
    assert not BLACK_LIST.search("a comment that suppresses it")

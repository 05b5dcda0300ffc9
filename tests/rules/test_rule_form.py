"""Every rule keeps the form: unique code, kebab name, a page with fixed headings, examples that parse."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.rules import registry
from ae_audit.rules.base import Rule
from ae_audit.schema.findings import Severity

RULES = registry.all_rules()
HEADINGS = (
    "What it finds",
    "Why it hurts",
    "How it is decided",
    "When it stays silent",
    "Fix safety",
    "References",
)
MAIN_ROAD = {f"AE{number}" for number in (101, 102, 103, 104, 105, 106, 201, 202, 203, 301, 302, 401)}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def test_the_rules_of_the_main_road_are_there_in_order() -> None:
    codes = [rule.code for rule in RULES]
    assert set(codes) >= MAIN_ROAD
    assert codes == sorted(set(codes))
    assert len({rule.name for rule in RULES}) == len(RULES)


@each_rule
def test_code_name_and_file_agree(rule: Rule) -> None:
    assert re.fullmatch(r"AE[1-7]\d\d", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name)
    module = type(rule).__module__.rpartition(".")[2]
    assert module == f"{rule.code.lower()}_{rule.name.replace('-', '_')}"
    assert rule.summary
    assert isinstance(rule.severity, Severity)


@each_rule
def test_the_page_has_the_fixed_headings(rule: Rule) -> None:
    assert tuple(re.findall(r"^## (.+)$", rule.page, re.MULTILINE)) == HEADINGS
    assert not rule.page.startswith("#")
    hurts = rule.page.partition("## Why it hurts")[2].partition("##")[0]
    assert re.search(r"\d", hurts), "why it hurts needs a number"


@each_rule
def test_the_file_is_short(rule: Rule) -> None:
    file = sys.modules[type(rule).__module__].__file__
    assert file is not None
    assert len(Path(file).read_text(encoding="utf-8").splitlines()) < 250


@each_rule
def test_there_are_examples_for_each_framework(rule: Rule) -> None:
    for examples in (rule.bad, rule.good):
        assert {example.framework for example in examples} == set(rule.frameworks)
    for example in rule.bad:
        assert rule.code in example.codes
        assert not example.note
    for example in rule.good:
        assert example.codes == ()
        assert example.fixed is None


@each_rule
def test_the_examples_parse_and_differ(rule: Rule) -> None:
    sources = [example.source for example in (*rule.bad, *rule.good)]
    assert len(set(sources)) == len(sources)
    for example in (*rule.bad, *rule.good):
        ast.parse(example.source)
        assert max(map(len, example.source.splitlines())) <= 120
        if example.fixed is not None:
            ast.parse(example.fixed)
            assert example.fixed != example.source


@pytest.mark.parametrize("spelling", ["AE101", "ae101", "softmax-on-per-pixel-target", "Softmax-On-Per-Pixel-Target"])
def test_a_rule_is_found_by_code_or_name(spelling: str) -> None:
    assert registry.find_rule(spelling).code == "AE101"


@pytest.mark.parametrize(
    ("wrong", "meant"), [("AE1O1", "AE101"), ("softmax-on-per-pixel", "softmax-on-per-pixel-target")]
)
def test_an_unknown_rule_is_an_error_with_a_suggestion(wrong: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"{wrong}.*{meant}"):
        registry.find_rule(wrong)
    with pytest.raises(UsageError, match=f"{wrong}.*{meant}"):
        registry.select_rules([wrong])


def test_selection_by_code_prefix_and_name() -> None:
    def codes(*arguments: list[str] | None) -> list[str]:
        return [rule.code for rule in registry.select_rules(*arguments)]  # type: ignore[arg-type]

    assert codes(None) == [rule.code for rule in RULES]
    assert codes([]) == []
    assert codes(["AE2"]) == [rule.code for rule in RULES if rule.code.startswith("AE2")]
    assert codes(["single-unit-softmax", "AE203"]) == ["AE106", "AE203"]
    assert codes(["AE1"], ["AE101"]) == [
        rule.code for rule in RULES if rule.code.startswith("AE1") and rule.code != "AE101"
    ]


def test_the_rules_need_the_standard_library_alone() -> None:
    code = (
        "import sys; from ae_audit.rules.runner import check; from ae_audit.rules.registry import all_rules;"
        "import ae_audit.fix; all_rules();"
        "print([name for name in ('numpy', 'rich', 'torch', 'keras', 'tensorflow') if name in sys.modules])"
    )
    root = Path(registry.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root, timeout=60
    )
    assert done.stdout.strip() == "[]"

"""Every BAD example gives exactly its codes by reading alone, every GOOD one nothing; a fix mends its example.

Rules that need data to be seen say nothing here; the runtime stage has its own test of the examples.
"""

from __future__ import annotations

import pytest

from ae_audit.fix import apply, propose
from ae_audit.rules.base import Example, Rule
from ae_audit.rules.registry import all_rules
from ae_audit.rules.runner import check
from ae_audit.schema.findings import Finding, Severity
from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import analyse_file


def examples(kind: str) -> list[object]:
    return [
        pytest.param(rule, example, id=f"{rule.code}-{kind}-{example.framework.value}-{number}")
        for rule in all_rules()
        for number, example in enumerate(getattr(rule, kind))
    ]


def audit(source: str, *, seen: bool = True) -> tuple[tuple[Finding, ...], tuple[TrainingSetup, ...]]:
    result = analyse_file("example.py", source.encode())
    assert not result.errors
    assert result.setups or not seen, "no training setup was found"
    findings, _ = check(result.setups)
    return findings, result.setups


def codes(findings: tuple[Finding, ...], rule: Rule) -> list[str]:
    """Codes of warnings and errors, and of the rule itself where it is a note."""
    return sorted({one.code for one in findings if one.severity is not Severity.INFO or one.code == rule.code})


@pytest.mark.parametrize(("rule", "example"), examples("bad"))
def test_bad_examples_give_exactly_their_codes(rule: Rule, example: Example) -> None:
    findings, _ = audit(example.source, seen=not example.by_running)
    seen = codes(findings, rule)
    assert seen == ([] if rule.needs_data or example.by_running else sorted(example.codes))
    # whoever reads the answer alone learns what to change; what an unknown loss should be, nobody can say
    silent = {one.code for one in findings if one.severity is not Severity.INFO and not one.remedies}
    assert silent <= {"AE210"}


@pytest.mark.parametrize(("rule", "example"), examples("good"))
def test_good_examples_give_nothing(rule: Rule, example: Example) -> None:
    findings, _ = audit(example.source, seen=not example.by_running)
    assert codes(findings, rule) == []


@pytest.mark.parametrize(
    ("rule", "example"),
    [param for param in examples("bad") if param.values[1].fixed is not None],  # type: ignore[attr-defined]
)
def test_the_fix_gives_the_fixed_example_which_audits_clean(rule: Rule, example: Example) -> None:
    findings, setups = audit(example.source)
    (finding,) = (one for one in findings if one.code == rule.code)
    assert finding.setup is not None
    fix = propose(finding, setups[finding.setup], lambda path, cell: example.source)
    assert fix is not None
    assert fix.edits, fix.description
    assert fix.safe is (rule.code == "AE401"), "all but a metric changes what is learnt"
    mended = apply(example.source, fix.edits)
    assert mended == example.fixed
    again, _ = audit(mended)
    assert rule.code not in codes(again, rule)

"""Rules of a project's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Audit = Callable[..., Any]

RULE = '''\
"""Adam is the only optimizer here.

## What it finds

Any other optimizer.
"""

from ae_audit.rules.base import Example, Rule
from ae_audit.schema.findings import Severity, Violation
from ae_audit.schema.training_setup import Framework

BAD = """\\
{bad}"""


class NoMse(Rule):
    """The mean squared error is not used here."""

    code = "ACME001"
    name = "no-mse"
    severity = Severity.ERROR
    bad = (Example(Framework.KERAS, BAD, codes=("ACME001",)),)
    good = (Example(Framework.KERAS, BAD.replace('"mse"', '"mae"')),)

    def check(self, setup):
        if setup.loss.name == "mse":
            yield Violation("the mean squared error", setup.loss.location or setup.location)


RULE = NoMse()
'''


@pytest.fixture
def project(folder: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose configuration names a module on Python's path."""
    (folder / "house_rules.py").write_text(RULE.format(bad=model.replace("softmax", "sigmoid")))
    (folder / "pyproject.toml").write_text('[tool.ae-audit]\nrules = ["house_rules"]\n')
    (folder / "a.py").write_text(model)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "house_rules", raising=False)
    from ae_audit.rules.registry import all_rules

    all_rules.cache_clear()
    return folder


def found(outcome: Any) -> list[str]:
    return sorted(finding["code"] for finding in json.loads(outcome.out)["findings"])


def test_its_rules_take_part(project: Path, audit: Audit) -> None:
    assert found(audit("a.py", "--project-rules", "--output-format", "json")) == ["ACME001", "AE101"]
    assert found(audit("a.py", "--project-rules", "--output-format", "json", "--select", "ACME")) == ["ACME001"]
    assert found(audit("a.py", "--project-rules", "--output-format", "json", "--ignore", "no-mse")) == ["AE101"]
    assert audit("a.py", "--project-rules", "--ignore", "no-msee").err.endswith("Did you mean 'no-mse'?\n")
    results = json.loads(audit("a.py", "--project-rules", "--output-format", "sarif").out)["runs"][0]["results"]
    assert {result["ruleId"] for result in results} == {"ACME001", "AE101"}


def test_a_comment_excuses_them(project: Path, audit: Audit, model: str) -> None:
    (project / "a.py").write_text(model.replace('"mse")', '"mse")  # ae-audit: ignore[ACME001] known'))
    assert found(audit("a.py", "--project-rules", "--output-format", "json")) == ["AE101"]


def test_without_the_configuration_they_are_unknown(project: Path, audit: Audit) -> None:
    assert found(audit("a.py", "--isolated", "--output-format", "json")) == ["AE101"]


def test_rule_prints_and_tests_them(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ae_audit.cli.command import main

    assert main(["rule", "--project-rules", "no-mse"]) == 0
    assert capsys.readouterr().out.startswith("# ACME001 no-mse\n")
    assert main(["rule", "--project-rules", "--all"]) == 0
    assert "ACME001" in capsys.readouterr().out
    assert main(["rule", "--test", "ACME001"]) == 0
    assert capsys.readouterr().out == "pass  ACME001 BAD example 1 (keras)\npass  ACME001 GOOD example 1 (keras)\n"


def test_rule_test_tells_what_is_wrong(project: Path) -> None:
    path = project / "house_rules.py"
    path.write_text(path.read_text().replace('== "mse"', '== "mae"'))
    done = subprocess.run(
        [sys.executable, "-m", "ae_audit", "rule", "--test", "no-mse"], capture_output=True, text=True, cwd=project
    )
    assert done.returncode == 1
    assert done.stdout == (
        "FAIL  ACME001 BAD example 1 (keras): it does not give ACME001; it gives nothing\n"
        "FAIL  ACME001 GOOD example 1 (keras): it gives ACME001, and must not\n"
    )


@pytest.mark.parametrize(
    ("modules", "text", "sentence"),
    [
        ('["absent_rules"]', "", "The rules in 'absent_rules' cannot be imported: there is no such module"),
        ('["house_rules"]', "x = 1 / 0", "The rules in 'house_rules' cannot be imported: ZeroDivisionError"),
        ('["house_rules"]', "x = 1", "'house_rules' has no rule: it must define RULE"),
        ('"house_rules"', "", "'rules' must be a list of module names"),
    ],
)
def test_mistakes(project: Path, audit: Audit, modules: str, text: str, sentence: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.ae-audit]\nrules = {modules}\n")
    (project / "house_rules.py").write_text(text)
    outcome = audit("a.py", "--project-rules")
    assert outcome.code == 2
    assert sentence in outcome.err


def test_codes_and_names_must_be_new(project: Path, audit: Audit) -> None:
    path = project / "house_rules.py"
    path.write_text(path.read_text().replace("ACME001", "AE101"))
    assert "AE101 is taken by another rule" in audit("a.py", "--project-rules").err


def test_entry_points_offer_modules_by_name(project: Path, audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    information = project / "acme-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[ae_audit.rules]\nacme = house_rules\n")
    (project / "pyproject.toml").write_text('[tool.ae-audit]\nrules = ["acme"]\n')
    assert found(audit("a.py", "--project-rules", "--output-format", "json")) == ["ACME001", "AE101"]
    (project / "pyproject.toml").write_text('[tool.ae-audit]\nrules = ["acmee"]\n')
    assert "Did you mean 'acme'?" in audit("a.py", "--project-rules").err


def test_no_configuration_has_code_run(project: Path, audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    from ae_audit.cli.command import main

    (project / "house_rules.py").write_text("raise SystemExit('imported')")
    outcome = audit("a.py", "--output-format", "json")
    assert found(outcome) == ["AE101"]
    assert "house_rules; --project-rules imports them" in outcome.err
    assert "--project-rules" in audit("a.py", "--select", "ACME001").err
    assert main(["rule", "--all"]) == 0
    assert "ACME001" not in capsys.readouterr().out

"""Every rule's examples by reading, running and probing: the three stages must agree.

One BAD and one GOOD example of each framework go through the command (``test_examples_static`` reads them all). The
short fits, which are most of the time, are part of it in one framework for each rule, or in both with
``AE_AUDIT_EVERY_PROBE=1``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ae_audit.rules.base import Example, Rule
from ae_audit.rules.registry import all_rules
from ae_audit.schema.findings import Severity
from ae_audit.schema.training_setup import Framework
from tests.end_to_end.warm import WarmCommand

pytestmark = pytest.mark.slow

REFUTED = {("AE104", Framework.KERAS): "Keras on TensorFlow undoes it"}
"""findings that the experiment withdraws, and the words in which the report says why"""
UNTRIED = {("AE209", Framework.TORCH)}
"""findings whose remedy is another architecture, which no experiment can put in"""
UNSEEN = {("AE211", Framework.TORCH): "out of bounds"}
"""programs whose run shows no step that could be judged, and the words in which the report says so"""
NOTED = {("AE702", Framework.TORCH): "compares no prediction with data"}
"""right as it is that the run compares nothing: the words in which a note says so"""


EVERY_PROBE = os.environ.get("AE_AUDIT_EVERY_PROBE") == "1"
"""whether every example is probed, which takes minutes more; a release asks for it"""


def is_probed(rule: Rule, example: Example) -> bool:
    """Whether the short fits take part: of each rule in one framework, in turn, and where that decides."""
    rules = [one.code for one in all_rules()]
    turn = (Framework.KERAS, Framework.TORCH)[rules.index(rule.code) % 2]
    differs = (rule.code, example.framework) in REFUTED
    return EVERY_PROBE or example.framework is turn or differs or example.by_running


def examples(kind: str) -> list[object]:
    """The first example of each framework, for every rule."""
    params = []
    for rule in all_rules():
        first: dict[Framework, Example] = {}
        for example in getattr(rule, kind):
            first.setdefault(example.framework, example)
        for framework, example in first.items():
            params.append(pytest.param(rule, example, id=f"{rule.code}-{kind}-{framework.value}"))
    return params


class Warm:
    """A server that audits programs of one framework."""

    def __init__(self, framework: Framework, folder: Path) -> None:
        self._command = WarmCommand(framework.value, folder)
        self._reports: dict[tuple[str, bool], dict[str, Any]] = {}

    def report(self, source: str, *, probe: bool = True) -> dict[str, Any]:
        """The report on a program, as JSON; of equal programs one is made."""
        key = source, probe
        if key not in self._reports:
            name = f"example_{len(self._reports)}.py"
            (self._command.folder / name).write_text(source)
            done = self._command("--timeout", "200", *([] if probe else ["--no-probe"]), name)
            self._reports[key] = {**done.report, "exit": done.code}
        return self._reports[key]

    def close(self) -> None:
        self._command.close()


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Framework, Warm]]:
    """The servers, started when they are first needed."""

    class Started(dict[Framework, Warm]):
        def __missing__(self, framework: Framework) -> Warm:
            self[framework] = Warm(framework, tmp_path_factory.mktemp(framework.value))
            return self[framework]

    servers = Started()
    yield servers
    for server in servers.values():
        server.close()


def loud(report: dict[str, Any], rule: Rule) -> set[str]:
    """Codes of the warnings and errors, and of the rule itself where it is a note."""
    return {
        each["code"]
        for each in report["findings"]
        if each["severity"] != "info" or (each["code"] == rule.code and rule.severity is Severity.INFO)
    }


@pytest.mark.parametrize(("rule", "example"), examples("bad"))
def test_bad_examples_are_seen_running_and_settled(rule: Rule, example: Example, warm: dict[Framework, Warm]) -> None:
    probed = is_probed(rule, example)
    report = warm[example.framework].report(example.source, probe=probed)
    assert loud(report, rule) == set(example.codes)
    raised = UNSEEN.get((rule.code, example.framework))
    if raised is not None:
        (error,) = report["errors"]
        assert raised in error["message"]
        return
    assert report["errors"] == []
    noted = NOTED.get((rule.code, example.framework))
    if noted is not None:
        assert any(noted in note["text"] for note in report["notes"])
        return
    assert all("runtime" in setup["seen_by"] for setup in report["setups"])
    verdicts = {each["verdict"] for each in report["findings"] if each["code"] == rule.code}
    why_refuted = REFUTED.get((rule.code, example.framework))
    if why_refuted is not None:
        assert verdicts == {"refuted"}
        assert why_refuted in json.dumps(report)
    else:
        tried = rule.probed and (rule.code, example.framework) not in UNTRIED
        sure = {"proved", "confirmed"} if tried else {"static", "proved"}
        assert verdicts <= (sure if probed else sure | {"static"})
        assert report["exit"] == (1 if "error" in {each["severity"] for each in report["findings"]} else 0)


@pytest.mark.parametrize(("rule", "example"), examples("good"))
def test_good_examples_stay_good_when_they_run(rule: Rule, example: Example, warm: dict[Framework, Warm]) -> None:
    report = warm[example.framework].report(example.source)
    assert report["setups"]
    assert report["errors"] == []
    if (rule.code, example.framework) not in NOTED:
        assert all("runtime" in setup["seen_by"] for setup in report["setups"])
    assert loud(report, rule) == set()
    assert "confirmed" not in {each["verdict"] for each in report["findings"]}
    assert report["exit"] == 0

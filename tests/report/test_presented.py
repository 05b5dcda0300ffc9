from __future__ import annotations

import io

import pytest

from ae_audit.base.errors import FindingsError
from ae_audit.report import render
from ae_audit.report.display import PresentedReport
from ae_audit.schema.report import Report
from ae_audit.source.text import Sources


def test_raises_only_where_findings_stand(rich_report: Report, sources: Sources) -> None:
    with pytest.raises(FindingsError, match="AE101 softmax-on-per-pixel-target") as caught:
        PresentedReport.of(rich_report, sources).raise_for_findings()
    assert isinstance(caught.value, AssertionError)
    refuted = Report(findings=rich_report.findings[3:4])
    PresentedReport.of(refuted).raise_for_findings("info")
    infos = PresentedReport.of(Report(findings=rich_report.findings[2:3]))
    infos.raise_for_findings("warning")
    with pytest.raises(FindingsError):
        infos.raise_for_findings("info")


def test_html_is_escaped_and_says_the_same(rich_report: Report, sources: Sources) -> None:
    import html
    import re

    report = PresentedReport.of(rich_report, sources)
    fragment = report._repr_html_()
    drawn, _, text = fragment.partition("<pre")
    assert html.unescape(re.sub(r"<[^>]+>", "", f"<pre{text}")).strip() == str(report)
    assert "<svg" in drawn


def test_rich_shows_the_same_text(rich_report: Report, sources: Sources) -> None:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=80).print(PresentedReport.of(rich_report, sources))
    shown = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert shown == render(rich_report, "full", sources, width=80).splitlines()


def test_repr_is_one_line(rich_report: Report) -> None:
    assert repr(PresentedReport.of(rich_report)).startswith("<Report: 2 errors, 1 warning, 1 info in 2 training setups")
    assert PresentedReport.of(rich_report) == PresentedReport.of(rich_report)


def test_json_of_a_report(rich_report: Report) -> None:
    assert PresentedReport.of(rich_report).to_json() == render(rich_report, "json")

"""The page: what it says, that it hangs together, that it needs nothing from elsewhere."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

from ae_audit.report import render
from ae_audit.report.full import sections
from ae_audit.report.text_layout import plain
from ae_audit.schema.findings import Arm, Evidence, Severity
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report
from ae_audit.source.text import Sources
from tests.report.goldens import compare

VOID = {"meta", "line", "circle", "polyline"}


class Outline(HTMLParser):
    """Checks that tags close in turn, and keeps ids, links and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page(rich_report: Report, sources: Sources) -> None:
    compare("report.html", render(rich_report, "html", sources))


def test_it_says_what_the_full_report_says(rich_report: Report, sources: Sources) -> None:
    said = Outline(render(rich_report, "html", sources)).text
    for _, lines in sections(rich_report, sources):
        assert plain(lines).strip("\n") in said


def test_each_link_leads_to_a_finding_on_the_page(rich_report: Report, sources: Sources) -> None:
    outline = Outline(render(rich_report, "html", sources))
    assert outline.links == [f"#{name}" for name in outline.ids]
    told = [finding for finding in rich_report.standing if finding.severity is not Severity.INFO]
    assert len(outline.links) == len(told) < len(rich_report.findings), "the others are told in brief"


def test_texts_are_escaped(rich_report: Report, sources: Sources) -> None:
    evil = '<script>alert("1")</script>'
    arms = (Arm(evil, (0.1,), (0.0, 0.1)), Arm("all fixes", (0.5,), (0.2, 0.5)))
    finding = replace(
        rich_report.findings[0],
        message=evil,
        location=Location(f"{evil}.py", 1),
        evidence=(Evidence("probe", evil, arms=arms, figures=(("steps", 50),)),),
    )
    page = render(replace(rich_report, findings=(finding,)), "html", sources)
    assert "script" not in Outline(page).tags
    assert html.escape(evil) in page


def test_the_curves_of_the_probe_are_drawn_once(rich_report: Report, sources: Sources) -> None:
    arms = (Arm("as written", (-3.0,), (-9.0, float("nan"), -3.0)), Arm("all fixes", (0.5,), (0.2, 0.4, 0.5)))
    evidence = (Evidence("probe", "the fix is ahead", arms=arms, figures=(("steps", 75),)),)
    first = replace(rich_report.findings[0], evidence=evidence)
    page = render(replace(rich_report, findings=(first, replace(first, code="AE102"))), "html", sources)
    assert Outline(page).tags.count("svg") == 1
    assert "R² over 75 steps" in page
    curves = [
        [tuple(map(float, point.split(","))) for point in points.split()]
        for points in re.findall(r'<polyline[^>]* points="([^"]+)"', page)
    ]
    lowest = max(top for curve in curves for _, top in curve)
    assert [top for _, top in curves[0]] == [lowest] * 3, "below −1 and not a number are drawn at −1"
    assert [top for _, top in curves[1]] == sorted((top for _, top in curves[1]), reverse=True)


def test_the_colour_of_what_is_fixed_is_given_to_nothing_else(rich_report: Report, sources: Sources) -> None:
    arms = (Arm("as written", (0.1,), (0.0, 0.1)), Arm("all fixes", (), failed="ValueError: no such loss"))
    finding = replace(rich_report.findings[0], evidence=(Evidence("probe", "not settled", arms=arms),))
    page = render(replace(rich_report, findings=(finding,)), "html", sources)
    (colour,) = re.findall(r'<polyline[^>]* style="stroke:([^"]+)"', page)
    assert colour == "var(--red)"


def test_labels_of_arms_that_all_fare_badly_stay_in_the_picture_and_apart(
    rich_report: Report, sources: Sources
) -> None:
    bad = tuple(Arm(f"arm {number}", (float("-inf"),), (-2.0, float("-inf"))) for number in range(4))
    finding = replace(rich_report.findings[0], evidence=(Evidence("probe", "none learns", arms=bad),))
    page = render(replace(rich_report, findings=(finding,)), "html", sources)
    (bottom,) = map(float, re.findall(r'viewBox="0 0 \d+ (\d+)"', page))
    labels = sorted(float(y) for y in re.findall(r'<text x="\d+" y="([\d.]+)" style="fill', page))
    assert len(labels) == 4
    assert labels[-1] < bottom
    assert all(below - above >= 12 for above, below in pairwise(labels))
    assert "1\n0\n−1\nR² over 2 steps\n" in Outline(page).text, "words of the picture run into one another"


def test_of_nothing_it_says_so() -> None:
    assert "No training setup found in 0 files." in Outline(render(Report(), "html", Sources())).text

"""The page in a browser: opened, filtered, followed, printed, on a phone, under a strict policy, without a mouse."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ae_audit.report import render, to_folder
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report
from ae_audit.source.text import Sources
from tests.report.browser import Browser, browser, executable
from tests.report.test_html import many, shown

pytestmark = pytest.mark.skipif(executable() is None, reason="there is no Chromium on this machine")

JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
"""https://www.jenkins.io/doc/book/security/configuring-content-security-policy/"""
SHOWN = "[...document.querySelectorAll('.training')].filter(one => one.offsetParent !== null).map(one => one.id)"
BEYOND = """[...document.querySelectorAll('body *')].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1) && !one.matches('.skip');
}).map(one => one.tagName + ' ' + one.className + ' ' + one.textContent.slice(0, 40))"""
LABELS_CUT = """[...document.querySelectorAll('svg text')].filter(one => {
    const box = one.getBoundingClientRect(), frame = one.ownerSVGElement.getBoundingClientRect();
    return box.right > frame.right + 1 || box.left < frame.left - 1 || box.bottom > frame.bottom + 1;
}).map(one => one.textContent)"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def report(rich_report: Report) -> Report:
    """Two trainings with errors, one with a warning alone, one without a finding; one name that is hostile."""
    evil = '"><img src=x onerror=document.title="hacked"><b>.py'
    first, warning, *_ = shown(rich_report).findings
    plain = rich_report.setups[1]
    return replace(
        shown(rich_report),
        findings=(
            first,
            replace(rich_report.findings[4], setup=1),
            replace(warning, setup=2, location=Location(evil, 3, 1)),
        ),
        setups=(rich_report.setups[0], plain, replace(plain, location=Location(evil, 4)), plain),
    )


@pytest.fixture
def page(report: Report, sources: Sources, tmp_path: Path) -> str:
    path = tmp_path / "report.html"
    path.write_text(render(report, "html", sources), "utf-8")
    return path.as_uri()


def test_trainings_are_filtered_without_a_script(tab: Browser, page: str) -> None:
    tab.resize(1280)
    tab.open(page)
    assert tab.evaluate(SHOWN) == ["training-1", "training-2", "training-3", "training-7"]
    tab.evaluate("document.querySelector('#show-error').click()")
    assert tab.evaluate(SHOWN) == ["training-3", "training-7"]
    tab.evaluate("document.querySelector('#show-sound').click()")
    assert tab.evaluate(SHOWN) == ["training-3"]
    tab.evaluate("document.querySelector('#show-error').click()")
    assert tab.evaluate(SHOWN) == ["training-1", "training-2", "training-3"]
    tab.evaluate("document.querySelector('#show-static').click()")
    assert tab.evaluate(SHOWN) == ["training-1", "training-2"]
    assert tab.evaluate("document.querySelectorAll('script').length") == 0


def test_a_link_leads_to_its_rule(tab: Browser, page: str) -> None:
    tab.resize(1280, 400)
    tab.open(page)
    tab.evaluate("document.querySelector('a[href=\"#rule-AE101\"]').click()")
    top = tab.evaluate("document.querySelector('#rule-AE101').getBoundingClientRect().top")
    assert 0 <= top < 400
    assert tab.evaluate("location.hash") == "#rule-AE101"


def test_the_keyboard_reaches_filters_links_and_evidence(tab: Browser, page: str) -> None:
    tab.resize(1280)
    tab.open(page)
    reached = []
    for _ in range(30):
        tab.press("Tab", 9)
        reached.append(tab.evaluate("document.activeElement.tagName + (document.activeElement.className || '')"))
    assert reached[0] == "Askip"
    assert {"INPUT", "A", "SUMMARY"} <= set(reached)
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.evaluate("document.querySelector('summary').focus()")
    tab.press("Enter", 13, "\r")
    assert tab.evaluate("document.querySelector('details').open") is True
    tab.evaluate("document.querySelector('#show-error').focus()")
    tab.press(" ", 32, " ")
    assert "training-1" not in tab.evaluate(SHOWN)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_cut_or_hangs_over(tab: Browser, page: str, width: int) -> None:
    tab.resize(width, mobile=width == 390)
    tab.open(page)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate(BEYOND) == []
    assert tab.evaluate(LABELS_CUT) == []


def test_names_that_are_markup_stay_text(tab: Browser, page: str) -> None:
    tab.open(page)
    assert tab.evaluate("document.querySelectorAll('img').length") == 0
    assert tab.evaluate("document.title").startswith("ae-audit: ")


def test_dark_where_the_reader_wants_it_dark(tab: Browser, page: str) -> None:
    tab.prefer("dark")
    tab.open(page)
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    tab.prefer("light")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_what_is_closed_is_printed_too(tab: Browser, report: Report, sources: Sources, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    text = render(report, "html", sources)
    path.write_text(text, "utf-8")
    tab.open(path.as_uri())
    closed = len(tab.pdf())
    path.write_text(re.sub("<details>.*?</details>", "", text, flags=re.DOTALL), "utf-8")
    tab.open(path.as_uri())
    without = len(tab.pdf())
    path.write_text(text.replace("<details>", "<details open>"), "utf-8")
    tab.open(path.as_uri())
    opened = len(tab.pdf())
    assert opened - without > 2000
    assert abs(opened - closed) < 0.1 * (opened - without), "closed or open, the same is printed"


class _Strict(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", JENKINS)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(report: Report, sources: Sources, tmp_path: Path) -> Iterator[str]:
    for name, text in to_folder(report, sources).items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "single.html").write_text(render(report, "html", sources), "utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Strict, directory=str(tmp_path))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_under_jenkins_policy_the_folder_is_as_it_is_elsewhere(tab: Browser, server: str) -> None:
    tab.resize(1280)
    tab.complaints.clear()
    tab.open(f"{server}/index.html")
    assert [one for one in tab.complaints if "favicon" not in one] == []
    assert tab.evaluate("getComputedStyle(document.querySelector('.tiles')).display") == "grid"
    tab.call("Runtime.evaluate", expression="0")
    drawn = "[...document.querySelectorAll('polyline')].map(one => getComputedStyle(one).stroke)"
    assert "rgb(217, 72, 59)" in tab.evaluate(drawn), "curves have their colours"


def test_under_jenkins_policy_a_single_file_is_plain_and_readable(tab: Browser, server: str) -> None:
    tab.open(f"{server}/single.html")
    drawn = "[...document.querySelectorAll('polyline')].map(one => getComputedStyle(one).stroke)"
    assert "rgb(217, 72, 59)" in tab.evaluate(drawn)
    assert tab.evaluate("document.querySelector('fieldset').offsetParent") is None, (
        "filters that cannot work are hidden"
    )
    assert tab.evaluate("document.querySelector('.chart').getBoundingClientRect().width") == 380
    assert tab.evaluate(BEYOND) == []


def test_a_thousand_files_open(tab: Browser, rich_report: Report, sources: Sources, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    path.write_text(render(many(rich_report, 1000), "html", sources), "utf-8")
    tab.open(path.as_uri())
    assert len(tab.evaluate(SHOWN)) == 1000
    tab.evaluate("document.querySelector('#show-error').click()")
    assert tab.evaluate(SHOWN) == []

"""The page: what it says, that it hangs together, that it needs nothing from elsewhere and stays small."""

from __future__ import annotations

import html
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from ae_audit.report import render, to_folder
from ae_audit.report.html import SHEET_NAME
from ae_audit.report.html.page import LIMIT
from ae_audit.report.html.sheet import DARK, GROUNDS, LIGHT, MARKED, TEXTS
from ae_audit.report.html.svg import Tone, pixels
from ae_audit.schema.findings import Arm, Evidence, Severity
from ae_audit.schema.location import Location
from ae_audit.schema.report import Note, Report, Undecided
from ae_audit.schema.sights import Counted, Gallery, Histogram, Kind, Row, Sight
from ae_audit.source.text import Sources
from tests.report.goldens import compare

VOID = {"meta", "link", "input", "br"}


class Outline(HTMLParser):
    """Checks that tags close in turn, and keeps ids, links, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


HISTOGRAM = Histogram(Counted.VALUES, 0.0, 255.0, (900, 4, 0, 3), 0.0, 1.0, 0.875)
IMAGE = bytes(range(0, 256, 4)).hex()
GALLERY = Gallery(
    Kind.IMAGE,
    8,
    8,
    0.0,
    255.0,
    (0.1, 0.5, math.inf),
    tuple(Row(name, (IMAGE,) * 3) for name in ("target", "as written", "all fixes", "error")),
    256,
)
ARMS = (
    Arm("as written", (-3.0, -2.0), (-9.0, math.nan, -2.5), curves=((-9.0, math.nan, -3.0), (-9.0, -4.0, -2.0))),
    Arm("all fixes", (0.5,), (0.2, 0.4, 0.5), (3.0, 1.0), losses=((3.0, 2.0, 1.0),), floor=0.5),
)


def shown(report: Report, sight: Sight | None = None, arms: tuple[Arm, ...] = ARMS) -> Report:
    """``report`` with something to look at in its first set-up."""
    evidence = (Evidence("probe", "the fix is ahead", arms=arms, figures=(("steps", 75),)),)
    findings = (replace(report.findings[0], evidence=evidence), *report.findings[1:])
    return replace(report, findings=findings, sights=(sight or Sight(HISTOGRAM, GALLERY), None))


def test_page(rich_report: Report, sources: Sources) -> None:
    compare("report.html", render(shown(rich_report), "html", sources))


def test_it_says_everything_that_was_found_out(rich_report: Report, sources: Sources) -> None:
    said = Outline(render(rich_report, "html", sources)).text
    for finding in rich_report.findings:
        assert finding.message.replace("`", "") in said
        for item in finding.evidence:
            assert item.text.replace("`", "") in said or finding.severity is Severity.INFO
    for part in (*rich_report.undecided, *rich_report.errors, *rich_report.notes):
        text = getattr(part, "why", None) or getattr(part, "text", None) or getattr(part, "message", "")
        assert text.replace("`", "")[:20] in said
    assert "Suppressed" in said
    assert 'activation="sigmoid"' in said, "the diff"


def test_each_link_leads_to_a_place_on_the_page(rich_report: Report, sources: Sources) -> None:
    outline = Outline(render(rich_report, "html", sources))
    assert set(outline.links) <= {f"#{name}" for name in outline.ids}
    assert "#rule-AE101" in outline.links
    assert len(set(outline.ids)) == len(outline.ids)


def test_texts_are_inert(rich_report: Report, sources: Sources) -> None:
    evil = '<script>alert("1")</script>\u202e'
    arms = (replace(ARMS[0], name=evil), replace(ARMS[1], name=f"{evil} 2", failed=evil))
    gallery = replace(GALLERY, rows=(replace(GALLERY.rows[0], name=evil), *GALLERY.rows[1:]), note=evil)
    report = shown(rich_report, Sight(HISTOGRAM, gallery), arms)
    finding = replace(report.findings[0], message=evil, location=Location(f"{evil}.py", 1), code='"><b>')
    page = render(replace(report, findings=(finding,)), "html", sources)
    assert "script" not in Outline(page).tags
    assert html.escape('<script>alert("1")</script>') in page
    assert "\u202e" not in page


def test_every_drawing_has_a_title_and_a_text(rich_report: Report, sources: Sources) -> None:
    page = render(shown(rich_report), "html", sources)
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 1 + 12 + 2
    for one in drawings:
        assert re.search(r"<title>[^<]+</title><desc>[^<]+</desc>", one)


def test_the_tiles_say_in_words_what_they_show(rich_report: Report, sources: Sources) -> None:
    said = Outline(render(shown(rich_report), "html", sources)).text
    assert "87.5% of the values of the target lie outside what the output can reach (0 to 1)." in said
    assert "hatched bars: outside, 87.5%; plain bars: within reach" in said
    assert "3 of 256 images, from the least error as written to the greatest." in said
    assert "R² −2.50 ± 0.71 as written, 0.50 with all fixes." in said
    assert "as written −2.50" in said
    assert "fixed 0.50" in said
    assert "loss minus its floor, over 75 steps" in said


def curves(page: str) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, point.split(","))) for point in points.split()]  # type: ignore[misc]
        for points in re.findall(r'<polyline[^>]* points="([^"]+)"', page)
    ]


def test_every_seed_is_drawn_and_what_is_below_is_drawn_at_the_edge(rich_report: Report, sources: Sources) -> None:
    first, second, fixed, loss = curves(render(shown(rich_report), "html", sources))
    lowest = max(top for _, top in first)
    assert [top for _, top in first] == [lowest] * 3, "below −1 and not a number are drawn at −1"
    assert [top for _, top in second] == [lowest] * 3
    assert [top for _, top in fixed] == sorted((top for _, top in fixed), reverse=True)
    assert [left for left, _ in first] == [left for left, _ in fixed], "one horizontal axis"
    assert len(loss) == 3


def test_a_loss_below_what_theory_calls_its_floor_is_not_drawn_above_it(rich_report: Report, sources: Sources) -> None:
    arms = (ARMS[0], replace(ARMS[1], floor=1.5))
    assert "loss minus its floor" not in render(shown(rich_report, arms=arms), "html", sources)


def test_labels_of_arms_that_all_fare_badly_stay_in_the_picture_and_apart(
    rich_report: Report, sources: Sources
) -> None:
    bad = tuple(Arm(f"arm {number}", (-math.inf,), (-2.0, -math.inf)) for number in range(4))
    page = render(shown(rich_report, arms=bad), "html", sources)
    (picture,) = re.findall(r'<svg class="chart".*?</svg>', page, re.DOTALL)
    (bottom,) = map(float, re.findall(r'viewBox="0 0 \d+ (\d+)"', picture))
    labels = sorted(float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)">(?:fixed|[A-D]) ', picture))
    assert len(labels) == 4
    assert labels[-1] < bottom
    assert all(below - above >= 12 for above, below in pairwise(labels))


def test_colours_are_doubled_by_a_dash_or_a_hatching() -> None:
    lines = [tone.dash for tone in Tone if tone is not Tone.PLAIN]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    ("values", "channels", "classes", "colours"),
    [
        (bytes([0, 0, 255, 255]), 1, False, {"#000000", "#ffffff"}),
        (bytes([255, 0, 0] * 3 + [0, 0, 255]), 3, False, {"#f00", "#00f"}),
        (bytes([0, 1, 1, 9]), 1, True, {"#111", "#e6a817"}),
    ],
)
def test_pixels_keep_their_colours(values: bytes, channels: int, classes: bool, colours: set[str]) -> None:
    drawn = pixels(values, 2, 2, channels, classes=classes)
    assert set(re.findall(r'"(#[0-9a-f]+)"', drawn)) == colours


def test_a_picture_covers_every_pixel_once() -> None:
    values = bytes((7 * index) % 256 for index in range(12 * 9))
    drawn = pixels(values, 9, 12)
    covered = [
        (int(x) + step, int(y))
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)(?![\dv])", drawn)
        for step in range(int(length))
    ]
    assert len(covered) == len(set(covered)) <= 12 * 9
    assert all(x < 12 and y < 9 for x, y in covered)


def brightness(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((brightness(one), brightness(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_letters_stand_out_from_their_ground(colours: dict[str, str]) -> None:
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS] + list(MARKED)
    found = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_of_drawings_stand_out_from_both_grounds(colours: dict[str, str]) -> None:
    assert all(contrast(tone.colour, colours[ground]) >= 3 for tone in Tone for ground in GROUNDS)


def test_for_strict_servers_nothing_within_the_page_needs_a_style(rich_report: Report, sources: Sources) -> None:
    files = to_folder(shown(rich_report), sources)
    outline = Outline(files["index.html"])
    assert "style" not in {name for name, _ in outline.attributes}
    assert {"style", "script", "img"}.isdisjoint(outline.tags)
    assert SHEET_NAME in outline.links
    assert set(files) == {"index.html", SHEET_NAME}
    assert not [name for name, _ in outline.attributes if name.startswith("on")]


def test_the_page_in_one_file_loads_nothing(rich_report: Report, sources: Sources) -> None:
    page = render(shown(rich_report), "html", sources)
    assert all(link.startswith("#") for link in Outline(page).links)
    assert "url(" not in page.replace("url(#hatch", "")
    assert "@import" not in page


def many(report: Report, number: int, **changes: object) -> Report:
    findings = tuple(
        replace(report.findings[0], location=Location(f"package/module_{index}/train.py", 17, 1), setup=index)
        for index in range(number)
    )
    setups = tuple(
        replace(report.setups[0], location=Location(f"package/module_{index}/train.py", 20)) for index in range(number)
    )
    files = tuple(setup.location.path for setup in setups)
    undecided = tuple(Undecided(path, "loss", "it is chosen by a configuration file", 3) for path in files)
    return replace(report, findings=findings, setups=setups, files=files, undecided=undecided, **changes)


def test_a_thousand_files_stay_below_a_megabyte(rich_report: Report, sources: Sources) -> None:
    page = render(many(rich_report, 1000), "html", sources)
    assert len(page.encode()) <= LIMIT
    assert len(re.findall(r'<section class="[^"]*training', page)) == 1000, "every training is told"
    assert page.count('class="excerpt"') > 50, "and the worst of them whole"
    sound = render(replace(many(rich_report, 1000), findings=()), "html", sources)
    assert len(sound.encode()) <= LIMIT
    assert "module_999/" in sound


def test_pictures_and_hostile_lengths_stay_below_a_megabyte_too(rich_report: Report, sources: Sources) -> None:
    noise = bytes((index * 7919 + index // 5 * 31) % 256 for index in range(64 * 64 * 3)).hex()
    gallery = Gallery(Kind.IMAGE, 64, 64, 0.0, 1.0, (0.1,) * 8, (Row("target", (noise,) * 8, 3),) * 8, 256)
    sights = (Sight(HISTOGRAM, gallery), *(Sight(HISTOGRAM, GALLERY),) * 63)
    notes = tuple(Note("a.py", "n" * 2000 + str(index)) for index in range(1000))
    report = many(shown(rich_report), 64, sights=sights, notes=notes)
    page = render(report, "html", sources)
    assert len(page.encode()) <= LIMIT
    assert page.count('<table class="pictures">') >= 1, "those that fit are drawn"
    assert "this page is kept below a megabyte" in page


def test_a_sound_audit_shows_what_was_looked_at_and_is_never_green_alone(rich_report: Report, sources: Sources) -> None:
    ran = replace(rich_report.setups[0], seen_by=("static", "runtime"))
    gallery = replace(GALLERY, columns=(), rows=GALLERY.rows[:1])
    clean = Report(setups=(ran,), files=("first.py",), sights=(Sight(HISTOGRAM, gallery),))
    page = render(clean, "html", sources)
    said = Outline(page).text
    assert 'class="band good"' in page
    assert "No fault found in 1 training." in said
    assert "read, and run on the program's own data" in said
    assert page.count("<figure>") == 2
    unsure = replace(clean, undecided=rich_report.undecided)
    page = render(unsure, "html", sources)
    assert 'class="band none"' in page
    assert "2 facts undecided, so this is no proof that all is right." in Outline(page).text
    unread = replace(clean, setups=(rich_report.setups[0],), sights=())
    assert "1 training only read, not run" in Outline(render(unread, "html", sources)).text


def test_what_reading_knows_of_the_reach_is_drawn_without_a_run(rich_report: Report, sources: Sources) -> None:
    said = Outline(render(rich_report, "html", sources)).text
    assert "Read, not run: the output reaches 0 to 1, the target lies in 0 to 255; the outputs sum to 1." in said


def test_of_several_trainings_the_worst_is_named_first_and_told_below(rich_report: Report, sources: Sources) -> None:
    page = render(rich_report, "html", sources)
    band, _, rest = page.partition("</header>")
    assert "2 trainings have faults; the worst: book.ipynb:cell 1:2" in band
    assert rest.index("book.ipynb:cell 1:2") < rest.index("first.py:9")
    alone = render(replace(rich_report, findings=rich_report.findings[:1]), "html", sources)
    assert "trainings have faults" not in alone


def test_of_nothing_it_says_so() -> None:
    assert "No training setup found in 0 files." in Outline(render(Report(), "html", Sources())).text

"""Every format against the text that it gave when a person last looked at it (UPDATE_GOLDEN=1 writes it anew)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.report import lines, render
from ae_audit.report.text_layout import ansi, plain
from ae_audit.schema.findings import Evidence
from ae_audit.schema.report import Report
from ae_audit.source.text import Sources
from tests.report.goldens import compare


@pytest.mark.parametrize("width", [80, 120])
def test_full(rich_report: Report, sources: Sources, width: int) -> None:
    compare(f"full_{width}.txt", render(rich_report, "full", sources, width=width, hints=True))


def test_full_in_ascii(rich_report: Report, sources: Sources) -> None:
    text = plain(lines(rich_report, "full", sources, width=80, ascii_only=True))
    assert text.isascii()
    compare("full_ascii.txt", text)


def test_full_in_colour(rich_report: Report, sources: Sources) -> None:
    compare("full_ansi.txt", ansi(lines(rich_report, "full", sources, width=80)))


def test_concise(rich_report: Report, sources: Sources) -> None:
    compare("concise.txt", render(rich_report, "concise", sources))


def test_json(rich_report: Report) -> None:
    compare("report.json", render(rich_report, "json"))


def test_nothing_found(sources: Sources) -> None:
    assert render(Report(), "full", sources) == "No training setup found in 0 files.\n"
    assert render(Report(), "concise", sources) == "No training setup found in 0 files.\n"


def test_clean(rich_report: Report, sources: Sources) -> None:
    clean = Report(setups=rich_report.setups[1:], files=("book.ipynb",))
    compare("full_clean.txt", render(clean, "full", sources))


def test_the_same_diff_and_table_are_shown_once(rich_report: Report, sources: Sources) -> None:
    first = rich_report.findings[0]
    *others, probe = first.evidence
    second = replace(first, code="AE102", evidence=(*others, replace(probe, text="the same arms")))
    text = render(Report(findings=(first, second)), "full", sources)
    assert text.count("gives uint8 images") == 1
    assert text.count("@@ -9 +9 @@") == 1
    assert "all edits" in text
    assert text.count("R² of each seed") == 1
    assert "[the table under AE101 above]" in " ".join(text.split())


def test_unknown_format(sources: Sources) -> None:
    with pytest.raises(ValueError, match="sarf"):
        render(Report(), "sarf", sources)


def test_a_withdrawn_finding_keeps_its_reason_and_drops_its_trail(rich_report: Report, sources: Sources) -> None:
    withdrawn = rich_report.findings[3]
    evidence = (
        Evidence("static", "the step of a trail", withdrawn.location),
        Evidence("static", "on torch and JAX it is applied twice"),
        *withdrawn.evidence,
    )
    text = render(replace(rich_report, findings=(replace(withdrawn, evidence=evidence),)), "full", sources, width=80)
    assert "on torch and JAX it is applied twice" in text
    assert "the step of a trail" not in text


def test_the_answer_comes_first(rich_report: Report, sources: Sources) -> None:
    text = render(rich_report, "full", sources, width=100)
    answer = text.split("\n\n")[0].splitlines()
    assert len(answer) <= 6
    assert answer[0] == "✗ does not learn (confirmed) first.py:9: AE101 AE301"
    assert "R² −0.67 → 0.52, 250 steps" in " ".join(answer)
    assert "`ae-audit --fix --unsafe-fixes`" in " ".join(" ".join(answer).split())


def test_of_many_findings_only_the_answers_are_written(rich_report: Report, sources: Sources) -> None:
    first = rich_report.findings[0]
    many = replace(rich_report, findings=tuple(replace(first, code=f"AE10{number}") for number in range(1, 8)))
    brief = plain(lines(many, "full", sources, hints=True, verbose=False))
    assert "--verbose" in brief
    assert "@@ -9 +9 @@" not in brief
    assert "AE101 AE102 AE103 AE104 AE105 AE106 AE107" in brief
    assert "@@ -9 +9 @@" in plain(lines(many, "full", sources, verbose=True))


def test_the_worst_answer_is_repeated_where_it_has_scrolled_away(rich_report: Report, sources: Sources) -> None:
    text = render(rich_report, "full", sources)
    assert text.count("✗ does not learn (confirmed) first.py:9") == 2
    alone = replace(rich_report, findings=rich_report.findings[:1])
    assert render(alone, "full", sources).count("✗ does not learn") == 1

"""What a terminal gets beyond plain text: links, sentences for screen readers, pages of rules, diffs that fit."""

from __future__ import annotations

import io
import json
import linecache
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ae_audit.report import lines, paint, render
from ae_audit.report.diff import add_diff
from ae_audit.report.display import PresentedReport
from ae_audit.report.links import address_of, has_links, linked, published
from ae_audit.report.live_cells import cell_name
from ae_audit.report.markdown import rendered
from ae_audit.report.text_layout import Line, Page, Segment, ansi, display_width, plain
from ae_audit.rules.page import markdown
from ae_audit.rules.registry import all_rules
from ae_audit.schema.findings import Arm, Edit, Evidence, Fix
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report, StageError, Undecided
from ae_audit.source.text import Sources

VARIABLES = (
    *("TERM", "TERM_PROGRAM", "VTE_VERSION", "WT_SESSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "DOMTERM"),
    *("CI", "FORCE_HYPERLINK"),
)


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*VARIABLES, "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("TERM", "xterm-256color", False),
        ("TERM", "xterm-kitty", True),
        ("TERM", "dumb", False),
        ("TERM_PROGRAM", "vscode", True),
        ("TERM_PROGRAM", "Apple_Terminal", False),
        ("VTE_VERSION", "6003", True),
        ("VTE_VERSION", "4205", False),
        ("WT_SESSION", "1", True),
        ("FORCE_HYPERLINK", "1", True),
        ("FORCE_HYPERLINK", "0", False),
    ],
)
def test_links_where_the_terminal_has_them(bare: pytest.MonkeyPatch, name: str, value: str, shown: bool) -> None:
    bare.setenv(name, value)
    assert has_links(Terminal()) is shown
    assert has_links(io.StringIO()) is (name == "FORCE_HYPERLINK" and shown), "a file is no terminal"


def test_codes_are_linked_and_the_text_stays(bare: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    bare.setenv("WT_SESSION", "1")
    paint(stream, lambda width, ascii_only: [(Segment("AE101 and AE999", "error"),)], "never")
    written = stream.getvalue()
    assert re.sub(r"\x1b\]8;;[^\x1b]*\x1b\\", "", written) == "AE101 and AE999\n"
    assert re.search(r"\x1b\]8;;(file|https)://[^\x1b]+\x1b\\AE101\x1b\]8;;\x1b\\ and AE999", written)


def test_a_link_leads_to_the_page_of_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    urls = SimpleNamespace(get_all=lambda name: ["Source, https://a.example", "Documentation, https://b.example/en/"])
    monkeypatch.setattr(metadata, "metadata", lambda name: urls)
    assert address_of("AE101") == "https://b.example/en/rules/AE101.html"
    assert address_of("AE999") is None
    monkeypatch.setattr(metadata, "metadata", lambda name: SimpleNamespace(get_all=lambda name: None))
    assert (address_of("AE101") or "").startswith("file://")
    assert address_of("AE999") is None
    assert linked("AE101", lambda code: None) == "AE101"


@pytest.mark.parametrize("documentation", ["https://b.example/en/", None])
def test_no_format_links_a_page_that_is_not_published(
    monkeypatch: pytest.MonkeyPatch, rich_report: Report, sources: Sources, documentation: str | None
) -> None:
    from importlib import metadata

    urls = [] if documentation is None else [f"Documentation, {documentation}"]
    monkeypatch.setattr(metadata, "metadata", lambda name: SimpleNamespace(get_all=lambda name: urls))
    address = "https://b.example/en/rules/AE101.html"
    assert published("AE101") == (None if documentation is None else address)
    (run,) = json.loads(render(rich_report, "sarif", sources))["runs"]
    ours = [rule for rule in run["tool"]["driver"]["rules"] if rule["id"] == "AE101"]
    assert [rule.get("helpUri") for rule in ours] == [published("AE101")]
    page = render(rich_report, "html", sources)
    assert (f'<a href="{address}">AE101</a>' in page) is (documentation is not None)
    assert "file://" not in page


def test_narrated_there_are_sentences_in_place_of_boxes(rich_report: Report, sources: Sources) -> None:
    text = plain(lines(rich_report, "full", sources, width=100, narrated=True))
    assert not set(text) & set("│└▁▂▃▄▅▆▇█^✗")
    assert "--" not in text.replace("--fix", "").replace("--unsafe-fixes", "").replace("--static", "")
    said = " ".join(text.split())
    assert said.startswith("Error: ")
    assert (
        'Line 9 of first.py: `activation="softmax"` in `decoded = Dense(784, activation="softmax")(encoded)`.' in said
    )
    assert "sigmoid at the output: R² 0.52 ± 0.01, 3 seeds." in said
    assert re.search(r"At first.py:9, replace `decoded = .* by `decoded = Dense\(784, activation=\"sigmoid\"\)", said)
    assert "Cell 1, line 2 of book.ipynb" in said


def test_no_graphics_narrates(rich_report: Report, sources: Sources, bare: pytest.MonkeyPatch) -> None:
    from ae_audit.report import to_terminal

    bare.setenv("NO_GRAPHICS", "1")
    stream = Terminal()
    to_terminal(stream, rich_report, "full", sources, verbose=True)
    assert "Line 9 of first.py" in stream.getvalue()
    bare.setenv("NO_GRAPHICS", "")
    stream = Terminal()
    to_terminal(stream, rich_report, "full", sources, verbose=True)
    assert "│" in stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("narrated", [False, True])
def test_every_line_fits_and_colours_change_nothing(
    rich_report: Report, sources: Sources, width: int, narrated: bool
) -> None:
    laid_out = lines(rich_report, "full", sources, width=width, narrated=narrated)
    text = plain(laid_out)
    assert [line for line in text.splitlines() if display_width(line) > width] == []
    assert re.sub(r"\x1b\[[0-9;]*m", "", ansi(laid_out)) == text


def test_a_long_line_of_a_diff_goes_on_further_in() -> None:
    source = "    model.add(Dense(784, kernel_initializer='glorot_uniform', activation='softmax', name='decoded'))\n"
    place = Location("a.py", 1, source.index("'softmax'") + 1, 1, source.index("'softmax'") + 10)
    page = Page(60)
    add_diff(page, [Fix("sigmoid", False, (Edit(place, "'sigmoid'"),))], Sources({"a.py": source.encode()}))
    text = plain(page.lines)
    added = [line for line in text.splitlines() if "+" in line or "sigmoid" in line]
    assert all(display_width(line) <= 60 for line in text.splitlines())
    first = next(line for line in text.splitlines() if line.strip().startswith("+    model"))
    after = text.splitlines()[text.splitlines().index(first) + 1]
    assert len(after) - len(after.lstrip()) == len("       +        "), "behind the code's own margin"
    joined = re.sub(r"\n {16}", "", text)
    assert "+" + source.rstrip().replace("softmax", "sigmoid") in joined
    assert added


def test_an_arm_is_shown_once_in_a_training(rich_report: Report, sources: Sources) -> None:
    written, fixed, other = (Arm(name, (0.1,), (0.0, 0.1)) for name in ("as written", "all fixes", "another way"))
    first = Evidence("probe", "first", arms=(written, fixed))
    second = Evidence("probe", "second", arms=(written, other, fixed))
    findings = (
        replace(rich_report.findings[0], evidence=(first,)),
        replace(rich_report.findings[1], evidence=(second,)),
    )
    text = plain(lines(replace(rich_report, findings=findings), "full", sources, width=100))
    rows = [line for line in text.splitlines() if line.startswith("    ") and "0.10" in line]
    assert [line.split("  ")[2] for line in rows] == ["as written", "all fixes", "another way"]
    assert "second [the table under AE101 above]" in text


def text_of(laid_out: list[Line]) -> list[str]:
    return plain(laid_out).splitlines()


def test_pages_of_rules_are_laid_out() -> None:
    page = "# T1\n\nSome *word* and `code`\ngoes on, [there](https://a.b).\n\n- one\n  more\n- two\n\n"
    page += "```python\nx = 1\n\ny\n```\n"
    laid_out = rendered(page, width=60)
    assert text_of(laid_out) == [
        "T1",
        "",
        "  Some word and `code` goes on, there <https://a.b>.",
        "",
        "  - one more",
        "  - two",
        "",
        "    x = 1",
        "",
        "    y",
    ]
    assert (Segment("T1", "bold"),) in laid_out


def test_of_every_rule_nothing_is_lost() -> None:
    for rule in all_rules():
        page = markdown(rule)
        shown = "".join("".join(text_of(rendered(page, width=80))).split())
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            assert "".join(block.split()) in shown, rule.code
        assert not [line for line in text_of(rendered(page, width=80)) if line.startswith(("#", "```"))]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> str:
    """A running IPython that compiled a cell as a temporary file, as ipykernel does."""
    path = "/tmp/ipykernel_77/1234.py"
    shell = SimpleNamespace(compile=SimpleNamespace(_filename_map={path: 3}))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(linecache.cache, path, (20, None, ["x = 1\n", "audit(model, x)\n"], path))
    return path


def test_cells_are_named_as_their_author_sees_them(notebook: str) -> None:
    assert cell_name(notebook) == "In [3]"
    assert cell_name("<ipython-input-12-abc>") == "In [12]"
    assert cell_name("train.py") is None


def test_a_report_of_a_live_cell_names_it_everywhere(notebook: str, rich_report: Report) -> None:
    place = Location(notebook, 2, 1, 2, 6)
    finding = replace(rich_report.findings[0], location=place, spans=(), evidence=(), fix=None)
    bare = Report(
        (finding,),
        (replace(rich_report.setups[0], location=place),),
        (Undecided(notebook, "loss", "unknown", 2),),
        (StageError(notebook, "runtime", "it failed", 2),),
        files=(notebook,),
    )
    shown = PresentedReport.of(bare)
    assert "ipykernel" not in str(shown)
    assert "In [3]:2" in str(shown)
    assert "2 │ audit(model, x)" in str(shown)
    assert "ipykernel" not in shown._repr_html_() + shown.to_json()


def test_without_a_notebook_a_report_stays_what_it_is(rich_report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert PresentedReport.of(rich_report).findings is rich_report.findings


def test_the_package_lists_what_it_offers() -> None:
    import ae_audit

    assert {"audit", "assert_sound", "watch", "Watch", "Report"} <= set(dir(ae_audit))


@pytest.mark.parametrize("width", [80, 160])
def test_an_answer_takes_at_most_six_lines(rich_report: Report, sources: Sources, width: int) -> None:
    from ae_audit.report.answers import MOST_LINES

    finding = replace(
        rich_report.findings[0],
        location=replace(rich_report.findings[0].location, path="a/rather/long/path/to/the/training_program.py"),
        message="softmax makes the 784 outputs of a sample sum to 1, but the target holds separate values that sum to "
        "27680 on average",
    )
    codes = tuple(replace(finding, code=f"AE{number}") for number in (102, 201, 301))
    laid_out = lines(replace(rich_report, findings=(finding, *codes)), "full", sources, width=width)
    answer = text_of(laid_out)[: text_of(laid_out).index("")]
    assert len(answer) <= MOST_LINES == 6
    assert answer[0].startswith("✗ does not learn (confirmed) a/rather/long/path")
    assert any(line.startswith("  Cure: ") for line in answer)

"""A comparison as text, JSON and HTML, and the answers it gives: of figures made by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from ae_audit.report.comparison import comparison_json, comparison_lines
from ae_audit.report.comparison_answers import answers
from ae_audit.report.comparison_display import PresentedComparison
from ae_audit.report.comparison_html import comparison_html
from ae_audit.report.text_layout import display_width, plain
from ae_audit.schema.comparison import Cell, CellRun, Comparison, ComparisonReport, LossChoice
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.location import Location
from ae_audit.schema.report import Note, StageError
from ae_audit.schema.sights import Gallery, Kind, Row


def cell(
    head: str,
    loss: str,
    r2: tuple[float, ...],
    *,
    bias: tuple[float, ...] = (0.0, 0.0, 0.0),
    logits: bool = False,
    written: bool = False,
    floor: float = 0.0,
    dead: float = 0.0,
) -> Cell:
    runs = tuple(
        CellRun(seed, (50, 100), (value / 2, value), (0.5, 0.2), one, 0.3, dead, 0.01)
        for seed, (value, one) in enumerate(zip(r2, bias, strict=False))
    )
    ideal = Ideal(Outcome.ARRIVES, samples=20, r2=0.9991, correlation=0.9999)
    return Cell(
        head, LossChoice(loss, logits), written, runs=runs, bound=1.0, ideal=ideal, floor=floor, floor_error=0.0
    )


BCE = cell("sigmoid", "bce", (0.50, 0.51, 0.49), bias=(-0.01, 0.0, 0.01), written=True, floor=0.0589)
MSE = cell("sigmoid", "mse", (0.51, 0.50, 0.50), bias=(0.0, -0.01, 0.01))
RELU = cell("relu", "mse", (0.70, 0.72, 0.71), dead=0.4)
FAILS = Cell("relu", LossChoice("bce"), runs=(CellRun(0, failed="RuntimeError: all elements"),))
COMPARED = Comparison(
    Location("train.py", 12), "torch", "cpu", "Adam", 2000, 600, 100, 3, cells=(BCE, MSE, FAILS, RELU)
)


def told(comparison: Comparison) -> dict[str, str]:
    return dict(answers(comparison))


def test_the_best_is_told_and_what_cannot_be_told_from_it() -> None:
    assert COMPARED.best is RELU
    said = told(COMPARED)["Which is best?"]
    assert said.startswith("`relu × mse`: R² 0.71 ± 0.02 after 100 steps.")
    assert "The program as written (`sigmoid × bce`) is 0.21 ± 0.02 behind." in said
    near = replace(COMPARED, cells=(BCE, MSE))
    assert "`sigmoid × bce` cannot be told from it with 3 seeds." in told(near)["Which is best?"]
    assert near.level_with_best(BCE)
    assert not COMPARED.level_with_best(BCE)


def test_the_optimum_is_the_ideal_networks_and_the_difference_has_its_interval() -> None:
    said = told(COMPARED)["Do bce and mse have the same optimum?"]
    assert said.startswith("Yes: a network that could output anything ends at R² 0.999 under `sigmoid × bce`")
    assert "which these seeds do not tell from 0" in said
    astray = replace(BCE, ideal=Ideal(Outcome.BEATEN, r2=-0.5))
    other = told(replace(COMPARED, cells=(astray, MSE)))
    assert other["Do bce and mse have the same optimum?"].startswith("Not here")
    assert "`sigmoid × bce`: even a network that could output anything ends at R² −0.50." in other["What cannot work?"]


@pytest.mark.parametrize(
    ("bce", "mse", "start"),
    [
        ((-0.10, -0.11, -0.09), (0.0, 0.001, -0.001), "Yes: "),
        ((-0.001, 0.0, 0.001), (0.0, 0.001, -0.001), "No: "),
        ((-0.10, 0.08, 0.03), (0.0, 0.01, -0.01), "Not that these seeds could tell: "),
        ((-0.10,), (0.0,), "Not that these seeds could tell: "),
    ],
)
def test_dimming_is_told_by_the_interval(bce: tuple[float, ...], mse: tuple[float, ...], start: str) -> None:
    some = (0.5, 0.5, 0.5)[: len(bce)]
    cells = (cell("sigmoid", "bce", some, bias=bce), cell("sigmoid", "mse", some, bias=mse))
    assert told(replace(COMPARED, seeds=len(bce), cells=cells))["Does bce dim the image?"].startswith(start)


def test_relu_is_answered_loss_by_loss_and_the_floor_with_what_was_printed() -> None:
    said = told(COMPARED)
    assert (
        "With mse R² 0.71 ± 0.02, +0.21 ± 0.04 against `sigmoid × mse`; 40.0 % ± 0.0 of the"
        in said["Can relu be the output?"]
    )
    assert "With bce no: RuntimeError: all elements." in said["Can relu be the output?"]
    floor = said["Why is the loss not zero at a perfect reconstruction?"]
    assert floor.startswith("Under bce the target itself costs 0.05890 ± 0.00000 (over samples), its entropy.")
    assert "printed 0.2000 ± 0.0000 at the end, 0.141 above that." in floor


def test_questions_that_no_cell_bears_on_are_not_asked() -> None:
    signed = replace(COMPARED, cells=(cell("tanh", "mse", (0.5, 0.5, 0.5)),))
    assert list(told(signed)) == ["Which is best?"]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    report = ComparisonReport((COMPARED,), (StageError("train.py", "probe", "it broke."),), (Note("train.py", "n"),))
    lines = comparison_lines(report, width=width)
    text = plain(lines)
    assert max(display_width(line) for line in text.splitlines()) <= width
    assert "≈" not in plain(comparison_lines(report, width=width, ascii_only=True))
    rows = [line for line in text.splitlines() if line.strip().startswith("relu × mse")]
    assert rows, "each part of the table names the pair"
    bold = [segment.text for line in lines for segment in line if segment.style == "bold" and "0.71" in segment.text]
    assert bold


def test_json_has_every_figure_with_its_uncertainty_and_no_bare_infinity() -> None:
    diverged = cell("linear", "mse", (-math.inf, -math.inf, -math.inf))
    document = json.loads(comparison_json(ComparisonReport((replace(COMPARED, cells=(RELU, diverged, FAILS)),))))
    (one,) = document["comparisons"]
    best, last, failed = one["cells"]
    assert (best["name"], best["best"]) == ("relu × mse", True)
    assert best["r2"]["values"] == [0.7, 0.72, 0.71]
    assert best["r2"]["half_width"] == pytest.approx(0.0248, abs=1e-4)
    assert best["steps_to_threshold"]["mean"] < 100
    assert {last["name"], failed["name"]} == {"linear × mse", "relu × bce"}
    assert {"-Infinity", None} == {row["r2"] and row["r2"]["mean"] for row in (last, failed)}


def test_html_is_inert_whole_and_shows_curves_and_pictures() -> None:
    gallery = Gallery(Kind.TABLE, 1, 2, 0.0, 1.0, (0.1,), (Row("target", ("00ff",)), Row("relu × mse", ("10f0",))), 9)
    hostile = replace(FAILS, runs=(CellRun(0, failed="<script>alert(1)</script>"),))
    page = comparison_html(
        ComparisonReport((replace(COMPARED, cells=(replace(RELU, pictures=gallery), BCE, hostile)),))
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") >= 3
    assert '<th scope="row">relu × mse</th>' in page
    assert "http" not in page
    assert "style=" not in page, "a strict content security policy would drop it"


def test_it_shows_itself() -> None:
    shown = PresentedComparison(
        **{name: getattr(COMPARED, name) for name in ("location", "framework", "device", "optimizer", "samples")},
        scored=600,
        steps=100,
        seeds=3,
        cells=COMPARED.cells,
    )
    assert repr(shown) == "<Comparison of 4 heads and losses; best: relu × mse>"
    assert "relu × mse" in str(shown)
    assert json.loads(shown.to_json())["comparisons"][0]["seeds"] == 3
    assert shown._repr_html_().startswith("<section>")

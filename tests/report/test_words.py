from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest

from ae_audit.report import render, to_terminal, wants_color
from ae_audit.report.phrases import mean_and_spread, r2, setup_in_words, sparkline
from ae_audit.runtime.measure.facts import certify
from ae_audit.schema.findings import Arm, Evidence, Finding, Severity
from ae_audit.schema.location import Location
from ae_audit.schema.report import Report
from ae_audit.schema.training_setup import Framework, LossUse, TrainingSetup
from ae_audit.source.text import Sources


def test_sparkline_spans_its_bounds() -> None:
    assert sparkline([-1, 0, 1], -1, 1) == "▁▅█"
    assert sparkline([-9, 9, math.nan, math.inf], -1, 1) == "▁█?█"
    assert len(sparkline([i / 500 for i in range(500)], 0, 1)) == 20


def test_figures_of_r2() -> None:
    assert r2(-0.671) == "−0.67"
    assert r2(-2e12) == "−2.0e+12"
    assert mean_and_spread([0.52, 0.54]) == "0.53 ± 0.01"
    assert mean_and_spread([0.5]) == "0.50"
    assert mean_and_spread([-7e6, -3e6]) == "−5.0e+06 ± 2.8e+06"
    assert mean_and_spread([math.nan, 1.0]) == "NaN"


@pytest.mark.parametrize(
    ("bound", "told"),
    [(0.0, "0.00"), (-0.004, "0.00"), (-0.678, "−0.67"), (-1.26e6, "−1.2e+06"), (-math.inf, "−inf")],
)
def test_no_weights_reach_more_than_is_told_of_an_arm_that_was_not_fitted(bound: float, told: str) -> None:
    arms = (Arm("as written", (-1.0,)), Arm("mse as the loss", (), bound=bound))
    finding = Finding(
        "AE101", "a", Severity.ERROR, "m", Location("a.py", 1), evidence=(Evidence("probe", "t", arms=arms),)
    )
    text = render(Report((finding,)), "full", Sources({"a.py": b"pass"}))
    assert f"no weights bring its R² above {told}\n" in text


def test_a_floor_that_is_no_number_is_given_with_its_reason() -> None:
    targets = np.random.default_rng(0).random((8, 4))
    fixed, learned = (
        TrainingSetup(Framework.TORCH, Location("a.py", 1), loss=LossUse("gaussian_nll", parameters=parameters))
        for parameters in ((("full", True), ("variance", 1.0)), (("full", True),))
    )
    told = [setup_in_words(replace(setup, certificate=certify(setup, targets))) for setup in (fixed, learned)]
    assert told[0].endswith("; floor 0.9189")
    assert "; floor not known: it depends on the scale of the likelihood" in told[1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "terminal", "color", "expected"),
    [
        ({}, True, "auto", True),
        ({}, False, "auto", False),
        ({"NO_COLOR": "1"}, True, "auto", False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, "auto", False),
        ({"NO_COLOR": ""}, True, "auto", True),
        ({"FORCE_COLOR": "1"}, False, "auto", True),
        ({"FORCE_COLOR": "0"}, True, "auto", False),
        ({"TERM": "dumb"}, True, "auto", False),
        ({"NO_COLOR": "1"}, False, "always", True),
        ({"FORCE_COLOR": "1"}, True, "never", False),
    ],
)
def test_when_to_colour(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, color: str, expected: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_color(Terminal() if terminal else io.StringIO(), color) is expected


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("format", ["full", "concise", "json"])
def test_every_encoding_can_be_written(rich_report: Report, sources: Sources, encoding: str, format: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    to_terminal(stream, rich_report, format, sources)
    stream.flush()
    assert b"softmax-on-per-pixel-target" in raw.getvalue()

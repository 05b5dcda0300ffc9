"""Shapes of prediction and target that no broadcasting makes one end the program: what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.findings import Verdict

Record = Callable[..., Any]


@pytest.mark.parametrize("exponent", [2, 1.5])
def test_a_loss_by_hand_that_raises_on_shapes_is_found(exponent: float, record: Record) -> None:
    run = record(
        f"""
        labels = (images.mean(1) * 5).long()
        model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5))
        for i in torch.arange(400).split(80):
            loss = ((model(images[i]) - labels[i]).abs() ** {exponent}).mean()
        """,
    )
    (capture,) = run.captures
    assert capture.setup.loss.custom
    assert "size of tensor" in (capture.setup.loss.raises or "")
    findings, _ = check([capture.setup])
    assert [(found.verdict, found.location.line) for found in findings if found.code == "AE309"] == [
        (Verdict.PROVED, run.line_of("loss = "))
    ]


@pytest.mark.parametrize("wrong", ["model(images) + images[:, :4]", "weight - images[:, :4]", "images - images[:, :4]"])
def test_what_raises_elsewhere_is_no_loss(wrong: str, record: Record) -> None:
    run = record(f"model = nn.Linear(16, 8)\nweight = nn.Parameter(torch.ones(8))\n{wrong}")
    assert not run.captures

"""Draws of our own: always the same, and without a trace in the program's."""

from __future__ import annotations

import traceback

import pytest
import torch

from ae_audit.runtime.torch.random_state import fixed_draws


def test_the_same_draws_every_time_and_the_callers_go_on() -> None:
    torch.manual_seed(5)
    expected = torch.rand(6)
    torch.manual_seed(5)
    first = torch.rand(3)
    drawn = []
    for _ in range(2):
        with fixed_draws():
            drawn.append(torch.rand(4))
    assert torch.equal(*drawn)
    assert torch.equal(torch.cat([first, torch.rand(3)]), expected)


def test_accelerators_that_are_not_in_use_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        pytest.skip("CUDA may be in use")

    def refuse(*_: object, **__: object) -> list[str]:
        raise AssertionError("the stack was walked for a device that is not in use")

    monkeypatch.setattr(traceback, "format_stack", refuse)
    with fixed_draws():
        torch.rand(1)

"""What costs little comes first for every training: time may run out over the fits of the first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ae_audit.engine import child_program
from ae_audit.schema.messages import SetupSeen


def test_every_training_is_judged_before_the_first_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Recording(child_program.Recording):
        def __init__(self) -> None:
            self._recorders, self._static, self._rules, self._made_up = [None], (), (), None  # type: ignore[list-item]
            self._request = {"compare": None}
            self._shown = lambda place: place
            self._emit = self._hear

        def _hear(self, message: Any) -> None:
            assert isinstance(message, SetupSeen)
            order.append(f"told {message.number}")

        def _captures_of(self, recorder: object) -> Any:
            return [SimpleNamespace(setup=name, targets=None) for name in "ab"]

        def _labelled(self, setup: Any) -> Any:
            return setup

        def _probe(self, number: int, capture: Any, audited: Any, share: float, count: int) -> None:
            order.append(f"fitted {number} in {share:g} of the time, of {count}")

    for name in ("tried", "certified", "judged", "relocated"):
        monkeypatch.setattr(child_program, name, lambda *given: given[0])
    monkeypatch.setattr(child_program, "match_all", lambda setups, _: [None] * len(setups))
    Recording().settle()
    assert order == ["told 0", "told 1", "fitted 0 in 0.5 of the time, of 2", "fitted 1 in 1 of the time, of 2"]

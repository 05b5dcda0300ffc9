"""What programs do with data before they train: it is not recorded, and not all of it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from sklearn.model_selection import _split, train_test_split

from ae_audit.runtime.host.accommodations.lazy_splits import split_lazily
from ae_audit.runtime.host.imports import ImportWatch

Record = Callable[..., Any]


class Counting(torch.utils.data.Dataset[int]):
    def __init__(self) -> None:
        self.loaded = 0

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> int:
        self.loaded += 1
        return index


def test_a_split_of_a_data_set_loads_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    splits: ModuleType = _split
    monkeypatch.setattr(splits, "_safe_indexing", splits._safe_indexing)
    split_lazily(ImportWatch(lambda name, error: pytest.fail(f"{name}: {error}")))
    data = Counting()
    train, held_out = train_test_split(data, train_size=0.8)
    assert (len(train), len(held_out), data.loaded) == (800, 200, 0)
    assert sorted([*train, *held_out]) == list(range(1000))
    assert [len(part) for part in train_test_split(list(range(10)), test_size=0.2)] == [8, 2]


def test_transforms_do_not_start_the_recording(record: Record) -> None:
    """Modules without weights that run before any model prepare data: every call of theirs would cost several times."""
    run = record(
        """
        scale = nn.Sequential(nn.Flatten(), nn.Hardtanh(0.0, 1.0))
        prepared = torch.cat([scale(2 * images[i : i + 1]) for i in range(400)])
        model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(60):
            loss = F.mse_loss(model(prepared), prepared)
            optimizer.zero_grad(); loss.backward(); optimizer.step()
        """
    )
    assert [type(model).__name__ for model in run.only._recording.models] == ["Sequential"]
    assert run.only.setup.model.first_layers == ("Linear", "Sigmoid")

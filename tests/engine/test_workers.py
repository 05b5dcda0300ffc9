"""Files read in several processes: one that dies costs the file that it was reading, and no other."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ae_audit.base.progress import Progress
from ae_audit.engine import static_stage
from ae_audit.engine.discovery import AuditTarget
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

TRAINS = """
import keras
(x, _), _ = keras.datasets.mnist.load_data()
model = keras.Sequential([keras.layers.Dense(784, activation="sigmoid")])
model.compile(loss="mse")
model.fit(x, x)
"""
FILES = 6
_read = static_stage.read_file


def dying(target: AuditTarget, *rest: object) -> static_stage.Reading:
    """Reads a file, unless its name says that it takes too much memory."""
    if "deadly" in target.path:
        os._exit(9)
    return _read(target, *rest)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32" or sys.version_info >= (3, 14), reason="workers are forked")
@pytest.mark.parametrize("deadly", [(0,), (3,), (2, 5)])
def test_a_worker_that_dies_costs_its_file_alone(
    deadly: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = []
    for number in range(FILES):
        path = tmp_path / f"{'deadly' if number in deadly else 'train'}_{number}.py"
        path.write_text(TRAINS)
        targets.append(AuditTarget(str(path)))
    monkeypatch.setattr(static_stage, "MANY_FILES", 1)
    monkeypatch.setattr(static_stage, "read_file", dying)
    audits = [*static_stage.audit_statically(targets, Settings(jobs=2), Progress(), Sources())]
    assert [audit.target for audit in audits] == targets
    assert [len(audit.audited) for audit in audits] == [0 if n in deadly else 1 for n in range(FILES)]
    errors = {n: [error.message for error in audit.errors] for n, audit in enumerate(audits) if audit.errors}
    assert set(errors) == set(deadly)
    assert all("died" in message for messages in errors.values() for message in messages)

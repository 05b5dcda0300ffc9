"""Old Keras programs, in processes of their own: what answers them stays in a framework for good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_what_old_keras_programs_write_means_today_what_it_meant(backend: str) -> None:
    pytest.importorskip("keras")
    pytest.importorskip(backend)
    place = Path(__file__).with_name("programs.py")
    run = subprocess.run(
        [sys.executable, str(place)],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(place.parents[3]), "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    notes = run.stdout.splitlines()
    lines = place.read_text().splitlines()
    imported = next(number for number, line in enumerate(lines, 1) if "import np_utils" in line)
    assert any(
        note.startswith(f"line {imported}: keras.utils.np_utils is gone from Keras ")
        and note.endswith("; keras.utils stood in for it")
        for note in notes
    )
    assert any("border_mode=…) is gone" in note and note.endswith("padding= was given") for note in notes)
    assert not any("strides" in note for note in notes)

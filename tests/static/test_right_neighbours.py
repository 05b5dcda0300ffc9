"""Right programs of neighbouring subjects, written as strangers would: reading accuses none of them.

``benchmarks/right_neighbours.py`` runs them as well.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.findings import Severity
from ae_audit.static import analyse_file

PROGRAMS = sorted((Path(__file__).parents[1] / "right_neighbours").glob("*.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_right_program_is_accused_of_nothing(path: Path) -> None:
    result = analyse_file(path.name, path.read_bytes())
    findings, _ = check(result.setups)
    assert [f"{each.location.line}: {each.code}" for each in findings if each.severity is not Severity.INFO] == []


def test_there_are_programs_of_both_frameworks() -> None:
    names = [path.stem.partition("_")[0] for path in PROGRAMS]
    assert min(names.count("keras"), names.count("torch")) >= 15

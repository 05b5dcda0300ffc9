"""By reading alone, each fixture gets exactly the codes that are right for it."""

from __future__ import annotations

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.findings import Severity
from ae_audit.static import analyse_file

from .fixture_table import FIXTURE_TABLE, FIXTURES, Expected


@pytest.mark.parametrize("expected", FIXTURE_TABLE, ids=lambda expected: expected.path)
def test_fixture_by_reading(expected: Expected) -> None:
    path = FIXTURES / expected.path
    result = analyse_file(str(path), path.read_bytes(), project_root=str(path.parent))
    findings, _ = check(result.setups)
    loud = {finding.code for finding in findings if finding.severity is not Severity.INFO}
    assert loud == expected.by_reading
    assert result.setups, "a training setup is found in every fixture"
    assert not result.errors


def test_every_fixture_is_in_the_table() -> None:
    written = {str(path.relative_to(FIXTURES)) for path in FIXTURES.glob("*/*.py")}
    assert written == {expected.path for expected in FIXTURE_TABLE}


@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_each_finding_of_the_first_fixture_stands_at_the_right_line(framework: str) -> None:
    path = FIXTURES / framework / "dense_softmax_raw.py"
    lines = path.read_text().splitlines()
    findings, _ = check(analyse_file(str(path), path.read_bytes()).setups)
    place = {finding.code: lines[finding.location.line - 1] for finding in findings}
    assert "oftmax" in place["AE101"]
    assert "oftmax" in place["AE102"]
    assert "binary_crossentropy" in place["AE201"] or "BCELoss" in place["AE201"]
    assert ".fit(" in place["AE301"] or "criterion(" in place["AE301"]

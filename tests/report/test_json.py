"""The JSON report against its own schema, and against what a strict reader demands."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from ae_audit.report.json import as_dict, to_json
from ae_audit.schema.findings import Evidence
from ae_audit.schema.report import Note, Report


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text = files("ae_audit.report").joinpath("schema/ae-audit-report-1.schema.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(document)
    return document


def test_follows_the_schema(rich_report: Report, schema: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(to_json(rich_report)))
    validator.validate(json.loads(to_json(Report(), interrupted=True)))


def test_schema_is_strict(rich_report: Report, schema: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    for spoil in (
        lambda d: d.update(more=1),
        lambda d: d["findings"][0].update(line=0),
        lambda d: d["findings"][0].update(severity="fatal"),
        lambda d: d["findings"][0]["evidence"][0].update(deep={"a": 1}),
        lambda d: d["setups"][0]["head"].pop("activation"),
        lambda d: d.update(schema_version=2),
    ):
        document = json.loads(to_json(rich_report))
        spoil(document)
        assert not validator.is_valid(document)


def test_no_bare_infinity_or_nan(rich_report: Report) -> None:
    def refuse(token: str) -> None:
        raise AssertionError(token)

    document = json.loads(to_json(rich_report), parse_constant=refuse)
    probe = document["findings"][0]["evidence"][4]
    assert probe["gain"] == "Infinity"
    assert probe["spread"] is None
    assert probe["arms"][2]["curve"] == [None, -5.0]
    assert document["setups"][0]["floor"] == "-Infinity"


def test_figures_stand_beside_the_text_and_never_hide_it(rich_report: Report) -> None:
    certificate = as_dict(rich_report)["findings"][0]["evidence"][3]
    assert certificate["kind"] == "certificate"
    assert certificate["attainable_r2"] == -0.6691
    assert certificate["figure_kind"] == "simplex"


def test_counts_leave_out_what_was_refuted(rich_report: Report) -> None:
    summary = as_dict(rich_report)["summary"]
    assert (summary["errors"], summary["warnings"], summary["infos"], summary["refuted"]) == (2, 1, 1, 1)
    assert (summary["files"], summary["setups"], summary["suppressed"]) == (2, 2, 1)


def test_lone_surrogates_are_encodable() -> None:
    to_json(Report(notes=(Note("p", "bad \udc80 byte"),))).encode("utf-8")


def test_figures_of_every_kind(rich_report: Report, schema: dict[str, Any]) -> None:
    figures: tuple[tuple[str, bool | int | float | str | None], ...] = (("a", True), ("b", 1), ("c", 0.5), ("d", None))
    finding = replace(rich_report.findings[0], evidence=(Evidence("runtime", "t", figures=figures),))
    jsonschema.Draft202012Validator(schema).validate(as_dict(Report(findings=(finding,))))

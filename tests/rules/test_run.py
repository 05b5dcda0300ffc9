"""From violations to findings: conditions, duplicates, order, what is undecided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.rules.runner import check
from ae_audit.schema.audited import explained
from ae_audit.schema.findings import Finding, Severity, Verdict
from ae_audit.schema.location import Location
from ae_audit.schema.report import Undecided
from ae_audit.schema.training_setup import Certificate, Condition, TrainingSetup
from tests.rules.setups import GREY, RAW, SIGNED, STANDARDISED, UNKNOWN, setup


def told(findings: tuple[Finding, ...]) -> list[tuple[str, str, str | None]]:
    return [(one.code, one.severity.value, one.condition) for one in findings]


def under(subject: TrainingSetup, text: str, default: bool = False) -> TrainingSetup:
    return replace(subject, condition=Condition(text, default))


def test_the_first_thread_softmax_and_bce_on_raw_images() -> None:
    findings, undecided = check([setup("softmax", "bce", RAW)])
    assert told(findings) == [
        ("AE101", "error", None),
        ("AE102", "error", None),
        ("AE201", "error", None),
        ("AE301", "warning", None),
    ]
    assert not undecided
    assert {one.setup for one in findings} == {0}


def test_the_same_divided_by_255_is_one_finding() -> None:
    assert told(check([setup("softmax", "bce", GREY)])[0]) == [("AE101", "error", None)]


def test_sigmoid_on_raw_images() -> None:
    assert [code for code, *_ in told(check([setup("sigmoid", "bce", RAW)])[0])] == ["AE102", "AE201", "AE301"]


@pytest.mark.parametrize(
    ("activation", "loss", "target"),
    [("sigmoid", "mse", GREY), ("tanh", "mse", SIGNED), ("linear", "mse", STANDARDISED), ("relu", "mse", GREY)],
)
def test_what_is_right_is_silent(activation: str, loss: str, target: object) -> None:
    assert check([setup(activation, loss, target)]) == ((), ())  # type: ignore[arg-type]


def test_the_right_bce_carries_a_note_only() -> None:
    assert told(check([setup("sigmoid", "bce", GREY)])[0]) == [("AE203", "info", None)]


def test_selection_reaches_the_rules() -> None:
    subject = setup("softmax", "bce", RAW)
    assert [one.code for one in check([subject], select=["AE2"])[0]] == ["AE201"]
    assert [one.code for one in check([subject], ignore=["AE1", "unnormalised-input"])[0]] == ["AE201"]
    assert check([subject], select=[]) == ((), ())
    with pytest.raises(UsageError, match="AE9"):
        check([subject], select=["AE9"])


def test_one_undecided_for_each_fact_with_the_rules_that_want_it() -> None:
    _, undecided = check([setup("softmax", "bce", UNKNOWN)])
    assert [(one.what, one.rules, one.line) for one in undecided] == [
        ("target structure", ("AE101",), 30),
        ("target range", ("AE102", "AE201"), 30),
    ]


def test_the_same_undecided_of_two_setups_is_told_once() -> None:
    assert len(check([setup("sigmoid", "mse", UNKNOWN)] * 2)[1]) == 1


def test_the_reason_of_a_stage_is_joined_with_the_rules_that_want_the_fact() -> None:
    wanted = Undecided("m.py", "target range", "not known", 30, rules=("AE102",))
    other = Undecided("m.py", "loss", "not known", 30, rules=("AE104",))
    reason = Undecided("m.py", "target range", "read from a file", 30)
    assert explained([wanted, other], [reason]) == (replace(reason, rules=("AE102",)), other)


# Conditions


def test_what_holds_under_every_condition_is_a_plain_finding() -> None:
    alternatives = [under(setup("sigmoid", "mse", RAW), "a"), under(setup("sigmoid", "mae", RAW), "not a")]
    findings, _ = check(alternatives, select=["AE102"])
    assert told(findings) == [("AE102", "error", None)]


def test_what_holds_under_the_default_is_a_finding_under_it() -> None:
    alternatives = [
        under(setup("sigmoid", "mse", RAW), "act == 'sigmoid'", default=True),
        under(setup("relu", "mse", RAW), "act == 'relu'"),
    ]
    assert told(check(alternatives, select=["AE102"])[0]) == [("AE102", "error", "act == 'sigmoid'")]


def test_what_holds_under_another_condition_is_a_note() -> None:
    alternatives = [
        under(setup("sigmoid", "mse", RAW), "act == 'sigmoid'"),
        under(setup("relu", "mse", RAW), "act == 'relu'", default=True),
    ]
    assert told(check(alternatives, select=["AE102"])[0]) == [("AE102", "info", "act == 'sigmoid'")]


def test_alternatives_of_another_place_are_judged_apart() -> None:
    elsewhere = replace(setup("relu", "mse", RAW), location=Location("m.py", 99))
    alternatives = [under(setup("sigmoid", "mse", RAW), "a", default=True), under(elsewhere, "not a")]
    assert told(check(alternatives, select=["AE102"])[0]) == [("AE102", "error", "a")]


def test_a_lone_condition_that_is_not_the_default_is_a_note() -> None:
    assert told(check([under(setup("sigmoid", "mse", RAW), "raw")], select=["AE102"])[0]) == [("AE102", "info", "raw")]


# Duplicates and order


def test_one_finding_for_a_rule_and_a_place_the_gravest() -> None:
    note = under(setup("sigmoid", "mse", RAW), "a")
    proved = replace(setup("sigmoid", "mae", RAW), certificate=Certificate(9, 1.0, attainable_r2=-0.6))
    findings, _ = check([note, proved], select=["AE102"])
    assert told(findings) == [("AE102", "error", None)]
    assert findings[0].verdict is Verdict.PROVED
    assert findings[0].setup == 1


def test_beside_a_number_that_was_measured_nothing_asks_for_a_run() -> None:
    seen = replace(setup("sigmoid", "bce", GREY), certificate=Certificate(9, 0.0, 1.0, 0.05, 0.2))
    (note,), _ = check([seen, under(setup("sigmoid", "bce", GREY), "other")], select=["AE203"])
    assert [item.kind for item in note.evidence if item.location is None] == ["certificate"]


def test_the_worst_come_first_then_by_place() -> None:
    later = replace(setup("softmax", "bce", GREY))
    later = replace(later, head=replace(later.head, location=Location("m.py", 5)))
    findings, _ = check([setup("sigmoid", "mse", RAW), later])
    assert [(one.severity, one.location.line) for one in findings] == [
        (Severity.ERROR, 5),
        (Severity.ERROR, 20),
        (Severity.WARNING, 30),
    ]


def test_cells_come_in_order() -> None:
    def at(cell: int) -> TrainingSetup:
        subject = setup("sigmoid", "mse", RAW)
        return replace(subject, head=replace(subject.head, location=Location("n.ipynb", 1, cell=cell)))

    findings, _ = check([at(7), at(2)], select=["AE102"])
    assert [one.location.cell for one in findings] == [2, 7]


def test_the_certificate_gives_the_verdict() -> None:
    bound = Certificate(5000, 1.0, attainable_r2=-0.632)
    (finding,), _ = check([setup("softmax", "mse", GREY, certificate=bound)])
    assert finding.verdict is Verdict.PROVED
    (finding,), _ = check([setup("softmax", "mse", GREY)])
    assert finding.verdict is Verdict.STATIC

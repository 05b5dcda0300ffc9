"""The stages one after the other: each thing is read once and judged once, and a set-up keeps what was said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ae_audit.engine.runtime_stage
import ae_audit.rules.runner
import ae_audit.static
from ae_audit.base.progress import Progress
from ae_audit.engine import Interrupted, audit_files
from ae_audit.engine.assembly import FileAudit, assemble
from ae_audit.engine.discovery import AuditTarget
from ae_audit.runtime.sandbox.launch import ChildOutcome, Ending
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.codec import from_json, to_json
from ae_audit.schema.findings import Evidence, Finding, Severity, Undecided, Verdict
from ae_audit.schema.location import Location
from ae_audit.schema.messages import (
    Finished,
    HowItEnded,
    Message,
    ProgramEnded,
    SetupSeen,
    SetupSettled,
)
from ae_audit.schema.report import Report, Suppressed
from ae_audit.schema.training_setup import Condition, Framework, TrainingSetup
from ae_audit.settings.options import Settings

PROGRAM = """
from tensorflow import keras
from tensorflow.keras import layers

(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784)
net = keras.Sequential([layers.Input((784,)), layers.Dense(784, activation="softmax")])
net.compile(optimizer="adam", loss="binary_crossentropy")
net.fit(x, x)
"""
OWN_RULE = '''"""A rule."""

from ae_audit.rules.base import Example, Rule
from ae_audit.schema.findings import Severity, Violation
from ae_audit.schema.training_setup import Framework


class Own(Rule):
    """It tells which stages saw a training."""

    code = "MY001"
    name = "own-rule"
    severity = Severity.ERROR
    bad = (Example(Framework.KERAS, "x = 1", codes=("MY001",)),)
    good = (Example(Framework.KERAS, "x = 2"),)

    def check(self, setup):
        yield Violation(f"seen by {setup.seen_by}", setup.location)


RULE = Own()
'''
Script = Callable[[dict[str, Any]], list[Message]]


def audited(
    folder: Path, monkeypatch: pytest.MonkeyPatch, child: Script, source: str = PROGRAM, **settings: Any
) -> Report:
    """The report of a program whose child says what ``child`` makes of its request."""
    (folder / "train.py").write_text(source)
    monkeypatch.chdir(folder)

    def run_child(request: dict[str, Any], *, on_event: Callable[[object], None], **_: Any) -> ChildOutcome:
        for message in child(request):
            on_event(to_json(message))
        return ChildOutcome(Ending.FINISHED, ())

    monkeypatch.setattr(ae_audit.engine.runtime_stage, "run_child", run_child)
    targets = [AuditTarget("train.py", run=True, project_root=str(folder), named=True)]
    return audit_files(targets, Settings(**settings), Progress())


def ran(request: dict[str, Any]) -> list[Message]:
    """A child that saw just what was read, judged by its rules, and refuted the first finding of it."""
    from ae_audit.engine.settling import judged
    from ae_audit.rules.registry import select_rules

    setup = replace(from_json(TrainingSetup, request["setups"][0]), seen_by=("static", "runtime"))
    item = judged(setup, select_rules(tuple(request["rules"])))
    refuted = replace(item.findings[0], verdict=Verdict.REFUTED, evidence=(Evidence("probe", "no difference"),))
    return [
        SetupSeen(0, 0, item),
        SetupSettled(0, (refuted, *item.findings[1:])),
        ProgramEnded(HowItEnded.COMPLETED, ""),
        Finished(),
    ]


def test_a_program_that_is_run_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    analyse = ae_audit.static.analyse_file

    def counted(path: str, source: bytes, *args: Any, **kwargs: Any) -> Any:
        read.append(source)
        return analyse(path, source, *args, **kwargs)

    monkeypatch.setattr(ae_audit.static, "analyse_file", counted)
    report = audited(tmp_path, monkeypatch, ran)
    assert read[0] == PROGRAM.encode()
    assert PROGRAM.encode() not in read[1:], "what is read again is the program after its fixes"
    assert len(read) == 2
    assert [setup.seen_by for setup in report.setups] == [("static", "runtime")]


def test_what_the_child_judged_is_not_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(request: dict[str, Any]) -> list[Message]:
        return [SetupSeen(0, 0, AuditedSetup(from_json(TrainingSetup, request["setups"][0]))), Finished()]

    assert audited(tmp_path, monkeypatch, lambda _: [Finished()]).findings, "what was not seen is judged here"
    assert audited(tmp_path, monkeypatch, silent).findings == ()


def test_verdicts_stay_with_their_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = audited(tmp_path, monkeypatch, ran)
    verdicts = {finding.verdict for finding in report.findings}
    assert [finding.evidence[-1].text for finding in report.findings if finding.verdict is Verdict.REFUTED] == [
        "no difference"
    ]
    assert Verdict.STATIC in verdicts, "the others were not settled"
    assert {finding.setup for finding in report.findings} == {0}


def test_a_rule_of_the_project_judges_what_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stage_rules.py").write_text(OWN_RULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    report = audited(tmp_path, monkeypatch, ran, rules=("stage_rules",))
    assert {finding.code for finding in report.findings} > {"MY001"}
    own = [finding for finding in report.findings if finding.code == "MY001"]
    assert [finding.message for finding in own] == ["seen by ('static', 'runtime')"]


@pytest.mark.parametrize("selected", [("AE208",), ("AE101",)])
def test_the_child_judges_by_the_rules_that_were_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selected: tuple[str, ...]
) -> None:
    asked: list[str] = []

    def child(request: dict[str, Any]) -> list[Message]:
        asked.extend(request["rules"])
        return [Finished()]

    audited(tmp_path, monkeypatch, child, select=selected)
    assert tuple(asked) == selected


def test_what_was_read_of_an_interrupted_program_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: dict[str, Any]) -> list[Message]:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        audited(tmp_path, monkeypatch, interrupt)
    assert stopped.value.report.findings


def test_a_failure_of_ours_while_running_costs_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: dict[str, Any]) -> list[Message]:
        raise RuntimeError("ours")

    report = audited(tmp_path, monkeypatch, fail)
    assert report.findings
    assert [(error.stage, "RuntimeError: ours" in error.message) for error in report.errors] == [("runtime", True)]


def test_forged_messages_are_noted_and_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forge(request: dict[str, Any]) -> list[Message]:
        clean = AuditedSetup(replace(from_json(TrainingSetup, request["setups"][0]), condition=Condition("x")))
        return [SetupSeen(0, 0, clean), SetupSeen(99, 0, clean), ProgramEnded(HowItEnded.COMPLETED, ""), Finished()]

    honest = audited(tmp_path, monkeypatch, lambda _: [ProgramEnded(HowItEnded.COMPLETED, ""), Finished()])
    report = audited(tmp_path, monkeypatch, forge)
    assert report.findings == honest.findings != ()
    assert "ignored a malformed message from the audited process, 2 in all" in [note.text for note in report.notes]


def test_what_the_run_contradicts_is_noted_and_the_run_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(request: dict[str, Any]) -> list[Message]:
        setup = from_json(TrainingSetup, request["setups"][0])
        return [SetupSeen(0, 0, AuditedSetup(replace(setup, loss=replace(setup.loss, name="mse")))), Finished()]

    report = audited(tmp_path, monkeypatch, other)
    assert [setup.loss.name for setup in report.setups] == ["mse"]
    assert [note.text for note in report.notes] == [
        "line 9: the loss is `bce` by reading, and `mse` in the run; this report goes by the run"
    ]


# --- assembling -----------------------------------------------------------------------------------------------------

PLACE = Location("model.py", 5, 10)
FINDING = Finding("AE101", "softmax-on-per-pixel-target", Severity.ERROR, "text", PLACE)


def told_by(path: str, finding: Finding, **more: Any) -> FileAudit:
    setup = TrainingSetup(Framework.KERAS, Location(path, 9))
    return FileAudit(AuditTarget(path), True, (AuditedSetup(setup, (finding,), **more),))


def test_programs_that_share_a_model_tell_of_it_once() -> None:
    messages = [
        replace(FINDING, message=f"text {number}", evidence=(Evidence("static", f"{number}"),)) for number in (1, 2)
    ]
    report = assemble([told_by("a.py", messages[0]), told_by("b.py", messages[1]), told_by("c.py", messages[1])])
    (finding,) = report.findings
    assert (finding.message, finding.setup) == ("text 1", 0)
    assert [item.text for item in finding.evidence] == ["1", "2"]
    assert len(report.setups) == 3


def test_one_place_under_several_conditions_is_told_once() -> None:
    conditions = ("a == 1", "b", None)
    under = [replace(FINDING, condition=condition) for condition in conditions]
    report = assemble([told_by(f"{name}.py", finding) for name, finding in zip("ab", under, strict=False)])
    assert [finding.condition for finding in report.findings] == ["(a == 1) or b"]
    report = assemble([told_by(f"{name}.py", finding) for name, finding in zip("abc", under, strict=True)])
    assert [finding.condition for finding in report.findings] == [None]


def test_of_many_conditions_some_are_named() -> None:
    many = [told_by(f"{name}.py", replace(FINDING, condition=name)) for name in "abcde"]
    assert [finding.condition for finding in assemble(many).findings] == ["a or b or c or 2 more"]


def test_the_gravest_of_a_place_is_told_and_what_was_proved_of_another() -> None:
    note = replace(FINDING, severity=Severity.INFO, condition="x", verdict=Verdict.PROVED)
    report = assemble([told_by("a.py", note), told_by("b.py", FINDING)])
    (finding,) = report.findings
    assert (finding.severity, finding.condition, finding.verdict, finding.setup) == (
        Severity.ERROR,
        None,
        Verdict.PROVED,
        1,
    )


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((Verdict.REFUTED, Verdict.CONFIRMED), Verdict.CONFIRMED),
        ((Verdict.REFUTED, Verdict.INCONCLUSIVE), Verdict.INCONCLUSIVE),
        ((Verdict.REFUTED, Verdict.REFUTED), Verdict.REFUTED),
        ((Verdict.STATIC, Verdict.REFUTED), Verdict.REFUTED),
    ],
)
def test_one_experiment_that_accuses_outweighs_one_that_acquits(
    verdicts: tuple[Verdict, ...], expected: Verdict
) -> None:
    told = [told_by(f"{name}.py", replace(FINDING, verdict=one)) for name, one in zip("ab", verdicts, strict=True)]
    for order in (told, told[::-1]):
        assert [finding.verdict for finding in assemble(order).findings] == [expected]


def test_what_is_excused_in_a_shared_module_is_counted_once() -> None:
    excused = (Suppressed(FINDING, "on purpose"),)
    audits = [
        told_by(path, replace(FINDING, location=Location(path, 1)), suppressed=excused) for path in ("a.py", "b.py")
    ]
    report = assemble(audits)
    assert [(one.reason, one.finding.setup) for one in report.suppressed] == [("on purpose", 0)]
    assert [finding.setup for finding in report.findings] == [0, 1]


def test_a_fact_that_several_programs_lack_is_told_once() -> None:
    def lacking(path: str, why: str, rule: str) -> FileAudit:
        return FileAudit(AuditTarget(path), True, (), (Undecided("model.py", "loss", why, 3, rules=(rule,)),))

    report = assemble([lacking("a.py", "an argument", "AE102"), lacking("b.py", "a parameter", "AE101")])
    assert report.undecided == (Undecided("model.py", "loss", "an argument", 3, rules=("AE101", "AE102")),)

"""What the command returns, and what it says where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[[str, str | bytes], Path]
Audit = Callable[..., Any]

BAD = "model(x)  # head softmax 784\n"
GOOD = "model(x)  # head linear 784\n"
SINGLE = "model(x)  # head softmax 1\n"
UNRELATED = "print('hello')\n"
UNKNOWN = "model(x)  # undecided\n"
BROKEN = "x = (\n"


def test_findings_give_1(write: Write, audit: Audit) -> None:
    write("bad.py", BAD)
    outcome = audit("bad.py")
    assert outcome.code == 1
    assert "bad.py:1:1: AE101 softmax-on-per-pixel-target [error, static]" in outcome.out
    assert outcome.err == ""


def test_good_gives_0(write: Write, audit: Audit) -> None:
    write("good.py", GOOD)
    outcome = audit("good.py", "--ignore", "AE301")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == "No findings in 1 training setup of 1 file."


def test_severity_decides_by_fail_on(write: Write, audit: Audit) -> None:
    write("good.py", GOOD)  # raw bytes enter the network: a warning
    assert audit("good.py").code == 0
    assert audit("good.py", "--fail-on", "warning").code == 1
    assert audit("good.py", "--fail-on=info").code == 1
    assert audit("good.py", "--fail-on=info", "--exit-zero").code == 0


def test_nothing_that_could_be_audited_gives_3(write: Write, audit: Audit, folder: Path) -> None:
    (folder / "empty").mkdir()
    write("text/readme.md", "words")
    write("plain.py", UNRELATED)
    for path, sentence in (
        ("empty", "there is no Python file and no notebook in empty."),
        ("text", "there is no Python file and no notebook in text."),
        ("plain.py", "no training of a Keras or PyTorch model was found in this file."),
    ):
        outcome = audit(path)
        assert outcome.code == 3, path
        assert outcome.err == f"ae-audit: Nothing to audit: {sentence}\n"
    assert audit("empty", "--output-format", "json").code == 3


def test_binary_file(write: Write, audit: Audit) -> None:
    write("weights.py", b"\x7fELF\0\0\1")
    outcome = audit("weights.py")
    assert outcome.code == 3
    assert "weights.py: static stage: it is not text, so it is neither Python source nor a notebook." in outcome.out


def test_unreadable_files_cost_the_others_nothing(write: Write, audit: Audit) -> None:
    write("a/binary.py", b"\0\0")
    write("a/broken.py", BROKEN)
    write("a/crash.py", "# crash\n")
    write("a/bad.py", BAD)
    outcome = audit("a", "--output-format", "concise")
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert lines[0].startswith("a/bad.py:1:1: AE101 softmax-on-per-pixel-target [error, static] ")
    assert any(line.startswith("a/binary.py: failed [static] ") for line in lines)
    assert any(line.startswith("a/broken.py:1: failed [static] does not parse: ") for line in lines)
    assert any("a/crash.py: failed [static] ae-audit itself failed here (" in line for line in lines)


def test_broken_file_alone_gives_3(write: Write, audit: Audit) -> None:
    write("broken.py", BROKEN)
    outcome = audit("broken.py")
    assert outcome.code == 3
    assert "broken.py:1: static stage: does not parse: " in outcome.out
    assert outcome.err == ""


def test_undecided_is_told_and_can_fail(write: Write, audit: Audit) -> None:
    write("unknown.py", UNKNOWN)
    outcome = audit("unknown.py")
    assert outcome.code == 0
    assert "unknown.py:1: loss: it is not written here" in outcome.out
    assert audit("unknown.py", "--fail-on-undecided").code == 1


def test_what_could_not_be_read_counts_as_undecided(write: Write, audit: Audit) -> None:
    write("good.py", GOOD)
    write("broken.py", BROKEN)
    assert audit("good.py", "broken.py").code == 0
    assert audit("good.py", "broken.py", "--fail-on-undecided").code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["modle.py"], "No such file or folder: modle.py. Did you mean 'model.py'?"),
        (["absent/model.py"], "No such file or folder: absent/model.py ('absent' does not exist)."),
        (["--selct", "AE101", "model.py"], "Unknown option '--selct'. Did you mean '--select'?"),
        (["--sarf-output", "x", "model.py"], "Unknown option '--sarf-output'."),
        (["--basline", "x", "model.py"], "Unknown option '--basline'. Did you mean '--baseline'?"),
        (
            ["--output-format", "sarf", "."],
            "--output-format must be one of full, concise, json, sarif, github, gitlab, junit, html; got 'sarf'.",
        ),
        (["--output-format", "jsn", "."], "got 'jsn'. Did you mean 'json'?"),
        (["--select", "AE1,AE999", "."], "Unknown rule 'AE999' in --select."),
        (["--select", "softmax-on-pixel-target", "."], "Did you mean 'softmax-on-per-pixel-target'?"),
        (["--ignore", "", "."], "--ignore needs a list of rule codes"),
        (["--timeout", "0", "."], "--timeout must be a positive number of seconds; got 0"),
        (["--timeout", "soon", "."], "--timeout must be a positive number of seconds; got 'soon'."),
        (["--jobs", "-1", "."], "--jobs must be a whole number, 0 or more; got -1."),
        (["--seed"], "expected one argument"),
        (["--static", "--run", "."], "--static and --run contradict each other"),
        (["--config", "absent.toml", "."], "Cannot read the configuration file absent.toml"),
        (["--isolated", "--config", "x", "."], "--isolated reads no configuration file"),
        (["--json-output", "absent/x.json", "."], "--json-output: the folder absent does not exist."),
        (["--json-output", ".", "."], "--json-output: . is a folder."),
        (["--json-output", "-", "."], "--output-format decides about standard output"),
        (["--json-output", "x", "--full-output", "./x", "."], "Two reports cannot go to the same file."),
        (["rule", "AE999"], "Unknown rule 'AE999'."),
        (["rule", "--al"], "Did you mean '--all'?"),
        (["rule", "--all", "AE101"], "either rules or --all"),
        ([""], "An empty path names no file."),
        (["a\x1b[31m\n.py"], "No such file or folder: a?[31m?.py."),
        (["config", "--selct", "x"], "Did you mean '--select'?"),
        ([".", "--", "--epochs", "5"], "What follows -- are the arguments of one program"),
        (["model.py", "model.py", "--", "5"], "What follows -- are the arguments of one program"),
        (["-m", "package.model"], "there is no package/model.py and no package/model/__main__.py here."),
        (["-m", "a b"], "-m takes the name of a module, as package.train; got 'a b'."),
        (["-m", "model", "model.py"], "-m model names the program; model.py beside it names another."),
    ],
)
def test_mistakes_give_2_and_a_sentence(write: Write, audit: Audit, arguments: list[str], sentence: str) -> None:
    write("model.py", GOOD)
    outcome = audit(*arguments, static=False)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("ae-audit: ")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err


def test_error_of_our_own_gives_2(write: Write, audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    import ae_audit.engine

    def fail(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(ae_audit.engine, "audit_each", fail)
    write("good.py", GOOD)
    outcome = audit("good.py")
    assert outcome.code == 2
    assert outcome.err == "ae-audit: Internal error, --verbose shows where: KeyError: 'x'\n"
    assert "Traceback" in audit("good.py", "-v").err


def test_one_format_that_fails_loses_no_other(
    write: Write, audit: Audit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ae_audit.report as report

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no page")

    monkeypatch.setattr(report, "render", lambda *args, **kwargs: fail() if args[1] == "html" else "[]")
    write("bad.py", BAD)
    outcome = audit("bad.py", "--html-output", "report.html", "--json-output", "report.json")
    assert outcome.code == 2
    assert "AE101" in outcome.out
    assert "ValueError: no page" in outcome.err
    assert (folder / "report.json").read_text() == "[]"


def test_a_failure_of_our_own_on_one_file_is_no_approval(
    write: Write, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ae_audit.engine.static_stage as stage

    read = stage.read_file

    def fail(target: Any, *args: Any, **kwargs: Any) -> Any:
        if target.path == "second.py":
            raise KeyError("x")
        return read(target, *args, **kwargs)

    monkeypatch.setattr(stage, "read_file", fail)
    write("first.py", GOOD)
    write("second.py", GOOD)
    outcome = audit("first.py", "second.py", "--jobs", "1")
    assert outcome.code == 2
    assert "ae-audit itself failed here (KeyError: 'x'" in outcome.out
    write("first.py", BAD)
    assert audit("first.py", "second.py", "--jobs", "1").code == 1


def test_interrupt_prints_what_was_found(write: Write, audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    import ae_audit.static

    write("a.py", SINGLE)
    write("b.py", GOOD)
    analyse = ae_audit.static.analyse_file

    def stop_at_b(path: str, source: bytes, **rest: Any) -> Any:
        if path == "b.py":
            raise KeyboardInterrupt
        return analyse(path, source, **rest)

    monkeypatch.setattr(ae_audit.static, "analyse_file", stop_at_b)
    outcome = audit("a.py", "b.py")
    assert outcome.code == 130
    assert "a.py:1:1: AE106 single-unit-softmax" in outcome.out
    assert "Interrupted: this is what was found until then." in outcome.out
    outcome = audit("a.py", "b.py", "--output-format", "json")
    assert outcome.code == 130
    assert json.loads(outcome.out)["summary"]["interrupted"] is True

"""Flags, outputs and subcommands."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ae_audit.base.version import __version__
from ae_audit.settings.options import OPTIONS, Settings

Write = Callable[[str, str | bytes], Path]
Audit = Callable[..., Any]

BAD = "model(x)  # head softmax 784\n"
GOOD = "model(x)  # head linear 784\n"
SINGLE = "model(x)  # head softmax 1\n"
UNRELATED = "print('hello')\n"


def codes(outcome: Any) -> set[str]:
    return {finding["code"] for finding in json.loads(outcome.out)["findings"]}


def test_version_and_help(audit: Audit) -> None:
    assert audit("--version", static=False).out == f"ae-audit {__version__}\n"
    text = audit("--help", static=False).out
    for option in OPTIONS:
        assert (f"--{option.key}" in text) == option.flag


def test_version_is_the_packages_own() -> None:
    pyproject = Path(__file__).parents[2].joinpath("pyproject.toml").read_text("utf-8")
    assert f'version = "{__version__}"' in pyproject


def test_every_option_is_a_setting() -> None:
    not_options = {"config_file", "extended_files", "rules_not_imported", "arguments", "module"}
    fields = set(Settings.__dataclass_fields__) - not_options
    assert fields == {option.field for option in OPTIONS}


def test_flags_may_stand_anywhere(write: Write, audit: Audit) -> None:
    write("a.py", SINGLE)
    write("b.py", BAD)
    outcome = audit("a.py", "--output-format", "json", "b.py", "--select", "AE1")
    assert {finding["path"] for finding in json.loads(outcome.out)["findings"]} == {"a.py", "b.py"}


def test_after_two_dashes_all_are_paths(write: Write, audit: Audit) -> None:
    write("--select", BAD)
    outcome = audit("--output-format", "concise", "--static", "--", "--select", static=False)
    assert outcome.out.startswith("--select:1:1: AE101")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--select", "AE101,AE301"], {"AE101", "AE301"}),
        (["--select", "AE101", "--select", "unnormalised-input"], {"AE101", "AE301"}),
        (["--select", "AE3", "--extend-select", "AE101"], {"AE101", "AE301"}),
        (["--select", "AE1,AE3", "--ignore", "AE1"], {"AE301"}),
        (["--select", "AE101", "--ignore", "AE1"], {"AE101"}),
        (["--ignore", "AE1"], {"AE301"}),
        (["--select", "ae101"], {"AE101"}),
    ],
)
def test_selection(write: Write, audit: Audit, flags: list[str], expected: set[str]) -> None:
    write("bad.py", BAD)
    assert codes(audit("bad.py", "--output-format", "json", *flags)) == expected


def test_ignoring_everything_finds_nothing(write: Write, audit: Audit) -> None:
    write("bad.py", BAD)
    outcome = audit("bad.py", "--ignore", "ALL")
    assert outcome.code == 0
    assert "No findings" in outcome.out


def test_several_outputs_at_once(write: Write, audit: Audit, folder: Path) -> None:
    write("bad.py", BAD)
    outcome = audit("bad.py", "--json-output", "r.json", "--full-output=r.txt", "--output-format", "concise")
    assert outcome.code == 1
    assert outcome.out.startswith("bad.py:1:1: AE101 ")
    assert json.loads((folder / "r.json").read_text("utf-8"))["summary"]["errors"] >= 1
    assert "AE101" in (folder / "r.txt").read_text("utf-8")


def test_json_alone_on_standard_output(write: Write, audit: Audit) -> None:
    write("bad.py", BAD)
    outcome = audit("bad.py", "--output-format", "json", "--verbose")
    assert json.loads(outcome.out)["schema_version"] == 1
    assert outcome.err == "ae-audit: bad.py: reading\n"
    assert audit("bad.py", "--output-format", "json", "--verbose", "--quiet").err == ""


def test_quiet_drops_the_hint(write: Write, audit: Audit) -> None:
    write("bad.py", BAD)
    assert "`ae-audit rule AE" in audit("bad.py").out
    assert "`ae-audit rule AE" not in audit("bad.py", "-q").out


def test_standard_input(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    outcome = audit("-")
    assert outcome.code == 1
    assert "<stdin>:1:1: AE101" in outcome.out
    assert "1 │ model(x)  # head softmax 784" in outcome.out


def test_colour_on_demand(write: Write, audit: Audit) -> None:
    write("bad.py", BAD)
    assert "\x1b[" not in audit("bad.py").out
    assert "\x1b[1;31m AE101" in audit("bad.py", "--color", "always").out


def test_suppressed_findings_are_counted(write: Write, audit: Audit) -> None:
    write("bad.py", BAD.rstrip() + "  # ae-audit: ignore[AE1] it is a distribution\n")
    outcome = audit("bad.py", "--select", "AE101")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == "No findings in 1 training setup of 1 file; 1 suppressed."


def test_per_file_ignores(write: Write, audit: Audit) -> None:
    write("pyproject.toml", '[tool.ae-audit.per-file-ignores]\n"tests/*" = ["AE1", "unnormalised-input"]\n')
    write("tests/bad.py", BAD)
    write("src/bad.py", BAD)
    outcome = audit(".", "--output-format", "json")
    assert {finding["path"] for finding in json.loads(outcome.out)["findings"]} == {"src/bad.py"}


def test_configuration_is_found_and_flags_win(write: Write, audit: Audit) -> None:
    write("pyproject.toml", '[tool.ae-audit]\nselect = ["AE3"]\noutput-format = "json"\nfail-on = "warning"\n')
    write("pkg/bad.py", BAD)
    outcome = audit("pkg/bad.py")
    assert (outcome.code, codes(outcome)) == (1, {"AE301"})
    assert codes(audit("pkg/bad.py", "--select", "AE101")) == {"AE101"}
    assert audit("pkg/bad.py", "--fail-on", "error").code == 0
    assert "AE101" in audit("pkg/bad.py", "--isolated").out


def test_run_on_the_command_line_beats_static_in_the_file(write: Write, audit: Audit) -> None:
    write("pyproject.toml", "[tool.ae-audit]\nstatic = true\n")
    assert "static = true" in audit("config", static=False).out
    outcome = audit("config", "--run", static=False)
    assert "static = false" in outcome.out
    assert "# --run = true" in outcome.out


def test_same_finding_through_two_files_is_told_once(write: Write, audit: Audit) -> None:
    write("bad.py", BAD)
    outcome = audit("bad.py", "./bad.py", ".", "--output-format", "json")
    assert len([f for f in json.loads(outcome.out)["findings"] if f["code"] == "AE101"]) == 1


def test_many_files_go_through_processes_in_order(write: Write, audit: Audit) -> None:
    for number in range(60):
        write(f"m{number:02}.py", BAD if number % 20 == 0 else UNRELATED)
    outcome = audit(".", "--output-format", "json", "--select", "AE101", "--jobs", "2")
    assert [f["path"] for f in json.loads(outcome.out)["findings"]] == ["m00.py", "m20.py", "m40.py"]
    assert [f["setup"] for f in json.loads(outcome.out)["findings"]] == [0, 1, 2]


def test_rule_pages(audit: Audit) -> None:
    by_code = audit("rule", "AE101", static=False)
    assert by_code.code == 0
    assert by_code.out.startswith("# AE101 softmax-on-per-pixel-target\n\nSeverity: error.")
    assert "```python" in by_code.out
    assert audit("rule", "softmax-on-per-pixel-target", static=False).out == by_code.out
    listing = audit("rule", "--all", static=False).out.splitlines()
    assert listing[0].split()[:3] == ["AE101", "softmax-on-per-pixel-target", "error"]
    assert audit("rule", static=False).code == 2


def test_config_prints_what_is_in_effect_and_can_be_read_back(write: Write, audit: Audit, folder: Path) -> None:
    write(
        "pyproject.toml", '[tool.ae-audit]\nignore = ["AE301"]\n[tool.ae-audit.per-file-ignores]\n"a\\"b" = ["AE1"]\n'
    )
    text = audit("config", "--seed", "7", "--timeout", "1.5", static=False).out
    assert 'ignore = ["AE301"]' in text
    assert "seed = 7" in text
    assert "timeout = 1.5" in text
    write("other/pyproject.toml", text)
    again = audit("config", "--config", "other/pyproject.toml", static=False).out
    assert again.splitlines()[1:] == text.splitlines()[1:]


def test_file_named_like_a_command_can_still_be_audited(write: Write, audit: Audit) -> None:
    write("rule", BAD)
    assert audit("./rule").code == 1


def test_good_code_prints_no_hint(write: Write, audit: Audit) -> None:
    write("good.py", GOOD)
    assert audit("good.py", "--ignore", "AE3").out.splitlines()[-1].startswith("No findings")


def test_several_formats_in_one_run(write: Write, audit: Audit, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    (folder / "summary.md").write_text("before\n")
    write("a.py", BAD)
    write("b.py", "x = (\n")
    flags = [
        part for name in ("sarif", "gitlab", "junit", "json", "html") for part in (f"--{name}-output", f"out.{name}")
    ]
    outcome = audit(".", "--output-format", "github", *flags)
    assert outcome.code == 1
    assert outcome.out.startswith("::error file=a.py,line=1,")
    assert json.loads((folder / "out.sarif").read_text())["runs"][0]["results"][0]["ruleId"] == "AE101"
    assert json.loads((folder / "out.gitlab").read_text())[0]["check_name"] == "AE101"
    assert json.loads((folder / "out.json").read_text())["schema_version"] == 1
    assert (folder / "out.junit").read_text().startswith("<?xml")
    assert (folder / "out.html").read_text().startswith("<!doctype html>")
    assert (folder / "summary.md").read_text().startswith("before\n## ae-audit\n")


@pytest.mark.parametrize("format", ["sarif", "gitlab", "junit", "json", "html"])
def test_formats_for_programs_are_written_where_nothing_was_found(audit: Audit, folder: Path, format: str) -> None:
    (folder / "empty").mkdir()
    assert audit("empty", "--output-format", format).out != ""


def test_an_unknown_format_gets_a_suggestion(write: Write, audit: Audit) -> None:
    write("a.py", BAD)
    assert "Did you mean 'sarif'?" in audit("a.py", "--output-format", "sarf").err
    assert "Did you mean '--sarif-output'?" in audit("a.py", "--sarf-output", "x").err


def test_explain_follows_the_data_to_the_loss(write: Write, audit: Audit) -> None:
    write("a.py", BAD)
    outcome = audit("explain", "--static", "a.py", static=False)
    assert outcome.code == 0
    assert outcome.out.startswith("a.py:")
    for part in ("input", "target", "prediction", "loss"):
        assert f"\n  {part} " in outcome.out
    write("words.py", "print('no model')\n")
    assert audit("explain", "--static", "words.py", static=False).code == 3


@pytest.mark.parametrize(
    ("words", "same"), [(["version"], ["--version"]), (["help"], ["--help"]), (["rules"], ["rule", "--all"])]
)
def test_words_of_other_tools_are_understood(audit: Audit, words: list[str], same: list[str]) -> None:
    assert audit(*words, static=False).out == audit(*same, static=False).out


@pytest.mark.parametrize(("slip", "meant"), [("exlpain", "explain"), ("rlue", "rule"), ("comapre", "compare")])
def test_a_slip_in_a_command_is_answered_by_the_command(write: Write, audit: Audit, slip: str, meant: str) -> None:
    outcome = audit(slip, "a.py", static=False)
    assert outcome.code == 2
    assert f"No such file, folder or command: {slip}. Did you mean '{meant}'?" in outcome.err
    write(slip, BAD)
    assert audit(slip, static=True).code == 1, "a file of that name is the file"


def test_a_word_for_auditing_is_left_out_unless_it_is_a_file(write: Write, audit: Audit) -> None:
    write("a.py", BAD)
    assert audit("check", "--static", "a.py", static=False).code == 1
    write("check", BAD)
    outcome = audit("check", "--static", "a.py", "--output-format", "json", static=False)
    assert {finding["path"] for finding in json.loads(outcome.out)["findings"]} == {"a.py", "check"}

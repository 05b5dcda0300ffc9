"""``pytest --ae-audit``: an item a model file."""

from __future__ import annotations

from importlib.metadata import entry_points
from xml.etree import ElementTree

import pytest

from .conftest import BROKEN, Run

pytest_plugins = ["pytester"]

ITEMS = ["books/first.ipynb::ae-audit", "models/broken.py::ae-audit", "models/sound.py::ae-audit"]


def test_model_files_and_notebooks_become_items(project: pytest.Pytester, run: Run) -> None:
    result = run("--ae-audit", "--collect-only", "-q")
    lines = result.stdout.lines
    assert [line for line in lines if line.endswith("::ae-audit")] == ITEMS
    assert "6 tests collected" in result.stdout.str()


def test_failures_are_reports(project: pytest.Pytester, run: Run) -> None:
    result = run("--ae-audit", "models", "books")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "ae-audit: model files are read, never run",
            "*_ ae-audit: models/broken.py _*",
            "models/broken.py:9:33: AE101 softmax-on-per-pixel-target [[]error, static[]]",
            "*= ae-audit =*",
            "error   *AE101*",
            "2 errors*.",
        ]
    )
    assert "books/first.ipynb:cell 1:9:33: AE101" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize("flags", [("-n", "2"), ("-p", "no:cacheprovider"), ("-x",)])
def test_with_other_flags(project: pytest.Pytester, run: Run, flags: tuple[str, ...]) -> None:
    result = run("--ae-audit", "models", "books", *flags)
    result.assert_outcomes(**({"failed": 1} if flags == ("-x",) else {"passed": 1, "failed": 2}))
    assert result.stdout.str().count("= ae-audit =") == 1


def test_one_crash_costs_one_failure(project: pytest.Pytester, run: Run) -> None:
    """As docs/ci.md has it; without the last flag xdist runs the crashing test anew in every process that it starts."""
    (project.path / "test_models.py").unlink()
    project.makepyfile(test_crash="import os\ndef test_it():\n    os._exit(3)\ndef test_never():\n    pass\n")
    result = run("--ae-audit", "-n", "2", "--dist", "loadfile", "--max-worker-restart=0", "-rA")
    text = result.stdout.str()
    assert text.count("crashed while running 'test_crash.py::test_it'") >= 1
    assert sum(line.startswith("FAILED test_crash.py") for line in result.stdout.lines) == 1
    assert not any(line.startswith("PASSED test_crash.py") for line in result.stdout.lines)
    assert text.count("= ae-audit =") == 1, "what the other process found is told"


def test_the_nearest_configuration_governs_a_file(project: pytest.Pytester, run: Run) -> None:
    (project.path / "models" / "pyproject.toml").write_text("[tool.ae-audit]\nignore = ['AE101']\n")
    (project.path / "books" / "pyproject.toml").write_text("[tool.ae-audit]\nexclude = ['first.ipynb']\n")
    run("--ae-audit", "models", "books").assert_outcomes(passed=2)


def test_junit(project: pytest.Pytester, run: Run) -> None:
    run("--ae-audit", "models", "--junitxml=out.xml")
    cases = list(ElementTree.parse(project.path / "out.xml").iter("testcase"))
    told = {
        case.get("classname", "").removesuffix(".py"): [p.get("name") for p in case.iter("property")] for case in cases
    }
    assert "ae_audit.error" in told["models.broken"]
    assert told["models.sound"] == ["ae_audit.info", "ae_audit.setups"]


def test_a_program_that_is_named_is_not_imported(project: pytest.Pytester, run: Run) -> None:
    marker = project.path / "was_run"
    program = project.path / "models" / "sound.py"
    program.write_text(f"open({str(marker)!r}, 'w')\n{program.read_text()}")
    run("--ae-audit", "models/sound.py").assert_outcomes(passed=1)
    assert not marker.exists()


def test_what_has_no_training_is_skipped_and_what_does_not_parse_fails(project: pytest.Pytester, run: Run) -> None:
    (project.path / "models" / "words.py").write_text("import torch  # no loss here\n")
    (project.path / "models" / "sound.py").write_text("import keras\nmodel.compile(\n")
    result = run("--ae-audit", "models", "-rs")
    result.assert_outcomes(failed=2, skipped=1)
    result.stdout.fnmatch_lines(["*line 2 does not parse*", "SKIPPED *no training of a Keras or PyTorch model*"])


def test_exclusions_hold(project: pytest.Pytester, run: Run) -> None:
    with (project.path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('\n[tool.ae-audit]\nextend-exclude = ["books", "models/br*"]\n')
    result = run("--ae-audit", "--collect-only", "-q")
    assert [line for line in result.stdout.lines if line.endswith("::ae-audit")] == ["models/sound.py::ae-audit"]


def test_the_ini_file_turns_it_on(project: pytest.Pytester, run: Run) -> None:
    project.makepyprojecttoml("[tool.pytest.ini_options]\nae_audit = true\nae_audit_ignore = 'AE101'\n")
    result = run("models")
    result.assert_outcomes(passed=2)
    run("models", "--ae-audit-ignore", "AE301").assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--ae-audit", "--ae-audit-select", "AE119"), "Unknown rule 'AE119' in --ae-audit-select. Did you mean *"),
        (("--ae-audit-fail-on=eror",), "--ae-audit-fail-on must be one of *. Did you mean 'error'?"),
        (("--ae-audit-run",), "--ae-audit-run runs the files that --ae-audit finds; give that too."),
        (("--ae-audit", "--ae-audit-run", "--ae-audit-static"), "--ae-audit-static and --ae-audit-run contradict *"),
        (("--ae-audit", "--ae-audit-config", "none.toml"), "Cannot read the configuration file none.toml: *"),
    ],
)
def test_wrong_options_are_usage_errors(
    project: pytest.Pytester, run: Run, flags: tuple[str, ...], sentence: str
) -> None:
    result = run(*flags)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])


def test_a_wrong_configuration_file_is_a_usage_error(project: pytest.Pytester, run: Run) -> None:
    with (project.path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('\n[tool.ae-audit]\nslect = ["AE1"]\n')
    result = run("--ae-audit")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *unknown key 'slect' in [[]tool.ae-audit[]]. Did you mean 'select'?"])
    assert run("-k", "nothing_to_do").ret == 0  # who does not use it is not troubled


def test_run_runs_the_files(pytester: pytest.Pytester, run: Run) -> None:
    (pytester.path / "stops.py").write_text("import keras_that_is_not_there as keras\n" + BROKEN)
    result = run("--ae-audit", "--ae-audit-run")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["ae-audit: model files are run in the sandbox", "*keras_that_is_not_there*"])


def test_a_misspelt_option_gets_a_suggestion(project: pytest.Pytester) -> None:
    if not any(entry.name == "ae_audit" for entry in entry_points(group="pytest11")):
        pytest.skip("the hook is called for installed plugins only")
    result = project.runpytest_subprocess("-p", "no:hypothesispytest", "--ae-audit-selct=AE1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: unknown option '--ae-audit-selct'. Did you mean '--ae-audit-select'?"])


def test_hooks_of_other_plugins_may_ask_each_item_for_its_fixtures(project: pytest.Pytester, run: Run) -> None:
    asks = "\n\ndef pytest_runtest_call(item):\n    assert not item.funcargs\n"
    project.makeconftest(asks)
    run("--ae-audit", "models/sound.py").assert_outcomes(passed=1)

"""The fixture and the marker."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from .conftest import BROKEN, Run

pytest_plugins = ["pytester"]

LIVE = """\
import pytest
torch = pytest.importorskip("torch")

def net(head):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 64), head)

x = torch.rand(256, 64, generator=torch.Generator().manual_seed(0))

def test_good(ae_audit):
    report = ae_audit(net(torch.nn.Sigmoid()), x, loss=torch.nn.MSELoss(), probe=False)
    assert report.ok and report.setups

def test_bad(ae_audit):
    ae_audit(net(torch.nn.Softmax(dim=1)), x, loss=torch.nn.BCELoss(), probe=False)

@pytest.mark.ae_audit(ignore=["AE101"])
def test_ignored(ae_audit):
    ae_audit(net(torch.nn.Softmax(dim=1)), x, loss=torch.nn.MSELoss(), probe=False)

def test_no_loss(ae_audit):
    ae_audit(net(torch.nn.Sigmoid()), x)
"""


def test_the_report_is_the_failure_text(project: pytest.Pytester, run: Run) -> None:
    result = run()
    result.assert_outcomes(passed=2, failed=1)
    text = result.stdout.str()
    failure = text[text.index("test_broken") : text.index("= ae-audit =")]
    assert "models/broken.py:9:33: AE101 softmax-on-per-pixel-target [error, static]" in failure
    assert "Traceback" not in failure
    assert "pytest_audits" not in failure
    result.stdout.fnmatch_lines(["*= ae-audit =*", "error   models/broken.py:9:33: AE101 *", "1 error*."])


@pytest.mark.slow
def test_over_two_workers_the_controller_prints_one_section(project: pytest.Pytester, run: Run) -> None:
    result = run("-n", "2")
    result.assert_outcomes(passed=2, failed=1)
    assert result.stdout.str().count("= ae-audit =") == 1
    result.stdout.fnmatch_lines(["error   models/broken.py:9:33: AE101 *", "1 error*."])


def test_without_cache(project: pytest.Pytester, run: Run) -> None:
    run("-p", "no:cacheprovider").assert_outcomes(passed=2, failed=1)
    assert not (project.path / ".pytest_cache").exists()


def test_collect_only_audits_nothing(project: pytest.Pytester, run: Run) -> None:
    result = run("--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["test_models.py::test_sound", "3 tests collected*"])
    result.stdout.no_fnmatch_line("*ae-audit*")


def test_stops_at_the_first_failure(project: pytest.Pytester, run: Run) -> None:
    run("-x").assert_outcomes(passed=1, failed=1)


def test_junit(project: pytest.Pytester, run: Run) -> None:
    run("--junitxml=out.xml")
    cases = {case.get("name"): case for case in ElementTree.parse(project.path / "out.xml").iter("testcase")}
    broken = {p.get("name"): p.get("value", "") for p in cases["test_broken"].iter("property")}
    assert broken["ae_audit.error"].startswith("models/broken.py:9:33: AE101 softmax-on-per-pixel-target [static] ")
    assert broken["ae_audit.setups"] == "1"
    failure = cases["test_broken"].find("failure")
    assert failure is not None
    assert "AE101 softmax-on-per-pixel-target [error, static]" in (failure.text or "")
    assert not list(cases["test_nothing_to_do_with_it"].iter("property"))


def test_marker_and_call_narrow_the_rules(project: pytest.Pytester, run: Run) -> None:
    project.makepyfile(
        test_models="""
        import pytest
        pytestmark = pytest.mark.ae_audit(ignore="AE101,AE202", fail_on="warning")

        def test_ignored(ae_audit):
            ae_audit("models/broken.py", static=True)

        @pytest.mark.ae_audit(ignore=[])
        def test_closest_wins(ae_audit):
            ae_audit("models/broken.py", static=True)

        def test_call_wins(ae_audit):
            ae_audit("models/broken.py", static=True, ignore=())

        @pytest.mark.ae_audit(select="softmax-on-per-pixel-target", ignore=())
        def test_selected(ae_audit):
            with pytest.raises(pytest.fail.Exception, match="AE101"):
                ae_audit("models/broken.py", static=True)
        """
    )
    result = run("-v")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*test_closest_wins FAILED*", "*test_call_wins FAILED*"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("slect='AE1'", "pytest.mark.ae_audit has no argument 'slect'. Did you mean 'select'?"),
        ("select='AE119'", "Unknown rule 'AE119' in select of pytest.mark.ae_audit. Did you mean 'AE*'?"),
        ("ignore=[1]", "ignore of pytest.mark.ae_audit must be a list of rule codes*"),
        (
            "fail_on='eror'",
            "fail_on of pytest.mark.ae_audit must be one of error, warning, info; *. Did you mean 'error'?",
        ),
        ("probe='yes'", "probe of pytest.mark.ae_audit must be true or false; got 'yes'."),
        ("'AE101'", "pytest.mark.ae_audit accepts named arguments only (select, ignore, fail_on, probe); got 'AE101'."),
    ],
)
def test_wrong_marker_arguments_are_usage_errors(
    pytester: pytest.Pytester, run: Run, arguments: str, sentence: str
) -> None:
    workers = ("-n", "1") if "slect" in arguments else ()
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.ae_audit({arguments})\ndef test_one(ae_audit):\n    pass\n")
    result = run(*workers)
    text = result.stdout.str() + result.stderr.str()
    pytest.LineMatcher(text.splitlines()).fnmatch_lines([f"*test_one: {sentence}"])
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if workers else pytest.ExitCode.USAGE_ERROR)


def test_wrong_calls_end_at_the_tests_own_line(project: pytest.Pytester, run: Run) -> None:
    project.makepyfile(
        test_models="""
        def test_missing(ae_audit):
            ae_audit("models/sond.py")

        def test_data_for_a_program(ae_audit):
            ae_audit("models/sound.py", [1])

        def test_nothing_audited(ae_audit):
            ae_audit("models/words.py", static=True)
        """
    )
    result = run()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "E * No such file or folder: models/sond.py. Did you mean 'models/sound.py'?",
            "E * a program brings its own data and loss; give ae_audit() its path alone.",
            "Nothing was audited, so nothing is approved.",
        ]
    )
    assert "def __call__" not in result.stdout.str()


def test_the_projects_configuration_counts(project: pytest.Pytester, run: Run) -> None:
    with (project.path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('\n[tool.ae-audit]\nignore = ["AE1", "AE2"]\n')
    run().assert_outcomes(passed=3)
    run("--ae-audit-isolated").assert_outcomes(passed=2, failed=1)
    run("--ae-audit-ignore", "AE3").assert_outcomes(passed=2, failed=1)


@pytest.mark.slow
def test_live_models(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(test_live=LIVE)
    result = run("-n", "0")  # another process: NumPy can be imported once in each
    result.assert_outcomes(passed=2, failed=2)
    text = result.stdout.str()
    assert "test_live.py:15:1: AE101 softmax-on-per-pixel-target [error, proved]" in text
    assert "a torch model does not know its loss: pass loss=" in text
    assert "def audit_at" not in text


def test_relative_to_the_test_file(pytester: pytest.Pytester, run: Run) -> None:
    folder = pytester.mkdir("sub")
    (folder / "net.py").write_text(BROKEN)
    (folder / "test_it.py").write_text("def test_it(ae_audit):\n    ae_audit('net.py', static=True)\n")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["sub/net.py:9:33: AE101*"])

"""The nearest configuration above a file governs it, and it alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.cli.arguments import read_arguments
from ae_audit.engine.discovery import discover, excluded
from ae_audit.schema.findings import Severity
from ae_audit.settings.options import Settings
from ae_audit.settings.pyproject import load_config

WRONG = "# head sigmoid 784\n"
"""a sigmoid on data up to 255: AE102"""


def codes(outcome: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in json.loads(outcome.out)["findings"]:
        found.setdefault(finding["path"], []).append(f"{finding['code']} {finding['severity']}")
    return found


@pytest.fixture
def monorepo(write: Callable[[str, str], Path]) -> None:
    for place in ("", "a/", "a/deep/", "b/", "b/skipped/"):
        write(f"{place}m.py", WRONG)
    write(
        "pyproject.toml",
        '[tool.ae-audit]\nselect = ["AE102"]\n[tool.ae-audit.per-file-ignores]\n"a/m.py" = ["AE102"]\n',
    )
    write("a/pyproject.toml", "[project]\nname = 'a'\n")  # has no table, so it governs nothing
    write("a/deep/pyproject.toml", "[tool.ae-audit]\nselect = ['AE102']\n[tool.ae-audit.severity]\nAE102 = 'info'\n")
    write("b/pyproject.toml", "[tool.ae-audit]\nselect = ['AE103']\nextend-exclude = ['skipped']\n")


@pytest.mark.usefixtures("monorepo")
def test_each_file_has_the_nearest_configuration(audit: Callable[..., Any]) -> None:
    found = codes(audit(".", "--output-format", "json"))
    assert found == {"m.py": ["AE102 error"], "a/deep/m.py": ["AE102 info"]}
    assert codes(audit("a", "b", "m.py", "--output-format", "json")) == found, "whatever the paths have in common"


@pytest.mark.usefixtures("monorepo")
def test_flags_win_over_every_configuration(audit: Callable[..., Any]) -> None:
    found = codes(audit(".", "--output-format", "json", "--select", "AE102"))
    assert found == {"m.py": ["AE102 error"], "a/deep/m.py": ["AE102 info"], "b/m.py": ["AE102 error"]}


@pytest.mark.usefixtures("monorepo")
def test_one_configuration_for_all_where_that_is_asked_for(audit: Callable[..., Any], folder: Path) -> None:
    everywhere = {"m.py", "a/m.py", "a/deep/m.py", "b/m.py", "b/skipped/m.py"}
    assert codes(audit(".", "--output-format", "json", "--isolated")).keys() == everywhere
    found = codes(audit(".", "--output-format", "json", "--config", "a/deep/pyproject.toml"))
    assert found == {path: ["AE102 info"] for path in everywhere}


@pytest.mark.usefixtures("monorepo")
def test_the_exit_code_is_decided_at_the_top(audit: Callable[..., Any], folder: Path) -> None:
    (folder / "m.py").unlink()
    (folder / "b" / "pyproject.toml").write_text('[tool.ae-audit]\nselect = ["AE102"]\nexit-zero = true\n')
    assert audit(".").code == 1
    assert audit("b").code == 0, "b is the top there"


@pytest.mark.usefixtures("monorepo")
def test_files_are_excluded_by_what_governs_their_folder(folder: Path) -> None:
    request = read_arguments(["."])
    assert not isinstance(request, str)
    assert excluded("b/skipped/m.py", request.configured)
    assert not excluded("b/skipped/m.py", request.settings)
    assert not excluded("a/m.py", request.configured)
    (folder / "pyproject.toml").write_text('[tool.ae-audit]\nextend-exclude = ["b"]\n')
    request = read_arguments(["."])
    assert not isinstance(request, str)
    assert excluded("b/m.py", request.configured), "what lies in an excluded folder cannot bring itself back"
    assert sorted(target.path for target in discover(["."], request.configured)) == ["a/deep/m.py", "a/m.py", "m.py"]


@pytest.mark.usefixtures("monorepo")
def test_how_a_program_runs_is_its_own_configurations_matter(folder: Path) -> None:
    (folder / "b" / "pyproject.toml").write_text(
        '[tool.ae-audit]\ntimeout = 7\nstatic = true\n[tool.ae-audit.programs."m.py"]\narguments = ["--small"]\n'
    )
    request = read_arguments(["m.py", "b/m.py", "a/m.py"])
    assert not isinstance(request, str)
    own, other, same = discover(request.paths, request.configured)
    assert (own.run, other.run, same.run) == (True, False, True)
    assert (other.governed(request.settings).timeout, other.start.arguments) == (7.0, ("--small",))
    assert own.settings is same.settings is None, "the audit's own settings are not repeated"


@pytest.mark.usefixtures("monorepo")
def test_many_files_read_by_workers_and_from_the_cache(
    audit: Callable[..., Any], write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    for number in range(40):
        write(f"b/m{number}.py", f"import torch\n{WRONG}")
    monkeypatch.setenv("AE_AUDIT_CACHE_DIR", str(folder / "cache"))
    first = audit(".", "--output-format", "json", "--jobs", "2")
    assert codes(first).keys() == {"m.py", "a/deep/m.py"}
    assert audit(".", "--output-format", "json", "--jobs", "2").out == first.out
    (folder / "b" / "pyproject.toml").write_text("[tool.ae-audit]\nselect = ['AE102']\n")
    assert len(codes(audit(".", "--output-format", "json", "--jobs", "2"))) == 44, (
        "another configuration, another result"
    )


@pytest.mark.usefixtures("monorepo")
def test_a_mistake_below_names_its_file(audit: Callable[..., Any], folder: Path) -> None:
    (folder / "b" / "pyproject.toml").write_text("[tool.ae-audit]\nselct = []\n")
    outcome = audit(".")
    assert outcome.code == 2
    assert "b/pyproject.toml: unknown key 'selct'" in outcome.err
    (folder / "b" / "pyproject.toml").write_text("[tool.ae-audit]\nselect = ['AE999']\n")
    assert "AE999" in audit(".").err
    assert audit(".", "--isolated").code == 1


@pytest.mark.usefixtures("monorepo")
def test_config_shows_what_governs_a_file(audit: Callable[..., Any], folder: Path) -> None:
    one = audit("config", "b/m.py", static=False)
    assert one.out.startswith(f"# from {folder / 'b' / 'pyproject.toml'}\n")
    assert 'select = ["AE103"]' in one.out
    several = audit("config", "m.py", "a/m.py", "b", "b/m.py", "--seed", "9", static=False).out
    first, second = several.split("\n\n#")
    assert first.startswith(f"# m.py\n# a/m.py\n# from {folder / 'pyproject.toml'}\n")
    assert second.startswith(f" b\n# b/m.py\n# from {folder / 'b' / 'pyproject.toml'}\n")
    assert several.count("seed = 9") == 2, "flags are laid over both"


def test_extended_configurations(write: Callable[[str, str], Path], folder: Path) -> None:
    write(
        "pyproject.toml",
        """
        [tool.ae-audit]
        ignore = ["AE101"]
        extend-select = ["AE2"]
        extend-exclude = ["old", "a/gone/*"]
        fail-on = "warning"
        baseline = "known.json"
        per-file-ignores = {"a/tests/*.py" = ["AE301"], "test_*.py" = ["AE302"]}
        """,
    )
    write(
        "a/pyproject.toml",
        '[tool.ae-audit]\nextend = "../pyproject.toml"\nignore = ["AE103"]\n'
        'extend-select = ["AE3"]\nextend-exclude = ["x"]\n',
    )
    settings = load_config("a/pyproject.toml")
    assert settings.ignore == ("AE103",), "a key replaces that of the file below"
    assert settings.extend_select == ("AE2", "AE3")
    assert settings.fail_on is Severity.WARNING
    assert settings.baseline == str(folder / "known.json"), "relative to the file that says it"
    assert settings.config_file == str(folder / "a" / "pyproject.toml")
    for name in ("a/old/m.py", "a/gone/m.py", "a/x/m.py", "a/tests/m.py", "a/m.py"):
        write(name, WRONG)
    targets = discover(["a"], settings)
    assert sorted(target.path for target in targets) == ["a/m.py", "a/tests/m.py"]
    from ae_audit.engine.static_stage import rules_for

    chosen = rules_for("a/tests/m.py", settings)
    assert chosen is not None
    assert "AE301" not in chosen, "the pattern means the file that it meant there"
    assert "AE301" in (rules_for("a/m.py", settings) or ())


def test_extending_what_cannot_be_extended(write: Callable[[str, str], Path]) -> None:
    write("a.toml", 'extend = "b.toml"\n')
    write("b.toml", 'extend = "./a.toml"\n')
    with pytest.raises(UsageError, match=r"b\.toml: 'extend' comes back to a\.toml"):
        load_config("a.toml")
    write("a.toml", 'extend = "a.toml"\n')
    with pytest.raises(UsageError, match="comes back"):
        load_config("a.toml")
    write("a.toml", "extend = 3\n")
    with pytest.raises(UsageError, match="'extend' must be a file name; got 3"):
        load_config("a.toml")
    write("a.toml", 'extend = "absent.toml"\n')
    with pytest.raises(UsageError, match=r"Cannot read the configuration file absent\.toml"):
        load_config("a.toml")
    assert isinstance(load_config("b.toml") if write("a.toml", "seed = 3\n") else None, Settings)

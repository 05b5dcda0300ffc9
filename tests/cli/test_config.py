from __future__ import annotations

from pathlib import Path

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.schema.findings import Severity
from ae_audit.settings.options import Settings
from ae_audit.settings.pyproject import as_toml, find_config, load_config


def load(folder: Path, text: str) -> Settings:
    path = folder / "pyproject.toml"
    path.write_text(text, "utf-8")
    return load_config(str(path))


def test_every_kind_of_value(folder: Path) -> None:
    settings = load(
        folder,
        """
        [tool.ae-audit]
        select = ["AE1"]
        extend-exclude = ["old/*"]
        probe = false
        timeout = 5
        seed = 3
        fail-on = "warning"
        per-file-ignores = {"tests/*" = ["AE301"]}
        """,
    )
    assert settings.select == ("AE1",)
    assert settings.extend_exclude == ("old/*",)
    assert settings.probe is False
    assert settings.timeout == 5.0
    assert settings.fail_on is Severity.WARNING
    assert settings.per_file_ignores == (("tests/*", ("AE301",)),)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('selct = ["AE1"]', "unknown key 'selct' in [tool.ae-audit]. Did you mean 'select'?"),
        ("fail_on = 'error'", "unknown key 'fail_on' in [tool.ae-audit]. Did you mean 'fail-on'?"),
        ('select = "AE1"', "'select' must be a list of rule codes, code prefixes or names; got 'AE1'."),
        ("select = [1]", "'select' must be a list"),
        ("probe = 1", "'probe' must be true or false; got 1."),
        ("seed = true", "'seed' must be a whole number, 0 or more; got True."),
        ("seed = 1.5", "'seed' must be a whole number"),
        ("timeout = -1", "'timeout' must be a positive number of seconds; got -1."),
        ("timeout = inf", "'timeout' must be a positive number"),
        ('fail-on = "fatal"', "'fail-on' must be one of error, warning, info; got 'fatal'."),
        ("fail-on = 3", "'fail-on' must be one of error, warning, info; got 3."),
        ('per-file-ignores = ["AE1"]', "'per-file-ignores' must be a table"),
        ('per-file-ignores = {"a" = "AE1"}', "'per-file-ignores': 'a' must be a list"),
        (
            "run = true",
            "'run' can be given on the command line only (code under audit must not decide that it is run).",
        ),
        ("quiet = true", "'quiet' can be given on the command line only."),
        ("select = [", "pyproject.toml is not valid TOML: "),
    ],
)
def test_mistakes_name_file_key_and_remedy(folder: Path, line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(folder, f"[tool.ae-audit]\n{line}\n")
    assert str(caught.value).startswith("pyproject.toml")
    assert sentence in str(caught.value)


def test_table_must_be_a_table(folder: Path) -> None:
    with pytest.raises(UsageError, match="must be a table"):
        load(folder, "[tool]\nae-audit = 3\n")


@pytest.mark.parametrize(
    "text",
    [
        "[tool.ae-audit]\nseed = 1",
        '[tool."ae-audit"]\nseed = 1',
        "[tool . 'ae-audit' ]\nseed = 1",
        "[tool]\nae-audit = {seed = 1}",
        "[tool]\nae-audit.seed = 1",
        "tool.ae-audit.seed = 1",
        'tool = { "ae-audit" = { seed = 1 } }',
    ],
)
def test_table_is_seen_in_every_spelling(folder: Path, text: str) -> None:
    assert load(folder, text).seed == 1


def test_nearest_file_with_the_table_wins(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.ae-audit]\n")
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    (folder / "a" / "pyproject.toml").write_text('[project]\nname = "ae-audit"\n[tool.ruff]\n')
    assert find_config(str(inner)) == str(folder / "pyproject.toml")


def test_a_file_of_its_own_has_the_keys_at_top_level(folder: Path) -> None:
    path = folder / "audit.toml"
    path.write_text("seed = 4\n")
    assert load_config(str(path)).seed == 4
    (folder / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(UsageError, match=r"has no \[tool.ae-audit\] table"):
        load_config(str(folder / "pyproject.toml"))


def test_how_programs_are_started(folder: Path) -> None:
    (folder / "data").mkdir()
    settings = load(
        folder,
        """
        [tool.ae-audit.programs."src/train_*.py"]
        arguments = ["--epochs", "5"]
        module = "src.train"
        folder = "data"
        environment = { MODE = "small" }
        """,
    )
    ((pattern, start),) = settings.programs
    assert pattern == "src/train_*.py"
    assert (start.arguments, start.module) == (("--epochs", "5"), "src.train")
    assert (start.folder, start.environment) == (str(folder / "data"), (("MODE", "small"),))
    (folder / "again.toml").write_text(as_toml(settings).partition("]\n")[2].replace("tool.ae-audit.", ""), "utf-8")
    assert load_config(str(folder / "again.toml")).programs == settings.programs


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("5", "'a.py' must be a table with some of arguments, module, folder, environment; got 5."),
        ("{argument = []}", "unknown key 'argument'. Did you mean 'arguments'?"),
        ("{arguments = '--x'}", "'arguments' must be a list of strings; got '--x'."),
        ("{environment = {A = 1}}", "'environment' must be a table of strings"),
        ("{environment = {PYTHONPATH = 'x'}}", "must not set PYTHONPATH, which the sandbox itself depends on."),
        ("{environment = {LD_PRELOAD = 'x'}}", "must not set LD_PRELOAD"),
        ("{module = 5}", "'module' must be a name; got 5."),
        ("{folder = 'absent'}", "the folder absent does not exist."),
    ],
)
def test_programs_that_cannot_be_started_so(folder: Path, entry: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        load(folder, f"[tool.ae-audit.programs]\n'a.py' = {entry}")
    assert sentence in str(error.value)

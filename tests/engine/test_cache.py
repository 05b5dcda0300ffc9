"""The cache of what reading found: used where nothing changed, never where anything did, and never in the way."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from ae_audit.base.progress import Progress
from ae_audit.base.records import replace
from ae_audit.cli.command import main
from ae_audit.engine import audit_files, cache, static_stage
from ae_audit.engine.discovery import AuditTarget, discover
from ae_audit.schema.report import Report
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources
from ae_audit.static.source import projects

PROGRAM = """
import keras
from settings import scale
import absent
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / scale
model = keras.Sequential([keras.layers.Dense(784, activation="sigmoid")])
model.compile(loss="mse")
model.fit(x, x)
"""
FILES = 6
SETTINGS = Settings(static=True, jobs=1)


class Said(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []

    def step(self, path: str, doing: str) -> None:
        self.steps.append((path, doing))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    (folder / "settings.py").write_text("scale = 255.0\n")
    for number in range(FILES):
        (folder / f"train_{number}.py").write_text(PROGRAM)
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are really read, by name, without what is read of them with their fixes made."""
    names: list[str] = []
    original = static_stage.read_file

    def noting(target: AuditTarget, sources: Sources, *rest: object) -> static_stage.Reading:
        if sources.read(target.path) == Path(target.path).read_bytes():
            names.append(os.path.basename(target.path))
        return original(target, sources, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(static_stage, "read_file", noting)
    return names


def audit(project: Path, settings: Settings = SETTINGS, progress: Progress | None = None) -> Report:
    return audit_files(discover([str(project)], settings), settings, progress or Progress(), Sources())


def trained(read: list[str]) -> int:
    """How many of the programs were read since the last time."""
    count = sum(name.startswith("train") for name in read)
    read.clear()
    return count


def scales(report: Report) -> set[str]:
    return {str(setup.target.values) for setup in report.setups}


def test_what_did_not_change_is_not_read_again(project: Path, read: list[str]) -> None:
    first = audit(project)
    assert (trained(read), scales(first)) == (FILES, {"[0, 1]"})
    assert audit(project) == first
    assert trained(read) == 0
    assert (project / cache.FOLDER / ".gitignore").read_text() == "*\n"
    (project / "train_2.py").write_text(PROGRAM.replace("sigmoid", "softmax"))
    assert len(audit(project).findings) > len(first.findings)
    assert trained(read) == 1


def test_an_edited_import_is_noticed_though_its_size_and_time_are_the_same(project: Path, read: list[str]) -> None:
    settings = project / "settings.py"
    audit(project)
    before = settings.stat()
    settings.write_text("scale = 1.000\n")
    os.utime(settings, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert settings.stat().st_size == before.st_size
    read.clear()
    report = audit(project)
    assert (trained(read), scales(report)) == (FILES, {"[0, 255]"})
    assert "AE102" in {finding.code for finding in report.findings}


@pytest.mark.parametrize(
    ("name", "text"),
    [("absent.py", "scale = 1"), ("settings/__init__.py", "scale = 1.0"), ("src/settings.py", "scale = 1.0"),
     ("keras.py", "datasets = None")],
)  # fmt: skip
def test_a_new_module_is_noticed(name: str, text: str, project: Path, read: list[str]) -> None:
    audit(project)
    if "settings" in name:
        (project / "settings.py").unlink()
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text(text)
    read.clear()
    report = audit(project)
    assert trained(read) == FILES
    assert report == audit(project, replace(SETTINGS, cache=False))


def test_a_module_of_a_module_is_noticed(project: Path, read: list[str]) -> None:
    (project / "settings.py").write_text("from deeper import scale\n")
    (project / "deeper.py").write_text("scale = 255.0\n")
    assert scales(audit(project)) == {"[0, 1]"}
    (project / "deeper.py").write_text("scale = 1.0\n")
    assert scales(audit(project)) == {"[0, 255]"}


def test_a_module_edited_while_the_audit_goes_on_is_noticed_by_the_next(
    project: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = project / "settings.py"
    original = projects.parse

    def edited_then(path: str, source: bytes) -> projects.Program:
        if path.endswith("settings.py"):
            settings.write_text("scale = 1.0\n")
        return original(path, source)

    targets = [target for target in discover([str(project)], SETTINGS) if "train" in target.path]
    monkeypatch.setattr(projects, "parse", edited_then)
    assert scales(audit_files(targets, SETTINGS, Progress(), Sources())) == {"[0, 1]"}
    monkeypatch.setattr(projects, "parse", original)
    read.clear()
    assert scales(audit_files(targets, SETTINGS, Progress(), Sources())) == {"[0, 255]"}
    assert trained(read) == FILES


def test_the_configuration_and_the_release_count(
    project: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "settings.py").write_text("scale = 1.0\n")
    assert audit(project).findings
    read.clear()
    ignoring = replace(SETTINGS, ignore=("AE",))
    assert not audit(project, ignoring).findings
    assert trained(read) == FILES
    assert audit(project).findings
    assert trained(read) == 0
    monkeypatch.setattr(cache, "__version__", "0.0.0")
    audit(project)
    assert trained(read) == FILES


def test_a_moved_project_is_read_anew(project: Path, read: list[str]) -> None:
    audit(project)
    moved = project.rename(project.with_name("moved"))
    read.clear()
    assert {Path(setup.location.path).parent for setup in audit(moved).setups} == {moved}
    assert trained(read) == FILES


def test_where_it_lies(project: Path, read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit(project, replace(SETTINGS, cache=False))
    monkeypatch.setenv(cache.VARIABLE, "")
    audit(project)
    assert trained(read) == 2 * FILES
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "elsewhere" / "deep"))
    first = audit(project)
    assert trained(read) == FILES
    assert (audit(project), trained(read)) == (first, 0)
    assert (tmp_path / "elsewhere" / "deep" / ".gitignore").exists()
    assert not (project / cache.FOLDER).exists()


def test_rules_of_the_projects_own_keep_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = discover([str(project)], SETTINGS)
    assert cache.cache_folder(targets, SETTINGS) == str(project / cache.FOLDER)
    assert cache.cache_folder(targets, replace(SETTINGS, rules=("own",))) is None
    assert cache.cache_folder(targets[:1], SETTINGS) is None


@pytest.mark.parametrize("damage", ["no database", "half a file", "other rows", "other tables", "a folder's place"])
def test_a_damaged_cache_is_none(damage: str, project: Path, read: list[str]) -> None:
    first = audit(project)
    file = project / cache.FOLDER / "reading.sqlite3"
    for companion in file.parent.glob("*-*"):
        companion.unlink()
    if damage == "no database":
        file.write_bytes(b"nothing of the kind" * 300)
    elif damage == "half a file":
        file.write_bytes(file.read_bytes()[:3000])
    elif damage == "a folder's place":
        file.unlink()
        (file.parent / ".gitignore").unlink()
        file.parent.rmdir()
        file.parent.write_text("a file")
    else:
        with sqlite3.connect(file) as base:
            if damage == "other rows":
                base.execute('UPDATE results SET found = \'{"type": "_Kept"}\' WHERE rowid % 3 = 0')
                base.execute("UPDATE results SET asked = '[[1], 2' WHERE rowid % 3 = 1")
                base.execute("UPDATE results SET asked = '[7, [1], 2, 3, 4]' WHERE rowid % 3 = 2")
            else:
                base.execute("DROP TABLE results")
                base.execute("CREATE TABLE results (one, two)")
        base.close()
    read.clear()
    said = Said()
    assert audit(project, progress=said) == first
    assert trained(read) == FILES
    notes = [doing for _, doing in said.steps if doing.startswith("no cache")]
    assert len(notes) == (damage in {"no database", "half a file", "a folder's place"})


def test_a_cache_that_another_audit_writes_into_is_read_and_not_waited_for(
    project: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = audit(project)
    monkeypatch.setattr(cache, "_PATIENCE", 0.01)
    other = sqlite3.connect(project / cache.FOLDER / "reading.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    read.clear()
    assert (audit(project), trained(read)) == (first, 0)
    (project / "train_1.py").write_text(PROGRAM + "\n")
    assert audit(project).setups == first.setups
    other.execute("ROLLBACK")
    other.close()


def test_an_audit_that_is_killed_leaves_a_cache_that_works(project: Path, read: list[str]) -> None:
    (project / "more.py").write_text(PROGRAM)
    targets = discover([str(project)], SETTINGS)
    begun = static_stage.audit_statically(targets, SETTINGS, Progress(), Sources())
    next(begun)
    begun.close()
    child = os.fork() if hasattr(os, "fork") else 0
    if not child and hasattr(os, "fork"):
        for number, _ in enumerate(static_stage.audit_statically(targets, SETTINGS, Progress(), Sources())):
            if number == 3:
                os.kill(os.getpid(), 9)
    if child:
        os.waitpid(child, 0)
    first = audit(project)
    read.clear()
    assert (audit(project), trained(read)) == (first, 0)


def test_several_processes_share_it(project: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_stage, "MANY_FILES", 1)
    first = audit(project, replace(SETTINGS, jobs=2))
    read.clear()
    assert audit(project) == first
    assert trained(read) == 0


def test_the_option_of_the_command(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--static", "--jobs", "1", "--exit-zero", "--output-format", "json"]
    main([*command, "--no-cache", str(project)])
    without = capsys.readouterr().out
    assert not (project / cache.FOLDER).exists()
    for _ in range(2):
        main([*command, str(project)])
        assert capsys.readouterr().out == without
    assert (project / cache.FOLDER).is_dir()

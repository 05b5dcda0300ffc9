from __future__ import annotations

import os
from pathlib import Path

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.engine.discovery import discover, path_matches
from ae_audit.settings.options import Settings
from ae_audit.source.text import STDIN


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def paths(*arguments: str, **settings: object) -> list[str]:
    return [target.path for target in discover(arguments, Settings(**settings))]  # type: ignore[arg-type]


def test_folders_are_walked_in_order_without_what_is_excluded(folder: Path) -> None:
    make(
        folder,
        "b.py",
        "a/z.ipynb",
        "a/c.txt",
        ".venv/x.py",
        "node_modules/x.py",
        "lib/site-packages/x.py",
        "a/build/x.py",
        "a/.ipynb_checkpoints/x.ipynb",
    )
    assert paths(".") == ["b.py", os.path.join("a", "z.ipynb")]
    assert paths(".", extend_exclude=("a",)) == ["b.py"]
    assert paths(".", extend_exclude=("*.ipynb",)) == ["b.py"]
    assert paths(".", exclude=()) != paths(".")


def test_an_excluded_file_that_is_named_is_taken(folder: Path) -> None:
    make(folder, "build/x.py", "notes.txt")
    assert paths("build/x.py", "notes.txt") == ["build/x.py", "notes.txt"]
    assert paths("build") == [os.path.join("build", "x.py")]


def test_only_named_files_are_run(folder: Path) -> None:
    make(folder, "a/x.py", "y.py")
    run = {target.path: target.run for target in discover(["a", "y.py", "-"], Settings())}
    assert run == {os.path.join("a", "x.py"): False, "y.py": True, STDIN: False}
    assert not any(target.run for target in discover(["a", "y.py", "-"], Settings(static=True)))
    assert all(target.run for target in discover(["a", "y.py", "-"], Settings(run=True)))


@pytest.mark.parametrize("order", [("a", "a/x.py"), ("a/x.py", "a")])
def test_named_and_found_is_one_file_and_named(folder: Path, order: tuple[str, str]) -> None:
    make(folder, "a/x.py")
    (target,) = discover(order, Settings())
    assert target.run


def test_project_root_is_where_the_project_begins(folder: Path) -> None:
    make(folder, "p/setup.py", "p/src/m.py", "p/src/n.py")
    roots = {target.project_root for target in discover(["p/src"], Settings())}
    assert roots == {str(folder / "p")}


@pytest.mark.parametrize(
    ("named", "standing_in", "root"),
    [
        ("p", "elsewhere", "p"),
        ("p/train/loop.py", "p", "p"),
        ("p/train/loop.py", "elsewhere", "p/train"),
        ("marked", "elsewhere", "marked/inner"),
        ("marked/inner", ".", "marked/inner"),
        ("read/me", "elsewhere", "read"),
    ],
)
def test_without_a_mark_imports_start_from_the_named_folder_or_the_current_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: str, standing_in: str, root: str
) -> None:
    make(folder, "p/train/loop.py", "marked/inner/x.py", "marked/inner/pyproject.toml", "elsewhere/x.py")
    make(folder, "read/README.md", "read/me/x.py")
    monkeypatch.chdir(folder / standing_in)
    (target,) = discover([os.path.relpath(folder / named)], Settings())
    assert target.project_root == str(folder / root)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("modle.py", "Did you mean 'model.py'?"),
        ("src/modle.py", "Did you mean 'src/model.py'?"),
        ("scr/model.py", "'src'"),
    ],
)
def test_missing_path_suggests_a_sibling(folder: Path, path: str, hint: str) -> None:
    make(folder, "model.py", "src/model.py")
    with pytest.raises(UsageError) as caught:
        paths(path)
    assert hint in str(caught.value)


def test_the_folder_does_not_make_a_name_alike(folder: Path) -> None:
    make(folder, "experiments/model.py")
    with pytest.raises(UsageError, match=r"experiments.data\.csv\.$"):
        paths("experiments/data.csv")


def test_folder_that_cannot_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(folder, "a/x.py", "a/closed/y.py")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert paths("a") == [os.path.join("a", "x.py"), os.path.join("a", "closed")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_are_read_and_never_run(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (target,) = discover(["pipe"], Settings())
    assert not target.run


def test_broken_links_in_folders_are_passed_over(folder: Path) -> None:
    make(folder, "a/x.py")
    (folder / "a" / "y.py").symlink_to("nowhere.py")
    assert paths("a") == [os.path.join("a", "x.py")]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("x.py", True), ("*.py", True), ("src", True), ("src/", True), ("src/*", True), ("x", False), ("sr", False)],
)
def test_patterns(folder: Path, pattern: str, matches: bool) -> None:
    assert path_matches("src/deep/x.py", pattern, None) is matches

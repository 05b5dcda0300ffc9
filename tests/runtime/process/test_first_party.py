"""Modules of the program's project, imported as if its root were in the path."""

from __future__ import annotations

import colorsys
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ae_audit.runtime.host.first_party import FirstParty
from ae_audit.runtime.host.scripts import cell_filename
from ae_audit.runtime.host.user_code import UserCode
from ae_audit.static.source.projects import Project

Import = Callable[..., object]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Import]:
    """Import a name as a script in a project of these files does, and say what its ``NAME`` is."""
    before, finders = set(sys.modules), list(sys.meta_path)

    def find(name: str, script: str, *files: str) -> object:
        for file in (script, *files):
            place = tmp_path / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"NAME = {file!r}\n")
        FirstParty(str(tmp_path / script)).install()
        importlib.invalidate_caches()
        return importlib.import_module(name).NAME

    yield find
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        del sys.modules[name]


PROJECTS = {
    "started as a module of the root": ("code_aea.model", "code_aea/main.py", "code_aea/model.py", "README.md"),
    "in a folder that says nothing of its root": ("code_aeb.model", "code_aeb/main.py", "code_aeb/model.py"),
    "a package beside the scripts": ("code_aec.nets.vae", "scripts/train.py", "code_aec/nets/vae.py", "setup.py"),
    "a package below src": (
        "code_aed.net",
        "tools/a/train.py",
        "src/code_aed/net.py",
        "src/code_aed/__init__.py",
        ".git",
    ),
}


@pytest.mark.parametrize("case", PROJECTS)
def test_found_where_reading_finds_them(project: Import, tmp_path: Path, case: str) -> None:
    name, script, wanted, *_ = given = PROJECTS[case]
    assert project(*given) == wanted
    read = Project(str(tmp_path / script)).find(name, str(tmp_path / script))
    assert read is not None
    assert read.path == str(tmp_path / wanted)
    user = UserCode(tmp_path / script)
    assert user.place(str(tmp_path / wanted)) == (str(tmp_path / wanted), None)
    assert user.place(colorsys.__file__) is None


def test_a_root_that_is_given_is_looked_in_without_a_mark(project: Import, tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError):
        project("code_aeh.net", "train/loop.py", "code_aeh/net.py")
    FirstParty(str(tmp_path / "train/loop.py"), str(tmp_path)).install()
    assert importlib.import_module("code_aeh.net").NAME == "code_aeh/net.py"


def test_what_others_find_stays_theirs(project: Import) -> None:
    with pytest.raises(AttributeError, match="NAME"):
        project("colorsys", "scripts/train.py", "colorsys.py", "README.md")


@pytest.mark.parametrize(
    ("name", "file"),
    [("code_aee", "code_aee/run-1/log.txt"), ("code_aef", "elsewhere/code_aef.py"), ("code_aeg.sub", "code_aeg.py")],
)
def test_what_is_no_module_of_the_project_is_not_found(project: Import, name: str, file: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        project(name, "scripts/train.py", file, "README.md")


def test_two_alike_cells_of_a_notebook_are_two_places(tmp_path: Path) -> None:
    book = tmp_path / "book.ipynb"
    user = UserCode(book)
    found = []
    for number in range(2):
        code = compile("found.append(user.location())", cell_filename(book, number), "exec")
        exec(code, {"found": found, "user": user})
    assert [place.cell for place in found] == [0, 1]

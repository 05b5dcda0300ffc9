"""Made-up files, without a program round them; ``tests/end_to_end/test_stand_in_files.py`` has the programs."""

from __future__ import annotations

import filecmp
import glob
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ae_audit.runtime.imports import ImportWatch
from ae_audit.runtime.model_shapes import Clues, clues_of
from ae_audit.runtime.stand_in_files import USUAL_WIDTH, FileStandIns


@pytest.fixture
def pandas_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """pandas, whose readers make up what is not there, by these clues; what is said goes into the list."""
    pandas = pytest.importorskip("pandas")
    watch = ImportWatch(lambda name, error: None)
    monkeypatch.setattr(watch, "when_imported", lambda name, callback: callback(pandas) if name == "pandas" else None)
    for name in ("read_csv", "read_table", "read_parquet", "read_excel"):
        monkeypatch.setattr(pandas, name, getattr(pandas, name))  # put back afterwards
    for owner, name in ((os, "listdir"), (glob, "glob"), (Path, "glob"), (Path, "rglob")):
        monkeypatch.setattr(owner, name, getattr(owner, name))

    def with_(clues: Clues, told: list[str]) -> Any:
        FileStandIns(watch, clues, told.append).install()
        return pandas

    return with_


@pytest.mark.parametrize(
    "cut",
    [
        "x = table.iloc[:, 3:33].values",
        "x = table.values[:, 3:]",
        "x = table.iloc[:, 1:-1]",
        "x, y = table.iloc[:, :-1], table.iloc[:, -1]",
        "x = table.values[:, 0:30]; y = table.values[:, 30]",
        "x = table.iloc[:, 1:]; y = table.iloc[:, 0].values",
        "x = table.iloc[:, :30]; few = table.iloc[:, :2]",
        "x = table.values[:, :]",
    ],
)
def test_a_table_has_the_columns_that_the_program_takes_by_their_place(
    pandas_with: Callable[..., Any], cut: str
) -> None:
    names: dict[str, Any] = {}
    pandas = pandas_with(clues_of(f"{cut}\nkeras.Input(shape=(30,))"), [])
    exec(cut, {"table": pandas.read_csv("nowhere.csv")}, names)
    assert names["x"].shape == (512, 30)
    if "y" in names:
        assert len(names["y"]) == 512


def test_a_table_of_unwritten_width_has_some_columns_and_those_that_are_named(pandas_with: Callable[..., Any]) -> None:
    told: list[str] = []
    table = pandas_with(Clues(None, names=("Class",)), told).read_csv("nowhere/cards.csv")
    assert table.shape[1] == USUAL_WIDTH + 1
    assert set(table["Class"]) == {0, 1}
    assert len(os.listdir("nowhere/photos")) == 64
    with pytest.raises(FileNotFoundError):
        filecmp.dircmp("nowhere/photos", ".").left_list  # noqa: B018 - a library's question gets no made-up answer
    assert glob.glob("nowhere/photos/*/img_*.JPG")[:2] == ["nowhere/photos/a/img_0.JPG", "nowhere/photos/a/img_1.JPG"]
    assert next(Path("nowhere").rglob("*")) == Path("nowhere/0.png")
    assert glob.glob("nowhere/*.wav") == glob.glob("*.tiff") == list(Path().glob("*.tiff")) == []
    assert told[0].startswith("nowhere/cards.csv does not exist: a table of 512 rows and 17 columns")


def test_the_pictures_of_a_folder_are_told_once() -> None:
    image = pytest.importorskip("PIL.Image")
    told: list[str] = []
    stand_ins = FileStandIns(ImportWatch(lambda name, error: None), Clues((16, 16, 3)), told.append)
    pictures = [stand_ins.picture(f"photos/{number}.png") for number in range(3)]
    assert [image.fromarray(pixels).size for pixels in pictures] == [(16, 16)] * 3
    assert len(told) == 1

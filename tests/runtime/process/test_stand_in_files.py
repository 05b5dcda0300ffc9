"""Made-up files, without a program round them; ``tests/end_to_end/test_stand_in_files.py`` has the programs."""

from __future__ import annotations

import builtins
import contextlib
import csv
import filecmp
import glob
import io
import os
import pickle
import shutil
import sqlite3
import tarfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ae_audit.runtime.host.imports import ImportWatch
from ae_audit.runtime.stand_ins import containers, downloads, torch_splits
from ae_audit.runtime.stand_ins.lessons import NOTHING, Lessons
from ae_audit.runtime.stand_ins.pretrained import AbsentWeights
from ae_audit.runtime.stand_ins.shape_clues import Clues, clues_of
from ae_audit.runtime.stand_ins.user_files import USUAL_WIDTH, FileStandIns
from ae_audit.runtime.stand_ins.virtual_paths import NAMED

OF_OS = ("listdir", "scandir", "walk", "remove", "unlink")
OF_PATH = ("glob", "rglob", "iterdir", "walk", "exists", "is_file", "stat", "unlink")
OF_OS_PATH = ("exists", "lexists", "isfile", "getsize", "getmtime", "getctime")


def put_back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that inventing paths replaces."""
    replaced: dict[Any, tuple[str, ...]] = {os: OF_OS, os.path: OF_OS_PATH, glob: ("glob", "iglob"), Path: OF_PATH}
    replaced |= {
        builtins: ("open",),
        io: ("open",),
        pickle: ("load",),
        zipfile.ZipFile: ("__init__",),
        tarfile: ("open",),
    }
    replaced |= {tarfile.TarFile: ("open",), shutil: ("unpack_archive",)}
    for owner, names in replaced.items():
        for name in names:
            if hasattr(owner, name):
                monkeypatch.setattr(owner, name, getattr(owner, name))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> FileStandIns:
    """Stand-ins for files, which are put back afterwards."""
    put_back_afterwards(monkeypatch)
    watch = ImportWatch(lambda name, error: None)
    monkeypatch.setattr(watch, "when_imported", lambda name, callback: None)  # libraries stay as they are
    stand_ins = FileStandIns(watch, Clues((16, 16, 3)), lambda text: None)
    stand_ins.install()
    return stand_ins


@pytest.fixture
def pandas_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """pandas, whose readers make up what is not there, by these clues; what is said goes into the list."""
    pandas = pytest.importorskip("pandas")
    watch = ImportWatch(lambda name, error: None)
    monkeypatch.setattr(watch, "when_imported", lambda name, callback: callback(pandas) if name == "pandas" else None)
    readers = ("read_csv", "read_table", "read_parquet", "read_excel", "read_html", "ExcelFile")
    for name in (*readers, "read_sql", "read_sql_query", "read_sql_table"):
        monkeypatch.setattr(pandas, name, getattr(pandas, name))  # put back afterwards
    put_back_afterwards(monkeypatch)

    def with_(clues: Clues, told: list[str], lessons: Lessons = NOTHING) -> Any:
        FileStandIns(watch, clues, told.append, lessons).install()
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


def test_a_file_may_be_named_by_keyword(pandas_with: Callable[..., Any], tmp_path: Path) -> None:
    pandas = pandas_with(Clues(None), [])
    (tmp_path / "real.csv").write_text("a\n1\n")
    assert pandas.read_csv(filepath_or_buffer=tmp_path / "real.csv").shape == (1, 1)
    assert len(pandas.read_csv(filepath_or_buffer="nowhere.csv")) == 512


def test_a_table_of_unwritten_width_has_some_columns_and_those_that_are_named(pandas_with: Callable[..., Any]) -> None:
    told: list[str] = []
    table = pandas_with(Clues(None, names=("Class",)), told).read_csv("nowhere/cards.csv")
    assert table.shape[1] == USUAL_WIDTH + 1
    assert set(table["Class"]) == {0, 1}
    assert len(os.listdir("nowhere/photos")) == NAMED
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


LISTINGS: dict[str, Callable[[str], list[Any]]] = {
    "listdir": lambda folder: [os.path.join(folder, name) for name in os.listdir(folder)],
    "scandir": lambda folder: [entry.path for entry in os.scandir(folder) if entry.is_file() and entry.stat().st_size],
    "walk": lambda folder: [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names],
    "iterdir": lambda folder: list(Path(folder).iterdir()),
    "glob": lambda folder: glob.glob(f"{folder}/*.png"),
    "iglob": lambda folder: list(glob.iglob(f"{folder}/*")),
    "rglob": lambda folder: list(Path(folder).rglob("*")),
}
# no function itself: one that is taken here was not replaced yet
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "exists": lambda path: os.path.exists(path),
    "isfile": lambda path: os.path.isfile(path),
    "getsize": lambda path: os.path.getsize(path),
    "getmtime": lambda path: os.path.getmtime(path) == 0,
    "Path.exists": lambda path: Path(path).exists(),
    "Path.is_file": lambda path: Path(path).is_file(),
    "Path.stat": lambda path: Path(path).stat().st_size,
}


@pytest.mark.parametrize("how", LISTINGS)
def test_what_a_list_invents_looks_existing_until_it_is_removed(made_up: FileStandIns, how: str) -> None:
    assert not os.path.exists("nowhere/photos/0.png")
    paths = LISTINGS[how]("nowhere/photos")
    assert {os.fspath(path) for path in paths} == {f"nowhere/photos/{number}.png" for number in range(NAMED)}
    assert all(question(paths[0]) for question in QUESTIONS.values())
    assert os.path.isfile(os.path.abspath(paths[1]))
    for number, remove in enumerate((os.remove, os.unlink, lambda path: Path(path).unlink())):
        remove(paths[number])
        assert not os.path.exists(paths[number])
    assert bool(made_up.used) is (how != "walk")
    assert not made_up.guessed_ranks


def test_what_nobody_invented_is_as_it_was(made_up: FileStandIns, tmp_path: Path) -> None:
    real = tmp_path / "there.png"
    real.write_bytes(b"1234")
    os.listdir("nowhere/photos")
    assert os.path.getsize(real) == 4
    assert os.listdir(tmp_path) == [at.name for at in tmp_path.iterdir()] == ["there.png"]
    assert [entry.name for entry in os.scandir(tmp_path)] == next(os.walk(tmp_path))[2] == ["there.png"]
    for path in ("nowhere/checkpoint.pt", "nowhere/photos/999.png", "nowhere/photos", "nowhere", ""):
        assert not os.path.exists(path)
        assert not Path(path or "nowhere").exists()
    assert not os.path.isdir("nowhere/photos")
    assert list(os.walk("")) == []
    with pytest.raises(FileNotFoundError):
        os.remove("nowhere/checkpoint.pt")
    with pytest.raises(FileNotFoundError):
        filecmp.cmp("nowhere/photos/0.png", real)  # a library's question
    asked = "import os\nfound = [*os.walk('nowhere/more')], os.path.exists('nowhere/photos/0.png')"
    by_a_library: dict[str, Any] = {}
    exec(compile(asked, "/usr/lib/python3/dist-packages/library.py", "exec"), by_a_library)
    assert by_a_library["found"] == ([], False)
    os.remove(real)
    assert not real.exists()


def test_a_file_that_the_program_writes_in_the_place_of_an_invented_one_is_real(
    made_up: FileStandIns, tmp_path: Path
) -> None:
    (invented, *_) = os.listdir(tmp_path / "out")
    place = tmp_path / "out" / invented
    place.parent.mkdir()
    place.write_bytes(b"12")
    assert os.path.getsize(place) == place.stat().st_size == 2
    place.unlink()
    assert os.listdir(place.parent) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize("opened_by", ["the program", "a child"])
def test_what_is_walked_is_told_of_before_it_is_opened(made_up: FileStandIns, opened_by: str) -> None:
    ((folder, _, names),) = os.walk("nowhere/input")
    assert not made_up.used  # a program that prints what there is trains on other data
    if opened_by == "the program":
        made_up.picture(os.path.join(folder, names[0]))
        made_up.picture(os.path.join(folder, names[1]))
    else:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    (told,) = made_up.used
    assert told.startswith("nowhere/input does not exist: a folder of 160 pictures")
    assert made_up.guessed_ranks is (opened_by == "the program")


def test_arrays_that_a_program_takes_apart_at_once(made_up: FileStandIns, tmp_path: Path) -> None:
    with open(tmp_path / "both.pkl", "rb") as file:
        (x_train, y_train), (x_test, y_test) = pickle.load(file)
    assert x_train.shape == x_test.shape == (512, 16, 16, 3)
    assert y_train.shape == y_test.shape == (512,)
    with open(tmp_path / "one.pkl", "rb") as file:
        one = pickle.load(file)
    assert one.shape == (512, 16, 16, 3)


def test_arrays_of_numpy_that_a_program_takes_apart_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_back_afterwards(monkeypatch)
    for name in ("load", "loadtxt", "genfromtxt"):
        monkeypatch.setattr(np, name, getattr(np, name))
    watch = ImportWatch(lambda name, error: None)
    monkeypatch.setattr(watch, "when_imported", lambda name, call: call(np) if name == "numpy" else None)
    FileStandIns(watch, Clues((16, 16, 3)), lambda text: None).install()
    x_train, x_test, y_train, y_test = np.load(tmp_path / "split.npy", allow_pickle=True)
    assert x_train.shape == x_test.shape == (512, 16, 16, 3)
    assert y_train.shape == y_test.shape == (512,)
    assert np.load(tmp_path / "split.npy").shape == (512, 16, 16, 3)


def test_a_pickled_array_that_is_not_there(made_up: FileStandIns, tmp_path: Path) -> None:
    with open(tmp_path / "train.pkl", "rb") as file:
        assert pickle.load(file).shape == (512, 16, 16, 3)
    assert "train.pkl does not exist: 512 samples of the shape (16, 16, 3)" in made_up.used[0]
    with open(tmp_path / "kept.pkl", "wb") as file:
        pickle.dump({"x": 1}, file)
    with open(tmp_path / "kept.pkl", "rb") as file:
        assert pickle.load(file) == {"x": 1}
    for name, mode in (("train.pkl", "r"), ("notes.txt", "rb")):
        with pytest.raises(FileNotFoundError):
            open(tmp_path / name, mode)  # noqa: SIM115


def test_tables_and_texts_that_are_opened(made_up: FileStandIns, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    with open(tmp_path / "rows.csv") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 513
    assert len({len(row) for row in rows}) == 1
    with open(tmp_path / "words.txt") as file:
        assert len(file.read().splitlines()) == 600
    with open(tmp_path / "glove.6B.50d.txt") as file:
        assert {len(line.split()) for line in file} == {51}
    assert [text.partition(" does not exist")[0].rpartition("/")[2] for text in made_up.used] == [
        "rows.csv",
        "words.txt",
        "glove.6B.50d.txt",
    ]
    with pytest.raises(FileNotFoundError):
        open(tmp_path / "settings.json")  # noqa: SIM115


def test_archives_have_nothing_in_them(made_up: FileStandIns, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "pictures")
        assert archive.namelist() == []
    with tarfile.open(tmp_path / "b.tar.gz", "r:gz") as tape:
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # as of Python 3.11.4
        tape.extractall(tmp_path, **safely)
    shutil.unpack_archive(tmp_path / "c.zip", tmp_path)
    assert [text.partition(" does not exist: ")[2][:29] for text in made_up.used] == [
        "an archive with nothing in it"
    ] * 3
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        archive.writestr("x", "y")
    with zipfile.ZipFile(tmp_path / "own.zip") as archive:
        assert archive.namelist() == ["x"]


def test_tensors_are_made_up_and_weights_are_not(monkeypatch: pytest.MonkeyPatch, made_up: FileStandIns) -> None:
    pytest.importorskip("torch")
    assert tuple(made_up._tensor("data/train_x.pt").shape) == (512, 16, 16, 3)
    for name in ("model.pt", "best.pth", "checkpoint_3.pt", "net.pth", "generator_weights.pt"):
        assert made_up._tensor(name) == {}
    assert len(made_up.used) == 1  # of weights nothing is concluded that of data would not be


def test_a_column_that_is_compared_with_a_class_holds_labels() -> None:
    clues = clues_of('frame = frame[frame["same"] == 1]\nlong = frame[frame["length"] > 1]\n')
    assert clues.columns.labels == {"same"}


def test_a_folder_that_is_asked_for_by_itself_is_found(made_up: FileStandIns) -> None:
    assert glob.glob("nowhere/images/") == ["nowhere/images/"]
    assert glob.glob("nowhere/one.png") == []


def test_masks_hold_few_values_and_columns_of_prose_hold_lines(
    made_up: FileStandIns, pandas_with: Callable[..., Any]
) -> None:
    assert set(made_up.picture("data/masks/1.png").ravel()) <= {0, 255}
    assert len(set(made_up.picture("data/images/1.png").ravel())) > 100
    frame = pandas_with(clues_of('data["question1"], data["review_score"], data["width"]'), []).read_csv("pairs.csv")
    assert len(frame["question1"][0].split()) > 5
    assert {frame[name].dtype.kind for name in ("review_score", "width")} == {"f"}


def test_numbers_of_a_text_are_a_table_where_no_shape_is_written(made_up: FileStandIns) -> None:
    pytest.importorskip("pandas")
    made_up.clues = clues_of("data = np.genfromtxt('toy.txt')\nx, y = data[:, :2], data[:, 2]\nn_classes = 4")
    assert made_up.clues.classes == 4
    numbers = made_up._numbers("toy.txt")
    assert numbers.dtype == float
    assert numbers.shape[1] >= 3


def test_a_column_beside_those_that_the_model_takes(made_up: FileStandIns) -> None:
    """``x, y = data[:, :3], data[:, 3]``: the first array was as wide as the model's input, and that failed."""
    pytest.importorskip("pandas")
    watch, told = ImportWatch(lambda name, error: None), list[str]()
    for lessons, width in ((Lessons(), 3), (Lessons(columns=1), 4)):
        made = FileStandIns(watch, Clues((3,)), told.append, lessons)._numbers("rain.csv")
        assert made.shape[1] == width


def test_what_a_failure_taught_of_a_table(pandas_with: Callable[..., Any]) -> None:
    clues = clues_of("shown = ['bedrooms', 'review']\nx = table['sqft']\nInput(shape=(19,))")
    lessons = Lessons(columns=-3, rows=528, names=("bedrooms",))
    table = pandas_with(clues, [], lessons).read_csv("nowhere.csv")
    assert table.shape == (528, 19)  # 16, and the three that have a name
    assert {"bedrooms", "review", "sqft"} < set(table)
    assert table["review"].map(type).eq(str).all()


@pytest.mark.parametrize(("lessons", "kind"), [(Lessons(numbers=True), float), (Lessons(prose=True), str)])
def test_what_a_failure_taught_of_columns(pandas_with: Callable[..., Any], lessons: Lessons, kind: type) -> None:
    table = pandas_with(clues_of("x = table[['review', 'sqft']]"), [], lessons).read_csv("nowhere.csv")
    for name in ("review", "sqft"):
        assert table[name].map(type).eq(kind).all()


def test_columns_that_are_counted_by_value_have_few(pandas_with: Callable[..., Any]) -> None:
    clues = clues_of("table['zipcode'].value_counts()\ntable['area']")
    table = pandas_with(clues, []).read_csv("nowhere.csv")
    assert table["zipcode"].nunique() == 2
    assert table["area"].nunique() > 100


def test_tables_of_a_page(pandas_with: Callable[..., Any]) -> None:
    (table,) = pandas_with(Clues(None), []).read_html("https://localhost:1/none", flavor="bs4")
    assert len(table) == 512


def test_a_line_of_text_has_the_parts_that_it_is_taken_apart_into(made_up: FileStandIns) -> None:
    made_up.clues = clues_of("label, sentence = line.strip().split('\\t')")
    with io.open("nowhere.txt", encoding="utf-8") as file:  # noqa: UP020 - the other name is what is tested
        label, sentence = file.readline().strip().split("\t")
    assert (label, len(sentence.split())) == ("0", 9)
    made_up.clues = clues_of("word, tag, _ = line.split()")
    with open("nowhere.txt") as file:
        assert all(len(line.split()) == 3 for line in file)


def test_files_look_existing_to_a_program_that_failed_for_want_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    put_back_afterwards(monkeypatch)
    watch = ImportWatch(lambda name, error: None)
    monkeypatch.setattr(watch, "when_imported", lambda name, callback: None)
    FileStandIns(watch, Clues(None), lambda text: None, Lessons(there=True)).install()
    assert os.path.exists("nowhere/data.csv")
    assert Path("nowhere/text.txt").is_file()
    assert not os.path.exists("nowhere")
    assert not os.path.exists("nowhere/model.py")


def test_a_table_is_read_by_the_arguments_that_the_program_gives(pandas_with: Callable[..., Any]) -> None:
    pandas = pandas_with(clues_of("keras.Input(shape=(4,))"), [])
    assert pandas.read_csv("prices.csv", usecols=[1], skiprows=3).shape == (512, 1)
    named = pandas.read_csv("raw.txt", header=None, names=["user", "label", "x"], sep=r"\s+", nrows=20)
    assert list(named) == ["user", "label", "x"]
    assert named.shape == (20, 3)
    assert set(named["label"]) == {0, 1}
    dated = pandas.read_csv("sales.csv", index_col="Day", parse_dates=True)
    assert isinstance(dated.index, pandas.DatetimeIndex)
    assert pandas.read_csv("air.csv", index_col=0, parse_dates=[0]).index.dtype.kind == "M"
    assert list(pandas.read_csv("a.csv", header=None))[:2] == [0, 1]
    assert [len(part) for part in pandas.read_csv("a.csv", chunksize=500)] == [500, 12]
    assert "no such argument" not in str(pandas.read_csv("a.csv", dtype={"kind": str})["kind"][0])


def test_sheets_of_a_workbook_that_is_not_there(pandas_with: Callable[..., Any]) -> None:
    pandas = pandas_with(clues_of("frame['price'] > 1"), [])
    with pandas.ExcelFile("book.xlsx") as book:
        assert "price" in book.parse("Prices")
        assert set(pandas.read_excel(book, sheet_name=["a", "b"])) == {"a", "b"}
    assert pandas.read_excel("book.xlsx", usecols="A:C", skiprows=2)["price"].dtype == float
    assert set(pandas.read_excel("book.xlsx", sheet_name=None, index_col=0)) == {"Sheet1"}


def test_chosen_columns_of_a_text_of_numbers(made_up: FileStandIns) -> None:
    pytest.importorskip("pandas")
    assert made_up._numbers("data.csv", {"usecols": (1, 3)}).shape == (512, 2)
    x, y = made_up._numbers("data.csv", {"usecols": (0, 1), "unpack": True})
    assert x.shape == y.shape == (512,)
    made_up._lessons = Lessons(prose=True, all_prose=True)
    records = made_up._numbers("data.csv", {"usecols": (1, 3), "dtype": None})
    assert {record[0] for record in records} == {0, 1}
    assert len(records[0][1].split()) > 1


def test_pictures_that_a_run_showed(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = ImportWatch(lambda name, error: None)
    stand_ins = FileStandIns(watch, Clues(None), lambda text: None, Lessons(picture=(28, 28, 1)))
    assert stand_ins.picture("digits/0.png").shape == (28, 28)


def test_what_lies_in_a_folder_that_was_told_of_is_not_told(made_up: FileStandIns) -> None:
    for name in os.listdir("nowhere/train"):
        os.listdir(f"nowhere/train/{name}")
    assert len(made_up.used) == 1


def test_splits_keep_the_proportions_of_the_data_they_are_meant_for() -> None:
    asked: list[Any] = []

    class Module:
        random_split = staticmethod(lambda dataset, lengths: asked.append(lengths))

    used = False
    torch_splits.install(Module, lambda: used)  # type: ignore[arg-type]
    Module.random_split(range(160), [1000, 350, 150])
    used = True
    Module.random_split(range(160), [1000, 350, 150])
    Module.random_split(range(160), [100, 60])
    Module.random_split(range(160), [0.5, 0.5])
    assert asked == [[1000, 350, 150], [106, 38, 16], [100, 60], [0.5, 0.5]]


def test_a_column_that_names_the_rows_is_none_that_the_program_names(pandas_with: Callable[..., Any]) -> None:
    table = pandas_with(clues_of("sales['Sold']"), []).read_csv("sales.csv", index_col=0, parse_dates=True)
    assert "Sold" in table
    assert table.index.dtype.kind == "M"


def test_what_a_database_that_is_empty_would_have_given(pandas_with: Callable[..., Any]) -> None:
    pandas = pandas_with(clues_of("keras.Input(shape=(4,))"), [])
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        table = pandas.read_sql_query("SELECT t.day, price AS `cost`\nFROM sales t", connection, index_col="day")
        assert (list(table), len(table)) == (["cost"], 512)
        assert pandas.read_sql("select * from sales", connection).shape == (512, 4)
        connection.execute("create table sales (price)")
        assert pandas.read_sql("select * from sales", connection).shape == (0, 1)


def test_a_folder_of_texts_for_each_class() -> None:
    folder = Path(containers.folder_of_texts(3))
    assert sorted(path.name for path in folder.iterdir()) == ["class_0", "class_1", "class_2"]
    assert all(path.read_text().endswith(".") for path in folder.glob("*/*.txt"))
    shutil.rmtree(folder)


def test_what_is_loaded_into_a_network_at_once_is_weights(made_up: FileStandIns, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    program = tmp_path / "program.py"
    program.write_text("network = load_state_dict(load('7.torch'))\ndata = load('7.torch')\n")

    def load(path: str) -> Any:
        raise FileNotFoundError(path)

    module: Any = types.SimpleNamespace(load=load)
    for _ in range(2):  # torch has it under two names
        made_up._replace(module, "load", made_up._tensor, several=True)
    names: dict[str, Any] = {"load": module.load, "load_state_dict": lambda state: state}
    exec(compile(program.read_text(), str(program), "exec"), names)
    assert isinstance(names["network"], AbsentWeights)
    assert names["data"].shape == (512, 16, 16, 3)


@pytest.mark.parametrize(
    ("call", "given", "found"),
    [
        ("get_file", {"fname": "auto.data", "origin": "http://a/auto.data"}, "downloaded/auto.data"),
        ("get_file", {"origin": "http://a/set.tar.gz", "untar": True}, "downloaded/set"),
        ("urlretrieve", {"url": "http://a/b.csv", "filename": "b.csv"}, ("b.csv", None)),
    ],
)
def test_a_download_that_fails_gives_the_path_that_the_file_would_have(
    call: str, given: dict[str, Any], found: Any
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    callbacks: dict[str, Callable[[Any], None]] = {}
    watch = ImportWatch(lambda name, error: None)
    watch.when_imported = callbacks.__setitem__  # type: ignore[method-assign, assignment]
    downloads.install(watch)
    module = types.SimpleNamespace(**{call: fails})
    callbacks["urllib.request" if call == "urlretrieve" else "keras.src.utils.file_utils"](module)
    assert getattr(module, call)(**given) == found
    with pytest.raises(OSError, match="no network"):
        getattr(module, call)(**({"url": "http://a/b.csv"} if call == "urlretrieve" else {"origin": "http://a/w.h5"}))


def test_what_a_library_fetches_for_itself_fails_as_it_would() -> None:
    """For its own data sets others stand in, which a path to a file that is not there would keep from them."""
    from ae_audit.runtime.stand_ins import downloads

    def refused(*_: object, **__: object) -> None:
        raise OSError("no network")

    module = types.SimpleNamespace(urlretrieve=refused)
    downloads._urls(module)
    asked = "def ask(fetch): return fetch('http://a/b.npz', 'b.npz')"
    for package, fails in (("keras.src.utils.file_utils", True), ("program", False)):
        scope: dict[str, Any] = {"__name__": package}
        exec(asked, scope)
        if fails:
            with pytest.raises(OSError, match="no network"):
                scope["ask"](module.urlretrieve)
        else:
            assert scope["ask"](module.urlretrieve) == ("b.npz", None)

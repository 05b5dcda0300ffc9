"""Data files as streams: every kind gives the same numbers, nothing is unpickled, damage is told in a sentence."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ae_audit.base.errors import UsageError
from ae_audit.runtime.data_files import samples
from ae_audit.runtime.data_files.images import pictures
from ae_audit.runtime.data_files.readers import open_data
from ae_audit.runtime.data_files.samples import DataFile, DataProblem, gather
from ae_audit.settings.data_paths import data_path

VALUES = np.random.default_rng(0).random((300, 6)).astype(np.float32)


def opened(path: Path, part: str | None = None) -> DataFile:
    return open_data(str(path), part, path.name)


def whole(file: DataFile) -> np.ndarray[Any, Any]:
    return np.concatenate(list(file.blocks()))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks even of small files."""
    monkeypatch.setattr(samples, "BLOCK_BYTES", 1000)


def test_every_kind_of_file_gives_the_same_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    np.save(tmp_path / "columns.npy", np.asfortranarray(VALUES))
    np.savez(tmp_path / "one.npz", x=VALUES)
    np.savez_compressed(tmp_path / "two.npz", x=VALUES, y=np.asfortranarray(VALUES))
    text = [[repr(float(value)) for value in row] for row in VALUES]
    (tmp_path / "bare.csv").write_text("\n".join(",".join(row) for row in text))
    titled = "a;b;c;d;e;f\n" + "\n".join(";".join(row) for row in text) + "\n\n"
    (tmp_path / "titled.csv").write_text("\ufeff" + titled)
    (tmp_path / "tabs.tsv").write_text(titled.replace(";", "\t"))
    names = ["a.npy", "columns.npy", "one.npz", "two.npz:x", "two.npz:y", "bare.csv", "titled.csv", "tabs.tsv"]
    for name in names:
        path, _, part = name.partition(":")
        file = opened(tmp_path / path, part or None)
        assert file.shape == (300, 6), name
        assert len(list(file.blocks())) > 1 or part == "y", name
        np.testing.assert_array_equal(whole(file).astype(np.float32), VALUES, err_msg=name)
    column = opened(tmp_path / "titled.csv", "c")
    np.testing.assert_array_equal(whole(column).astype(np.float32), VALUES[:, 2])
    assert opened(tmp_path / "titled.csv", "f,a").shape == (300, 2)


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns: dict[str, object] = {f"c{i}": VALUES[:, i] for i in range(6)}
    parquet.write_table(arrow.table({**columns, "pixels": list(VALUES)}), tmp_path / "x.parquet")
    flat = opened(tmp_path / "x.parquet", ",".join(f"c{i}" for i in range(6)))
    np.testing.assert_array_equal(whole(flat), VALUES)
    np.testing.assert_array_equal(whole(opened(tmp_path / "x.parquet", "pixels")), VALUES)
    (tmp_path / "bad.parquet").write_bytes(b"junk")
    with pytest.raises(DataProblem, match="no Parquet file"):
        opened(tmp_path / "bad.parquet")


def test_parquet_without_a_reader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("pyarrow", "pyarrow.parquet", "pandas", "fastparquet"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataProblem, match="pip install pyarrow"):
        opened(tmp_path / "x.parquet")


def test_one_pass_keeps_even_samples_and_the_ends_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros((500, 3), np.float64)
    values[:, 0] = np.arange(500)
    values[123] = (np.nan, -7.0, np.inf)
    np.save(tmp_path / "x.npy", values)
    monkeypatch.setattr(samples, "MOST_SAMPLES", 5)
    found = gather(opened(tmp_path / "x.npy"))
    assert (found.sample[:, 0] // 100).tolist() == [0, 1, 2, 3, 4], "one of each fifth"
    assert (found.totals.minimum, found.totals.maximum, found.totals.non_finite) == (-7.0, 499.0, 2)
    scaled = gather(opened(tmp_path / "x.npy"), (-2.0, 1.0))
    assert (scaled.totals.minimum, scaled.totals.maximum) == (1 - 2 * 499.0, 15.0)
    assert scaled.sample[-1].tolist() == [1 - 2 * found.sample[-1, 0], 1.0, 1.0]


def test_a_file_larger_than_what_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    header = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (400_000, 784))  # 300 MB, all holes
    header[399_999] = 255
    header.flush()
    del header
    tracemalloc.start()
    found = gather(opened(tmp_path / "x.npy"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.totals.minimum, found.totals.maximum, len(found.sample)) == (0.0, 255.0, samples.MOST_SAMPLES)
    assert peak < 4 * samples.BLOCK_BYTES


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.npy", b"junk", "a.npy is no array of NumPy, or one that is damaged."),
        ("a.npz", b"junk", "a.npz is no .npz archive"),
        ("a.csv", b"a,b\n1,2\n3\n", "line 3 has 1 cells, and the first has 2."),
        ("a.csv", b"a,b\n1,cat\n", "column 'b' holds text ('cat' in line 2)"),
        ("a.csv", b"", "holds no rows of numbers."),
        ("a.csv", b"\0\1\2", "is no text"),
        ("a.csv", b"a,b\n1,2\n" + b"x" * 200_000 + b",3\n", "line 3: field larger than field limit (131072)."),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataProblem) as caught:
        gather(opened(tmp_path / name))
    assert sentence in str(caught.value)


def test_arrays_that_are_no_samples_of_numbers(tmp_path: Path) -> None:
    trap = np.array([os.system], object)
    np.save(tmp_path / "pickled.npy", trap, allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.ones(3, complex))
    np.save(tmp_path / "single.npy", np.float32(3))
    np.save(tmp_path / "empty.npy", np.ones((0, 4)))
    np.save(tmp_path / "cut.npy", VALUES)
    np.savez(tmp_path / "two.npz", x=VALUES, y=trap)
    cut = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(cut[: len(cut) // 2])
    for name, words in [
        ("pickled.npy", "pickled Python objects"),
        ("complex.npy", "not real numbers"),
        ("single.npy", "a single number"),
        ("empty.npy", r"its shape is \(0, 4\)"),
        ("cut.npy", "cut off"),
        ("two.npz", "say which as two.npz:x"),
        ("two.npz:y", "pickled Python objects"),
        ("two.npz:z", "no array 'z'; there are x, y"),
    ]:
        path, _, part = name.partition(":")
        with pytest.raises(DataProblem, match=words):
            opened(tmp_path / path, part or None)


def test_missing_cells_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,NA\n,3\n")
    found = gather(opened(tmp_path / "x.csv"))
    assert (found.totals.minimum, found.totals.maximum, found.totals.non_finite) == (1.0, 3.0, 2)


def test_pictures_come_in_the_shape_that_the_model_takes(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "cats").mkdir()
    for number in range(3):
        pixels = np.full((4, 6, 3), 40 * number, np.uint8)
        image.fromarray(pixels).save(tmp_path / "cats" / f"{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")

    def shape(*expected: int | None, first: bool = False) -> tuple[int, ...]:
        found = pictures(str(tmp_path), "cats", (None, *expected) if expected else None, channels_first=first)
        assert [int(value) for value in whole(found).reshape(3, -1).max(axis=1)] == [0, 40, 80]
        assert whole(found).shape == found.shape
        return found.shape

    assert shape() == (3, 4, 6, 3)
    assert shape(None, None, 3) == (3, 4, 6, 3)
    assert shape(8, 8, 1) == (3, 8, 8, 1)
    assert shape(1, 8, 8, first=True) == (3, 1, 8, 8)
    assert shape(24) == (3, 24)
    assert shape(4, 6) == (3, 4, 6)
    resized = pictures(str(tmp_path), "cats", (None, 8, 8, 1), channels_first=False)
    assert resized.note == "the images in cats were resized to 8 × 8, which the model takes"
    (tmp_path / "cats" / "9.png").write_bytes(b"junk")
    with pytest.raises(DataProblem, match=r"9\.png is not an image"):
        gather(pictures(str(tmp_path), "cats", None, channels_first=False))
    with pytest.raises(DataProblem, match="holds no images"):
        pictures(str(tmp_path / "nowhere"), "nowhere", None, channels_first=False)


def test_paths_are_checked_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("train.npz", x=VALUES)
    np.save("train.npy", VALUES)
    Path("notes.txt").touch()
    assert data_path("--data", "train.npz:x").part == "x"
    for text, words in [
        ("trian.npz", "Did you mean 'train.npz'?"),
        ("notes.txt", ".txt files are not read"),
        ("train.npy:x", "holds one array, and no part 'x'"),
    ]:
        with pytest.raises(UsageError) as caught:
            data_path("--data", text)
        assert words in str(caught.value)

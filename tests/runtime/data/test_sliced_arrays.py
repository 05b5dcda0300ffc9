"""Arrays that are elsewhere: told from those in memory, read once, in pieces, the same bits for each way to cut."""

from __future__ import annotations

import tracemalloc
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ae_audit.runtime.data_files.readers import open_data
from ae_audit.runtime.data_files.samples import DataProblem, gather
from ae_audit.runtime.measure import sliced_arrays
from ae_audit.runtime.measure.large_arrays import facts_of_whole, with_totals
from ae_audit.runtime.measure.sliced_arrays import SlicedArray, UnknownLength, is_sliceable
from ae_audit.schema.training_setup import Structure
from ae_audit.settings.data_paths import data_path
from ae_audit.theory.ranges import Tri
from ae_audit.theory.totals import Totals, totals_of

VALUES = np.random.default_rng(0).normal(3, 2, (3000, 70)).astype(np.float32)


class Elsewhere:
    """An array that is made when it is read, as a store would give it."""

    def __init__(self, shape: tuple[int, ...], make: Any, chunks: Any = None, dtype: Any = np.float32) -> None:
        self.shape, self.dtype, self._make = shape, np.dtype(dtype), make
        self.read: list[tuple[int, int]] = []
        if chunks is not None:
            self.chunks = chunks

    def __getitem__(self, rows: slice) -> np.ndarray:
        assert isinstance(rows, slice)
        self.read.append((rows.start, rows.stop))
        return np.asarray(self._make(rows.start, rows.stop), self.dtype)


def elsewhere(values: np.ndarray, chunks: Any = None) -> Elsewhere:
    return Elsewhere(values.shape, lambda start, stop: values[start:stop], chunks, values.dtype)


def bits(found: Totals) -> str:
    return repr(astuple(found))


def test_what_is_elsewhere_and_what_is_in_memory() -> None:
    assert is_sliceable(elsewhere(VALUES))
    assert is_sliceable(SlicedArray(elsewhere(VALUES)))
    assert not is_sliceable(VALUES)
    assert not is_sliceable([1.0])
    assert not is_sliceable(Elsewhere((), None)), "a number has no rows"
    assert not is_sliceable(SimpleNamespace(shape=(3,), dtype=np.dtype("f4"), __getitem__=None, iloc=None)), "a table"
    assert not is_sliceable(Elsewhere((3,), None, dtype="U5"))


@pytest.mark.parametrize(
    "chunks", [None, (1, 70), (700, 20), (2999, 70), ((1, 1500, 1499), (70,)), ((3000,), (35, 35))]
)
def test_each_piece_is_read_once_and_chunks_make_no_difference(chunks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliced_arrays, "BLOCK_BYTES", 50_000)
    monkeypatch.setattr(sliced_arrays, "MOST_BLOCK_BYTES", 400_000)
    source = elsewhere(VALUES, chunks)
    array = SlicedArray(source)
    sample = array.sample(100)
    assert bits(array.totals()) == bits(totals_of([VALUES]))
    assert sum(stop - start for start, stop in source.read) == len(VALUES), "one pass for sample and totals"
    assert all((stop - start) * 280 <= 400_000 for start, stop in source.read)
    np.testing.assert_array_equal(sample, SlicedArray(elsewhere(VALUES)).sample(100))
    assert len(np.unique(sample, axis=0)) == 100


def test_a_part_of_the_rows_is_an_array_too() -> None:
    part = SlicedArray(elsewhere(VALUES, (400, 70)))[500:2500][100:-1]
    assert part.shape == (1899, 70)
    assert bits(part.totals()) == bits(totals_of([VALUES[600:2499]]))
    np.testing.assert_array_equal(part[np.array([0, 1898])], VALUES[[600, 2498]])


def test_dask_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    dask = pytest.importorskip("dask.array")
    monkeypatch.setattr(sliced_arrays, "MOST_BLOCK_BYTES", 100_000)
    expected = bits(totals_of([VALUES]))
    for chunks in ((1000, 70), (77, 11), (3000, 1), (1, 70)):
        array = SlicedArray(dask.from_array(VALUES, chunks=chunks))
        np.testing.assert_array_equal(array.sample(100), SlicedArray(elsewhere(VALUES)).sample(100))
        assert bits(array.totals()) == expected
    with pytest.raises(UnknownLength, match="compute_chunk_sizes"):
        SlicedArray(dask.from_array(VALUES, chunks=(1000, 70))[dask.from_array(VALUES[:, 0]) > 3])


def test_memory_stays_bounded() -> None:
    rows = 3_000_000  # 800 MB, were they in memory
    source = Elsewhere((rows, 70), lambda start, stop: np.full((stop - start, 70), start > 1_500_000, np.float32))
    tracemalloc.start()
    array = SlicedArray(source)
    array.sample()
    totals = array.totals()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (totals.count, totals.minimum, totals.maximum) == (rows * 70, 0.0, 1.0)
    assert peak < 5 * sliced_arrays.BLOCK_BYTES


def test_facts_are_equal_wherever_the_array_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py = pytest.importorskip("h5py")
    np.save(tmp_path / "x.npy", VALUES)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(123, 70))
        kept = SlicedArray(elsewhere(VALUES)).sample(100)
        sources = [
            VALUES,
            np.load(tmp_path / "x.npy", mmap_mode="r"),
            SlicedArray(file["x"]),
            SlicedArray(elsewhere(VALUES)),
        ]
        first, *others = [facts_of_whole(source, kept) for source in sources]
    assert all(facts == first for facts in others)
    assert first.measured is not None
    assert first.measured.mean == pytest.approx(VALUES.mean(dtype=np.float64), rel=1e-12)
    assert first.measured.std == pytest.approx(VALUES.std(dtype=np.float64), rel=1e-12)
    assert (first.measured.samples, first.measured.count) == (3000, VALUES.size)
    assert (first.values.hull.lo, first.values.hull.hi) == (VALUES.min(), VALUES.max())


def test_one_value_outside_the_sample_changes_what_data_are() -> None:
    labels = np.tile([0.0, 1.0], 5000).astype(np.float32)
    part = labels[:100]
    assert facts_of_whole(labels, part).structure is Structure.BINARY_LABEL
    for value, structure in ((0.25, Structure.CONTINUOUS), (2.0, Structure.UNKNOWN), (-7.0, Structure.CONTINUOUS)):
        labels[9999] = value
        assert facts_of_whole(labels, part).structure is structure
    one_hot = np.tile(np.eye(4, dtype=np.float32), (500, 1))
    one_hot[-1, 0] = 3.0
    facts = facts_of_whole(one_hot, one_hot[:100])
    assert (facts.structure, facts.structure_axis) == (Structure.CONTINUOUS, None)
    assert facts.measured is not None
    assert facts.measured.one_hot_along == facts.measured.sums_to_one_along == ()


def test_standardised_as_a_whole_though_sorted() -> None:
    values = np.sort(np.random.default_rng(1).normal(size=20_000)).reshape(-1, 2)
    assert facts_of_whole(values[:100]).standardised is Tri.NO
    assert facts_of_whole(values, values[:100]).standardised is Tri.YES


def test_the_most_frequent_byte_is_counted() -> None:
    pixels = np.full((1000, 9), 7, np.uint8)
    pixels[:100] = 3
    measured = facts_of_whole(pixels, pixels[:100]).measured
    assert measured is not None
    assert (measured.mode, measured.mode_share) == (7.0, 0.9)
    nothing = totals_of([np.full((3, 2), np.nan)])
    assert with_totals(facts_of_whole(VALUES), nothing, 3) == facts_of_whole(VALUES), "no finite value says nothing"


def test_hdf5_files(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("train/x", data=VALUES, chunks=(99, 7), compression="gzip")
        file["names"] = np.array([b"a", b"b"])
    given = data_path("--data", str(tmp_path / "x.h5:train/x"))
    opened = open_data(given.path, given.part, "x.h5")
    found = gather(opened)
    np.save(tmp_path / "x.npy", VALUES)
    plain = gather(open_data(str(tmp_path / "x.npy"), None, "x.npy"))
    np.testing.assert_array_equal(found.sample, plain.sample)
    assert bits(found.totals) == bits(plain.totals)
    for part, words in (
        (None, "say which as x.h5:names"),
        ("y", "no array 'y'; there are names, train/x"),
        ("names", "S1"),
    ):
        with pytest.raises(DataProblem, match=words):
            open_data(given.path, part, "x.h5")
    (tmp_path / "bad.h5").write_bytes(b"junk")
    with pytest.raises(DataProblem, match="no HDF5 file"):
        open_data(str(tmp_path / "bad.h5"), None, "bad.h5")


def test_zarr_stores(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    for name in ("x", "inner/y"):
        array = group.create_array(name, shape=VALUES.shape, chunks=(99, 7), dtype=VALUES.dtype)
        array[:] = VALUES
    given = data_path("--data", str(tmp_path / "g.zarr:inner/y"))
    assert not given.pictures
    assert bits(gather(open_data(given.path, given.part, "g.zarr")).totals) == bits(totals_of([VALUES]))
    assert open_data(f"{given.path}/x", None, "x").shape == VALUES.shape
    with pytest.raises(DataProblem, match=r"holds 2 arrays \(inner/y, x\); say which as g\.zarr:inner/y"):
        open_data(given.path, None, "g.zarr")


def test_zarr_without_a_reader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "zarr.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "zarr", None)
    given = data_path("--data", str(tmp_path / "x.zarr"))
    assert not given.pictures
    with pytest.raises(DataProblem, match="pip install zarr"):
        open_data(given.path, given.part, "x.zarr")

"""Tables as streams of samples, a row each: CSV with the standard library, Parquet with pyarrow or pandas."""

from __future__ import annotations

import csv
import importlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import numpy as np

from ae_audit.runtime.data_files.samples import Array, DataFile, DataProblem, check_numbers, rows_a_block

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_SEPARATORS = ",;\t|"


def text_table(path: str, part: str | None, name: str, separator: str | None) -> DataFile:
    """A CSV file; its first row names the columns where it holds words. Empty cells are NaN.

    Raises:
        DataProblem: if a cell is no number, or a row has another length than the first.
        OSError: if it cannot be read.
    """
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        first_line = file.readline()
        if "\0" in first_line:
            raise DataProblem(f"{name} is no text, so it is no table.")
        separator = separator or max(_SEPARATORS, key=first_line.count)
        file.seek(0)
        rows = _rows(file, separator, name)
        first = next((row for _, row in rows), [])
        titles = None if all(_is_number(cell) for cell in first) else [cell.strip() for cell in first]
        length = sum(1 for _ in rows) + (titles is None)
    if not first or not length:
        raise DataProblem(f"{name} holds no rows of numbers.")
    columns = _columns(titles or [str(i + 1) for i in range(len(first))], part, name)
    width = len(first)
    chosen = separator

    def blocks() -> Iterator[Array]:
        with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
            kept: list[list[float]] = []
            begun = titles is None
            for line, row in _rows(file, chosen, name):
                if not begun:
                    begun = True
                    continue
                if len(row) != width:
                    raise DataProblem(f"{name}: line {line} has {len(row)} cells, and the first has {width}.")
                kept.append([_number(row[i], i, titles, line, name) for i in columns])
                if len(kept) >= rows_a_block(8 * len(columns)):
                    yield _table(kept, part)
                    kept = []
            if kept:
                yield _table(kept, part)

    return DataFile(name, length, _row_shape(len(columns), part), blocks)


def _rows(file: TextIO, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with its line.

    Raises:
        DataProblem: where a row is none, a field longer than the reader takes above all.
    """
    reader = csv.reader(file, delimiter=separator)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataProblem(f"{name} is no table of numbers: line {reader.line_num}: {error}.") from None


def _table(rows: list[list[float]], part: str | None) -> Array:
    table = np.asarray(rows, dtype=np.float64)
    return table.reshape(len(rows), *_row_shape(table.shape[1], part))


def _row_shape(columns: int, part: str | None) -> tuple[int, ...]:
    """One column that was asked for by itself gives numbers; everything else rows."""
    return () if part is not None and columns == 1 else (columns,)


def _columns(titles: Sequence[str], part: str | None, name: str) -> list[int]:
    if part is None:
        return list(range(len(titles)))
    wanted = [title.strip() for title in part.split(",")]
    for title in wanted:
        if title not in titles:
            shown = ", ".join(titles[:8]) + (" …" if len(titles) > 8 else "")
            raise DataProblem(f"{name}: there is no column '{title}'; there are {shown}.")
    return [titles.index(title) for title in wanted]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() in _MISSING
    return True


def _number(cell: str, column: int, titles: Sequence[str] | None, line: int, name: str) -> float:
    try:
        return float(cell)
    except ValueError:
        if cell.strip().lower() in _MISSING:
            return math.nan
    title = f"column '{titles[column]}'" if titles else f"column {column + 1}"
    raise DataProblem(
        f"{name}: {title} holds text ('{cell[:30]}' in line {line}); name the columns of numbers: {name}:NAME,NAME,…"
    )


def parquet(path: str, part: str | None, name: str) -> DataFile:
    """A Parquet file; one column of lists gives a sample for each list.

    Raises:
        DataProblem: if it is damaged, a column holds no numbers, or nothing is installed that reads it.
        OSError: if it cannot be read.
    """
    try:
        reader: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        return _with_pandas(path, part, name)
    try:
        opened = reader.ParquetFile(path)
    except Exception as error:  # of pyarrow's own kinds
        raise DataProblem(f"{name} is no Parquet file, or one that is damaged ({_first_line(error)}).") from None
    titles = list(opened.schema_arrow.names)
    columns = [titles[i] for i in _columns(titles, part, name)]

    def batches(rows: int) -> Iterator[Array]:
        for batch in reader.ParquetFile(path).iter_batches(batch_size=rows, columns=columns):
            yield _stacked([batch.column(title).to_numpy(zero_copy_only=False) for title in columns], part, name)

    first = next(batches(1), None)
    if first is None:
        raise DataProblem(f"{name} holds no rows.")
    rows = rows_a_block(first.nbytes)
    return DataFile(name, int(opened.metadata.num_rows), first.shape[1:], lambda: batches(rows))


def _with_pandas(path: str, part: str | None, name: str) -> DataFile:
    try:
        pandas: Any = importlib.import_module("pandas")
        frame = pandas.read_parquet(path)
    except ImportError:
        raise DataProblem(
            f"{name}: reading Parquet requires pyarrow, which is not installed: pip install pyarrow."
        ) from None
    except Exception as error:
        raise DataProblem(f"{name} is no Parquet file, or one that is damaged ({_first_line(error)}).") from None
    titles = [str(title) for title in frame.columns]
    whole = _stacked([frame.iloc[:, i].to_numpy() for i in _columns(titles, part, name)], part, name)
    check_numbers(name, whole.dtype, whole.shape)
    return DataFile(name, len(whole), whole.shape[1:], lambda: iter([whole]))


def _stacked(columns: list[Array], part: str | None, name: str) -> Array:
    try:
        arrays = [np.stack(list(map(np.asarray, column))) if column.dtype == object else column for column in columns]
        whole = arrays[0] if len(arrays) == 1 and (arrays[0].ndim > 1 or part) else np.stack(arrays, axis=1)
    except (ValueError, TypeError):
        raise DataProblem(f"{name}: its columns hold values of different shapes.") from None
    if whole.ndim == 1 and part is None:
        whole = whole[:, None]
    check_numbers(name, whole.dtype, whole.shape)
    return whole


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]

"""A made-up table read as the program reads its own: by the arguments that it gives to pandas' and NumPy's readers.

The arguments tell which columns there are (``names``, ``usecols``, ``parse_dates``), and the reader itself does with
them what it would do with the file: it is given a text of the made-up table.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MOST_CELLS = 1_000_000
"""of a table that is written out and read again; a larger one is given as it is made"""
_OF_THE_FILE = frozenset({"encoding", "compression", "storage_options", "memory_map", "encoding_errors", "engine"})
_OF_TEXT_TOO = frozenset(
    {"names", "header", "usecols", "index_col", "parse_dates", "dtype", "nrows", "skiprows", "converters"}
)
"""arguments that ``read_excel`` and ``ExcelFile.parse`` share with ``read_csv``"""
_OF_QUERIES = frozenset({"index_col", "parse_dates", "dtype", "chunksize"})
_JUNK = "made up"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks of the table that it reads."""

    whole: tuple[str, ...] = ()
    """all its columns, where the call names them"""
    some: tuple[str, ...] = ()
    """columns that it must have"""
    dates: tuple[str | int, ...] = ()
    """columns of dates, by name or place"""
    index: tuple[int, ...] = ()
    """places of columns that name the rows, so that none that the program names may stand there"""
    reached: int = 0
    """how many columns it must have for those that are taken by their place"""


ANYTHING = Asked()


class Tables(Protocol):
    """Who makes tables up."""

    def table(self, path: str, asked: Asked = ...) -> Any:
        """A frame that suits the program."""


def install(pandas: Any, files: Tables) -> None:
    """Have pandas' readers find tables that are not there."""
    for name in ("read_csv", "read_table", "read_parquet", "read_excel"):
        _replace(pandas, name, files)
    for name in ("read_sql", "read_sql_query", "read_sql_table"):
        _replace_query(pandas, name, files)
    original = pandas.ExcelFile

    def workbook(path_or_buffer: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(path_or_buffer, *args, **kwargs)
        except (OSError, ImportError):
            if not _is_absent(path_or_buffer):
                raise
            return Workbook(os.fspath(path_or_buffer), files)

    pandas.ExcelFile = workbook


class Workbook:
    """A workbook that is not there, as ``pandas.ExcelFile`` shows it: any sheet that is asked for is made up."""

    def __init__(self, path: str, files: Tables) -> None:
        self.io = path
        self.sheet_names = ["Sheet1"]
        self._files = files

    def parse(self, sheet_name: Any = 0, **options: Any) -> Any:
        """A sheet, or several by their names."""
        return _sheets(self._files, self.io, {"sheet_name": sheet_name, **options})

    def __enter__(self) -> Workbook:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None:
        """Nothing is open."""


def _replace(pandas: Any, name: str, files: Tables) -> None:
    original = getattr(pandas, name, None)
    if original is None:
        return
    first = next(iter(inspect.signature(original).parameters))

    @functools.wraps(original)
    def read(*args: Any, **kwargs: Any) -> Any:
        file: Any = args[0] if args else kwargs.get(first)
        options = options_of(original, args, kwargs)
        options.pop(first, None)
        if isinstance(file, Workbook):
            return _sheets(files, file.io, options)
        try:
            return original(*args, **kwargs)
        except (OSError, ImportError) as error:
            absent = _is_absent(file) and (isinstance(error, FileNotFoundError | ImportError) or "://" in str(file))
            if not absent:
                raise
        path = os.fspath(file)
        if name == "read_excel":
            return _sheets(files, path, options)
        frame = files.table(path, asked_by(options))
        if name == "read_parquet":
            wanted = options.get("columns")
            return frame if wanted is None else frame[list(wanted)]
        tabs = name == "read_table" and not {"sep", "delimiter", "delim_whitespace"} & set(options)
        return read_again(pandas, frame, {**options, **({"sep": "\t"} if tabs else {})}, original)

    setattr(pandas, name, read)


def _replace_query(pandas: Any, name: str, files: Tables) -> None:
    """A table of a database that is not there, or is empty: with the columns that the query names."""
    original = getattr(pandas, name)

    @functools.wraps(original)
    def read(sql: Any, con: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(sql, con, *args, **kwargs)
        except Exception:  # each database has errors of its own
            options = options_of(original, (sql, con, *args), kwargs)
            options.pop("con", None)
            chosen = re.search(r"\bselect\b(.*?)\bfrom\b", str(sql), re.IGNORECASE | re.DOTALL)
            words = [part.split() for part in chosen[1].split(",")] if chosen else []
            names = [part[-1].strip('`"[]').rpartition(".")[2] for part in words if part and part[-1] != "*"]
            frame = files.table(f"the table of {name}", asked_by({**options, "usecols": names}))
            frame = frame[names] if names and len(names) == len(words) else frame
            return read_again(pandas, frame, {key: options[key] for key in _OF_QUERIES & set(options)}, pandas.read_csv)

    setattr(pandas, name, read)


def _is_absent(file: Any) -> bool:
    """Whether it names a file that is not on this machine."""
    return isinstance(file, (str, os.PathLike)) and not os.path.exists(file)


def _sheets(files: Tables, path: str, options: dict[str, Any]) -> Any:
    pandas = importlib.import_module("pandas")
    sheet = options.pop("sheet_name", 0)
    used = {name: value for name, value in options.items() if name in _OF_TEXT_TOO and not _is_range(value)}

    def one() -> Any:
        return read_again(pandas, files.table(path, asked_by(used)), used, pandas.read_csv)

    if sheet is None:
        return {"Sheet1": one()}
    return {name: one() for name in sheet} if isinstance(sheet, list) else one()


def options_of(reader: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names, without the first, which is the file."""
    try:
        bound = inspect.signature(reader).bind_partial(*args, **kwargs)
    except (TypeError, ValueError):
        return dict(kwargs)
    given = dict(list(bound.arguments.items())[1:]) if args else dict(bound.arguments)
    more = given.pop("kwds", given.pop("kwargs", {}))
    return {**given, **(more if isinstance(more, dict) else {})}


def asked_by(options: Mapping[str, Any]) -> Asked:
    """What the arguments of ``read_csv`` or ``read_excel`` say of the columns."""
    whole = tuple(map(str, _listed(options.get("names"))))
    some: list[str] = []
    reached = 0
    for name in ("usecols", "index_col", "parse_dates", "columns"):
        for part in _listed(options.get(name)):
            for leaf in part if isinstance(part, (list, tuple)) else [part]:
                if isinstance(leaf, str) and not (name == "usecols" and _is_range(options["usecols"])):
                    some.append(leaf)
                elif isinstance(leaf, int) and not isinstance(leaf, bool):
                    reached = max(reached, leaf + 1)
    for name in ("dtype", "converters"):
        if isinstance(options.get(name), Mapping):
            some += [key for key in options[name] if isinstance(key, str)]
    dated = options.get("parse_dates")
    dates = _listed(options.get("index_col")) if dated is True else _flat(_listed(dated))
    return Asked(
        whole,
        tuple(dict.fromkeys(name for name in some if name not in whole)),
        tuple(part for part in dates if isinstance(part, (str, int)) and not isinstance(part, bool)),
        tuple(sorted(part for part in _listed(options.get("index_col")) if type(part) is int and part >= 0)),
        0 if whole else reached,
    )


def read_again(pandas: Any, frame: Any, options: Mapping[str, Any], reader: Callable[..., Any]) -> Any:
    """What a reader of texts makes of a text of the table by these arguments; the table itself where it cannot."""
    used = {name: value for name, value in options.items() if name not in _OF_THE_FILE}
    if not used or frame.size > MOST_CELLS:
        return frame
    separator = used.get("sep") or used.get("delimiter") or ","
    spaces = separator == r"\s+" or used.get("delim_whitespace")
    header = used.get("header", "infer")
    written = header is not None and not (header == "infer" and used.get("names") is not None)
    junk = (header if type(header) is int else 0) + (used["skiprows"] if type(used.get("skiprows")) is int else 0)
    try:
        text = frame.to_csv(index=False, header=written, sep=" " if spaces else separator)
        return reader(io.StringIO(f"{_JUNK}\n" * junk + text), **used)
    except Exception:  # an argument that this pandas or this text does not take: the program is given what there is
        return frame


def columns_of_numbers(frame: Any, options: Mapping[str, Any], *, prose: bool) -> Any:
    """The table as ``loadtxt`` and ``genfromtxt`` give it; rows of records where each column has a type of its own.

    Args:
        prose: whether columns after the first hold text, where the program does not say of what type they are.
    """
    numpy = importlib.import_module("numpy")
    wanted = options.get("usecols")
    if wanted is not None:
        places = [wanted] if isinstance(wanted, int) else [place for place in wanted if isinstance(place, int)]
        frame = frame.iloc[:, [place for place in places if place < frame.shape[1]]]
    kind = options.get("dtype", float)
    if kind is None:
        columns = [frame.iloc[:, place].to_numpy() for place in range(frame.shape[1])]
        if prose and len(columns) > 1:
            columns[0] = numpy.arange(len(frame)) % 2
        return numpy.rec.fromarrays([column.astype(str) if column.dtype == object else column for column in columns])
    made = frame.to_numpy().astype(kind if numpy.dtype(kind).names is None else float)
    made = made[:, 0] if isinstance(wanted, int) else made
    return made.T if options.get("unpack") else made


def _listed(value: Any) -> list[Any]:
    if value is None or isinstance(value, bool) or callable(value):
        return []
    if isinstance(value, (str, int)):
        return [value]
    if isinstance(value, Mapping):
        return list(value.values())
    try:
        return list(value)
    except TypeError:
        return []


def _flat(parts: list[Any]) -> Iterator[Any]:
    for part in parts:
        yield from part if isinstance(part, (list, tuple)) else [part]


def _is_range(value: Any) -> bool:
    """Whether it names the columns of a sheet by letters: ``usecols="A:C"``."""
    return isinstance(value, str) and (":" in value or value.isupper()) and len(value) < 40

"""pandas: methods that left with 1 to 3."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import weakref
from types import ModuleType
from typing import Any

import numpy as np

from ae_audit.runtime.compat.arguments import DROPPED, Argument, take_old_arguments
from ae_audit.runtime.compat.methods import OldAttributes
from ae_audit.runtime.compat.names import OldNames
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

_PERIODS = {
    "M": "ME",
    "BM": "BME",
    "SM": "SME",
    "Q": "QE",
    "BQ": "BQE",
    "A": "YE",
    "Y": "YE",
    "BA": "BYE",
    "BY": "BYE",
    "AS": "YS",
    "H": "h",
    "T": "min",
    "S": "s",
    "L": "ms",
    "U": "us",
    "N": "ns",
}
"""old letters of periods"""
_BAD_LINES = {True: "error", False: "skip"}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what pandas no longer has."""
    names.names("pandas", {"datetime": "datetime:datetime"})
    watch.when_imported("pandas", functools.partial(_adapt, uses=uses))


def _adapt(pandas: ModuleType, uses: Uses) -> None:
    frame, series = pandas.DataFrame, pandas.Series
    _text_as_objects(pandas)
    _places(pandas, uses)
    _chained(pandas, uses)  # outermost: it counts who holds the series
    _numbers_of_truths(pandas, uses)
    old = OldAttributes(uses, "pandas", {"pandas"})
    for cls in (frame, series):
        old.method(cls, "append", functools.partial(_append, pandas), "pandas.concat")
        old.method(cls, "iteritems", lambda self: self.items(), "items()")
        old.method(cls, "as_matrix", _as_matrix, "to_numpy()")
        old.method(cls, "get_values", lambda self: self.to_numpy(), "to_numpy()")
        _fill(cls, uses)
    old.method(frame, "applymap", lambda self, function, **kwargs: self.map(function, **kwargs), "DataFrame.map")
    _periods(pandas, uses)
    for name in ("read_csv", "read_table"):
        bad = {
            "error_bad_lines": Argument("on_bad_lines", lambda stop: _BAD_LINES[bool(stop)]),
            "warn_bad_lines": DROPPED,
            "delim_whitespace": Argument("sep", lambda _: r"\s+", only=bool),
            "infer_datetime_format": DROPPED,
        }
        take_old_arguments(pandas, name, bad, uses, shown=f"pandas.{name}", library="pandas")


def _text_as_objects(pandas: Any) -> None:
    """Columns of text as they were before pandas 3: of objects, into which a number can be written."""
    if int(pandas.__version__.partition(".")[0]) >= 3:
        pandas.set_option("future.infer_string", False)


def _numbers_of_truths(pandas: Any, uses: Uses) -> None:
    """Columns of numbers and truths as one array, of numbers: before pandas 2, ``get_dummies`` gave no truths."""
    frame, types = pandas.DataFrame, pandas.api.types
    to_numpy, values = frame.to_numpy, frame.values.fget

    def numbers(self: Any, made: Any) -> Any:
        kinds = list(self.dtypes)
        truths = [types.is_bool_dtype(kind) for kind in kinds]
        plain = all(truth or types.is_numeric_dtype(kind) for truth, kind in zip(truths, kinds, strict=True))
        if made.dtype != object or not any(truths) or not plain:
            return made
        if not uses.answers({"pandas"}, sys._getframe(1), named=False):
            return made
        uses.tell(
            "an array of numbers and truths", "pandas", "it was made one of numbers, as it was", gone="is lost in"
        )
        return made.astype("float64")

    @functools.wraps(to_numpy)
    def as_array(self: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        made = to_numpy(self, dtype, *args, **kwargs)
        return numbers(self, made) if dtype is None else made

    frame.to_numpy = as_array
    frame.values = property(lambda self: numbers(self, values(self)), doc=frame.values.__doc__)


def _periods(pandas: Any, uses: Uses) -> None:
    """Periods by the letters that they had before pandas 3: ``date_range(…, freq="M")``, ``resample("H")``."""
    if int(pandas.__version__.partition(".")[0]) < 3:
        return

    def adapted(original: Any, position: int, keyword: str) -> Any:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = args[position] if len(args) > position else kwargs.get(keyword)
            parts = re.fullmatch(r"(-?\d*)([A-Z]+)(-[A-Z]+)?", given) if isinstance(given, str) else None
            new = None if parts is None else _PERIODS.get(parts[2])
            if parts is None or new is None or not uses.answers({"pandas"}, sys._getframe(1), named=False):
                return original(*args, **kwargs)
            uses.tell(f"the period {given!r}", "pandas", f"{new!r} stood in for it")
            new = f"{parts[1]}{new}{parts[3] or ''}"
            if len(args) > position:
                return original(*args[:position], new, *args[position + 1 :], **kwargs)
            return original(*args, **{**kwargs, keyword: new})

        return call

    pandas.date_range = adapted(pandas.date_range, 3, "freq")
    grouper = pandas.core.resample.TimeGrouper  # what ``Grouper(freq=…)`` makes
    grouper.__init__ = adapted(grouper.__init__, 2, "freq")
    for cls in (pandas.DataFrame, pandas.Series):
        cls.resample, cls.asfreq = adapted(cls.resample, 1, "rule"), adapted(cls.asfreq, 1, "freq")


def _places(pandas: Any, uses: Uses) -> None:
    """``series[0]`` where no label is a number: before pandas 3, the value at that place."""
    if int(pandas.__version__.partition(".")[0]) < 3:
        return
    series = pandas.Series
    get, write = series.__getitem__, series.__setitem__

    def is_place(self: Any, key: Any) -> bool:
        """Whether the key can be no label, so that it was a place."""
        whole = type(key) is int or isinstance(key, np.integer)
        if not whole or not -len(self) <= key < len(self) or pandas.api.types.is_numeric_dtype(self.index.dtype):
            return False
        labels = pandas.api.types.infer_dtype(self.index)
        if labels not in {"string", "datetime64", "datetime", "categorical", "period"} or key in self.index:
            return False
        if not uses.answers({"pandas"}, sys._getframe(2), named=False):
            return False
        uses.tell("a series' value by its place in brackets", "pandas", "iloc stood in for it")
        return True

    @functools.wraps(get)
    def getitem(self: Any, key: Any) -> Any:
        return self.iloc[key] if is_place(self, key) else get(self, key)

    @functools.wraps(write)
    def setitem(self: Any, key: Any, value: Any) -> None:
        if is_place(self, key):
            self.iloc[key] = value
        else:
            write(self, key, value)

    series.__getitem__, series.__setitem__ = getitem, setitem


class _Counting:
    """How many references there are to what is written to and has no name."""

    count = 0

    def __setitem__(self, key: object, value: object) -> None:
        _Counting.count = sys.getrefcount(self)


def _chained(pandas: Any, uses: Uses) -> None:
    """``frame["a"][rows] = value``, which writes to the frame again: from pandas 3 on, to a copy that nobody sees.

    A column that was given a name first is a copy of its own.
    """
    if int(pandas.__version__.partition(".")[0]) < 3:
        return
    _Counting()[0] = 0
    unnamed = _Counting.count
    get, write = pandas.DataFrame.__getitem__, pandas.Series.__setitem__

    @functools.wraps(get)
    def getitem(self: Any, key: Any) -> Any:
        made = get(self, key)
        if type(made) is pandas.Series and type(key) is str:
            object.__setattr__(made, "_ae_audit_frame", weakref.ref(self))
        return made

    @functools.wraps(write)
    def setitem(self: Any, key: Any, value: Any) -> None:
        whole = vars(self).get("_ae_audit_frame", lambda: None)() if sys.getrefcount(self) <= unnamed else None
        if whole is None or self.name not in whole or not uses.answers({"pandas"}, sys._getframe(1), named=False):
            write(self, key, value)
            return
        uses.tell(
            "an assignment to a part of a column", "pandas", "it was made in the frame, as it was", gone="is lost in"
        )
        write(self, key, value)
        whole[self.name] = self

    pandas.DataFrame.__getitem__, pandas.Series.__setitem__ = getitem, setitem


def _append(pandas: Any, self: Any, other: Any, ignore_index: bool = False, **_: Any) -> Any:
    rows = other if isinstance(other, (list, tuple)) else [other]
    one_row = isinstance(self, pandas.DataFrame)
    made = [pandas.DataFrame([row]) if one_row and isinstance(row, (dict, pandas.Series)) else row for row in rows]
    return pandas.concat([self, *made], ignore_index=ignore_index)


def _as_matrix(self: Any, columns: Any = None) -> Any:
    return (self if columns is None else self[columns]).to_numpy()


def _fill(cls: Any, uses: Uses) -> None:
    """``fillna(method='ffill')``, which is ``ffill()``."""
    original = cls.fillna

    @functools.wraps(original)
    def fillna(self: Any, value: Any = None, *args: Any, **kwargs: Any) -> Any:
        method = kwargs.get("method")
        name = {"ffill": "ffill", "pad": "ffill", "bfill": "bfill", "backfill": "bfill"}.get(str(method))
        if value is not None or name is None or not uses.answers({"pandas"}, sys._getframe(1), named=False):
            return original(self, value, *args, **kwargs)
        uses.tell(f"fillna(method={method!r})", "pandas", f"{name}() stood in for it")
        return getattr(self, name)(**{key: item for key, item in kwargs.items() if key != "method"})

    if "method" not in inspect.signature(original).parameters:
        cls.fillna = fillna

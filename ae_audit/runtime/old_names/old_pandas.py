"""pandas: methods that left with 1 to 3."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ae_audit.runtime.imports import ImportWatch
from ae_audit.runtime.old_names.arguments import Argument, take_old_arguments
from ae_audit.runtime.old_names.names import OldNames
from ae_audit.runtime.old_names.uses import Uses

_BAD_LINES = {True: "error", False: "skip"}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what pandas no longer has."""
    names.names("pandas", {"datetime": "datetime:datetime"})
    watch.when_imported("pandas", functools.partial(_adapt, uses=uses))


def _adapt(pandas: ModuleType, uses: Uses) -> None:
    frame, series = pandas.DataFrame, pandas.Series
    for cls in (frame, series):
        _add(cls, "append", functools.partial(_append, pandas), uses, "pandas.concat")
        _add(cls, "iteritems", lambda self: self.items(), uses, "items()")
        _add(cls, "as_matrix", _as_matrix, uses, "to_numpy()")
        _add(cls, "get_values", lambda self: self.to_numpy(), uses, "to_numpy()")
        _fill(cls, uses)
    _add(frame, "applymap", lambda self, function, **kwargs: self.map(function, **kwargs), uses, "DataFrame.map")
    for name in ("read_csv", "read_table"):
        bad = {
            "error_bad_lines": Argument("on_bad_lines", lambda stop: _BAD_LINES[bool(stop)]),
            "warn_bad_lines": Argument(None),
            "delim_whitespace": Argument("sep", lambda _: r"\s+", only=bool),
            "infer_datetime_format": Argument(None),
        }
        take_old_arguments(pandas, name, bad, uses, shown=f"pandas.{name}", library="pandas")


def _add(cls: Any, name: str, function: Callable[..., Any], uses: Uses, successor: str) -> None:
    if hasattr(cls, name):
        return

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        uses.tell(f"{cls.__name__}.{name}", "pandas", f"{successor} stood in for it")
        return function(self, *args, **kwargs)

    setattr(cls, name, method)


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

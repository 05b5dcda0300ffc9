"""pandas: methods that left with 1 to 3."""

from __future__ import annotations

import functools
import inspect
import sys
from types import ModuleType
from typing import Any

from ae_audit.runtime.compat.arguments import DROPPED, Argument, take_old_arguments
from ae_audit.runtime.compat.methods import OldAttributes
from ae_audit.runtime.compat.names import OldNames
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

_BAD_LINES = {True: "error", False: "skip"}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what pandas no longer has."""
    names.names("pandas", {"datetime": "datetime:datetime"})
    watch.when_imported("pandas", functools.partial(_adapt, uses=uses))


def _adapt(pandas: ModuleType, uses: Uses) -> None:
    frame, series = pandas.DataFrame, pandas.Series
    old = OldAttributes(uses, "pandas", {"pandas"})
    for cls in (frame, series):
        old.method(cls, "append", functools.partial(_append, pandas), "pandas.concat")
        old.method(cls, "iteritems", lambda self: self.items(), "items()")
        old.method(cls, "as_matrix", _as_matrix, "to_numpy()")
        old.method(cls, "get_values", lambda self: self.to_numpy(), "to_numpy()")
        _fill(cls, uses)
    old.method(frame, "applymap", lambda self, function, **kwargs: self.map(function, **kwargs), "DataFrame.map")
    for name in ("read_csv", "read_table"):
        bad = {
            "error_bad_lines": Argument("on_bad_lines", lambda stop: _BAD_LINES[bool(stop)]),
            "warn_bad_lines": DROPPED,
            "delim_whitespace": Argument("sep", lambda _: r"\s+", only=bool),
            "infer_datetime_format": DROPPED,
        }
        take_old_arguments(pandas, name, bad, uses, shown=f"pandas.{name}", library="pandas")


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

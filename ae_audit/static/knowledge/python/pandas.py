"""pandas: tables that are read from files, their columns and their rows."""

from __future__ import annotations

import ast

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import array_api, arrays, tables
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Bound, Const, Function, Mapping, Seq, Unknown, Value, is_const
from ae_audit.static.interpreter import turns
from ae_audit.static.interpreter.registry import Table
from ae_audit.theory.intervals import REAL_LINE, UNIT
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("pandas")


@TABLE.function("pandas.read_csv", "pandas.read_excel", "pandas.read_table", "pandas.read_parquet", "pandas.read_hdf",
                "pandas.read_pickle", "pandas.read_json", "pandas.read_sql", "pandas.read_feather")  # fmt: skip
def _table(run: Run, call: Call) -> Value:
    what = f"pd.{call.name}"
    shape = (None, None) if what in tables.TABLES and not _shaped_otherwise(call) else None
    return Array(root=run.fresh(), where=call.where, why=f"it is read from a file by `{what}`", source=what,
                 shape=shape)  # fmt: skip


def _shaped_otherwise(call: Call) -> bool:
    """Whether options may make several tables, a single column, or one with names of several levels."""
    if call.open or call.kwargs.keys() & {"chunksize", "iterator", "squeeze"}:
        return True
    levels, sheet = call.get(None, "header"), call.get(None, "sheet_name")
    return isinstance(levels, (Seq, Unknown)) or (
        sheet is not None and not (is_const(sheet, str) or is_const(sheet, int))
    )


@TABLE.function("pandas.DataFrame", "pandas.Series")
def _frame(run: Run, call: Call) -> Value:
    found = array_api.data(run, call.get(0, "data"))
    if isinstance(found, Array) and call.name == "DataFrame" and found.shape is not None and len(found.shape) == 1:
        return replace(found, shape=(*found.shape, 1))
    return found or arrays.unknown_array(run, "a table made at run time", call.where)


@TABLE.function("pandas.get_dummies")
def _dummies(run: Run, call: Call) -> Value:
    given = call.get(0, "data")
    found = None if given is None else run.as_array(given)
    if found is None:
        return Unknown("dummies of something unknown", call.where)
    return arrays.recast(found, ValueRange.exactly(UNIT), "get_dummies()", call.where, structure=Structure.ONE_HOT,
                         structure_axis=-1, shape=found.shape and (*found.shape[:1], None))  # fmt: skip


@TABLE.method("array", "drop", "pop", "filter", "select_dtypes")
def _columns(run: Run, receiver: Array, call: Call) -> Value:
    name = call.name
    if name == "filter" and call.args and not isinstance(call.args[0], Seq):
        return replace(receiver, shape=None)  # a picture, by one of Pillow's filters
    axis = call.constant(1, "axis", default=0)
    columns = "columns" in call.kwargs or axis in {1, "columns"} or name != "drop"
    if not columns:
        return receiver
    what = _named(call)
    shape = receiver.shape
    if shape is not None:  # one column goes to another place, or as many as nobody counts are left
        shape = shape[:1] if name == "pop" else (*shape[:1], None) if len(shape) == 2 else None
    narrowed = arrays.selected(receiver, f"{name} {what}", shape)
    written = [step.removeprefix("column ").strip("'\"") for step in receiver.scalings if step.startswith("column ")]
    if any(column in what for column in written):
        return replace(narrowed, values=ValueRange(receiver.values.hull))
    return narrowed


_HOW = frozenset({"axis", "errors", "inplace", "level"})
"""arguments that do not say which columns are meant"""


def _named(call: Call) -> str:
    """The columns that a call names, as written."""
    node = call.where.node
    if isinstance(node, ast.Call):
        if node.args:
            return call.where.text.segment(node.args[0])
        return " ".join(f"{k.arg} {call.where.text.segment(k.value)}" for k in node.keywords if k.arg not in _HOW)
    return call.name


@TABLE.method("array", "fillna", "replace")
def _refilled(run: Run, receiver: Array, call: Call) -> Value:
    """Values that others take the place of: what is replaced may have been the least or the greatest."""
    fills = call.name == "fillna"
    if not fills and isinstance(call.get(0, "to_replace"), Mapping):
        return _renamed(run, receiver, call)
    given = call.get(0 if fills else 1, "value")
    if given is None and fills:
        return receiver  # by a method: with its neighbours
    new = None if given is None else run.as_array(given)
    hull = REAL_LINE if new is None else receiver.values.hull.hull(new.values.hull)
    return replace(receiver, values=ValueRange(hull, receiver.values.reach if fills else None), columns=())


def _renamed(run: Run, receiver: Array, call: Call) -> Value:
    """``replace({"yes": 1, "no": 0})``: what is written for each of several entries."""
    table = call.get(0, "to_replace")
    assert isinstance(table, Mapping)
    parts = [item for item in table.items.values() if isinstance(item, Mapping)] or [table]
    entries = [turns.entry(run, part) for part in parts]
    if len(parts) > 1 or any(not isinstance(item, Array) for item in entries):
        return replace(receiver, values=ValueRange(REAL_LINE), columns=())
    new = entries[0]
    assert isinstance(new, Array)
    hull = receiver.values.hull.hull(new.values.hull)
    return replace(receiver, values=ValueRange(hull, new.values.reach), columns=())


@TABLE.method("array", "head", "tail", "sample", "dropna", "reset_index", "sort_values", "shuffle", "query",
              "rename", "set_index", "interpolate", "ffill", "bfill", "drop_duplicates", "sort_index",
              "to_frame", "convert_objects", "persist", "cache")  # fmt: skip
def _rows(run: Run, receiver: Array, call: Call) -> Value:
    shape = receiver.shape
    if shape is None or not _CHANGES_EXTENTS.get(call.name):
        return receiver
    if call.name == "to_frame":
        shape = (*shape, 1)
    elif call.name == "reset_index":  # whose old labels become a column
        shape = shape if call.constant(None, "drop") is True else (shape[0], None)
    elif len(shape) == 2:
        shape = (shape[0], None) if call.name == "set_index" else (None, *shape[1:])
    else:
        shape = (None, *shape[1:])
    return replace(receiver, shape=shape)


_CHANGES_EXTENTS = dict.fromkeys(
    ("head", "tail", "sample", "dropna", "query", "drop_duplicates", "reset_index", "set_index", "to_frame"), True
)


@TABLE.method("array", "apply", "map", "applymap", "transform")
def _applied(run: Run, receiver: Array, call: Call) -> Value:
    """What a function or a dictionary makes of each entry, where that is one of several numbers."""
    given = call.get(0, "func", "arg")
    made: Value | None = None
    if isinstance(given, Mapping):
        made = turns.entry(run, given)
    elif isinstance(given, (Function, Bound)):
        element = Unknown("an entry of a column", call.where)
        made = turns.of_each(run, given, Call(call.where, [element]))
    if isinstance(made, Const) and isinstance(made.value, (int, float)):
        made = run.as_array(made)
    if isinstance(made, Array) and made.shape == () and not made.values.unknown:
        rows = None if receiver.shape is None else receiver.shape[:1]
        return replace(made, shape=rows, root=run.fresh(), where=call.where)
    return arrays.unknown_array(run, f"the values of `{call.where.written}`", call.where)


@TABLE.method("array", "groupby", "merge", "rolling", "join", "diff", "pct_change")
def _transformed(run: Run, receiver: Array, call: Call) -> Value:
    return arrays.unknown_array(run, f"the values of `{call.where.written}`", call.where)


@TABLE.method("array", "describe", "info", "hist", "plot", "value_counts", "isnull", "isna", "nunique",
              "to_csv")  # fmt: skip
def _aside(run: Run, receiver: Array, call: Call) -> Value:
    return Unknown(f"what `{call.where.written}` gives", call.where)

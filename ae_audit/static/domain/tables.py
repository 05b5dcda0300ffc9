"""Tables of pandas: their extents, and the columns that a program writes into them."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.static.domain.values import Array

TABLES = ("pd.read_csv", "pd.read_excel", "pd.read_table")
"""sources whose rows are samples and whose columns hold one number or text each"""
MAX_COLUMNS = 64
"""columns of one table that are remembered"""


def is_table(array: Array) -> bool:
    """Whether an array may be a table with named columns, or the values of one."""
    return array.source in TABLES and array.shape is not None and len(array.shape) == 2


def _been_through(array: Array) -> object:
    """What was done to all columns of a table."""
    scalings = tuple(how for how in array.scalings if not how.startswith("column "))
    return array.root, scalings, array.scale, array.shift, array.noise, array.statistic


def with_columns(table: Array, before: Array, names: tuple[str, ...], column: Array) -> Array:
    """A table in which columns of these names were written; ``before``: as it was."""
    rows = (None,) if before.shape is None else before.shape[:1]
    known = dict(before.columns) if before.columns_of == _been_through(before) else {}
    known.update((name, replace(column, shape=rows)) for name in names)
    return replace(table, columns=tuple(known.items())[-MAX_COLUMNS:], columns_of=_been_through(table))


def side_by_side(table: Array, names: list[object]) -> Array | None:
    """Several columns side by side, where the program wrote all of them, and the same into each."""
    found = [column_of(table, name) if isinstance(name, str) else None for name in names]
    first = found[0] if found else None
    if first is None or any(one is None or (one.root, one.values) != (first.root, first.values) for one in found):
        return None
    rows = (None,) if table.shape is None else table.shape[:1]
    return replace(first, shape=(*rows, len(names)))


def column_of(table: Array, name: str) -> Array | None:
    """A column that the program wrote into a table; None where it wrote none, or the table was changed as a whole."""
    if not table.columns or table.columns_of != _been_through(table):
        return None
    found = dict(table.columns).get(name)
    if found is None or table.shape is None:
        return found
    return replace(found, shape=table.shape[:1])

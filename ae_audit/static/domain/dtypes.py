"""Names of the types of numbers, as libraries write them."""

from __future__ import annotations

from ae_audit.static.domain.values import Const, Value, python


def dtype_name(value: Value | None) -> str | None:
    """``"float32"`` of a string, a NumPy or framework type, or a Python type."""
    name = getattr(value, "name", None) if value is not None and not isinstance(value, Const) else python(value)
    if not isinstance(name, str):
        return None
    last = name.rpartition(".")[2]
    return {"float": "float64", "int": "int64", "double": "float64", "f": "float32", "bool_": "bool"}.get(last, last)

"""Comparisons of data: what their range and type say of ``(x > 1).any()``, ``x.max() > 1``, ``x.dtype == np.uint8``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import indexing
from ae_audit.static.domain.dtypes import dtype_name
from ae_audit.static.domain.stores import ByIdentity, Store
from ae_audit.static.domain.values import TESTED, Array, Const, Library, Unknown, Value, number
from ae_audit.theory.intervals import Interval

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.evaluator import Evaluator
    from ae_audit.static.source.sources import Where

TYPE = "numpy.dtype"
"""before the name of an array's type: what ``x.dtype`` stands for"""
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Lt: ast.Gt, ast.LtE: ast.GtE,
}  # fmt: skip


_HOLDS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le,
}  # fmt: skip


def of_unknown(asked: Value, by_value: bool, where: Where) -> Unknown:
    """What a comparison of something unknown gives; ``by_value``: of arrays, truth values."""
    made = Unknown("a test on something unknown", where)
    if by_value and isinstance(asked, Unknown):
        made.children[TESTED] = asked
    return made


def of_types(op: ast.cmpop, left: Value, right: Value) -> bool | None:
    """``x.dtype == np.uint8``: whether data are bytes is known for certain, how wide other numbers are is not."""
    if not isinstance(op, (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)) or not (_is_type(left) or _is_type(right)):
        return None
    names = {dtype_name(left), dtype_name(right)}
    if None in names or "uint8" not in names:
        return None
    return (len(names) == 1) is isinstance(op, (ast.Eq, ast.Is))


def _is_type(value: Value) -> bool:
    return isinstance(value, Library) and value.name.startswith(f"{TYPE}.")


def occurring(op: ast.cmpop, left: Value, right: Value) -> tuple[bool | None, bool | None] | None:
    """Whether ``left op right`` holds anywhere and everywhere in an array; None for what is no such comparison."""
    kind = type(op)
    if kind not in _MIRRORED:
        return None
    if isinstance(right, Array):
        left, right, kind = right, left, _MIRRORED[kind]
    bound = number(right)
    if not isinstance(left, Array) or bound is None:
        return None
    possible, certain = _ends(left.values.hull, bound, kind)
    reach = left.values.reach
    some, all_reached = (False, True) if reach is None else _ends(reach, bound, kind)
    anywhere = True if certain or some else None if possible else False
    everywhere = True if certain else None if possible and all_reached else False
    return anywhere, everywhere


def _ends(values: Interval, bound: float, kind: type[ast.cmpop]) -> tuple[bool, bool]:
    """Whether the comparison holds at an end of ``values`` that is not merely approached, and whether at both ends."""
    holds = _HOLDS[kind]
    ends = holds(values.lo, bound), holds(values.hi, bound)
    approached = values.lo_open and values.lo == bound, values.hi_open and values.hi == bound
    return any(at and not near for at, near in zip(ends, approached, strict=True)), all(ends)


def of_both(made: Array, left: Array, right: Array) -> Array:
    """What a comparison of two arrays makes, in the shape of both together: ``y[:, None] > levels``."""
    shape = indexing.together(left.shape, right.shape)
    if shape == made.shape:
        return made
    levels = made.structure is Structure.BINARY_LABEL  # one label a sample against several: a truth value for each
    return replace(made, shape=shape, structure=Structure.MULTI_HOT if levels else made.structure)


_OCCURRENCES: Store[ByIdentity[tuple[bool | None, bool | None]]] = Store(ByIdentity)
"""of each comparison of an array: whether it holds anywhere, and everywhere"""


def note(run: Evaluator, compared: Array, anywhere: bool | None, everywhere: bool | None) -> None:
    """Keep whether a comparison holds anywhere and everywhere, for ``any`` and ``all`` of it."""
    _OCCURRENCES.of(run).put(compared, (anywhere, everywhere))


def note_inverted(run: Evaluator, compared: Array, inverse: Array) -> None:
    """Keep the same of ``~compared``."""
    noted = _OCCURRENCES.of(run).get(compared)
    if noted is not None:
        anywhere, everywhere = noted
        note(run, inverse, None if everywhere is None else not everywhere, None if anywhere is None else not anywhere)


def settled(run: Evaluator, value: Value | None, how: str) -> Const | None:
    """What ``any`` or ``all`` of a comparison gives, where the ranges tell."""
    noted = _OCCURRENCES.of(run).get(value)
    if noted is None:
        return None
    found = noted[0 if how == "any" else 1]
    return None if found is None else Const(found)

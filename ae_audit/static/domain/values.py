"""Abstract values: what the interpreter knows of the things that a program handles, gathered from four modules.

Arrays hold data; tensors have been through weights and carry the facts of a head. Everything is immutable but
``Seq``, ``Mapping``, ``Object``, ``Instance`` and ``Scope``-like containers, which programs change in place.
"""

from __future__ import annotations

from ae_audit.static.domain.definitions import (
    Bound,
    Class,
    Function,
    Instance,
    Module,
    Object,
    Partial,
    Super,
)
from ae_audit.static.domain.loss_values import (
    Difference,
    LossFunction,
    LossTerm,
    LossValue,
    Pair,
    Site,
)
from ae_audit.static.domain.network_values import (
    Divergence,
    Exponent,
    Meeting,
    Step,
    Tensor,
)
from ae_audit.static.domain.plain_values import (
    COLUMNS,
    MAX_NESTED,
    MAX_SEQUENCES,
    NONE,
    OF,
    TESTED,
    Array,
    Const,
    DefaultValue,
    Library,
    Mapping,
    Seq,
    Unknown,
    Value,
    is_const,
    number,
    python,
    within,
)

__all__ = [
    "COLUMNS",
    "MAX_NESTED",
    "MAX_SEQUENCES",
    "NONE",
    "OF",
    "TESTED",
    "Array",
    "Bound",
    "Class",
    "Const",
    "DefaultValue",
    "Difference",
    "Divergence",
    "Exponent",
    "Function",
    "Instance",
    "Library",
    "LossFunction",
    "LossTerm",
    "LossValue",
    "Mapping",
    "Meeting",
    "Module",
    "Object",
    "Pair",
    "Partial",
    "Seq",
    "Site",
    "Step",
    "Super",
    "Tensor",
    "Unknown",
    "Value",
    "is_const",
    "number",
    "python",
    "within",
]

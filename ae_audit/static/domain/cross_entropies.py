"""Cross-entropies written out: the halves ``t · log(p)`` and ``(1 - t) · log(1 - p)``."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import LossUse
from ae_audit.static.domain import arrays
from ae_audit.static.domain.values import Array, LossTerm, LossValue, Tensor, Value
from ae_audit.static.source.sources import Where

POSITIVE, NEGATIVE = "t·log(p)", "(1-t)·log(1-p)"
"""the names of the halves, until they are added up"""


def cross_term(prediction: Tensor, weight: Value, where: Where) -> LossValue:
    """``t · log(p)``, one half of a cross-entropy written out."""
    name = NEGATIVE if prediction.complement else POSITIVE
    use = LossUse(name=name, written=where.written, location=where.location, custom=True)
    sign = 1.0
    if isinstance(weight, Array) and weight.scalings[-1:] == ("* -1",):  # -t * log(p)
        sign = -1.0
        trail = tuple(step for step in weight.trail if not step.text.startswith("* -1 "))
        plain = arrays.affine(weight, sign, 0.0, "* -1", None)
        weight = replace(plain, scalings=weight.scalings[:-1], trail=trail)
    return LossValue((LossTerm(use, prediction, weight, where, sign),))

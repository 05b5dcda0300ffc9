"""Scaling by the numbers of 8-bit images: data of unknown range that are divided by 255 are taken for bytes."""

from __future__ import annotations

import math

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import arrays
from ae_audit.static.domain.values import Array
from ae_audit.static.source.sources import Where
from ae_audit.theory.intervals import BYTE
from ae_audit.theory.ranges import ValueRange

_TOPS = (255.0, 256.0, 127.5)
"""divisors by which 8-bit images, and nothing else, are scaled: the top or the middle of [0, 255]"""
_MIDDLE = 128.0
"""a divisor of bytes only where it was taken away too: by itself it is the scale of signed data (Lab, 8-bit sound)"""


def _taken_for_bytes(array: Array, divisor: float, where: Where, *, known: tuple[float, ...] = _TOPS) -> Array:
    """Data of unknown range that is divided by 255, or centred at 127.5, is taken for bytes: nobody scales else so."""
    if not array.values.unknown or array.scalings or array.placeholder or array.statistic:
        return array
    if not any(math.isclose(divisor, top, rel_tol=1e-3) for top in known) or array.shape == ():
        return array
    how = f"scaled by {arrays.short(divisor)}, so taken for bytes, [0, 255]"
    structure = Structure.CONTINUOUS if array.structure is Structure.UNKNOWN else array.structure
    pictured = array.pictured or array.structure is Structure.UNKNOWN
    return replace(array, values=ValueRange.exactly(BYTE), why=None, structure=structure, pictured=pictured,
                   trail=arrays.step(array, how, where))  # fmt: skip


def scaled(array: Array, scale: float, shift: float, how: str, where: Where) -> Array:
    """``scale * array + shift``, the array being bytes where only these are scaled so."""
    if shift == 0.0 and 0 < scale < 1:
        array = _taken_for_bytes(array, 1.0 / scale, where)
    elif scale == 1.0 and shift < -100:
        array = _taken_for_bytes(array, -shift, where, known=(*_TOPS, _MIDDLE))
    elif (scale, shift) == (1.0, -1.0) and array.scalings == (f"/ {arrays.short(_MIDDLE)}",) and array.values.unknown:
        bytes_ = _taken_for_bytes(replace(array, scalings=()), _MIDDLE, where, known=(_MIDDLE,))
        array = replace(bytes_, values=bytes_.values.affine(1 / _MIDDLE, 0.0), scalings=array.scalings)
    if scale == 0 or not (math.isfinite(scale) and math.isfinite(shift)):
        return replace(arrays.affine(array, 0.0, 0.0, how, where), scale=None, shift=None)
    return arrays.affine(array, scale, shift, how, where)

"""Facts of arrays that are too large to summarise whole: their shape from a part, their ends from all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.measure.facts import facts_of, part_of
from ae_audit.schema.training_setup import DataFacts
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange

Array = NDArray[Any]


def facts_of_whole(whole: Array, sample: Array | None = None, **known: Any) -> DataFacts:
    """Facts of a part of ``whole`` (:func:`~ae_audit.runtime.measure.facts.facts_of`), with the range of all.

    Args:
        whole: all samples, batch axis first.
        sample: some of them, spread evenly, as the program feeds them; taken from ``whole`` by default.
        known: passed on (``source``, ``stand_in``, ``location``, ``trail``, ``role``).
    """
    part = part_of(whole if sample is None else sample)
    facts = facts_of(part, **known)
    if whole.size == part.size or not whole.size:
        return facts
    low, high = float(whole.min()), float(whole.max())
    non_finite = 0
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = np.isfinite(whole)
        non_finite = int(whole.size - np.count_nonzero(finite))
        if non_finite == whole.size:
            return facts
        low, high = float(whole.min(where=finite, initial=np.inf)), float(whole.max(where=finite, initial=-np.inf))
    return with_ends(facts, low, high, non_finite)


def with_ends(facts: DataFacts, low: float, high: float, non_finite: int) -> DataFacts:
    """``facts`` of a part, with smallest and largest finite value and the non-finite count of the whole."""
    measured = facts.measured
    if measured is not None:
        # the part's own ends are as fed (in float32), the whole's as stored; they differ by rounding only
        low, high = min(low, measured.quantiles[0]), max(high, measured.quantiles[-1])
        quantiles = (low, *measured.quantiles[1:-1], high)
        measured = replace(measured, quantiles=quantiles, non_finite=max(non_finite, measured.non_finite))
    return replace(facts, values=ValueRange.exactly(Interval(low, high)), measured=measured)

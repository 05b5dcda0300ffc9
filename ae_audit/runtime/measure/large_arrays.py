"""Facts of arrays that are too large to summarise whole: shape and order from a part, what is counted from all."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ae_audit.runtime.measure.facts import MOST_CLASSES, STANDARD_TOLERANCE, facts_of, part_of
from ae_audit.runtime.measure.sliced_arrays import SlicedArray, row_blocks
from ae_audit.schema.training_setup import DataFacts, Measurement, Structure
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri, ValueRange
from ae_audit.theory.summaries import SUM_TOLERANCE
from ae_audit.theory.totals import Totals, totals_of

Array = NDArray[Any]


def facts_of_whole(whole: Array | SlicedArray, sample: Array | SlicedArray | None = None, **known: Any) -> DataFacts:
    """Facts of a part of ``whole`` (:func:`~ae_audit.runtime.measure.facts.facts_of`), with the totals of all.

    Args:
        whole: all samples, batch axis first.
        sample: some of them, spread evenly, as the program feeds them; taken from ``whole`` by default.
        known: passed on (``source``, ``stand_in``, ``location``, ``trail``, ``role``).
    """
    sample = whole if sample is None else sample
    part = part_of(sample.sample() if isinstance(sample, SlicedArray) else sample)
    facts = facts_of(part, **known)
    size = math.prod(whole.shape)
    if size == part.size or not size:
        return facts
    return with_totals(facts, totals_of_whole(whole), len(whole))


def totals_of_whole(whole: Array | SlicedArray) -> Totals:
    """What is counted over all values of an array, in memory or elsewhere."""
    return whole.totals() if isinstance(whole, SlicedArray) else totals_of(row_blocks(whole))


def with_totals(facts: DataFacts, totals: Totals, samples: int) -> DataFacts:
    """``facts`` of a part, with what was counted over all ``samples``; quartiles and axes stay those of the part."""
    if not totals.finite:
        return facts
    low, high = float(totals.minimum), float(totals.maximum)
    measured = facts.measured
    if measured is not None:
        # the part's own ends are as fed (in float32), the whole's as stored; they differ by rounding only
        low, high = min(low, measured.quantiles[0]), max(high, measured.quantiles[-1])
        measured = _measured(measured, totals, samples, low, high)
    structure = _structure(facts, totals)
    return replace(
        facts,
        values=ValueRange.exactly(Interval(low, high)),
        measured=measured,
        structure=structure,
        structure_axis=facts.structure_axis if structure is facts.structure else None,
        standardised=_standardised(facts, totals),
    )


def _measured(part: Measurement, totals: Totals, samples: int, low: float, high: float) -> Measurement:
    mode, mode_share = _mode(part, totals)
    return replace(
        part,
        count=totals.count,
        samples=samples,
        mean=totals.mean,
        std=math.sqrt(totals.variance),
        quantiles=(low, *part.quantiles[1:-1], high),
        integer_share=totals.integers / totals.count,
        zero_share=totals.zeros / totals.count,
        one_share=totals.ones / totals.count,
        mode=mode,
        mode_share=mode_share,
        non_finite=max(totals.non_finite, part.non_finite),
        sums_to_one_along=part.sums_to_one_along if _may_be_shares(totals) else (),
        one_hot_along=part.one_hot_along if _binary(totals) else (),
    )


def _mode(part: Measurement, totals: Totals) -> tuple[float, float]:
    """The most frequent value and its share: counted for bytes, 0, 1 and the ends, else that of the part."""
    if totals.counters is not None:
        most = max(totals.counters)
        return float(totals.lowest + totals.counters.index(most)), most / totals.count
    shares = {
        0.0: totals.zeros / totals.count,
        1.0: totals.ones / totals.count,
        float(totals.minimum): totals.at_minimum / totals.count,
        float(totals.maximum): totals.at_maximum / totals.count,
    }
    shares.setdefault(part.mode, part.mode_share)
    value = min(shares, key=lambda one: (-shares[one], one))
    return value, shares[value]


def _structure(facts: DataFacts, totals: Totals) -> Structure:
    """What the part was taken for, unless a value outside the part says otherwise."""
    found = facts.structure
    if found is Structure.BINARY_LABEL and not _binary(totals):
        is_index = totals.whole and totals.minimum >= -1 and totals.maximum <= MOST_CLASSES
        if not is_index:
            return Structure.CONTINUOUS
        return Structure.CLASS_INDEX if (facts.dtype or "").startswith(("int", "uint")) else Structure.UNKNOWN
    if found in {Structure.MULTI_HOT, Structure.ONE_HOT} and not _binary(totals):
        return Structure.CONTINUOUS
    if found is Structure.DISTRIBUTION and not _may_be_shares(totals):
        return Structure.CONTINUOUS
    return found


def _binary(totals: Totals) -> bool:
    return totals.zeros + totals.ones == totals.count


def _may_be_shares(totals: Totals) -> bool:
    return totals.minimum >= 0.0 and totals.maximum <= 1.0 + SUM_TOLERANCE and not totals.non_finite


def _standardised(facts: DataFacts, totals: Totals) -> Tri:
    """Over all values where they show it; for each feature as the part has it."""
    if totals.minimum >= 0.0:
        return Tri.NO
    if abs(totals.mean) <= STANDARD_TOLERANCE and abs(math.sqrt(totals.variance) - 1.0) <= STANDARD_TOLERANCE:
        return Tri.YES
    return facts.standardised

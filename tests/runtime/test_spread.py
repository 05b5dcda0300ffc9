"""A part that stands for all: also of data that repeat."""

from __future__ import annotations

import numpy as np
import pytest

from ae_audit.runtime.measure.spread import spread


@pytest.mark.parametrize(("length", "count"), [(60_000, 2048), (60_000, 1), (2049, 2048), (2048, 2048), (3, 2048)])
def test_places_are_in_order_within_and_as_many_as_asked(length: int, count: int) -> None:
    places = spread(length, count)
    assert len(places) == min(length, count)
    assert (np.diff(places) > 0).all()
    assert places[0] >= 0
    assert places[-1] < length
    assert np.array_equal(places, spread(length, count))


def test_one_is_taken_of_each_part() -> None:
    assert np.array_equal(spread(10_000, 100) // 100, np.arange(100))


@pytest.mark.parametrize("period", [10, 1000, 1700, 2000])
def test_data_that_repeat_are_met_at_all_their_places(period: int) -> None:
    met = len(set((spread(60_000, 2048) % period).tolist()))
    random = period * (1 - (1 - 1 / period) ** 2048)  # as many as independent draws would meet
    assert met >= 0.9 * random

"""When enough of a program was seen: every loss recorded, or the time up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence

from ae_audit.runtime.sandbox.clock import undisturbed
from ae_audit.runtime.torch.nodes import RecordedLoss, SiteKey
from ae_audit.schema.location import Location

MOST_BYTES = 64 << 20
"""of batches kept for one loss"""
LEAST_STEPS = 2
"""kept whatever they weigh"""
SLOW = 12.0
"""seconds of processor time after which the steps that were recorded of one loss must do: those of a large model are
dear, and the probe needs them too"""
GRACE = 0.3
"""of its time, that a program gets besides where it has only evaluated so far"""
EXPECTING = 3.0
"""times the patience, that a program gets which has another training before it by what was read"""
PATIENCE = 10.0
"""seconds of processor time without a new loss, once every loss seen has been recorded, after which the program is
ended; a machine that is busy with something else does not cut a program short"""


class StopRule:
    """Decides when a loss has been recorded, and when the program may end.

    Args:
        expected: where losses are known to be computed.
        max_steps: training steps recorded at each loss.
        deadline: ``undisturbed()`` at which the program is ended if any loss was seen.
        patience: seconds of processor time that the program may go on without a new loss.
        stop: the exception that ends the program; None never ends it.
        more_to_come: asked whether the program, by its source, has another training before it.
    """

    def __init__(
        self,
        expected: Sequence[Location],
        max_steps: int,
        deadline: float | None,
        patience: float,
        stop: type[BaseException] | None,
        more_to_come: Callable[[], bool] = lambda: False,
    ) -> None:
        self._wanted = [
            {(os.path.realpath(place.path), place.cell, line) for line in _lines(place)} for place in expected
        ]
        self._max_steps = max_steps
        self._deadline = deadline
        self._patience = patience
        self._stop = stop
        self._more_to_come = more_to_come
        self._made = undisturbed()
        self._last_news = time.process_time()
        self._began: dict[SiteKey, float] = {}

    def news(self) -> None:
        """Something was seen for the first time."""
        self._last_news = time.process_time()

    def settle(self, sites: Iterable[RecordedLoss]) -> None:
        """Mark what is complete, and end the program if nothing more is wanted."""
        sites = list(sites)
        for site in sites:
            if site.trained and not site.complete and self._complete(site):
                site.complete = True
                self.news()
        if self._stop is None:
            return
        self.in_time(sites)
        waited = time.process_time() - self._last_news
        if not self.all_complete(sites):
            return
        expecting = not self._all_expected(sites) or self._more_to_come()
        if not expecting or waited > self._patience * EXPECTING:
            raise self._stop

    def in_time(self, sites: Iterable[RecordedLoss]) -> None:
        """End the program if its time is up and there is something to judge; else it may go on until it is killed."""
        if self._stop is None or self._deadline is None or undisturbed() <= self._deadline:
            return
        sites = list(sites)
        if any(site.trained for site in sites):
            raise self._stop
        # a check of the validation before the first step: there will soon be more
        more = GRACE * (self._deadline - self._made)
        if any(site.evaluated for site in sites) and undisturbed() > self._deadline + more:
            raise self._stop

    def all_complete(self, sites: Iterable[RecordedLoss]) -> bool:
        """Whether every loss that was trained on so far has been recorded."""
        trained = [site for site in sites if site.trained]
        return bool(trained) and all(site.complete for site in trained)

    def batches(self, sites: Iterable[RecordedLoss]) -> int:
        """How many batches a loader that is started now may yield."""
        return 1 if self.all_complete(sites) else self._max_steps + LEAST_STEPS

    def _complete(self, site: RecordedLoss) -> bool:
        now = time.process_time()
        slow = now - self._began.setdefault(site.key, now) > SLOW
        dear = (slow or site.held >= MOST_BYTES) and len(site.trained) >= LEAST_STEPS
        return dear or len(site.trained) >= self._max_steps

    def _all_expected(self, sites: Iterable[RecordedLoss]) -> bool:
        if not self._wanted:
            return True
        seen = {
            (os.path.realpath(path), cell, line)
            for site in sites
            if site.complete or site.evaluated
            for path, cell, line in site.lines
        }
        return all(places & seen for places in self._wanted)


def _lines(place: Location) -> range:
    return range(place.line, (place.end_line or place.line) + 1)

"""From the scores of two arms to a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean, stdev

from ae_audit.schema.findings import Verdict

CONFIRM_MARGIN = 0.10
"""R² by which the fixed arm must win in every seed. Same weights, batches and optimizer leave a spread of about 0.01
between arms that differ in nothing that matters; ten times that is no accident."""
REFUTE_MARGIN = 0.03
"""R² within which the faulty arm did `as well as` the fixed one, in every seed."""
CONFIRM_RATIO = 1.5
"""of what the arms leave unexplained, 1 − R²: where nearly everything is explained ten points are not left to win, and
leaving that much more than the fixed arm, beyond the margin above, in every seed counts as losing"""
REFUTE_RATIO = 1.15
"""the faulty arm did not do `as well` where it leaves more unexplained than this"""
LEARNED = 0.38
"""R² at which the pilot stops: seeds differ by about 0.05, and none is to be left below 0.3, plainly above the mean."""
PLAINLY = 0.30
"""R² of a fixed arm that settles a contest with its first seed, where the faulty arm cannot even reach 0: this far
above the mean the net tells images apart, which no luck of one seed explains"""
SOMETHING = 0.10
"""R² that at least one arm must reach before `no difference` means anything."""


@dataclass(frozen=True, slots=True)
class Scores:
    """R² of one arm, one value a seed; ``failed`` is the exception's sentence where it could not be fitted."""

    r2: tuple[float, ...]
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much the fixed arm is ahead of the faulty one, seed by seed, and what follows."""

    verdict: Verdict
    gain: float
    """mean over seeds of R²(fixed) − R²(faulty); ``inf`` where the faulty arm did not run or diverged"""
    spread: float
    """standard deviation of that difference over seeds; 0 for one seed"""
    reason: str


def compare(fixed: Scores, faulty: Scores) -> Comparison:
    """Decide by the paired differences over seeds."""
    if fixed.failed is not None:
        return Comparison(Verdict.INCONCLUSIVE, math.nan, 0.0, f"the fixed arm could not be fitted: {fixed.failed}")
    best = min(fixed.r2, default=-math.inf)
    if faulty.failed is not None:
        if best >= SOMETHING:
            return Comparison(Verdict.CONFIRMED, math.inf, 0.0, f"without the fix the step fails: {faulty.failed}")
        return Comparison(Verdict.INCONCLUSIVE, math.inf, 0.0, f"{faulty.failed}; the fixed arm learned nothing either")
    gains = [a - b if math.isfinite(b) else math.inf for a, b in zip(fixed.r2, faulty.r2, strict=True)]
    gain = mean(gains)
    spread = stdev(gains) if len(gains) > 1 and all(map(math.isfinite, gains)) else 0.0
    pairs = tuple(zip(fixed.r2, faulty.r2, strict=True))
    ahead = all(_wins(*pair) for pair in pairs)
    if ahead and best >= SOMETHING:
        once = "the model learns with the fix and cannot without it"
        how = "the fix is ahead in every seed" if len(gains) > 1 else once
        return Comparison(Verdict.CONFIRMED, gain, spread, how)
    if all(_is_level(*pair) for pair in pairs) and min(faulty.r2) >= SOMETHING:
        return Comparison(Verdict.REFUTED, gain, spread, "the fix made no difference")
    if best < SOMETHING and max(gains) < CONFIRM_MARGIN:
        return Comparison(Verdict.INCONCLUSIVE, gain, spread, "neither variant learned enough to tell them apart")
    if ahead:
        return Comparison(
            Verdict.INCONCLUSIVE, gain, spread, "the fix is ahead, but has hardly learned anything itself"
        )
    return Comparison(Verdict.INCONCLUSIVE, gain, spread, "the difference is too small to call")


def _wins(fixed: float, faulty: float) -> bool:
    """Whether one seed's difference is beyond what arms show that differ in nothing that matters."""
    if not math.isfinite(faulty) or fixed - faulty >= CONFIRM_MARGIN:
        return True
    return fixed - faulty > REFUTE_MARGIN and 1.0 - faulty >= CONFIRM_RATIO * (1.0 - fixed)


def _is_level(fixed: float, faulty: float) -> bool:
    """Whether the faulty arm did as well in one seed."""
    return math.isfinite(faulty) and fixed - faulty <= REFUTE_MARGIN and 1.0 - faulty <= REFUTE_RATIO * (1.0 - fixed)
